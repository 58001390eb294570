internal import Dispatch
internal import Failover
internal import Files
internal import Glibc
internal import Logging
internal import Reactor
internal import RouteFiles
internal import RouteTable
internal import Store
internal import Synchronization

/// Writes what must outlive the process to the state directory, in order, on a thread of its own: a disk that is slow, full
/// or gone holds nothing up. What finds no room is lost and counted, and told once there is room again.
final class StateWriter: Sendable {
    private struct Files: ~Copyable {
        var journal: DecisionJournal
        var evidence: EvidenceLog
        var decisionsComplaint = Complaint()
        var evidenceComplaint = Complaint()
        var namesComplaint = Complaint()
        var place: Place?
        /// The directory is another router's now.
        var isOthers = false

        /// Nothing may be written where another router keeps its own.
        func checkOwnership(_ store: StateDirectory) throws {
            if isOthers { throw FileProblem(store.path, .written, code: EBUSY) }
        }
    }

    /// The directory as this router has it for itself, and what must be in it.
    private struct Place {
        var lock: StateLock?
        let holder: String
        var table: Table?
        var addresses: [String: [String]]?
        var nextLook: UInt64 = 0
    }

    /// So often it is looked, at most, whether the directory is still there: nanoseconds.
    private static let lookPause: UInt64 = 2_000_000_000

    private let thread: WorkThread
    private let files: Mutex<Files>
    private let logger: Logger
    private let store: StateDirectory
    private let decisionsLost = Atomic<UInt64>(0)
    private let eventsLost = Atomic<UInt64>(0)
    /// The evidence has a gap, or its segment is full: another must begin.
    private let isSegmentDue = Atomic<Bool>(true)
    /// No new segment is begun before then, after one could not be: nanoseconds of the monotonic clock.
    private let nextTry = Atomic<UInt64>(0)

    /// So many bytes of decisions and events wait at most, about.
    private static let bytesLimit = 64 * 1_048_576

    init(store: StateDirectory, logger: Logger) throws(SystemError) {
        files = Mutex(Files(journal: store.journal(), evidence: store.evidence()))
        thread = try WorkThread(name: "state", costLimit: Self.bytesLimit)
        self.logger = logger
        self.store = store
    }

    /// Decisions that are not in the journal.
    var lostDecisions: UInt64 { decisionsLost.load(ordering: .relaxed) }

    /// Events that are not in the evidence.
    var lostEvents: UInt64 { eventsLost.load(ordering: .relaxed) }

    /// Whether the next thing to say is `begin`.
    var wantsSegment: Bool {
        isSegmentDue.load(ordering: .relaxed)
            && DispatchTime.now().uptimeNanoseconds >= nextTry.load(ordering: .relaxed)
    }

    /// Keeps the directory for this router, for as long as the process lives.
    ///
    /// - Parameter holder: what others are told who want it.
    func hold(_ lock: StateLock, as holder: String) {
        _ = thread.add { [self] in files.withLock { $0.place = Place(lock: lock, holder: holder) } }
    }

    func write(_ decision: String) {
        let isTaken = thread.add(cost: decision.utf8.count + 64) { [self] in
            files.withLock { files in
                lookAtPlace(&files)
                do {
                    try files.checkOwnership(store)
                    try files.journal.append(decision)
                    if let lost = files.decisionsComplaint.end(lost: lostDecisions) {
                        logger.notice("decisions are kept in \(store.path) again; \(lost) were lost")
                    }
                } catch {
                    decisionsLost.add(1, ordering: .relaxed)
                    if files.decisionsComplaint.begin() {
                        logger.error("decisions cannot be kept in \(store.path): \(error)")
                    }
                }
            }
        }
        if !isTaken { decisionsLost.add(1, ordering: .relaxed) }
    }

    /// Begins a segment of evidence: `brain` is as it was before the events that follow.
    func begin(_ brain: Brain) {
        isSegmentDue.store(false, ordering: .relaxed)
        let isTaken = thread.add(cost: 1_048_576) { [self] in
            files.withLock { files in
                do {
                    try files.checkOwnership(store)
                    try files.evidence.begin(brain)
                    if let lost = files.evidenceComplaint.end(lost: lostEvents) {
                        logger.notice("evidence is kept in \(store.path) again; \(lost) events were lost")
                    }
                } catch {
                    rest(for: 60)
                    isSegmentDue.store(true, ordering: .relaxed)
                    if files.evidenceComplaint.begin() {
                        logger.warning("evidence cannot be kept in \(store.path): \(error)")
                    }
                }
            }
        }
        if !isTaken { isSegmentDue.store(true, ordering: .relaxed) }
    }

