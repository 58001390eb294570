/// What a pattern says, as a tree.
indirect enum PathPatternTree: Sendable {
    case empty
    case bytes(ByteSet)
    case sequence([PathPatternTree])
    case choice([PathPatternTree])
    /// At least `least` times, at most `most` times; nil: without end.
    case repeated(PathPatternTree, least: Int, most: Int?)

    /// States it takes once its repetitions are written out, never more than one beyond the limit.
    var stateCount: Int {
        let beyond = PathPattern.stateLimit + 1
        switch self {
        case .empty: return 0
        case .bytes: return 1
        case .sequence(let parts), .choice(let parts):
            return min(beyond, parts.reduce(0) { min(beyond, $0 + $1.stateCount) })
        case .repeated(let part, let least, let most):
            return min(beyond, part.stateCount * max(1, most ?? least))
        }
    }
}

/// Reads a pattern: recursive descent, one function for each level of precedence.
struct PathPatternParser {
    typealias Malformed = PathPattern.Malformed
    private static let nestingLimit = 32
    private static let repetitionLimit = 1_000

    private let scalars: [Unicode.Scalar]
    private let length: Int
    private var position = 0
    private var nesting = 0

    init(_ pattern: String) {
        length = pattern.utf8.count
        scalars = Array(pattern.unicodeScalars)
    }

    mutating func parse() throws(Malformed) -> PathPatternTree {
        if scalars.isEmpty { throw malformed("the pattern is empty") }
        if length > PathPattern.lengthLimit {
            throw malformed("the pattern is longer than \(PathPattern.lengthLimit) bytes")
        }
        if scalars[0] == "^" { position = 1 }
        let tree = try choice()
        // Only `)` ends a choice early.
        if position < scalars.count { throw malformed("this `)` closes nothing; write `\\)` for the character") }
        if tree.stateCount > PathPattern.stateLimit {
            throw Malformed(
                column: 1,
                reason: "the pattern is too large: more than \(PathPattern.stateLimit) states with its repetitions")
        }
        return tree
    }

    private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private func malformed(_ reason: String, at place: Int? = nil) -> Malformed {
        Malformed(column: (place ?? position) + 1, reason: reason)
    }

    private mutating func choice() throws(Malformed) -> PathPatternTree {
        var alternatives = [try sequence()]
        while next == "|" {
            position += 1
            alternatives.append(try sequence())
        }
        return alternatives.count == 1 ? alternatives[0] : .choice(alternatives)
    }

