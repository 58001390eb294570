internal import RouteTable

/// How an endpoint stands.
package enum EndpointState: String, Sendable, Equatable, CaseIterable, Codable {
    case healthy
    /// Requests overstay there and none has been answered since. Not used; ejected if it goes on.
    case hanging
    /// Taken out by failing requests, for a time.
    case ejected
    /// Taken out by failing probes.
    case down
    /// New, or back from an ejection: it must show that it works first.
    case probation
}

/// What is known of an endpoint.
struct EndpointRecord: Sendable, Codable {
    let id: EndpointID
    /// Indices into the brain's services and cells.
    var service: Int
    var cell: Int
    var address: String
    var weight: Int
    /// The name that it is an address of; absent: the table gives the address itself.
    var name: String?
    /// What is known of the way to it.
    private(set) var way: Way?

    var state = EndpointState.healthy
    var since: Instant
    /// The rule that made the state, and its evidence in a few words; empty for what was assumed at first.
    var reason = ""
    /// It has never been in use: it counts neither for nor against its cell.
    var isNew: Bool
    /// Down by probes while its requests were answered: its cell is not held to have lost capacity.
    var isOutByProbesAlone = false
    /// The velocity limit kept it in, and that has been said.
    var isKeptFromProbes = false

    /// Ejections in a row.
    private(set) var ejections = 0
    private(set) var ejectedUntil: Instant
    private(set) var probeFailures = 0
    private(set) var probePasses = 0
    /// When the first of the probes failed that have failed in a row.
    private var probesFailSince = Instant(nanoseconds: 0)
    /// Answers since it has been on trial by requests.
    private(set) var trialSuccesses = 0
    /// Failures and overstays since then. Absent: none.
    private var trialFailures: Int?
    var pace = ProbePace.normal
    /// Failures in a row as last reported, and what they were when it was last taken in: only what is added since
    /// speaks against it.
    private(set) var lastRun = 0
    private var forgivenRun = 0
    /// Requests under way, and those of them that overstay, as last reported; and of those that were under way in a
    /// silence of our own making, how many may still time out or come to overstay.
    private var lastInFlight = 0
    private var lastOverstaying = 0
    private var owedTimeouts = 0
    private var owedOverstays = 0
    /// When requests were last answered.
    private(set) var lastAnswer: Instant
    /// When the first was sent that has not been answered, by itself or by another, since.
    private var unansweredSince: Instant?
    /// How long it lately took, at the longest, from there to an answer. Absent: never long enough to be seen.
    private var longestWait: Duration?
    /// Since when nothing at all has come back from here, although something was sent.
    var silentSince: Instant?
    /// It joined or came back then, and gets its full share bit by bit.
    private(set) var risesSince: Instant?
    /// It is among those the brain looks at as time passes.
    var isWatched = false
    /// The share workers were last told.
    var toldShare: Int
    /// Over the policy's `ratioWindow`.
    var window: SlidingCounts<10>

    init(
        _ endpoint: Topology.Endpoint, service: Int, cell: Int, isNew: Bool, ratioWindow: Duration, at now: Instant
    ) {
        id = endpoint.id
        self.service = service
        self.cell = cell
        address = endpoint.address
        weight = endpoint.weight
        name = endpoint.name
        since = now
        ejectedUntil = now
        lastAnswer = now
        self.isNew = isNew
        state = isNew ? .probation : .healthy
        toldShare = whole
        window = SlidingCounts(length: ratioWindow)
    }

    /// Whether an endpoint has answered, or no connection to it could be made since, or ever.
    enum Way: Sendable, Codable {
        case open, blocked
    }

    /// An IPv6 address, as the description of a socket address has it.
    var isSix: Bool { address.hasPrefix("[") }

    /// Notes answers, and connections that could not be made.
    ///
    /// - Returns: whether that is news.
    mutating func noteWay(answers: Int, failed: Int) -> Bool {
        let before = way
        if answers > 0 { way = .open } else if failed > 0 { way = .blocked }
        return way != before
    }

