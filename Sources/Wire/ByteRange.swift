/// A part of a buffer: `count` bytes from `start`. Only meaningful together with the bytes it was found in.
package struct ByteRange: Sendable, Hashable {
    package var start: UInt32
    package var count: UInt32

    @inlinable
    package init(start: UInt32, count: UInt32) {
        self.start = start
        self.count = count
    }

    /// No bytes, at offset 0.
    @inlinable
    package init() {
        self.init(start: 0, count: 0)
    }

    /// From two offsets that a parser has found; `start` is not beyond `end`.
    @inline(__always)
    init(_ start: Int, _ end: Int) {
        self.start = UInt32(truncatingIfNeeded: start)
        self.count = UInt32(truncatingIfNeeded: end &- start)
    }

    /// The offset behind the last byte.
    @inlinable package var end: UInt32 { start &+ count }

    @inlinable package var isEmpty: Bool { count == 0 }

    /// The same as offsets for `RawSpan.extracting`.
    @inlinable package var bounds: Range<Int> { Int(start)..<Int(start) &+ Int(count) }
}
