/// What one router process calls itself in Via, so that it knows a request that comes back to it.
///
/// It is the process's own and not its fleet's: two layers of routers in a row are a legitimate way, also with one table,
/// and none of them has seen the request before. A circle through several routers comes back to one of them after at most
/// as many steps as there are.
package struct Pseudonym: Sendable, Equatable {
    /// What follows `spillway`: a hyphen and eight hexadecimal digits, or nothing.
    let suffix: InlineArray<9, UInt8>
    let isNamed: Bool

    /// Of nobody in particular.
    package static let none = Pseudonym(suffix: InlineArray(repeating: 0), isNamed: false)

    /// - Parameter chance: what tells this process from others.
    package init(_ chance: UInt32) {
        var suffix = InlineArray<9, UInt8>(repeating: UInt8(ascii: "-"))
        for place in 0..<8 {
            let digit = UInt8(truncatingIfNeeded: chance >> (28 &- 4 &* UInt32(place))) & 0xf
            suffix[place + 1] = digit < 10 ? digit &+ 0x30 : digit &+ 0x57
        }
        self.init(suffix: suffix, isNamed: true)
    }

    private init(suffix: InlineArray<9, UInt8>, isNamed: Bool) {
        self.suffix = suffix
        self.isNamed = isNamed
    }

    package static func == (a: Pseudonym, b: Pseudonym) -> Bool {
        a.isNamed == b.isNamed && (0..<9).allSatisfy { a.suffix[$0] == b.suffix[$0] }
    }
}

extension WriteBuffer {
    /// RFC 9110, 7.6.3: the version a request came in, and who passed it on.
    @inline(__always)
    mutating func append(viaMinorVersion minorVersion: UInt8, isHTTP2: Bool, by pseudonym: Pseudonym) {
        append(isHTTP2 ? "via: 2.0 spillway" : minorVersion == 1 ? "via: 1.1 spillway" : "via: 1.0 spillway")
        if pseudonym.isNamed { append(pseudonym.suffix.span) }
        append("\r\n")
    }
}

extension RequestHead {
    /// Whether Via says that this very router has passed the request on before. Other routers may have put members
    /// together, or added comments: only the name counts.
    package func hasPassed(_ pseudonym: Pseudonym, _ bytes: RawSpan) -> Bool {
        guard fields.present.contains(.via), pseudonym.isNamed else { return false }
        var index = fields.firstIndex(of: .via)
        while let i = index {
            if Self.names(pseudonym, bytes, fields[i].value.bounds) { return true }
            index = fields.nextIndex(of: .via, from: i &+ 1)
        }
        return false
    }

    private static func names(_ pseudonym: Pseudonym, _ bytes: RawSpan, _ value: Range<Int>) -> Bool {
        let length = 17
        var start = value.lowerBound
        while start &+ length <= value.upperBound {
            let end = start &+ length
            if bytes.isToken(start..<start &+ 8, "spillway"), isSuffix(pseudonym, bytes, at: start &+ 8),
                start == value.lowerBound || !bytes.byte(at: start &- 1).isTokenByte,
                end == value.upperBound || !bytes.byte(at: end).isTokenByte
            {
                return true
            }
            start &+= 1
        }
        return false
    }

    private static func isSuffix(_ pseudonym: Pseudonym, _ bytes: RawSpan, at start: Int) -> Bool {
        for i in 0..<9 where bytes.byte(at: start &+ i).lowercased != pseudonym.suffix[i] { return false }
        return true
    }
}
