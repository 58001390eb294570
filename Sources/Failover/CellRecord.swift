internal import RouteTable

/// What is known of a service in a region.
///
/// A cell's `ceiling` is the most of its service's traffic it may have. It falls at once with the evidence and climbs
/// in steps, each verified on real requests.
struct CellRecord: Sendable, Codable {
    let service: Int
    let region: Int
    /// Thousandths of a request per second, as declared. Absent: unknown.
    var capacity: Int?
    var endpoints: [Int] = []

    /// Weight that counts, of all weight, in ten-thousandths.
    var healthyShare = whole
    /// An endpoint's state or weight changed since `healthyShare` was measured.
    var needsWeighing = true
    /// Since when it has had no endpoints, if it never had any: the names it is given by are being resolved. Nil once it
    /// has some, or once that has taken too long.
    var bareSince: Instant?
    /// `healthyShare` × the success of recent requests.
    var usable = whole
    var ceiling = whole
    /// Since when it could carry more than its ceiling; nil while it could not.
    var roomSince: Instant?
    /// How many holds it must wait: 1 at first, one more for each way back that failed.
    var holds = 1
    var climb: Climb?
    /// When it last took a step back.
    var cameBackAt: Instant?
    /// When its ceiling was last put down.
    var loweredAt: Instant?
    /// Since when it has carried more than its ceiling, and what has become of it.
    var beyond: Trial?
    /// Its requests failed so that it was left; nil again when it is back.
    var impairment: Impairment?
    /// The ceiling it had when it left with its region; nil once it comes back.
    var leftFrom: Int?
    var damping = Damping()
    /// Its way back needs not wait: it was not left for want of health.
    var mayReturn = false
    /// Connections were asked for, for this ceiling, then.
    var warmed: (ceiling: Int, at: Instant)? {
        get { warmedAt.map { (warmedFor, $0) } }
        set { (warmedFor, warmedAt) = (newValue?.ceiling ?? 0, newValue?.at) }
    }
    private var warmedFor = 0
    private var warmedAt: Instant?
    var latency = CellLatency()
    var learned: LearnedCapacity?
    var proven = ProvenLoad()
    /// When its answers last showed overload.
    var lastOverload: Instant?
    /// Signs of overload that came one soon after the other.
    var overloadRun = 0
    /// When attempts were last begun here.
    var lastTraffic: Instant?
    /// Since when nothing at all has come back from here, although something was sent.
    var silentSince: Instant?

    /// The last second, and the policy's `ratioWindow`.
    var recent = SlidingCounts<20>(length: .seconds(1))
    var longer: SlidingCounts<10>

    init(service: Int, region: Int, ratioWindow: Duration) {
        self.service = service
        self.region = region
        longer = SlidingCounts(length: ratioWindow)
    }

    struct Impairment: Sendable, Codable {
        var since: Instant
        /// The rule and its evidence, in a few words.
        var reason: String
        /// Requests failed or were slow; not probes alone.
        var isByRequests: Bool
    }

    /// A stretch of traffic that is being watched.
    struct Trial: Sendable, Codable {
        var since: Instant
        var counts = Counts()
        /// What the other cells of the service met meanwhile.
        var others = Counts()
    }

    /// A way back that is under way.
    struct Climb: Sendable, Codable {
        /// The ceiling to fall back to.
        var base: Int
        var trial: Trial
    }

    var isWatched: Bool { climb != nil || beyond != nil }

    mutating func add(_ counts: Counts, at now: Instant) {
        recent.add(counts, at: now)
        longer.add(counts, at: now)
        climb?.trial.counts += counts
        beyond?.counts += counts
        if counts.attempts > 0 { lastTraffic = now }
    }

    /// Forgets what was silence of our own making; what is being watched is watched anew.
    mutating func forgiveSilence(at now: Instant) {
        silentSince = nil
        recent.clear()
        longer.clear()
        climb?.trial = Trial(since: now)
        if beyond != nil { beyond = Trial(since: now) }
    }

    mutating func addOthers(_ counts: Counts) {
        climb?.trial.others += counts
        beyond?.others += counts
    }

    /// Recent requests, if there are enough to judge by.
    func evidence(_ policy: FailoverPolicy) -> Counts? {
        if Int(recent.total.attempts) >= policy.ratioMinimum { return recent.total }
        if Int(longer.total.attempts) >= policy.ratioMinimum { return longer.total }
        return nil
    }

    /// What it can carry by its endpoints, before steps: usable capacity × overprovisioning.
    func limit(_ policy: FailoverPolicy) -> Int {
        min(whole, usable * policy.overprovisioning / whole)
    }

    /// The limit that lost weight alone sets.
    func weightLimit(_ policy: FailoverPolicy) -> Int {
        min(whole, healthyShare * policy.overprovisioning / whole)
    }

    /// A fall of the limit that is only recent requests' luck is not worth a decision below this.
    static let noticeableFall = 500

    /// Connections are opened so long before a step.
    static let warmUp = Duration.milliseconds(300)
    /// What a slow cell loses of its ceiling each time, in ten-thousandths, and how often.
    static let slowStep = 2_500
    static let slowPause = Duration.seconds(1)

    /// Its answers show overload.
    mutating func overloaded(at now: Instant) {
        let isSoon = lastOverload.map { now - $0 <= .milliseconds(500) } ?? false
        overloadRun = isSoon ? overloadRun + 1 : 1
        lastOverload = now
    }

    /// Puts the ceiling down; a way back that was under way has failed.
    mutating func lower(to ceiling: Int, at now: Instant, countsAsFailure: Bool) {
        if countsAsFailure { cameBackAt = nil }
        self.ceiling = ceiling
        climb = nil
        beyond = nil
        roomSince = nil
        loweredAt = now
        if ceiling == 0 { proven = ProvenLoad() }
        if countsAsFailure { holds = min(holds + 1, 10) }
    }
}
