internal import Yams

/// One file's text on its way through Yams: what must be refused before, and keys given twice.
///
/// Yams stops at the first mapping with a key given twice. To find the others too, and everything else that is wrong
/// in the file, the first of the two is covered with characters no table needs, as many as it has so that all places
/// stay true, and the text is composed again.
struct YAMLText {
    /// What is wrong with a text as YAML.
    struct Mistake: Error {
        var line: Int
        var column: Int
        var found: String
        var expected: String?
    }

    private static let coverLimit = 20
    /// The first of the characters of private use.
    private static let coverBase: UInt32 = 0xE000

    private(set) var scalars: [Unicode.Scalar]
    /// Keys that have been covered, by place.
    private(set) var coveredKeys: [Place: String] = [:]

    struct Place: Hashable {
        let line: Int
        let column: Int
    }

    init(_ text: String) {
        scalars = Array(text.unicodeScalars)
        // A byte order mark says nothing in UTF-8, and libyaml takes it for a character.
        if scalars.first == "\u{FEFF}" { scalars.removeFirst() }
    }

    /// The tree of the text; nil when there is nothing in it.
    mutating func compose() throws(Mistake) -> Node? {
        try refuseControlCharacters()
        try refuseAliasesInKeys()
        while true {
            var text = String.UnicodeScalarView()
            text.append(contentsOf: scalars)
            do {
                // No resolver: whether `on` is a text and `1` a number is for the table's own description to say.
                return try Yams.compose(yaml: String(text), .basic)
            } catch let error as YamlError {
                guard case .duplicatedKeysInMapping(let keys, let context) = error, let key = keys.first,
                    cover(key, at: context.mark)
                else { throw mistake(error) }
            } catch {
                throw Mistake(line: 1, column: 1, found: "unreadable YAML: \(error)")
            }
        }
    }

    private mutating func cover(_ key: String, at mark: Mark) -> Bool {
        guard coveredKeys.count < Self.coverLimit, let start = index(line: mark.line, column: mark.column),
            let cover = Unicode.Scalar(Self.coverBase + UInt32(coveredKeys.count)),
            let range = keyRange(from: start, key)
        else { return false }
        for index in range { scalars[index] = cover }
        coveredKeys[Place(line: mark.line, column: mark.column)] = key
        return true
    }

    /// Where the characters of a key are, without its quotes; nil when it is written in some unusual way.
    private func keyRange(from start: Int, _ key: String) -> Range<Int>? {
        guard start < scalars.count else { return nil }
        let quote = scalars[start]
        guard quote == "\"" || quote == "'" else {
            let end = start + key.unicodeScalars.count
            guard end > start, end <= scalars.count, scalars[start..<end].elementsEqual(key.unicodeScalars) else {
                return nil
            }
            return start..<end
        }
        guard let end = scalars[(start + 1)...].firstIndex(of: quote), end > start + 1,
            scalars[(start + 1)..<end].elementsEqual(key.unicodeScalars)
        else { return nil }
        return (start + 1)..<end
    }

    private func index(line: Int, column: Int) -> Int? {
        var index = 0
        for _ in 1..<max(1, line) {
            guard let end = scalars[index...].firstIndex(where: Self.endsLine) else { return nil }
            index = end + 1
            if scalars[end] == "\r", index < scalars.count, scalars[index] == "\n" { index += 1 }
        }
        return index + column - 1 <= scalars.count ? index + column - 1 : nil
    }

    /// As libyaml counts lines.
    private static func endsLine(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "\n" || scalar == "\r" || scalar == "\u{85}" || scalar == "\u{2028}" || scalar == "\u{2029}"
    }

    private func place(of index: Int) -> (line: Int, column: Int) {
        var line = 1
        var start = 0
        for position in 0..<index where Self.endsLine(scalars[position]) {
            if scalars[position] == "\r", position + 1 < scalars.count, scalars[position + 1] == "\n" { continue }
            line += 1
            start = position + 1
        }
        return (line, index - start + 1)
    }

