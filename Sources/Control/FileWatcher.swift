internal import CLinux
internal import Glibc
internal import Reactor
internal import Synchronization

/// Tells when files that were read have changed, once they have been quiet for a moment.
///
/// Each path is followed through its symbolic links and looked at anew every few seconds; inotify only has the looks
/// made sooner. So nothing depends on a watch that could not be had, or that stayed with a directory that was replaced.
struct FileWatcher: Sendable {
    /// What the clocks of file systems may be behind the one they are compared with: a tick.
    static let tick: Int64 = 20_000_000

    let paths: [String]
    let isRead: @Sendable (String) -> Bool
    var bounds = QuietTime.Bounds()
    /// How often files are looked at if inotify tells nothing: nanoseconds.
    var lookInterval: Int64 = 2_000_000_000
    /// Whether inotify is used.
    var listens = true

    /// One element for the changes that came together, until the stream is cancelled.
    /// - Parameters:
    ///   - readAt: when the files were read, nanoseconds since 1970: what was changed since then is told.
    ///   - seen: what the files were then; nil has the watcher look itself, soon.
    ///   - onTrouble: told once, in words, when inotify cannot be used.
    func changes(
        since readAt: Int64, seen: FileLook? = nil, onTrouble: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(SystemError) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let isOver = Flag()
        continuation.onTermination = { _ in isOver.set() }
        // The looks are the thread's: whoever asks may be an actor, and a disk may not answer. What was changed before the
        // first look, and after the files were read, shows by its time.
        try Thread.start(name: "file watcher") { [self] in
            let first = seen ?? FileLook(paths, isRead: isRead)
            let isBehind = first.latestChange >= readAt - Self.tick && first.latestChange <= EventLoop.wallClock()
            var watch = Watch(listens: listens, onTrouble: onTrouble)
            run(first, isBehind: isBehind, &watch, until: { isOver.isSet }) { continuation.yield() }
        }
        return stream
    }

    private func run(
        _ first: FileLook, isBehind: Bool, _ watch: inout Watch, until isOver: () -> Bool, tell: () -> Void
    ) {
        var seen = first
        var quiet = QuietTime(bounds)
        if isBehind { quiet.changed(at: EventLoop.clock()) }
        // The first look may be older than the watches that are set now.
        watch.follow(seen.directories)
        var nextLook = EventLoop.clock()
        while !isOver() {
            let due = min(nextLook, quiet.end ?? .max)
            let wait = Int32(clamping: max(0, due - EventLoop.clock()) / 1_000_000 + 1)
            let hasHeard = watch.wait(milliseconds: min(wait, 500))
            let began = EventLoop.clock()
            guard hasHeard || began >= due else { continue }
            let look = FileLook(paths, isRead: isRead)
            // Each time: a directory can be replaced by another while all files in it stay the same.
            watch.follow(look.directories)
            let now = EventLoop.clock()
            if look != seen {
                seen = look
                quiet.changed(at: now)
            } else if let end = quiet.end, now >= end {
                quiet = QuietTime(bounds)
                tell()
            }
            // However many files there are, and however busy the directories around them: a hundredth of the time.
            nextLook = now + max(lookInterval, (now - began) * 100)
            Thread.pause(milliseconds: Int(min(500, max(20, (now - began) / 20_000))))
        }
    }
}

/// inotify's watches on some directories.
private struct Watch: ~Copyable {
    private var descriptor: Int32 = -1
    private var watches: [String: Int32] = [:]
    private let listens: Bool
    private let onTrouble: @Sendable (String) -> Void
    private var hasComplained = false

    /// More directories than this are only looked at.
    private static let limit = 1_000

    init(listens: Bool, onTrouble: @escaping @Sendable (String) -> Void) {
        self.listens = listens
        self.onTrouble = onTrouble
    }

    deinit {
        if descriptor >= 0 { _ = clinux_close(descriptor) }
    }

    /// Watches these directories and no others, each as it is now.
    mutating func follow(_ directories: Set<String>) {
        guard listens else { return }
        if descriptor < 0 { descriptor = clinux_inotify_create() }
        guard descriptor >= 0 else { return complain(SystemError(code: -descriptor)) }
        var wanted: [String: Int32] = [:]
        for directory in directories.sorted().prefix(Self.limit) {
            let watch = unsafe clinux_inotify_watch(descriptor, directory)
            if watch >= 0 {
                wanted[directory] = watch
            } else if watch != -ENOENT && watch != -ENOTDIR {
                complain(SystemError(code: -watch))
            }
        }
        let kept = Set(wanted.values)
        for old in Set(watches.values) where !kept.contains(old) { _ = clinux_inotify_forget(descriptor, old) }
        watches = wanted
    }

    private mutating func complain(_ error: SystemError) {
        if !hasComplained { onTrouble("\(error)") }
        hasComplained = true
    }

    /// Whether anything happened, within so long.
    func wait(milliseconds: Int32) -> Bool {
        guard descriptor >= 0 else {
            Thread.pause(milliseconds: Int(milliseconds))
            return false
        }
        var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&wait, 1, milliseconds) > 0 else { return false }
        var events = [UInt8](repeating: 0, count: 65_536)
        while unsafe clinux_read(descriptor, &events, events.count) > 0 {}
        return true
    }
}

/// Set once, by any thread.
private final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    var isSet: Bool { value.load(ordering: .relaxed) }

    func set() { value.store(true, ordering: .relaxed) }
}
