/// Points spread so evenly that each stretch of an interval has its share of them within any few turns, not only in the
/// end: multiples of the golden ratio, cut to their fraction (Knuth, The Art of Computer Programming 3, 6.4).
package struct EvenSequence: Sendable {
    @usableFromInline var turn: UInt64 = 0

    @inlinable package init() {}

    /// A whole number from 0 up to, not including, `bound`; 0 when `bound` is 0.
    @inlinable @inline(__always)
    package mutating func next(below bound: Int) -> Int {
        turn &+= 0x9e37_79b9_7f4a_7c15
        return Int(turn.multipliedFullWidth(by: UInt64(bound)).high)
    }
}
