internal import CLinux
internal import Foundation
internal import Reactor

/// Tells when something in a directory, or one file, changed, after it has been quiet for a moment.
///
/// An editor's save, a `git checkout` or a configuration map's swap of symbolic links are many events and one change.
package struct FileWatcher: Sendable {
    private let path: String
    private let quiet: Duration

    /// - Parameters:
    ///   - path: a directory (not its subdirectories), or a file.
    ///   - quiet: how long nothing must happen before a change counts.
    package init(path: String, quiet: Duration = .milliseconds(200)) {
        self.path = path
        self.quiet = quiet
    }

    /// One element a change, until the stream is cancelled. Throws if the path cannot be watched.
    package func changes() throws(SystemError) -> AsyncStream<Void> {
        var isDirectory: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
        let watched = exists && isDirectory.boolValue ? path : (path as NSString).deletingLastPathComponent
        let inotify = clinux_inotify_create()
        guard inotify >= 0 else { throw SystemError(code: -inotify) }
        let watch = clinux_inotify_watch(inotify, watched.isEmpty ? "." : watched)
        guard watch >= 0 else {
            _ = clinux_close(inotify)
            throw SystemError(code: -watch)
        }
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let source = DispatchSource.makeReadSource(fileDescriptor: inotify, queue: DispatchQueue(label: "file watcher"))
        let pending = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "file watcher quiet"))
        let quietSeconds = Double(quiet.components.seconds) + Double(quiet.components.attoseconds) / 1e18
        pending.setEventHandler { continuation.yield() }
        pending.activate()
        source.setEventHandler {
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while unsafe clinux_read(inotify, &buffer, buffer.count) > 0 {}
            pending.schedule(deadline: .now() + quietSeconds)
        }
        source.setCancelHandler { _ = clinux_close(inotify) }
        continuation.onTermination = { _ in
            source.cancel()
            pending.cancel()
        }
        source.activate()
        return stream
    }
}
