// An input is a script: what happens, line by line. Whatever cannot be read is passed over, so that every input means
// something. docs/threat-model.md has the words.

/// Who does something: a client, or an endpoint as the router reached it, in order.
enum Actor: Equatable {
    case client(Int)
    case endpoint(Int)
}

enum Verb: String, CaseIterable {
    // Of the scene
    case table, clean, probe
    // Of a client
    case open
    // Of a peer: a client or an endpoint
    case say, raw, frame, fields, record, end, leave, reset, stall, take, pace
    // Of endpoints
    case serve, connect, ids
    // Of the router's owner
    case publish, split, share, warm, drain
    // Of the machine
    case wait, fail
}

/// When a line happens.
enum Pacing {
    /// When the router has nothing to do.
    case whenQuiet
    /// `~`: a turn after the line before.
    case nextTurn
    /// `+`: with the line before.
    case atOnce
}

struct Line {
    var pacing = Pacing.whenQuiet
    let verb: Verb
    var actor: Actor?
    var words: [String] = []
    var numbers: [Int] = []
    var bytes: [UInt8] = []

    func number(_ index: Int, or absent: Int) -> Int { index < numbers.count ? numbers[index] : absent }
    func word(_ index: Int) -> String { index < words.count ? words[index] : "" }
}

struct Script {
    static let lineLimit = 64
    var lines: [Line] = []

    /// Whether a line is one that counts at a script's beginning alone.
    static func saysScene(_ line: [UInt8]) -> Bool {
        ["probe ", "table ", "clean ", "ids "].contains { line.starts(with: $0.utf8) }
    }

    init(_ input: UnsafeBufferPointer<UInt8>) {
        for line in unsafe input.split(separator: UInt8(ascii: "\n")) where lines.count < Self.lineLimit {
            if let read = unsafe Line(Array(line)) { lines.append(read) }
        }
    }
}

extension Line {
    private static let verbs = Dictionary(uniqueKeysWithValues: Verb.allCases.map { ($0.rawValue, $0) })

    init?(_ line: [UInt8]) {
        var reader = LineReader(line)
        var pacing = Pacing.whenQuiet
        if reader.skip("+") { pacing = .atOnce } else if reader.skip("~") { pacing = .nextTurn }
        guard case .word(let name)? = reader.next(), let verb = Self.verbs[name] else { return nil }
        self.verb = verb
        self.pacing = pacing
        while let token = reader.next() {
            switch token {
            case .word(let word): words.append(word)
            case .number(let number): numbers.append(number)
            case .actor(let named): if actor == nil { actor = named }
            case .bytes(let quoted): bytes = quoted
            }
        }
    }
}

/// Takes a line apart.
struct LineReader {
    enum Token {
        case word(String)
        case number(Int)
        case actor(Actor)
        case bytes([UInt8])
    }

    private let line: [UInt8]
    private(set) var offset = 0

    init(_ line: [UInt8]) { self.line = line }

    mutating func skip(_ character: Character) -> Bool {
        guard offset < line.count, line[offset] == character.asciiValue else { return false }
        offset += 1
        return true
    }

    mutating func next() -> Token? {
        while offset < line.count, line[offset] == UInt8(ascii: " ") { offset += 1 }
        guard offset < line.count else { return nil }
        if line[offset] == UInt8(ascii: "\"") { return .bytes(quoted()) }
        let start = offset
        while offset < line.count, line[offset] != UInt8(ascii: " ") { offset += 1 }
        let token = line[start..<offset]
        if let number = Self.number(token) { return .number(number) }
        if token.count <= 3, let index = Self.number(token.dropFirst()), index >= 0 {
            if token.first == UInt8(ascii: "c") { return .actor(.client(index % 8)) }
            if token.first == UInt8(ascii: "e") { return .actor(.endpoint(index % 32)) }
        }
        return .word(String(decoding: token.prefix(16), as: UTF8.self))
    }

    /// Decimal digits, with a sign.
    private static func number(_ token: ArraySlice<UInt8>) -> Int? {
        var value = 0
        var isNegative = false
        var digits = token
        if digits.first == UInt8(ascii: "-") {
            isNegative = true
            digits = digits.dropFirst()
        }
        guard !digits.isEmpty, digits.count <= 12 else { return nil }
        for digit in digits {
            guard digit >= 0x30, digit <= 0x39 else { return nil }
            value = value * 10 + Int(digit - 0x30)
        }
        return isNegative ? -value : value
    }

    /// Between quotes, with `\r`, `\n`, `\0`, `\xHH`, `\\` and `\"`; to the line's end if no quote follows.
    private mutating func quoted() -> [UInt8] {
        var bytes: [UInt8] = []
        offset += 1
        while offset < line.count, line[offset] != UInt8(ascii: "\"") {
            var byte = line[offset]
            offset += 1
            if byte == UInt8(ascii: "\\"), offset < line.count {
                byte = escaped()
            }
            bytes.append(byte)
        }
        offset += 1
        return bytes
    }

    private mutating func escaped() -> UInt8 {
        let letter = line[offset]
        offset += 1
        switch letter {
        case UInt8(ascii: "r"): return 13
        case UInt8(ascii: "n"): return 10
        case UInt8(ascii: "0"): return 0
        case UInt8(ascii: "x"):
            var value: UInt8 = 0
            for _ in 0..<2 where offset < line.count {
                guard let digit = Character(UnicodeScalar(line[offset])).hexDigitValue else { break }
                value = value << 4 | UInt8(digit)
                offset += 1
            }
            return value
        default: return letter
        }
    }

    /// Bytes as a script has them, with the quotes.
    static func quote(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = [UInt8(ascii: "\"")]
        for byte in bytes {
            switch byte {
            case 13: text += Array("\\r".utf8)
            case 10: text += Array("\\n".utf8)
            case 0: text += Array("\\0".utf8)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += [UInt8(ascii: "\\"), byte]
            case 0x20..<0x7f: text.append(byte)
            default: text += Array("\\x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return text + [UInt8(ascii: "\"")]
    }
}

extension Line: CustomStringConvertible {
    var description: String {
        let who = actor.map { "\($0) " } ?? ""
        let said = String(decoding: LineReader.quote(bytes.prefix(400)), as: UTF8.self)
        return "\(pacing) \(verb) \(who)\(words) \(numbers) \(said)"
    }
}

extension Actor: CustomStringConvertible {
    var description: String {
        switch self {
        case .client(let number): "c\(number)"
        case .endpoint(let number): "e\(number)"
        }
    }
}
