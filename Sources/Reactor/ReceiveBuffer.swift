/// Memory that all connections of a thread read into, one after the other: it stays hot in the cache, and a
/// connection that has nothing pending owns nothing.
@safe package struct ReceiveBuffer: ~Copyable {
    @usableFromInline let memory: UnsafeMutableRawBufferPointer

    package init(capacity: Int) {
        unsafe memory = .allocate(byteCount: capacity, alignment: 64)
    }

    deinit {
        unsafe memory.deallocate()
    }

    package var capacity: Int { unsafe memory.count }

    /// Puts bytes kept from before at the front.
    package borrowing func fill(_ kept: RawSpan) {
        unsafe kept.withUnsafeBytes { unsafe memory.copyMemory(from: $0) }
    }

    /// Reads once, behind the first `kept` bytes.
    package borrowing func receive(from socket: borrowing Socket, after kept: Int = 0, limit: Int = .max) -> ReadOutcome
    {
        unsafe socket.receive(
            into: .init(rebasing: memory[kept..<min(memory.count, max(kept, kept &+ min(limit, memory.count)))]))
    }

    /// Room behind the first `kept` bytes, for something else than a socket to write to.
    @inlinable
    package borrowing func withRoom<R>(after kept: Int, _ body: (UnsafeMutableRawBufferPointer) -> R) -> R {
        unsafe body(UnsafeMutableRawBufferPointer(rebasing: memory[min(kept, memory.count)...]))
    }

    /// The first `count` bytes, for the time of `body` only: whatever runs there must not read into this buffer.
    @inlinable
    @inline(__always)
    package borrowing func withBytes<R>(_ count: Int, _ body: (RawSpan) -> R) -> R {
        unsafe body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory)[..<count]).bytes)
    }
}
