internal import Logging
internal import Proxy
internal import Reactor
internal import RouteTable
internal import Synchronization

/// Carries the workers' access-log lines to their files, on a thread of its own. When it falls behind, workers drop
/// lines and count them; nothing on a request's path waits for a disk.
final class AccessLogWriter: Sendable {
    private struct State {
        var files: [String: AccessLogFile] = [:]
        var isRunning = false
        var hasEnded = true
    }

    private let state = Mutex(State())
    private let workers: Int
    private let logger: Logger

    init(workers: Int, logger: Logger) {
        self.workers = workers
        self.logger = logger
    }

    /// Lines that could not be written, since the start.
    var lostLines: UInt64 { state.withLock { $0.files.values.reduce(0) { $0 + $1.lostLines } } }

    /// The ring for one listener and worker; nil when the listener has no log, or its file cannot be opened.
    func ring(for listener: Listener, worker: Int) -> AccessLogRing? {
        guard let log = listener.accessLog else { return nil }
        return state.withLock { state in
            if let known = state.files[log.path] { return known.rings[worker] }
            do {
                let file = try AccessLogFile(path: log.path, workers: workers)
                state.files[log.path] = file
                return file.rings[worker]
            } catch {
                logger.error("access log \(log.path) cannot be opened: \(error)")
                return nil
            }
        }
    }

    /// Opens every file anew, for those who rotate them.
    func reopen() {
        for file in state.withLock({ Array($0.files.values) }) {
            do {
                try file.reopen()
            } catch {
                logger.error("access log \(file.path) cannot be opened anew, and stays as it is: \(error)")
            }
        }
    }

    func start() throws(SystemError) {
        state.withLock {
            $0.isRunning = true
            $0.hasEnded = false
        }
        try Thread.start(name: "access log") { [self] in
            while state.withLock({ $0.isRunning }) {
                writeAll()
                Thread.pause(milliseconds: 50)
            }
            writeAll()
            state.withLock { $0.hasEnded = true }
        }
    }

    /// Returns when all lines are written, or after two seconds.
    func stop() async {
        state.withLock { $0.isRunning = false }
        for _ in 0..<200 where !state.withLock({ $0.hasEnded }) { try? await Task.sleep(for: .milliseconds(10)) }
    }

    private func writeAll() {
        for file in state.withLock({ Array($0.files.values) }) {
            if let error = file.write() {
                logger.error("access log \(file.path) cannot be written, lines are lost: \(error)")
            }
        }
    }
}