    /// Answers a trial by requests asks for, where there are no probes.
    static let trialLength = 10
    /// Share of its weight an endpoint gets while it is on trial by requests.
    static let trialShare = 1_000
    /// Workers avoid an endpoint that has just failed for a second, so that failures come slowly; then time is
    /// evidence, too. Less than that second by more than two looks are apart.
    static let silence = Duration.milliseconds(800)
    /// Failures in a row that suffice in a silence.
    static let failuresInSilence = 3
    /// The same when answers break off, which no retry can hide.
    static let truncationsInSilence = 2
    /// A hang longer than this is a failure.
    static let hangLimit = Duration.seconds(2)

    /// Of its full share, what it gets first when it joins or is back.
    static let firstShare = 1_000

    /// How much of its weight counts for workers.
    func share(_ policy: FailoverPolicy, isProbed: Bool, at now: Instant) -> Int {
        switch state {
        case .healthy:
            guard let risesSince, policy.slowStart > .zero else { return whole }
            // A table may say less than a millisecond.
            let time = max(policy.slowStart.milliseconds, 1)
            let age = min(max((now - risesSince).milliseconds, 0), time)
            return Self.firstShare + age * (whole - Self.firstShare) / time
        case .probation: return isProbed ? 0 : Self.trialShare
        case .hanging, .ejected, .down: return 0
        }
    }

    /// Still on its way to its full share.
    func isRising(_ policy: FailoverPolicy, at now: Instant) -> Bool {
        state == .healthy && risesSince.map { now - $0 < policy.slowStart } ?? false
    }

    /// Whether its weight counts as capacity of its cell.
    func isCapacity(isProbed: Bool) -> Bool {
        switch state {
        case .healthy: true
        case .down: isOutByProbesAlone
        // Where nothing probes, only requests can show; the steps of the way back verify them.
        case .probation: !isProbed
        case .hanging, .ejected: false
        }
    }

    mutating func enter(_ state: EndpointState, at now: Instant) {
        let before = self.state
        if before == .healthy { forgive(at: now, until: now - since) }
        self.state = state
        since = now
        trialSuccesses = 0
        trialFailures = nil
        isOutByProbesAlone = false
        isKeptFromProbes = false
        risesSince = state == .healthy && before != .hanging ? now : nil
        if state == .healthy { isNew = false }
        forgivenRun = lastRun
    }

    /// Forgets what was silence of our own making, and what is still to come of it: requests that were under way then
    /// may run out long after.
    mutating func forgiveSilence() {
        owedTimeouts = lastInFlight
        owedOverstays = lastInFlight - lastOverstaying
        if silentSince != nil { window.clear() }
        silentSince = nil
        trialFailures = nil
        forgivenRun = lastRun
        probeFailures = 0
    }

    mutating func count(_ counts: Counts, at now: Instant) {
        window.add(counts, at: now)
        if counts.successes > 0 {
            lastAnswer = now
            let wait = unansweredSince.map { now - $0 } ?? .zero
            longestWait = longestWait.map { max($0 - $0 / 8, wait) } ?? wait
            unansweredSince = nil
        } else if counts.attempts > 0 {
            unansweredSince = unansweredSince ?? now
        }
    }

    /// It has answered: what failed in a row before, in whatever worker, is not in a row any more.
    mutating func forgiveRun(_ reported: Int) {
        lastRun = reported
        forgivenRun = reported
    }

    /// Probe passes it takes to be used.
    func rise(_ rule: Topology.ProbeRule, _ policy: FailoverPolicy) -> Int {
        isNew ? max(policy.probationPasses, rule.rise) : rule.rise
    }

    /// It answered enough before, and for this long has answered nothing.
    func hasFallenSilent(_ policy: FailoverPolicy, at now: Instant) -> Bool {
        now - lastAnswer >= Self.silence && Int(window.total.successes) >= policy.ratioMinimum
    }

