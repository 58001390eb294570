internal import CLinux
internal import Foundation
internal import Logging
internal import Proxy
internal import Reactor
internal import RouteTable
internal import Synchronization

/// Carries the workers' access-log lines to their files, on a thread of its own. When it falls behind, workers drop
/// lines and count them; nothing on a request's path waits for a disk.
final class AccessLogWriter: Sendable {
    private struct Output {
        let descriptor: Int32
        /// One for each worker, shared by all listeners that log to the same file.
        let rings: [AccessLogRing]
    }

    private struct State {
        var outputs: [String: Output] = [:]
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

    /// The ring for one listener and worker; nil when the listener has no log, or its file cannot be opened.
    func ring(for listener: Listener, worker: Int) -> AccessLogRing? {
        guard let log = listener.accessLog else { return nil }
        return state.withLock { state in
            if let known = state.outputs[log.path] { return known.rings[worker] }
            guard let descriptor = open(log.path) else { return nil }
            let output = Output(descriptor: descriptor, rings: (0..<workers).map { _ in AccessLogRing() })
            state.outputs[log.path] = output
            return output.rings[worker]
        }
    }

    private func open(_ path: String) -> Int32? {
        let flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC
        let descriptor = path == "-" ? dup(1) : unsafe Foundation.open(path, flags, 0o640)
        if descriptor >= 0 { return descriptor }
        logger.error("access log \(path) cannot be opened: \(SystemError(code: errno))")
        return nil
    }

    /// Opens every file anew, so that one that was moved away is let go. A file that cannot be opened stays as it is.
    func reopen() {
        state.withLock { state in
            for (path, output) in state.outputs where path != "-" {
                guard let descriptor = open(path) else { continue }
                // In place of the old one at once: the writer's thread sees one or the other.
                _ = dup2(descriptor, output.descriptor)
                _ = close(descriptor)
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
        for output in state.withLock({ Array($0.outputs.values) }) {
            for ring in output.rings {
                unsafe ring.drain { unsafe Self.write($0, to: output.descriptor) }
            }
        }
    }

    /// A full disk loses these lines; the next may fit again.
    private static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) {
        var offset = 0
        while offset < bytes.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
            let written = unsafe clinux_write(descriptor, rest.baseAddress, rest.count)
            if written <= 0 { return }
            offset += Int(written)
        }
    }
}
