internal import CLinux
internal import Foundation
internal import Proxy
internal import Reactor
internal import Synchronization

/// A file of access-log lines, and the rings from which they come: one for each worker, shared by all listeners that
/// log to the same file.
final class AccessLogFile: Sendable {
    let path: String
    let rings: [AccessLogRing]
    private let descriptor: Int32
    private let state = Mutex(State())

    private struct State {
        /// A line was written in part: what follows it needs a line of its own.
        var isTorn = false
        /// Why the last write failed; nil when it did not.
        var error: SystemError?
        var lostLines: UInt64 = 0
    }

    /// - Parameter path: `-` is standard output.
    init(path: String, workers: Int) throws(SystemError) {
        self.path = path
        rings = (0..<workers).map { _ in AccessLogRing() }
        descriptor = try Self.open(path)
    }

    deinit {
        close(descriptor)
    }

    private static func open(_ path: String) throws(SystemError) -> Int32 {
        let flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC
        let descriptor = path == "-" ? dup(1) : unsafe Foundation.open(path, flags, 0o640)
        if descriptor < 0 { throw SystemError(code: errno) }
        return descriptor
    }

    /// Lines that came to the writer and could not be written.
    var lostLines: UInt64 { state.withLock { $0.lostLines } }

    /// Opens the file anew, so that one that was moved away is let go. If that fails it stays as it is.
    func reopen() throws(SystemError) {
        guard path != "-" else { return }
        let fresh = try Self.open(path)
        // In place of the old one at once: the writer's thread sees one or the other.
        dup2(fresh, descriptor)
        close(fresh)
    }

    /// Writes what is in the rings. Returns an error when one begins, not while it lasts.
    func write() -> SystemError? {
        let before = state.withLock { $0.error }
        for ring in rings {
            unsafe ring.drain { unsafe write($0) }
        }
        let after = state.withLock { $0.error }
        return before == nil ? after : nil
    }

    /// On a full disk these lines are lost and counted; the next may fit again.
    private func write(_ bytes: UnsafeRawBufferPointer) {
        state.withLock { state in
            if state.isTorn {
                let newline: [UInt8] = [0x0a]
                if unsafe clinux_write(descriptor, newline, 1) == 1 { state.isTorn = false }
            }
            var offset = 0
            while offset < bytes.count {
                let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
                let written = unsafe clinux_write(descriptor, rest.baseAddress, rest.count)
                guard written > 0 else {
                    state.error = SystemError(code: Int32(-written))
                    if unsafe offset > 0 && bytes[offset - 1] != 0x0a { state.isTorn = true }
                    state.lostLines += unsafe UInt64(rest.count { $0 == 0x0a })
                    return
                }
                offset += written
            }
            state.error = nil
        }
    }
}
