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
///
/// Nothing is written without the directory's lock: another router may keep its own there. Where the lock cannot be had, or
/// is lost with the directory, it is asked for again for as long as the process lives.
final class StateWriter: Sendable {
    private struct Files: ~Copyable {
        var journal: DecisionJournal
        var evidence: EvidenceLog
        var decisionsComplaint = Complaint()
        var evidenceComplaint = Complaint()
        /// The directory as this router has it for itself.
        var lock: StateLock?
        /// It had the directory once.
        var hasHeld = false
        /// Why it has not got it.
        var obstacle: FileProblem
        /// The directory is another router's.
        var isOthers = false
        /// When to look whether the directory is still there: nanoseconds of the monotonic clock.
        var nextLook: UInt64 = 0
        var table = Whole<Table>()
        var addresses = Whole<[String: [String]]>()

        func checkLock() throws(FileProblem) {
            if lock == nil { throw obstacle }
        }

        /// There may be room again: what is not kept is tried at the next look.
        mutating func hopeAgain() {
            table.nextTry = 0
            addresses.nextTry = 0
        }
    }

    /// What has a file of its own that is replaced whole: as it is to be, and whether the file has it.
    private struct Whole<Value> {
        private(set) var value: Value?
        var isKept = true
        var nextTry: UInt64 = 0
        var complaint = Complaint()

        mutating func want(_ new: Value) {
            value = new
            isKept = false
            nextTry = 0
        }
    }

    /// What is to be kept, and was not taken up yet.
    private struct Wanted {
        var table: Table?
        var addresses: [String: [String]]?
    }

    private let thread: WorkThread
    private let files: Mutex<Files>
    /// Held for a moment, unlike `files`, which is held while the disk is waited for.
    private let wanted = Mutex(Wanted())
    private let logger: Logger
    private let store: StateDirectory
    private let holder: String
    private let lookPause: UInt64
    private let retryPause: UInt64
    private let decisionsLost = Atomic<UInt64>(0)
    private let eventsLost = Atomic<UInt64>(0)
    /// The evidence has a gap, or its segment is full: another must begin.
    private let isSegmentDue = Atomic<Bool>(true)
    /// No new segment is begun before then, after one could not be: nanoseconds of the monotonic clock.
    private let nextTry = Atomic<UInt64>(0)

    /// So many bytes of decisions and events wait at most, about.
    private static let bytesLimit = 64 * 1_048_576