    private mutating func sequence() throws(Malformed) -> PathPatternTree {
        var parts: [PathPatternTree] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            if scalar == "$", position == scalars.count - 1 {
                position += 1
                break
            }
            parts.append(try repetition())
        }
        return parts.isEmpty ? .empty : parts.count == 1 ? parts[0] : .sequence(parts)
    }

    private mutating func repetition() throws(Malformed) -> PathPatternTree {
        let part = try atom()
        let tree: PathPatternTree
        switch next {
        case "*": tree = .repeated(part, least: 0, most: nil)
        case "+": tree = .repeated(part, least: 1, most: nil)
        case "?": tree = .repeated(part, least: 0, most: 1)
        case "{":
            let (least, most) = try bounds()
            tree = .repeated(part, least: least, most: most)
        default: return part
        }
        position += 1
        // Repeating nothing is nothing, and must not be written out a thousand times a thousand times.
        if part.stateCount == 0 { return .empty }
        switch next {
        case "?", "+":
            throw malformed("lazy and possessive repetitions do not exist here: the whole path is matched")
        case "*", "{": throw malformed("this repeats a repetition; put a group around it")
        default: return tree
        }
    }

    /// Reads `{m}`, `{m,}` or `{m,n}` and stays at the closing brace.
    private mutating func bounds() throws(Malformed) -> (least: Int, most: Int?) {
        let start = position
        position += 1
        let expected = "expected {m}, {m,} or {m,n} with numbers up to \(Self.repetitionLimit)"
        guard let least = number() else { throw malformed(expected, at: start) }
        var most: Int? = least
        if next == "," {
            position += 1
            most = next == "}" ? nil : number()
            if most == nil && next != "}" { throw malformed(expected, at: start) }
        }
        guard next == "}" else { throw malformed(expected, at: start) }
        if let most, most < least { throw malformed("the second number is smaller than the first", at: start) }
        return (least, most)
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let scalar = next, let digit = scalar.decimalDigit {
            value = (value ?? 0) * 10 + digit
            if value ?? 0 > Self.repetitionLimit { return nil }
            position += 1
        }
        return value
    }

    private mutating func atom() throws(Malformed) -> PathPatternTree {
        guard let scalar = next else { return .empty }
        switch scalar {
        case "(": return try group()
        case "[": return .bytes(try byteClass())
        case ".":
            position += 1
            return .bytes(.all)
        case "\\":
            return .bytes(try escape().set)
        case "*", "+", "?": throw malformed("there is nothing to repeat before `\(scalar)`")
        case "{": throw malformed("there is nothing to repeat before `{`; write `\\{` for the character")
        case "^", "$":
            throw malformed("the whole path is matched anyway: `\(scalar)` has no place here; write `\\\(scalar)`")
        default:
            position += 1
            let bytes = Array(String(scalar).utf8).map { PathPatternTree.bytes(ByteSet($0...$0)) }
            return bytes.count == 1 ? bytes[0] : .sequence(bytes)
        }
    }

    private mutating func group() throws(Malformed) -> PathPatternTree {
        let start = position
        position += 1
        if next == "?" {
            position += 1
            guard next == ":" else {
                throw malformed("of the groups that begin with `(?` only `(?:…)` is understood", at: start)
            }
            position += 1
        }
        nesting += 1
        if nesting > Self.nestingLimit {
            throw malformed("groups are nested more than \(Self.nestingLimit) deep", at: start)
        }
        let tree = try choice()
        nesting -= 1
        guard next == ")" else { throw malformed("this group is not closed", at: start) }
        position += 1
        return tree
    }

    /// Reads an escape: a set of bytes, and the byte itself when it stands for one.
    private mutating func escape() throws(Malformed) -> (set: ByteSet, byte: UInt8?) {
        let start = position
        position += 1
        guard let scalar = next else { throw malformed("a `\\` at the end escapes nothing", at: start) }
        position += 1
        func one(_ byte: UInt8) -> (ByteSet, UInt8?) { (ByteSet(byte...byte), byte) }
        switch scalar {
        case "d": return (.digits, nil)
        case "D": return (ByteSet.digits.complement, nil)
        case "w": return (.word, nil)
        case "W": return (ByteSet.word.complement, nil)
        case "s": return (.space, nil)
        case "S": return (ByteSet.space.complement, nil)
        case "t": return one(0x09)
        case "n": return one(0x0A)
        case "v": return one(0x0B)
        case "f": return one(0x0C)
        case "r": return one(0x0D)
        case "x":
            guard position + 1 < scalars.count, let high = scalars[position].hexadecimalDigit,
                let low = scalars[position + 1].hexadecimalDigit
            else { throw malformed("expected two hexadecimal digits after `\\x`", at: start) }
            position += 2
            return one(UInt8(high * 16 + low))
        case "b", "B", "A", "z", "Z":
            throw malformed("`\\\(scalar)` is not understood: the whole path is matched", at: start)
        case "0"..."9":
            throw malformed("back-references are not understood: they cannot be matched in linear time", at: start)
        default:
            guard scalar.isASCII, !ByteSet.word.contains(UInt8(scalar.value)) else {
                throw malformed("`\\\(scalar)` is not understood", at: start)
            }
            return one(UInt8(scalar.value))
        }
    }

    private mutating func byteClass() throws(Malformed) -> ByteSet {
        let start = position
        position += 1
        var set = ByteSet()
        let negated = next == "^"
        if negated { position += 1 }
        var isFirst = true
        while let scalar = next, isFirst || scalar != "]" {
            isFirst = false
            let item = position
            let (part, low) = try classMember()
            // A `-` before the closing bracket is itself.
            if next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" {
                position += 1
                let (_, high) = try classMember()
                guard let low, let high else { throw malformed("a range needs a character on both sides", at: item) }
                guard low <= high else { throw malformed("this range runs backwards", at: item) }
                set = set.union(ByteSet(low...high))
            } else {
                set = set.union(part)
            }
        }
        guard next == "]" else { throw malformed("this class is not closed", at: start) }
        position += 1
        if negated { set = set.complement }
        if set.isEmpty { throw malformed("this class matches nothing", at: start) }
        return set
    }

    private mutating func classMember() throws(Malformed) -> (set: ByteSet, byte: UInt8?) {
        guard let scalar = next else { throw malformed("this class is not closed") }
        if scalar == "\\" { return try escape() }
        if scalar == "[", position + 1 < scalars.count, scalars[position + 1] == ":" {
            throw malformed("named classes such as `[:alpha:]` are not understood")
        }
        guard scalar.isASCII else { throw malformed("only ASCII characters can be in a class") }
        position += 1
        let byte = UInt8(scalar.value)
        return (ByteSet(byte...byte), byte)
    }
}

extension Unicode.Scalar {
    var decimalDigit: Int? { ("0"..."9").contains(self) ? Int(value - 0x30) : nil }

    var hexadecimalDigit: Int? {
        switch self {
        case "0"..."9": Int(value - 0x30)
        case "a"..."f": Int(value - 0x61) + 10
        case "A"..."F": Int(value - 0x41) + 10
        default: nil
        }
    }
}
