internal import CLinux
internal import Dispatch
internal import Foundation
internal import Logging
internal import Proxy
internal import RouteTable
internal import Synchronization

/// Carries the workers' access-log lines to their files, on a thread of its own. When it falls behind, workers drop
/// lines and count them; nothing on a request's path waits for a disk.
final class AccessLogWriter: Sendable {
    private struct Output {
        var descriptor: Int32
        var rings: [AccessLogRing]
    }

    private struct State {
        var outputs: [String: Output] = [:]
        var isRunning = false
    }

    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "access log")
    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
    }

    /// The ring for one listener and worker; nil when the listener has no log.
    func ring(for listener: Listener, worker: Int) -> AccessLogRing? {
        guard let log = listener.accessLog else { return nil }
        return state.withLock { state in
            if state.outputs[log.path] == nil {
                let descriptor = log.path == "-" ? dup(1) : open(log.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
                if descriptor < 0 {
                    logger.error("access log \(log.path) cannot be opened: \(String(cString: strerror(errno)))")
                    return nil
                }
                state.outputs[log.path] = Output(descriptor: descriptor, rings: [])
            }
            let known = state.outputs[log.path]?.rings ?? []
            while (state.outputs[log.path]?.rings.count ?? 0) <= worker { state.outputs[log.path]?.rings.append(AccessLogRing()) }
            _ = known
            return state.outputs[log.path]?.rings[worker]
        }
    }

    func start() {
        state.withLock { $0.isRunning = true }
        queue.async { [self] in
            while state.withLock({ $0.isRunning }) {
                writeAll()
                usleep(50_000)
            }
            writeAll()
        }
    }

    func stop() {
        state.withLock { $0.isRunning = false }
        queue.sync {}
    }

    private func writeAll() {
        let outputs = state.withLock { $0.outputs.values.map { ($0.descriptor, $0.rings) } }
        for (descriptor, rings) in outputs {
            for ring in rings {
                ring.drain { bytes in
                    var rest = bytes
                    while rest.count > 0 {
                        let written = unsafe clinux_write(descriptor, rest.baseAddress, rest.count)
                        // A full disk loses these lines; the next may fit again.
                        if written <= 0 { return }
                        rest = UnsafeRawBufferPointer(rebasing: rest[written...])
                    }
                }
            }
        }
    }
}
