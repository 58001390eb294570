internal import CLinux
internal import Glibc

/// Starts threads of our own, outside Swift's pool: a loop never gives its thread back.
package enum Thread {
    /// Runs `body` on a new, detached thread whose name (at most 15 bytes) shows in `top -H` and `perf`.
    package static func start(name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let box = unsafe Unmanaged.passRetained(Start(name: name, body: body))
        var thread = pthread_t()
        let result = unsafe pthread_create(
            &thread, nil,
            { argument in
                let start = unsafe Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                unsafe clinux_name_thread(start.name)
                start.body()
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            unsafe box.release()
            throw SystemError(code: result)
        }
        pthread_detach(thread)
    }

    /// Has the calling thread sleep. Not for a loop's thread.
    package static func pause(milliseconds: Int) {
        usleep(UInt32(clamping: milliseconds) &* 1_000)
    }

    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = String(decoding: name.utf8.prefix(15), as: UTF8.self)
            self.body = body
        }
    }
}