    func write(_ event: Event, at time: Instant) {
        // A half of the room is for decisions.
        let isTaken = thread.add(cost: event.bytes, limit: Self.bytesLimit / 2) { [self] in
            files.withLock { files in
                lookAtPlace(&files)
                do {
                    try files.checkOwnership(store)
                    if try !files.evidence.append(event, at: time) { eventsLost.add(1, ordering: .relaxed) }
                    if files.evidence.wantsSegment { isSegmentDue.store(true, ordering: .relaxed) }
                } catch {
                    eventsLost.add(1, ordering: .relaxed)
                    isSegmentDue.store(true, ordering: .relaxed)
                }
            }
        }
        if !isTaken {
            eventsLost.add(1, ordering: .relaxed)
            isSegmentDue.store(true, ordering: .relaxed)
            rest(for: 10)
        }
    }

    /// Keeps a table as the last good one.
    func keep(_ table: Table) {
        // Printing and writing a large table takes its time.
        let isTaken = thread.add(cost: 1_048_576) { [self] in
            files.withLock { files in
                files.place?.table = table
                do {
                    try files.checkOwnership(store)
                    try store.keepTable(NormalForm.text(of: table))
                } catch {
                    logger.warning("the last good table could not be kept in \(store.path): \(error)")
                }
            }
        }
        if !isTaken { logger.warning("the last good table could not be kept in \(store.path): too much waits for it") }
    }

    /// What the last run knew was taken in: see `StateDirectory.beginRemembering`.
    func endRemembering() {
        _ = thread.add { [self] in store.endRemembering() }
    }

    /// Keeps the addresses behind names, for a run whose name servers are silent.
    ///
    /// What finds no room is not missed: the next change brings all of them again.
    func keep(_ addresses: [String: [String]]) {
        _ = thread.add(cost: 256 * addresses.count) { [self] in
            files.withLock { files in
                files.place?.addresses = addresses
                do {
                    try files.checkOwnership(store)
                    try store.keepAddresses(addresses)
                    if files.namesComplaint.end(lost: 0) != nil {
                        logger.notice("addresses of names are kept in \(store.path) again")
                    }
                } catch {
                    if files.namesComplaint.begin() {
                        logger.warning("addresses of names cannot be kept in \(store.path): \(error)")
                    }
                }
            }
        }
    }

    private func rest(for seconds: UInt64) {
        nextTry.store(DispatchTime.now().uptimeNanoseconds + seconds * 1_000_000_000, ordering: .relaxed)
    }

    /// Returns when all is written, or the time is over.
    func finish(within limit: Duration) async {
        await thread.finish(within: limit)
    }

    /// Whoever removes or moves the directory of a running router leaves it with files that nobody will find. Then all of
    /// them are made anew, the lock first: meanwhile the directory may have become another router's.
    private func lookAtPlace(_ files: inout Files) {
        let now = DispatchTime.now().uptimeNanoseconds
        guard var place = files.place, now >= place.nextLook else { return }
        place.nextLook = now + Self.lookPause
        let isLockGone = place.lock.map { !$0.isInPlace } ?? true
        let isJournalGone = files.journal.leaveIfDisplaced()
        let isEvidenceGone = files.evidence.leaveIfDisplaced()
        if isEvidenceGone { isSegmentDue.store(true, ordering: .relaxed) }
        if isLockGone {
            place.lock = nil
            takeAgain(&place, &files)
        } else if isJournalGone || isEvidenceGone {
            logger.warning("files of \(store.path) were removed or moved: they are written anew")
        }
        files.place = place
    }

    private func takeAgain(_ place: inout Place, _ files: inout Files) {
        do {
            switch try StateLock.take(in: store, for: place.holder) {
            case .held(let other):
                if !files.isOthers {
                    logger.error(
                        "the state directory \(store.path) is in use by \(other) now: nothing is kept in it any more")
                }
                files.isOthers = true
            case .taken(let lock):
                logger.warning("the state directory \(store.path) was removed or moved: all of it is written anew")
                place.lock = lock
                files.isOthers = false
                isSegmentDue.store(true, ordering: .relaxed)
                nextTry.store(0, ordering: .relaxed)
                if let table = place.table { try store.keepTable(NormalForm.text(of: table)) }
                if let addresses = place.addresses { try store.keepAddresses(addresses) }
            }
        } catch {
            // Whoever has something to write next says what is wrong.
        }
    }
}

/// Whether somebody was told that something is lost, and how much of it they know of.
private struct Complaint {
    private var isMade = false
    private var told: UInt64 = 0

    /// True when nobody was told yet.
    mutating func begin() -> Bool {
        defer { isMade = true }
        return !isMade
    }

    /// What was lost since all was well, if anything was.
    ///
    /// - Parameter lost: ever.
    mutating func end(lost: UInt64) -> UInt64? {
        defer { (isMade, told) = (false, lost) }
        return isMade || lost > told ? lost - told : nil
    }
}

extension Event {
    /// What it takes in memory, about.
    fileprivate var bytes: Int {
        switch self {
        case .traffic(let traffic):
            256 + 128 * traffic.endpoints.count + 16 * traffic.services.count + 64 * traffic.cells.count
        case .topology(let topology):
            topology.services.reduce(4_096) { $0 + 512 + $1.cells.reduce(0) { $0 + 64 * (1 + $1.endpoints.count) } }
        case .probe, .order, .proberLag, .tick: 128
        }
    }
}
