internal import Synchronization

/// What is due beside the looks of the brain and takes its time: reading tables and certificates again.
///
/// A chore is due or it is not. What is asked for while it is due already is done once, and what is asked for while it is
/// being done is done again after it: so nothing is dropped, however much is asked for, and there is no queue to fill. All
/// are carried out by one, after each other: two tables must not be taken on at once.
///
/// Nothing that waits for others (a name server, say) is a chore, so that a reload never waits for it. A file system that
/// does not answer holds up the chore that reads from it, for a minute at most; that is told and counted.
final class Chores: Sendable {
    enum Chore: Equatable, CustomStringConvertible {
        case reload(ReloadPrompt)
        case certificates(String)
        /// A look whether the files of Unix sockets are still there.
        case sockets

        var description: String {
            switch self {
            case .reload(let prompt): "the reload (\(prompt.rawValue))"
            case .certificates(let reason): "the reading of certificates (\(reason))"
            case .sockets: "the look at the files of sockets"
            }
        }
    }

    private struct Due {
        var reload: ReloadPrompt?
        var certificates: String?
        var sockets = false
    }

    private let due = Mutex(Due())
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    init() {
        // One wake is enough: whoever is woken takes all that is due.
        (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    func add(_ chore: Chore) {
        due.withLock { due in
            switch chore {
            // Somebody who asks counts for more than files that have changed.
            case .reload(let prompt): due.reload = due.reload == .signal ? .signal : prompt
            case .certificates(let reason): due.certificates = reason
            case .sockets: due.sockets = true
            }
        }
        wake.yield()
    }

    /// What comes first of all that is due; it is due no more.
    func takeFirst() -> Chore? {
        due.withLock { due in
            if let prompt = due.reload.take() { return .reload(prompt) }
            if let reason = due.certificates.take() { return .certificates(reason) }
            if due.sockets {
                due.sockets = false
                return .sockets
            }
            return nil
        }
    }

    /// Hands over one chore after the other, until the task is cancelled.
    ///
    /// - Parameter onSlow: told once of each chore that takes longer than `patience`, while it is under way.
    func carryOut(
        patience: Duration, onSlow: @escaping @Sendable (Chore) async -> Void, _ body: (Chore) async -> Void
    ) async {
        for await _ in wakes {
            while !Task.isCancelled, let chore = takeFirst() {
                let watch = Task {
                    try? await Task.sleep(for: patience)
                    if !Task.isCancelled { await onSlow(chore) }
                }
                await body(chore)
                watch.cancel()
            }
        }
    }
}
