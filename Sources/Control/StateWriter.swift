internal import Dispatch
internal import Failover
internal import Logging
internal import Store
internal import Synchronization

/// Writes decisions and evidence to the state directory, in order, on a queue of its own: a disk that is slow or full
/// holds nothing up. What finds no room is lost and counted.
final class StateWriter: Sendable {
    private struct Files: ~Copyable {
        var journal: DecisionJournal
        var evidence: EvidenceLog
        var hasComplained = false
    }

    private let queue = DispatchQueue(label: "state", qos: .utility)
    private let files: Mutex<Files>
    private let logger: Logger
    private let path: String
    private let waiting = Atomic<Int>(0)
    private let lost = Atomic<UInt64>(0)
    /// The evidence has a gap, or its segment is full: another must begin.
    private let isSegmentDue = Atomic<Bool>(true)
    /// No new segment is begun before then, after one could not be: nanoseconds of the monotonic clock.
    private let nextTry = Atomic<UInt64>(0)

    /// So many lines and events wait at most.
    private static let limit = 10_000

    init(store: StateDirectory, logger: Logger) {
        files = Mutex(Files(journal: store.journal(), evidence: store.evidence()))
        self.logger = logger
        path = store.path
    }

    /// Decisions that could not be written.
    var lostDecisions: UInt64 { lost.load(ordering: .relaxed) }

    /// Whether the next thing to say is `begin`.
    var wantsSegment: Bool {
        isSegmentDue.load(ordering: .relaxed)
            && DispatchTime.now().uptimeNanoseconds >= nextTry.load(ordering: .relaxed)
    }

    func write(_ decision: String) {
        enqueue({ self.lost.add(1, ordering: .relaxed) }) { files in
            do {
                try files.journal.append(decision)
                files.hasComplained = false
            } catch {
                self.lost.add(1, ordering: .relaxed)
                if !files.hasComplained {
                    self.logger.error("decisions cannot be kept in \(self.path): \(error)")
                }
                files.hasComplained = true
            }
        }
    }

    /// Begins a segment of evidence: `brain` is as it was before the events that follow.
    func begin(_ brain: Brain) {
        isSegmentDue.store(false, ordering: .relaxed)
        enqueue({ self.isSegmentDue.store(true, ordering: .relaxed) }) { files in
            do {
                try files.evidence.begin(brain)
            } catch {
                self.rest(for: 60)
                self.isSegmentDue.store(true, ordering: .relaxed)
                self.logger.warning("evidence cannot be kept in \(self.path): \(error)")
            }
        }
    }

    func write(_ event: Event, at time: Instant) {
        // A half of the queue is for decisions.
        enqueue(
            limit: Self.limit / 2,
            {
                self.isSegmentDue.store(true, ordering: .relaxed)
                self.rest(for: 10)
            }
        ) { files in
            do {
                try files.evidence.append(event, at: time)
                if files.evidence.wantsSegment { self.isSegmentDue.store(true, ordering: .relaxed) }
            } catch {
                self.isSegmentDue.store(true, ordering: .relaxed)
            }
        }
    }

    private func rest(for seconds: UInt64) {
        nextTry.store(DispatchTime.now().uptimeNanoseconds + seconds * 1_000_000_000, ordering: .relaxed)
    }

    private func enqueue(
        limit: Int = limit, _ drop: () -> Void, _ work: @escaping @Sendable (inout Files) -> Void
    ) {
        guard waiting.load(ordering: .relaxed) < limit else { return drop() }
        waiting.add(1, ordering: .relaxed)
        queue.async { [self] in
            files.withLock { work(&$0) }
            waiting.subtract(1, ordering: .relaxed)
        }
    }

    /// Returns when all is written, or after two seconds.
    func finish() async {
        for _ in 0..<200 where waiting.load(ordering: .relaxed) > 0 { try? await Task.sleep(for: .milliseconds(10)) }
    }
}
