/// A set of byte values.
struct ByteSet: Equatable, Sendable {
    private var words: SIMD4<UInt64> = .zero

    static let all = ByteSet(0...255)
    static let digits = ByteSet(0x30...0x39)
    /// Letters, digits and `_`.
    static let word = ByteSet(0x30...0x39).union(ByteSet(0x41...0x5A)).union(ByteSet(0x61...0x7A)).union(
        ByteSet(0x5F...0x5F))
    /// Space, tab, line feed, vertical tab, form feed and carriage return.
    static let space = ByteSet(0x09...0x0D).union(ByteSet(0x20...0x20))

    init() {}

    init(_ range: ClosedRange<UInt8>) {
        for byte in range { insert(byte) }
    }

    mutating func insert(_ byte: UInt8) {
        words[Int(byte >> 6)] |= 1 << UInt64(byte & 63)
    }

    func contains(_ byte: UInt8) -> Bool {
        words[Int(byte >> 6)] & (1 << UInt64(byte & 63)) != 0
    }

    var isEmpty: Bool { words == .zero }

    func union(_ other: ByteSet) -> ByteSet {
        var result = self
        result.words |= other.words
        return result
    }

    var complement: ByteSet {
        var result = self
        result.words = ~words
        return result
    }
}
