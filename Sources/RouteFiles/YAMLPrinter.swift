/// Prints values as YAML: what fits into a line in the short form with braces, the rest line by line.
struct YAMLPrinter {
    private static let width = 100

    private(set) var text = ""

    /// Prints the entries of a file's outermost mapping, with an empty line between them.
    mutating func print(_ entries: [OutputEntry]) {
        for (index, entry) in entries.enumerated() {
            if index > 0 { text += "\n" }
            // The outermost level is always written out; so are the names below it.
            text += Self.key(entry.key) + ":"
            switch entry.value {
            case .mapping(let inner) where !inner.isEmpty:
                text += "\n"
                print(inner, indent: 2)
            case .sequence(let elements) where !elements.isEmpty:
                text += "\n"
                print(elements, indent: 2)
            default: text += " " + Self.flow(entry.value) + "\n"
            }
        }
    }

    private mutating func print(_ entries: [OutputEntry], indent: Int) {
        for entry in entries {
            text += String(repeating: " ", count: indent)
            printEntry(entry, indent: indent)
        }
    }

    /// Prints a key and its value; the line has been indented already.
    private mutating func printEntry(_ entry: OutputEntry, indent: Int) {
        let key = Self.key(entry.key) + ":"
        let flow = Self.flow(entry.value)
        text += key
        if indent + key.count + 1 + flow.count <= Self.width {
            text += " " + flow + "\n"
            return
        }
        switch entry.value {
        case .mapping(let inner) where !inner.isEmpty:
            text += "\n"
            print(inner, indent: indent + 2)
        case .sequence(let elements) where !elements.isEmpty:
            text += "\n"
            print(elements, indent: indent + 2)
        default: text += " " + flow + "\n"
        }
    }

    private mutating func print(_ elements: [OutputNode], indent: Int) {
        for element in elements {
            text += String(repeating: " ", count: indent) + "- "
            let flow = Self.flow(element)
            if indent + 2 + flow.count <= Self.width {
                text += flow + "\n"
                continue
            }
            guard case .mapping(let entries) = element, !entries.isEmpty else {
                text += flow + "\n"
                continue
            }
            for (index, entry) in entries.enumerated() {
                if index > 0 { text += String(repeating: " ", count: indent + 2) }
                printEntry(entry, indent: indent + 2)
            }
        }
    }

    /// A value on one line.
    static func flow(_ node: OutputNode) -> String {
        switch node {
        case .word(let word): return word
        case .text(let text): return scalar(Environment.escaped(text))
        case .sequence(let elements): return "[" + elements.map(flow).joined(separator: ", ") + "]"
        case .mapping(let entries):
            if entries.isEmpty { return "{}" }
            return "{ " + entries.map { "\(key($0.key)): \(flow($0.value))" }.joined(separator: ", ") + " }"
        }
    }

    /// Keys are texts to this reader whatever they look like, `on` among them.
    private static func key(_ text: String) -> String {
        words.contains(text) || isPlain(text) ? text : quoted(text)
    }

    /// A text as it is where YAML 1.1 and 1.2 both take it for one, else in double quotes.
    private static func scalar(_ text: String) -> String {
        isPlain(text) ? text : quoted(text)
    }

    private static let words: Set<String> = [
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf",
    ]

    static func isPlain(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, let last = bytes.last, !words.contains(text.lowercased()) else { return false }
        func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) }
        func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
        guard isLetter(first) || isDigit(first) || first == UInt8(ascii: "/"), last != UInt8(ascii: ":") else {
            return false
        }
        let others = Array("._-/:".utf8)
        guard bytes.allSatisfy({ isLetter($0) || isDigit($0) || others.contains($0) }) else { return false }
        // Numbers of any kind: with two dots it is an address.
        if isDigit(first) {
            let dots = bytes.count { $0 == UInt8(ascii: ".") }
            return dots >= 3 && bytes.allSatisfy { isDigit($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") }
        }
        return true
    }

    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            default:
                switch scalar.value {
                case 0x20..<0x7F, 0xA0..<0x2028, 0x2030..<0xD800, 0xE000..<0xFEFF, 0x1_0000...0x10_FFFF:
                    result.unicodeScalars.append(scalar)
                default:
                    let digits = String(scalar.value, radix: 16, uppercase: true)
                    result += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
                }
            }
        }
        return result + "\""
    }
}
