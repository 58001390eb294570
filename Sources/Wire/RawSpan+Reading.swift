/// Reading of bytes that are not trusted: every offset is answered, beyond the end with zeros, which are never valid
/// in what is parsed here. So a parser sees the end of the input as a byte that stops it, and cannot read past it.
extension RawSpan {
    /// The byte at `offset`; 0 beyond the end.
    @inline(__always)
    func byte(at offset: Int) -> UInt8 {
        guard UInt(bitPattern: offset) < UInt(bitPattern: byteCount) else { return 0 }
        // Within bounds by the line above.
        return unsafe unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
    }

    /// The eight bytes from `offset`, the first in the lowest bits; 0 for those beyond the end.
    @inline(__always)
    func word(at offset: Int) -> UInt64 {
        // One comparison for both bounds: a negative offset is a huge unsigned one.
        guard UInt(bitPattern: offset) < UInt(bitPattern: max(byteCount &- 7, 0)) else { return lastWord(at: offset) }
        // Within bounds by the line above.
        return unsafe UInt64(littleEndian: unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
    }

    /// What is left of the input at `offset`, fewer than eight bytes.
    @inline(never)
    private func lastWord(at offset: Int) -> UInt64 {
        guard offset >= 0, offset < byteCount else { return 0 }
        let count = byteCount &- offset
        if byteCount >= 8 {
            return word(at: byteCount &- 8) &>> UInt64(8 &* (8 &- count))
        }
        var word: UInt64 = 0
        for i in 0..<count { word |= UInt64(byte(at: offset &+ i)) &<< UInt64(8 &* i) }
        return word
    }

    /// Whether the bytes of a range are those of a literal in lower case, letters compared without case.
    func isToken(_ range: Range<Int>, _ literal: StaticString) -> Bool {
        guard range.count == literal.utf8CodeUnitCount else { return false }
        for i in 0..<range.count {
            // Within the literal: both have the same length.
            let expected = unsafe literal.utf8Start[i]
            if byte(at: range.lowerBound &+ i).lowercased != expected { return false }
        }
        return true
    }

    /// Whether the bytes of a range are those of `name` in lower case, letters compared without case.
    func isToken(_ range: Range<Int>, _ name: RawSpan) -> Bool {
        guard range.count == name.byteCount else { return false }
        for i in 0..<range.count where byte(at: range.lowerBound &+ i).lowercased != name.byte(at: i) { return false }
        return true
    }

    /// Whether the bytes of a range are those of `name` in lower case, letters compared without case.
    func isToken(_ range: Range<Int>, _ name: [UInt8]) -> Bool {
        guard range.count == name.count else { return false }
        for i in 0..<range.count where byte(at: range.lowerBound &+ i).lowercased != name[i] { return false }
        return true
    }

    /// Whether these bytes are `other`, letters compared without case.
    func isSameToken(as other: RawSpan) -> Bool {
        guard byteCount == other.byteCount else { return false }
        for i in 0..<byteCount where byte(at: i).lowercased != other.byte(at: i).lowercased { return false }
        return true
    }

    /// Whether two ranges of these bytes are equal, letters compared without case.
    func isSameToken(_ a: Range<Int>, _ b: Range<Int>) -> Bool {
        guard a.count == b.count else { return false }
        for i in 0..<a.count
        where byte(at: a.lowerBound &+ i).lowercased != byte(at: b.lowerBound &+ i).lowercased {
            return false
        }
        return true
    }
}

/// Bytes by name.
extension UInt8 {
    static var tab: UInt8 { 0x09 }
    static var lineFeed: UInt8 { 0x0a }
    static var carriageReturn: UInt8 { 0x0d }
    static var space: UInt8 { 0x20 }
    static var colon: UInt8 { 0x3a }

    /// An ASCII capital in lower case; anything else as it is.
    @inline(__always)
    var lowercased: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }

    @inline(__always)
    var isDigit: Bool { self &- 0x30 < 10 }

    /// An ASCII letter.
    @inline(__always)
    var isLetter: Bool { (self | 0x20) &- 0x61 < 26 }

    /// RFC 3986, 3.1: what a scheme consists of behind its first letter.
    @inline(__always)
    var isSchemeByte: Bool { isLetter || isDigit || self == 0x2b || self == 0x2d || self == 0x2e }

    /// The value of a hexadecimal digit, or nil.
    @inline(__always)
    var hexValue: UInt8? {
        if isDigit { return self &- 0x30 }
        let letter = (self | 0x20) &- 0x61
        return letter < 6 ? letter &+ 10 : nil
    }

    @inline(__always)
    var isBlank: Bool { self == .space || self == .tab }

    /// RFC 9110, 5.6.2: tchar.
    @inline(__always)
    var isTokenByte: Bool { isIn(0x03ff_6cfa_0000_0000, 0x57ff_ffff_c7ff_fffe) }

    /// RFC 3986, 3.2.2: what a registered name is made of (unreserved, sub-delims; `%` begins a pair of hex digits).
    @inline(__always)
    var isHostNameByte: Bool { isIn(0x2bff_7ff2_0000_0000, 0x47ff_fffe_87ff_fffe) }

    @inline(__always)
    private func isIn(_ below64: UInt64, _ below128: UInt64) -> Bool {
        guard self < 0x80 else { return false }
        return (self < 64 ? below64 : below128) &>> UInt64(self & 63) & 1 == 1
    }
}
