internal import Reactor

/// What a stream still has to send of its message's body, and the trailers behind it.
///
/// Bytes wait here for the windows of the stream and of its connection. Used for one stream after the other.
final class HTTP2Body {
    private var bytes: [UInt8] = []
    private var start = 0
    /// Nothing is to be added.
    var isEnded = false
    /// Field lines that follow the body.
    var trailers: [UInt8] = []
    /// The session was told that there is nothing at present.
    private(set) var isDeferred = false

    /// So much waits that whoever adds to it is to stop, until little is left.
    private var isFull = false

    /// What is taken from a source even if the peer takes nothing: it begins with a head.
    static let leastRead = 4_096
    /// The most that waits for a peer that takes it.
    static let most = 65_536

    /// Memory that is kept from one stream to the next.
    private static let keptCapacity = 16_384

    var count: Int { bytes.count - start }

    func begin() {
        bytes.removeAll(keepingCapacity: bytes.capacity <= Self.keptCapacity)
        start = 0
        isEnded = false
        trailers = []
        isDeferred = false
        isFull = false
    }

    func append(_ data: RawSpan) {
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: true)
            start = 0
        } else if start > 65_536 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: data)
    }

    /// The session asks again from now on. True if it had been told to wait.
    func resume() -> Bool {
        defer { isDeferred = false }
        return isDeferred
    }

    /// How much the next frame can have of `limit` bytes; nil: nothing at present.
    func next(atMost limit: Int) -> Int? {
        if count == 0 && !isEnded {
            isDeferred = true
            return nil
        }
        return min(limit, count)
    }

    /// Whether `size` bytes are all that is left.
    func isLast(_ size: Int) -> Bool { isEnded && size == count }

    /// Whether `limit` bytes wait; remembers it if so.
    func isFull(at limit: Int) -> Bool {
        if count >= limit { isFull = true }
        return isFull
    }

    /// Lends the next `size` bytes and lets go of them. True: it was full and is no longer.
    func take(_ size: Int, _ body: (RawSpan) -> Void) -> Bool {
        bytes.withBytes { body($0.extracting(start..<start + size)) }
        start += size
        if start == bytes.count, bytes.capacity > Self.keptCapacity {
            bytes = []
            start = 0
        }
        guard isFull, count < Self.leastRead else { return false }
        isFull = false
        return true
    }
}