    /// Failures in a row since it was last taken in, and since it last answered.
    ///
    /// Each worker counts its own run, and what is reported is their sum. An answer to one of them ends the runs that
    /// the others began before it: they may not have asked again since.
    mutating func failureRun(_ reported: Int, answered: Bool) -> Int {
        if reported < lastRun { forgivenRun = max(forgivenRun - (lastRun - reported), 0) }
        if answered { forgivenRun = max(forgivenRun, min(reported, lastRun)) }
        forgivenRun = min(forgivenRun, reported)
        lastRun = reported
        return reported - forgivenRun
    }

    /// Takes out of a report what runs out now of requests that were under way in a silence of our own making.
    mutating func withoutOwedSilence(_ report: EndpointTraffic) -> EndpointTraffic {
        lastInFlight = report.inFlight
        lastOverstaying = min(report.overstaying, report.inFlight)
        guard owedTimeouts > 0 || owedOverstays > 0 else { return report }
        var rest = report
        let timeouts = min(owedTimeouts, report.responseTimeouts)
        let overstays = min(owedOverstays, report.overstays)
        rest.responseTimeouts -= timeouts
        rest.overstays -= overstays
        forgivenRun += timeouts + overstays
        owedTimeouts = min(owedTimeouts - timeouts, lastInFlight)
        owedOverstays = min(owedOverstays - overstays, lastInFlight - lastOverstaying)
        return rest
    }

    // Trials by requests

    /// Takes in what requests of a trial met.
    mutating func countTrial(_ report: EndpointTraffic) {
        trialSuccesses += report.successes
        let bad = report.failures + report.soft
        if bad > 0 { trialFailures = badInTrial + bad }
    }

    var badInTrial: Int { trialFailures ?? 0 }

    /// At least two of its requests failed or overstay, and more than one more than was answered: what overstays may
    /// still be answered.
    var hasFailedTrial: Bool { badInTrial > trialSuccesses + 1 }

    /// Its latest request failed.
    var hasFailingRequests: Bool { lastRun > forgivenRun }

    private mutating func forgive(at now: Instant, until healthyFor: Duration) {
        // An ejection is forgotten for every five minutes of health.
        ejections = max(0, ejections - Int(healthyFor.components.seconds / 300))
    }

    /// Ejects for `ejection` × how often in a row, at most `ejectionLimit`.
    mutating func eject(_ policy: FailoverPolicy, at now: Instant) {
        enter(.ejected, at: now)
        ejections = min(ejections + 1, 1_000)
        ejectedUntil = now + min(policy.ejection * ejections, policy.ejectionLimit)
        window.clear()
    }

    mutating func probePassed() {
        probeFailures = 0
        probePasses = min(probePasses + 1, 1_000_000)
    }

    mutating func probeFailed(at now: Instant) {
        probePasses = 0
        if probeFailures == 0 { probesFailSince = now }
        probeFailures = min(probeFailures + 1, 1_000_000)
    }

    /// Requests were answered after the first of the probes failed that have failed in a row.
    var hasAnsweredSinceProbesFailed: Bool { lastAnswer >= probesFailSince }

    /// It has lately answered enough requests, well enough, to outrank its probes: the latest among them, and none that
    /// was sent since its probes began to fail waits for longer than a moment, and than twice the longest wait lately.
    func answersRequests(_ policy: FailoverPolicy, at now: Instant) -> Bool {
        let patience = max(Self.silence, (longestWait ?? .zero) * 2)
        let waits = lastInFlight > 0 && (unansweredSince.map { $0 >= probesFailSince && now - $0 >= patience } ?? false)
        return lastRun == forgivenRun && !waits && window.total.ended >= 3
            && window.total.failureRatio <= policy.cellFailureRatio
    }

    /// The pace its present state asks for.
    func wantedPace(_ rule: Topology.ProbeRule, failureRun: Int) -> ProbePace {
        switch state {
        case .healthy: probeFailures > 0 && probeFailures < rule.fall || failureRun > 0 ? .suspect : .normal
        case .hanging, .probation: .suspect
        case .ejected, .down: probePasses > 0 && probePasses < rule.rise ? .suspect : .down
        }
    }
}
