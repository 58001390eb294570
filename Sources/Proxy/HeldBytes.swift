internal import Reactor
internal import Wire

/// Bytes that were received and are not used yet: a message that has come in part, what follows the one in hand, or
/// what its connection had no time for in this turn.
///
/// Using them copies nothing: they are taken out, lent, and what is left of them is put back.
struct HeldBytes {
    private var bytes: [UInt8] = []
    /// Those before it are used.
    private var start = 0

    var count: Int { bytes.count - start }
    var isEmpty: Bool { start == bytes.count }

    init() {}

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func append(_ more: RawSpan) {
        if start > 0, start >= bytes.count / 2 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: more)
    }

    /// Gives memory back, too.
    mutating func removeAll() {
        bytes = []
        start = 0
    }

    /// All of them; none are held after it.
    mutating func takeAll() -> HeldBytes {
        var taken = HeldBytes()
        swap(&taken, &self)
        return taken
    }

    /// Holds again what was taken, but for the first `used` bytes. Nothing must have been appended meanwhile.
    mutating func putBack(_ taken: consuming HeldBytes, used: Int) {
        precondition(isEmpty, "what came later would be lost")
        taken.start += used
        if taken.isEmpty { taken.removeAll() }
        self = taken
    }

    func withBytes<R>(_ body: (RawSpan) -> R) -> R {
        bytes.withBytes { body($0.extracting(start..<bytes.count)) }
    }

    /// As an array of their own.
    var array: [UInt8] { start == 0 ? bytes : Array(bytes[start...]) }
}

/// When a head that has come in part is worth parsing again. Whoever sends it byte by byte must not have all of it
/// parsed for each: only a line's end, twice as many bytes, or the limit can change what the last look has found.
struct PartialHead {
    /// Bytes at the last look that parsed, and at the last look.
    private var parsed = 0
    private var seen = 0

    mutating func isWorthParsing(_ bytes: RawSpan, limit: Int) -> Bool {
        let count = bytes.byteCount
        let isWorth = parsed == 0 || count >= 2 * parsed || count >= limit || bytes.hasLineFeed(from: min(seen, count))
        seen = count
        if isWorth { parsed = count }
        return isWorth
    }

    mutating func begin() { self = PartialHead() }
}

extension RawSpan {
    fileprivate func hasLineFeed(from start: Int) -> Bool {
        for offset in start..<byteCount {
            // Below the count.
            if unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self) == 0x0a { return true }
        }
        return false
    }
}