    /// - Parameters:
    ///   - holder: what others are told who want the directory.
    ///   - lookPause: so often it is looked, at most, whether the directory is still there: nanoseconds.
    ///   - retryPause: what could not be kept is tried again so much later, or when something else finds room again.
    init(
        store: StateDirectory, holder: String, logger: Logger, lookPause: UInt64 = 2_000_000_000,
        retryPause: UInt64 = 60_000_000_000
    ) throws(SystemError) {
        files = Mutex(
            Files(
                journal: store.journal(), evidence: store.evidence(),
                obstacle: FileProblem(store.path, .locked, code: EAGAIN)))
        thread = try WorkThread(name: "state", costLimit: Self.bytesLimit)
        self.logger = logger
        self.store = store
        self.holder = holder
        self.lookPause = lookPause
        self.retryPause = retryPause
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
    func hold(_ lock: StateLock) {
        _ = thread.add { [self] in
            files.withLock { files in
                files.lock = lock
                files.hasHeld = true
            }
        }
    }

    func write(_ decision: String) {
        let isTaken = thread.add(cost: decision.utf8.count + 64) { [self] in
            files.withLock { files in
                look(&files)
                do {
                    try files.checkLock()
                    try files.journal.append(decision)
                    if let lost = files.decisionsComplaint.end(lost: lostDecisions) {
                        logger.notice("decisions are kept in \(store.path) again; \(lost) were lost")
                        files.hopeAgain()
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
                look(&files)
                do {
                    try files.checkLock()
                    try files.evidence.begin(brain)
                    if let lost = files.evidenceComplaint.end(lost: lostEvents) {
                        logger.notice("evidence is kept in \(store.path) again; \(lost) events were lost")
                        files.hopeAgain()
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
                look(&files)
                do {
                    try files.checkLock()
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
        wanted.withLock { $0.table = table }
        // Printing and writing a large table takes its time. What finds no room is taken up at the next look.
        takeUpWanted(cost: 1_048_576)
    }

    /// Keeps the addresses behind names, for a run whose name servers are silent.
    func keep(_ addresses: [String: [String]]) {
        wanted.withLock { $0.addresses = addresses }
        takeUpWanted(cost: 256 * addresses.count)
    }

    private func takeUpWanted(cost: Int) {
        _ = thread.add(cost: cost) { [self] in
            files.withLock { files in
                look(&files)
                keepWanted(&files)
            }
        }
    }

    /// What the last run knew was taken in: see `StateDirectory.beginRemembering`.
    func endRemembering() {
        _ = thread.add { [self] in files.withLock { if $0.lock != nil { store.endRemembering() } } }
    }

    private func rest(for seconds: UInt64) {
        nextTry.store(DispatchTime.now().uptimeNanoseconds + seconds * 1_000_000_000, ordering: .relaxed)
    }

    /// Returns when all is written, or the time is over.
    func finish(within limit: Duration) async {
        // The last chance for what there was no room for.
        _ = thread.add { [self] in
            files.withLock { files in
                files.hopeAgain()
                keepWanted(&files)
            }
        }
        await thread.finish(within: limit)
    }

    // On the thread

    /// Sees to it, from time to time, that the directory is there, that it is this router's, and that all is in it.
    private func look(_ files: inout Files) {
        let now = DispatchTime.now().uptimeNanoseconds
        guard now >= files.nextLook else { return }
        files.nextLook = now + lookPause
        // Whoever removes or moves the directory of a running router leaves it with files that nobody will find. Then all
        // of them are made anew, the lock first: meanwhile the directory may have become another router's.
        if files.lock?.isInPlace == true {
            let isJournalGone = files.journal.leaveIfDisplaced()
            let isEvidenceGone = files.evidence.leaveIfDisplaced()
            if isEvidenceGone { isSegmentDue.store(true, ordering: .relaxed) }
            if isJournalGone || isEvidenceGone {
                logger.warning("files of \(store.path) were removed or moved: they are written anew")
            }
        } else {
            takeLock(&files)
        }
        keepWanted(&files)
    }

    private func takeLock(_ files: inout Files) {
        files.lock = nil
        do {
            switch try StateLock.take(in: store, for: holder) {
            case .held(let other):
                files.obstacle = FileProblem(store.path, .written, code: EBUSY)
                if !files.isOthers {
                    logger.error(
                        """
                        the state directory \(store.path) is in use by \(other) now: nothing is kept in it\
                        \(files.hasHeld ? " any more" : "")
                        """)
                }
                files.isOthers = true
            case .taken(let lock):
                try store.prepare()
                if files.hasHeld {
                    logger.warning("the state directory \(store.path) was removed or moved: all of it is written anew")
                } else {
                    logger.notice("the state directory \(store.path) can be used now: all is kept in it")
                }
                files.lock = lock
                files.hasHeld = true
                files.isOthers = false
                // Another router may have written there meanwhile: it is gone on from what it has left.
                files.journal = store.journal()
                files.evidence = store.evidence()
                isSegmentDue.store(true, ordering: .relaxed)
                nextTry.store(0, ordering: .relaxed)
                files.table.isKept = false
                files.addresses.isKept = false
                files.hopeAgain()
            }
        } catch {
            // Whoever has something to write says what is wrong.
            files.obstacle = error
        }
    }

    /// Keeps what is replaced whole, as it is wanted now, if that is not done yet.
    private func keepWanted(_ files: inout Files) {
        let new = wanted.withLock { wanted in
            defer { wanted = Wanted() }
            return wanted
        }
        if let table = new.table { files.table.want(table) }
        if let addresses = new.addresses { files.addresses.want(addresses) }
        let obstacle = files.lock == nil ? files.obstacle : nil
        replace(&files.table, "the last good table", unless: obstacle) {
            try store.keepTable(NormalForm.text(of: $0))
        }
        replace(&files.addresses, "what is known of the addresses of names", unless: obstacle) {
            try store.keepAddresses($0)
        }
    }

    private func replace<Value>(
        _ whole: inout Whole<Value>, _ what: String, unless obstacle: FileProblem?, _ write: (Value) throws -> Void
    ) {
        let now = DispatchTime.now().uptimeNanoseconds
        guard let value = whole.value, !whole.isKept, now >= whole.nextTry else { return }
        do {
            if let obstacle { throw obstacle }
            try write(value)
            whole.isKept = true
            if whole.complaint.end(lost: 0) != nil { logger.notice("\(what) is kept in \(store.path) again") }
        } catch {
            whole.nextTry = now + retryPause
            if whole.complaint.begin() { logger.warning("\(what) could not be kept in \(store.path): \(error)") }
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
