/// A worker's own chance: xorshift64* (Vigna, 2016), seeded once. Not for secrets.
package struct RandomSource: RandomNumberGenerator, Sendable {
    @usableFromInline var state: UInt64

    @inlinable package init(seed: UInt64) {
        state = seed | 1
    }

    @inlinable package mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 2_685_821_657_736_338_717
    }

    /// A whole number from 0 up to, not including, `bound` (at most 2^32); 0 when `bound` is 0.
    @inlinable package mutating func below(_ bound: Int) -> Int {
        // Shifts bind more tightly than products.
        Int(truncatingIfNeeded: ((next() >> 32) &* UInt64(truncatingIfNeeded: bound)) >> 32)
    }
}
