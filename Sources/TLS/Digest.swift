/// FNV-1a over several pieces, each with its length: whether two sets of rules are the same.
///
/// Rules come from the table and its files alone, so nobody is there to make two of them collide.
struct Digest {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    func adding(_ piece: [UInt8]) -> Digest {
        var result = self
        for byte in piece { result.take(byte) }
        for shift in 0..<8 { result.take(UInt8(truncatingIfNeeded: piece.count >> (shift * 8))) }
        return result
    }

    func adding(_ text: String?) -> Digest {
        adding(text.map { [1] + Array($0.utf8) } ?? [])
    }

    var bytes: [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }

    private mutating func take(_ byte: UInt8) {
        value = (value ^ UInt64(byte)) &* 0x100_0000_01b3
    }
}