    private func refuseControlCharacters() throws(Mistake) {
        let index = scalars.firstIndex { scalar in
            switch scalar.value {
            case 0x09, 0x0A, 0x0D, 0x85: false
            case 0x00..<0x20, 0x7F..<0xA0, 0xFEFF, 0xFFFE, 0xFFFF: true
            default: false
            }
        }
        guard let index else { return }
        let (line, column) = place(of: index)
        let code = String(scalars[index].value, radix: 16, uppercase: true)
        throw Mistake(line: line, column: column, found: "the control character U+\(code)", expected: "text")
    }

    /// Refuses aliases within keys: keys are compared as Yams reads them, and lists within lists of aliases would keep
    /// it comparing for ever. Without an anchor there can be none.
    private func refuseAliasesInKeys() throws(Mistake) {
        var anchors: Set<String> = []
        var suspects: [(index: Int, name: String?)] = []
        var previous: Unicode.Scalar = "\n"
        for (index, scalar) in scalars.enumerated() {
            let startsToken = Self.precedesToken(previous)
            previous = scalar
            switch scalar {
            case "&" where startsToken: anchors.insert(name(after: index))
            case "*" where startsToken:
                let name = name(after: index)
                if isFollowedByColon(index + 1 + name.unicodeScalars.count) { suspects.append((index, name)) }
            case "?" where startsToken:
                if index + 1 < scalars.count, Self.precedesToken(scalars[index + 1]) { suspects.append((index, nil)) }
            case "]", "}":
                if isFollowedByColon(index + 1), let alias = aliasInside(endingAt: index) { suspects.append(alias) }
            default: break
            }
        }
        let culprit = suspects.first { suspect in suspect.name.map(anchors.contains) ?? !anchors.isEmpty }
        guard let culprit else { return }
        let (line, column) = place(of: culprit.index)
        throw Mistake(
            line: line, column: column, found: "a key that is an alias, or a list or a mapping", expected: "a text")
    }

    private static func precedesToken(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case " ", "\t", "\n", "\r", "[", "{", ",", ":": true
        default: false
        }
    }

    private func name(after index: Int) -> String {
        var name = String.UnicodeScalarView()
        name.append(
            contentsOf: scalars[(index + 1)...].prefix {
                $0 == "-" || $0 == "_" || ("0"..."9").contains($0) || ("a"..."z").contains($0)
                    || ("A"..."Z").contains($0)
            })
        return String(name)
    }

    private func isFollowedByColon(_ index: Int) -> Bool {
        scalars[min(index, scalars.count)...].first { $0 != " " && $0 != "\t" } == ":"
    }

    /// An alias between the bracket that ends at an index and its opening one, if they are near.
    private func aliasInside(endingAt end: Int) -> (index: Int, name: String?)? {
        var depth = 0
        for index in stride(from: end, through: max(0, end - 1_000), by: -1) {
            switch scalars[index] {
            case "]", "}": depth += 1
            case "[", "{": depth -= 1
            case "*" where index > 0 && Self.precedesToken(scalars[index - 1]): return (index, name(after: index))
            default: break
            }
            if depth == 0 { return nil }
        }
        return nil
    }

    private func mistake(_ error: YamlError) -> Mistake {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            if problem == "but found another document" {
                return Mistake(
                    line: mark.line, column: mark.column, found: "a second document",
                    expected: "one YAML document in each file")
            }
            if let index = index(line: mark.line, column: mark.column), index < scalars.count, scalars[index] == "\t" {
                return Mistake(
                    line: mark.line, column: mark.column, found: "a tab",
                    expected: "spaces: YAML indents with nothing else")
            }
            let while_ = context.map { " \($0.text)" } ?? ""
            return Mistake(
                line: mark.line, column: mark.column, found: "not YAML: \(problem)\(while_)",
                expected: index(line: mark.line, column: mark.column).flatMap { quotes(for: problem, at: $0) })
        case .duplicatedKeysInMapping(let keys, let context):
            return Mistake(
                line: context.mark.line, column: context.mark.column,
                found: "the key \((keys.first ?? "").quotedForPeople) more than once in one mapping")
        case .reader(let problem, _, _, _):
            return Mistake(line: 1, column: 1, found: "not YAML: \(problem)")
        default:
            return Mistake(line: 1, column: 1, found: "not YAML: \(error)")
        }
    }
}
