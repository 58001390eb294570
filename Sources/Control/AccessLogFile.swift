internal import CLinux
internal import Glibc
internal import Proxy
internal import Reactor
internal import Synchronization

/// An access log: the rings from which its lines come, one for each worker and shared by all listeners that log to the
/// same path, and the thread that carries them to the file.
///
/// The thread alone opens, writes and waits, so that a file system or a reader that stands still holds nobody up, other
/// access logs least of all. Meanwhile the rings fill up, and workers drop lines and count them.
final class AccessLogFile: Sendable {
    private struct State {
        var rings: [AccessLogRing]
        var isReopenDue = false
        /// No listener logs here any more.
        var isRetired = false
        /// The process ends.
        var isEnding = false
        var hasEnded = false
    }

    let path: String
    private let state: Mutex<State>

    /// - Parameters:
    ///   - path: `-` is standard output.
    ///   - lost: where lines that could not be written are counted.
    ///   - tell: told what happens to the file, as sentences for the log.
    init(
        path: String, workers: Int, lost: AccessLogLosses, tell: @escaping @Sendable (AccessLogPen.News) -> Void
    ) throws(SystemError) {
        self.path = path
        let rings = (0..<workers).map { _ in AccessLogRing() }
        state = Mutex(State(rings: rings))
        try Thread.start(name: "access log") { [self] in
            var pen = AccessLogPen(path: path, lost: lost)
            serve(&pen, tell)
        }
    }

    func ring(_ worker: Int) -> AccessLogRing { state.withLock { $0.rings[worker] } }

    /// Has the file opened anew, so that one that was moved away is let go. If that fails it stays as it is.
    func reopen() { state.withLock { $0.isReopenDue = true } }

    /// Ends the file once nobody has a line for it any more.
    func retire() { state.withLock { $0.isRetired = true } }

    /// Ends the file once what is in the rings is written.
    func end() { state.withLock { $0.isEnding = true } }

    var hasEnded: Bool { state.withLock { $0.hasEnded } }

    // On the thread

    private func serve(_ pen: inout AccessLogPen, _ tell: (AccessLogPen.News) -> Void) {
        var rings = state.withLock { $0.rings }
        while true {
            let (isReopenDue, isRetired, isEnding) = state.withLock { state in
                defer { state.isReopenDue = false }
                if state.isRetired { state.rings = [] }
                return (state.isReopenDue, state.isRetired, state.isEnding)
            }
            if isReopenDue { pen.reopen(tell) }
            // Connections of a listener that is gone may still be under way, and are logged when they end.
            let isAlone = isRetired && rings.indices.allSatisfy { isKnownUniquelyReferenced(&rings[$0]) }
            pen.write(from: rings, tell) { state.withLock { !$0.isReopenDue && !$0.isEnding } }
            if isEnding || isAlone { break }
            Thread.pause(milliseconds: 50)
        }
        state.withLock { $0.hasEnded = true }
    }
}

/// Lines of access logs that could not be written, counted over all files.
final class AccessLogLosses: Sendable {
    private let lines = Atomic<UInt64>(0)

    var count: UInt64 { lines.load(ordering: .relaxed) }

    func add(_ lost: Int) { lines.add(UInt64(lost), ordering: .relaxed) }
}

/// Writes the lines of an access log's rings to its file, on the file's thread. While the file cannot be opened or written,
/// lines are lost and counted, and it is tried again.
struct AccessLogPen: ~Copyable {
    /// What happened to the file.
    enum News: Equatable {
        case cannotOpen(SystemError)
        case cannotReopen(SystemError)
        case cannotWrite(SystemError)
        case writtenAgain(lostLines: Int)
    }

    private let path: String
    private let lost: AccessLogLosses
    private var sink: LineSink?
    /// Lines lost since lines are lost; nil while they are not.
    private var lostLines: Int?
    /// The file is not opened again before then: nanoseconds of the monotonic clock.
    private var nextTry: Int64 = 0

    init(path: String, lost: AccessLogLosses) {
        self.path = path
        self.lost = lost
    }

    private static func open(_ path: String) throws(SystemError) -> LineSink {
        // Without O_NONBLOCK a named pipe that nobody reads would hold the thread up for ever.
        let flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK
        let descriptor = path == "-" ? fcntl(1, F_DUPFD_CLOEXEC, 3) : unsafe Glibc.open(path, flags, 0o640)
        if descriptor < 0 { throw SystemError(code: errno) }
        return LineSink(descriptor: descriptor, isOwned: true)
    }

    mutating func reopen(_ tell: (News) -> Void) {
        guard path != "-" else { return }
        do {
            sink = try Self.open(path)
        } catch {
            tell(.cannotReopen(error))
        }
    }

    /// Writes what is in the rings. Waits for a reader that stands still as long as `isWaiting` says so.
    mutating func write(from rings: [AccessLogRing], _ tell: (News) -> Void, while isWaiting: () -> Bool) {
        if sink == nil, EventLoop.clock() >= nextTry {
            do {
                sink = try Self.open(path)
            } catch {
                nextTry = EventLoop.clock() + 1_000_000_000
                if lostLines == nil { tell(.cannotOpen(error)) }
                lostLines = lostLines ?? 0
            }
        }
        for ring in rings {
            unsafe ring.drain { unsafe write($0, tell, while: isWaiting) }
        }
    }

    private mutating func write(_ bytes: UnsafeRawBufferPointer, _ tell: (News) -> Void, while isWaiting: () -> Bool) {
        guard sink != nil else { return lose(unsafe bytes.count { $0 == 0x0a }) }
        let outcome = unsafe sink?.write(bytes, while: isWaiting) ?? LineSink.Outcome()
        if let error = outcome.error {
            if lostLines == nil { tell(.cannotWrite(error)) }
            lose(outcome.lostLines)
        } else {
            if outcome.lostLines > 0 { lose(outcome.lostLines) }
            if let before = lostLines, outcome.hasWritten {
                tell(.writtenAgain(lostLines: before))
                lostLines = nil
            }
        }
    }

    private mutating func lose(_ lines: Int) {
        lostLines = (lostLines ?? 0) + lines
        lost.add(lines)
    }
}
