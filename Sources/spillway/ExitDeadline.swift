internal import Glibc
internal import Logging
internal import Reactor
internal import Synchronization

/// Ends the process when its time is over, whatever may still be under way or stand still then.
///
/// A thread of its own waits for that moment: what hangs (a file system that does not answer, most of all) may hang anywhere
/// else.
final class ExitDeadline: Sendable {
    private let isSet = Atomic<Bool>(false)

    /// What is left to write the line that says why.
    private static let lastWords = 100

    /// Only the first call counts.
    func set(within limit: Duration, _ logger: Logger) {
        guard !isSet.exchange(true, ordering: .relaxed) else { return }
        let end = ContinuousClock.now + limit - .milliseconds(Self.lastWords)
        try? Thread.start(name: "exit") {
            while ContinuousClock.now < end { Thread.pause(milliseconds: 50) }
            logger.warning("something stands still and is left behind: the process ends without it")
            Thread.pause(milliseconds: Self.lastWords)
            _exit(0)
        }
    }
}
