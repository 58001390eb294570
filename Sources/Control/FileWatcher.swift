internal import CLinux
internal import Foundation
internal import Reactor
internal import Synchronization

/// Tells when something in a directory, or one file, changed, after it has been quiet for a moment.
///
/// An editor's save, a `git checkout` or a configuration map's swap of symbolic links are many events and one change.
struct FileWatcher: Sendable {
    /// Where there is no quiet, a change counts after this long: nanoseconds.
    private static let longestWait: Int64 = 2_000_000_000

    private let directories: [String]
    private let quietMilliseconds: Int32

    /// - Parameters:
    ///   - paths: directories (not their subdirectories), or files.
    ///   - quietMilliseconds: how long nothing must happen before a change counts.
    init(paths: [String], quietMilliseconds: Int32 = 200) {
        directories = paths.map { Self.directory(of: $0) }
        self.quietMilliseconds = quietMilliseconds
    }

    init(path: String, quietMilliseconds: Int32 = 200) {
        self.init(paths: [path], quietMilliseconds: quietMilliseconds)
    }

    /// What is watched for a path: itself, or the directory that a file is in.
    static func directory(of path: String) -> String {
        var isDirectory: ObjCBool = false
        let exists = unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
        return exists && isDirectory.boolValue ? path : URL(fileURLWithPath: path).deletingLastPathComponent().path
    }

    /// One element a change, until the stream is cancelled. Throws if a path cannot be watched.
    func changes() throws(SystemError) -> AsyncStream<Void> {
        let inotify = clinux_inotify_create()
        guard inotify >= 0 else { throw SystemError(code: -inotify) }
        for directory in directories {
            let watch = unsafe clinux_inotify_watch(inotify, directory)
            guard watch >= 0 else {
                _ = clinux_close(inotify)
                throw SystemError(code: -watch)
            }
        }
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let isOver = Flag()
        continuation.onTermination = { _ in isOver.set() }
        let quiet = quietMilliseconds
        try Thread.start(name: "file watcher") {
            /// When the first of the changes came that nobody was told of yet.
            var pendingSince: Int64?
            while !isOver.isSet {
                var wait = pollfd(fd: inotify, events: Int16(POLLIN), revents: 0)
                let hasChanged = unsafe poll(&wait, 1, pendingSince == nil ? 500 : quiet) > 0
                if hasChanged {
                    var events = [UInt8](repeating: 0, count: 65_536)
                    while unsafe clinux_read(inotify, &events, events.count) > 0 {}
                    pendingSince = pendingSince ?? EventLoop.clock()
                }
                if let since = pendingSince, !hasChanged || EventLoop.clock() - since > Self.longestWait {
                    pendingSince = nil
                    continuation.yield()
                }
            }
            _ = clinux_close(inotify)
        }
        return stream
    }
}

/// Set once, by any thread.
private final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    var isSet: Bool { value.load(ordering: .relaxed) }

    func set() { value.store(true, ordering: .relaxed) }
}
