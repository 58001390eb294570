/// Eight bytes looked at as one number, byte 0 in the lowest bits: how the parsers find the first byte that ends, or
/// spoils, what they read.
///
/// Masks have the highest bit of each byte that is of the kind asked for. All sums are of seven bits and stay within
/// their byte, so that every bit of a mask is exact.
enum Words {
    private static var highBits: UInt64 { 0x8080_8080_8080_8080 }
    private static var lowBits: UInt64 { 0x7f7f_7f7f_7f7f_7f7f }

    /// The same byte eight times.
    @inline(__always)
    static func all(_ byte: UInt8) -> UInt64 {
        0x0101_0101_0101_0101 &* UInt64(byte)
    }

    /// How many bytes precede the first one that a mask names; 8 if it names none.
    @inline(__always)
    static func first(_ mask: UInt64) -> Int {
        mask.trailingZeroBitCount &>> 3
    }

    /// The first byte of `word` that a mask names, which names one.
    @inline(__always)
    static func byte(_ word: UInt64, _ mask: UInt64) -> UInt8 {
        UInt8(truncatingIfNeeded: word &>> UInt64(mask.trailingZeroBitCount & 0x38))
    }

    /// The seven low bits are at least `bound` (1 to 0x7f).
    @inline(__always)
    private static func atLeast(_ low: UInt64, _ bound: UInt8) -> UInt64 {
        low &+ all(0x80 &- bound)
    }

    /// The seven low bits are not those of `byte`.
    @inline(__always)
    private static func differs(_ low: UInt64, from byte: UInt8) -> UInt64 {
        (low ^ all(byte)) &+ lowBits
    }

    @inline(__always)
    private static func letters(_ low: UInt64) -> UInt64 {
        let folded = low | all(0x20)
        return atLeast(folded, 0x61) & ~atLeast(folded, 0x7b)
    }

    /// Bytes other than letters and hyphens, which most field names consist of.
    @inline(__always)
    static func notNameLetters(_ word: UInt64) -> UInt64 {
        let low = word & lowBits
        let good = letters(low) | ~differs(low, from: 0x2d)
        return (~good | word) & highBits
    }

    /// Bytes other than letters, digits, hyphens and dots, which most host names consist of.
    @inline(__always)
    static func notHostLetters(_ word: UInt64) -> UInt64 {
        let low = word & lowBits
        // 0x2d to 0x39 is "-./0123456789".
        let others = atLeast(low, 0x2d) & ~atLeast(low, 0x3a) & differs(low, from: 0x2f)
        return (~(letters(low) | others) | word) & highBits
    }

    /// Bytes that end text, or must not be in it: below 0x20, or 0x7f.
    @inline(__always)
    static func controls(_ word: UInt64) -> UInt64 {
        let low = word & lowBits
        let bad = ~atLeast(low, 0x20) | atLeast(low, 0x7f)
        return bad & ~word & highBits
    }

    /// Line feeds.
    @inline(__always)
    static func lineFeeds(_ word: UInt64) -> UInt64 {
        ~(differs(word & lowBits, from: 0x0a) | word) & highBits
    }

    /// Bytes that end a query, or must not be in it: all but `!` to `~`, and of those `"`, `#`, `<` and `>`.
    @inline(__always)
    static func notQuery(_ word: UInt64) -> UInt64 {
        let low = word & lowBits
        let visible = atLeast(low, 0x21) & ~atLeast(low, 0x7f)
        // 0x22 and 0x23 differ in bit 0, 0x3c and 0x3e in bit 1.
        let unquoted = differs(low & all(0x7e), from: 0x22) & differs(low & all(0x7d), from: 0x3c)
        return (~(visible & unquoted) | word) & highBits
    }

    /// Bytes that end a path, or must not be in it: as for a query, and `?` and `\`, which some servers read as `/`.
    /// In a query it is harmless, and browsers send it there.
    @inline(__always)
    static func notPath(_ word: UInt64) -> UInt64 {
        let low = word & lowBits
        let good = differs(low, from: 0x3f) & differs(low, from: 0x5c)
        return notQuery(word) | (~good & highBits)
    }

    /// Upper-case letters in lower case. Only for bytes already known to be those of a token: others change too.
    @inline(__always)
    static func folded(_ word: UInt64) -> UInt64 {
        word | all(0x20)
    }

    /// The first eight bytes of a literal, for comparison with a word; folds to a constant.
    @inline(__always)
    static func word(_ literal: StaticString) -> UInt64 {
        var word: UInt64 = 0
        var i = 0
        while i < 8 && i < literal.utf8CodeUnitCount {
            // Within the literal by the loop's condition.
            word |= unsafe UInt64(literal.utf8Start[i]) &<< UInt64(8 &* i)
            i &+= 1
        }
        return word
    }

    /// The lowest `count` bytes of a word (1 to 8), the others 0.
    @inline(__always)
    static func keep(_ word: UInt64, _ count: Int) -> UInt64 {
        word & (UInt64.max &>> UInt64(64 &- 8 &* count))
    }
}
