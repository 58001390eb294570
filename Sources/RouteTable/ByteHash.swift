/// Hashes and compares pieces of a request with names of the table, eight bytes at a time.
///
/// The hash is a multiply-and-fold chain in the manner of wyhash, with fixed numbers: only the table's own names are
/// ever put into an index, so a client cannot make it collide, and the same table always gives the same index.
enum ByteHash {
    private static let multiplier: UInt64 = 0x9E37_79B9_7F4A_7C15
    private static let other: UInt64 = 0xD6E8_FEB8_6659_FD93

    @inline(__always)
    private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    /// The hash of `bytes[start..<end]` as a name belonging to `owner`.
    /// - Parameter ignoringCase: whether ASCII capitals count as small letters.
    @inline(__always)
    static func of(_ bytes: RawSpan, from start: Int, to end: Int, owner: Int32, ignoringCase: Bool) -> UInt64 {
        var state = UInt64(truncatingIfNeeded: owner) &* multiplier ^ UInt64(truncatingIfNeeded: end &- start)
        var offset = start
        while end &- offset >= 8 {
            state = fold(state ^ eight(bytes, at: offset, ignoringCase: ignoringCase), multiplier)
            offset &+= 8
        }
        let rest = tail(bytes, from: offset, to: end, ignoringCase: ignoringCase)
        return fold(state ^ rest, other)
    }

    /// Whether `bytes[start..<end]` are the `name.count` bytes of `arena` at `name.start`, which are in lower case when
    /// case is ignored.
    @inline(__always)
    static func isEqual(
        _ bytes: RawSpan, from start: Int, to end: Int, _ arena: RawSpan, _ name: ArenaRange, ignoringCase: Bool
    ) -> Bool {
        guard end &- start == Int(name.count) else { return false }
        var offset = start
        var known = Int(name.start)
        while end &- offset >= 8 {
            let given = eight(bytes, at: offset, ignoringCase: ignoringCase)
            if given != eight(arena, at: known, ignoringCase: false) { return false }
            offset &+= 8
            known &+= 8
        }
        return tail(bytes, from: offset, to: end, ignoringCase: ignoringCase)
            == tail(arena, from: known, to: known &+ (end &- offset), ignoringCase: false)
    }

    @inline(__always)
    private static func eight(_ bytes: RawSpan, at offset: Int, ignoringCase: Bool) -> UInt64 {
        // Checked against the span's bounds; every bit pattern is a valid UInt64.
        let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
        return ignoringCase ? lowercased(word) : word
    }

    /// The last 0 to 7 bytes as one number; of equal length, equal bytes give equal numbers and others different ones.
    @inline(__always)
    private static func tail(_ bytes: RawSpan, from start: Int, to end: Int, ignoringCase: Bool) -> UInt64 {
        let count = end &- start
        var word: UInt64 = 0
        if count >= 4 {
            // Two halves that may overlap, each checked against the span's bounds.
            let low = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: start, as: UInt32.self)
            let high = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: end &- 4, as: UInt32.self)
            word = UInt64(low) | UInt64(high) &<< 32
        } else if count > 0 {
            let first = bytes.unsafeByte(at: start)
            let middle = bytes.unsafeByte(at: start &+ count &>> 1)
            let last = bytes.unsafeByte(at: end &- 1)
            word = UInt64(first) | UInt64(middle) &<< 8 | UInt64(last) &<< 16
        }
        return ignoringCase ? lowercased(word) : word
    }

    /// Eight bytes with A to Z turned into a to z, without a branch: a byte's top bit is set by the first sum when it is
    /// at least `A`, by the second when it is beyond `Z`, and 0x80 shifted right twice is the bit that tells cases apart.
    @inline(__always)
    static func lowercased(_ word: UInt64) -> UInt64 {
        let low = word & 0x7F7F_7F7F_7F7F_7F7F
        let fromA = low &+ 0x3F3F_3F3F_3F3F_3F3F
        let beyondZ = low &+ 0x2525_2525_2525_2525
        let isCapital = (fromA ^ beyondZ) & ~word & 0x8080_8080_8080_8080
        return word | isCapital &>> 2
    }
}

/// A piece of a matcher's arena of names.
struct ArenaRange: Sendable {
    var start: Int32 = 0
    var count: Int32 = 0

    var offsets: Range<Int> { Int(start)..<Int(start &+ count) }
}
