internal import Logging
internal import Proxy
internal import Reactor
internal import RouteTable
internal import Synchronization

/// The access logs that the table names, and their threads. When one falls behind, workers drop lines and count them;
/// nothing on a request's path, and nobody who decides, waits for a file.
final class AccessLogWriter: Sendable {
    private let files = Mutex<[String: AccessLogFile]>([:])
    private let lost = AccessLogLosses()
    private let workers: Int
    private let logger: Logger

    init(workers: Int, logger: Logger) {
        self.workers = workers
        self.logger = logger
    }

    /// Lines that could not be written, since the start.
    var lostLines: UInt64 { lost.count }

    /// The ring for one listener and worker; nil when the listener has no log, or there is no thread for it.
    func ring(for listener: Listener, worker: Int) -> AccessLogRing? {
        guard let log = listener.accessLog else { return nil }
        return files.withLock { files in
            if let known = files[log.path] { return known.ring(worker) }
            do {
                let logger = logger
                let file = try AccessLogFile(path: log.path, workers: workers, lost: lost) { news in
                    Self.tell(news, of: log.path, logger)
                }
                files[log.path] = file
                return file.ring(worker)
            } catch {
                logger.error("access log \(log.path): no thread can be started for it: \(error)")
                return nil
            }
        }
    }

    /// Lets go of the logs that no listener of the table has any more.
    func keep(_ table: Table) {
        let paths = Set(table.listeners.compactMap { $0.accessLog?.path })
        files.withLock { files in
            for (path, file) in files where !paths.contains(path) {
                file.retire()
                files[path] = nil
            }
        }
    }

    /// Has every file opened anew, for those who rotate them.
    func reopen() {
        for file in files.withLock({ Array($0.values) }) { file.reopen() }
    }

    /// Returns when all lines are written, or the time is over.
    func stop(within limit: Duration) async {
        let files = files.withLock { Array($0.values) }
        for file in files { file.end() }
        let end = ContinuousClock.now + limit
        while files.contains(where: { !$0.hasEnded }), ContinuousClock.now < end {
            try? await Task.sleep(for: .milliseconds(10))
        }
    }

    private static func tell(_ news: AccessLogPen.News, of path: String, _ logger: Logger) {
        switch news {
        case .cannotOpen(let error): logger.error("access log \(path) cannot be opened, lines are lost: \(error)")
        case .cannotReopen(let error):
            logger.error("access log \(path) cannot be opened anew, and stays as it is: \(error)")
        case .cannotWrite(let error): logger.error("access log \(path) cannot be written, lines are lost: \(error)")
        case .writtenAgain(let lines): logger.notice("access log \(path) is written again; \(lines) lines were lost")
        }
    }
}
