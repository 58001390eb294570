internal import Synchronization

/// Lines from one worker on their way to the writer of an access log: a ring of bytes with one producer and one
/// consumer. A line that does not fit is dropped and counted; the request path never waits.
///
/// Unchecked: producer and consumer touch disjoint parts of `memory`, told apart by the two counters.
@safe package final class AccessLogRing: @unchecked Sendable {
    private static let capacity = 1 << 20

    private let memory: UnsafeMutableRawBufferPointer
    /// Bytes ever written and ever read; their difference is what is in the ring.
    private let written = Atomic<Int>(0)
    private let read = Atomic<Int>(0)

    package init() {
        unsafe memory = .allocate(byteCount: Self.capacity, alignment: 64)
    }

    deinit {
        unsafe memory.deallocate()
    }

    /// Adds a line; false if there is no room. Only on the worker's thread.
    func append(_ line: RawSpan) -> Bool {
        let end = written.load(ordering: .relaxed)
        let count = line.byteCount
        guard Self.capacity - (end - read.load(ordering: .acquiring)) >= count else { return false }
        let start = end & (Self.capacity - 1)
        let head = min(count, Self.capacity - start)
        unsafe line.withUnsafeBytes { line in
            unsafe (memory.baseAddress! + start).copyMemory(from: line.baseAddress!, byteCount: head)
            if head < count {
                unsafe memory.baseAddress!.copyMemory(from: line.baseAddress! + head, byteCount: count - head)
            }
        }
        written.store(end + count, ordering: .releasing)
        return true
    }

    /// Hands what is there, in up to two pieces, to `body`, and frees it. Only on the writer's thread.
    package func drain(_ body: (UnsafeRawBufferPointer) -> Void) {
        let start = read.load(ordering: .relaxed)
        let end = written.load(ordering: .acquiring)
        if start == end { return }
        let from = start & (Self.capacity - 1)
        let head = min(end - start, Self.capacity - from)
        unsafe body(UnsafeRawBufferPointer(rebasing: memory[from..<from + head]))
        if head < end - start { unsafe body(UnsafeRawBufferPointer(rebasing: memory[0..<(end - start - head)])) }
        read.store(end, ordering: .releasing)
    }
}
