internal import Picking
internal import Reactor
internal import RouteTable
internal import Telemetry

/// A service in one region as one worker sees it, and the choice among its endpoints.
final class WorkerCell {
    let region: String
    let counters: CellCounters
    let endpoints: [WorkerEndpoint]
    let connectionLimit: Int
    private let sharedResponseTime: SharedEstimate
    let load: CellLoad

    /// Those the brain lets be used, and the choice among them.
    private var usable: [WorkerEndpoint] = []
    var usableEndpoints: [WorkerEndpoint] { usable }
    private var choice: EndpointChoice

    init(
        region: String, _ published: Publication.Cell, endpoints: [WorkerEndpoint], balance: Balance,
        connectionLimit: Int, heir: WorkerCell?
    ) {
        self.region = region
        load = heir?.load ?? CellLoad()
        counters = published.counters
        sharedResponseTime = published.responseTime
        self.endpoints = endpoints
        choice = EndpointChoice(balance)
        self.connectionLimit = connectionLimit
        endpointsChanged()
    }

    /// The 99th percentile of the time to a response head, nanoseconds: this worker's own, or while it has seen too
    /// little another's. nil: nobody has seen enough.
    var usualTime: Int64? { load.responseTime.percentile99 ?? sharedResponseTime.latest }

    @inline(__always)
    func record(responseTime nanoseconds: Int64, now: Int64) {
        Uncounted(load).lend { $0.responseTime.record(nanoseconds: nanoseconds, now: now) }
    }

    /// What is taken for the usual time of the next attempt while it is unknown.
    func guess(within limit: Int64) -> Int64 { load.responseTime.guess(within: limit) }

    /// Another endpoint, asked later, has answered the request of an attempt here. Returns whether that is an overstay.
    func lostRace(waited: Int64, other: Int64, limit: Int64) -> Bool {
        usualTime == nil && load.responseTime.lostRace(waited: waited, other: other, limit: limit)
    }

    /// More requests here would only wait for longer.
    @inline(__always)
    var isFull: Bool { Uncounted(load).lend { $0.concurrency.isReached(by: $0.inFlight) } }

    /// An answer's head has come, whatever it says. Returns whether that shows overload.
    ///
    /// - Parameter isComparable: its time tells something about the endpoint's.
    @inline(__always)
    func answered(after nanoseconds: Int64, isComparable: Bool, status: Int, now: Int64) -> Bool {
        if isComparable { Uncounted(counters.attemptTime).lend { $0.record(nanoseconds: nanoseconds) } }
        let isRefusal = status == 503 || status == 504
        guard isComparable || isRefusal else { return false }
        let isJudged = Uncounted(load).lend { load in
            load.concurrency.record(
                nanoseconds: nanoseconds, isRefusal: isRefusal, inFlight: load.inFlight, now: now)
        }
        return isJudged && tellLimit()
    }

    private func tellLimit() -> Bool {
        counters.concurrencyLimit.set(load.concurrency.inForce ?? 0)
        let isNew = UInt64(load.concurrency.overloads) != counters.overloads.count
        if isNew { counters.overloads.add() }
        return isNew
    }

    /// Tells other workers what this one has learned.
    func shareResponseTime() {
        if let own = load.responseTime.percentile99 { sharedResponseTime.set(own) }
    }

    /// To be called after an endpoint's share or weight changed.
    func endpointsChanged() {
        usable = endpoints.filter { $0.share > 0 && $0.weight > 0 && !$0.isRetired }
        choice.set(weights: usable.map { $0.weight * $0.share }, identities: usable.map(\.identity))
    }

    /// An endpoint for a first attempt: by the service's way of balancing, not one that rests. Nil: nothing here now.
    func pick(key: UInt64?, now: Int64, cautious: Bool, random: inout RandomSource) -> Uncounted<WorkerEndpoint>? {
        choice.pick(key: key, random: &random) { place in
            Uncounted(usable[place]).lend { $0.load }
        } isResting: { place in
            Uncounted(usable[place]).lend { $0.rest.isResting(now: now, cautious: cautious) }
        }.map { Uncounted(usable[$0]) }
    }

    /// An endpoint that was not tried yet and does not rest, from a random place on; nil when there is none.
    func another(
        excluding tried: TriedEndpoints, now: Int64, cautious: Bool, random: inout RandomSource
    ) -> Uncounted<WorkerEndpoint>? {
        choice.another(random: &random) { place in
            let candidate = usable[place]
            return !tried.contains(candidate.number) && !candidate.rest.isResting(now: now, cautious: cautious)
        }.map { Uncounted(usable[$0]) }
    }

    /// The same, one with an address of the other family before all.
    func anotherAddress(
        than endpoint: WorkerEndpoint, excluding tried: TriedEndpoints, now: Int64, cautious: Bool,
        random: inout RandomSource
    ) -> Uncounted<WorkerEndpoint>? {
        let family = endpoint.address.family
        let other = choice.another(random: &random) { place in
            let candidate = usable[place]
            return candidate.address.family != family && !tried.contains(candidate.number)
                && !candidate.rest.isResting(now: now, cautious: cautious)
        }
        if let other { return Uncounted(usable[other]) }
        return another(excluding: tried, now: now, cautious: cautious, random: &random)
    }

    /// An endpoint that answered something since `time`, other than those tried.
    func alive(since time: Int64, excluding tried: TriedEndpoints) -> Uncounted<WorkerEndpoint>? {
        usable.first { $0.rest.lastAnswer >= time && !tried.contains($0.number) }.map { Uncounted($0) }
    }

    /// Makes room for a connection to another endpoint: closes the one that has rested longest. False: none rests.
    func closeIdlest() -> Bool {
        let idlest = endpoints.min { ($0.idleSince ?? .max) < ($1.idleSince ?? .max) }
        return idlest?.closeIdlest() ?? false
    }

    /// Any of its connections waits to be used.
    var hasIdle: Bool { endpoints.contains { $0.idleSince != nil } }

    /// Any endpoint at all, tried or not, resting or not, used by the brain's leave or not: better than none.
    func anything(random: inout RandomSource) -> Uncounted<WorkerEndpoint>? {
        let from = usable.isEmpty ? endpoints : usable
        let start = random.below(from.count)
        for i in 0..<from.count {
            let candidate = from[(start + i) % from.count]
            if candidate.weight > 0 { return Uncounted(candidate) }
        }
        return nil
    }
}

/// The endpoints a request was sent to already: as many as retries and a hedge can make.
struct TriedEndpoints {
    private var numbers = InlineArray<12, Int32>(repeating: -1)
    private(set) var count = 0

    mutating func insert(_ number: Int) {
        guard count < 12 else { return }
        numbers[count] = Int32(truncatingIfNeeded: number)
        count += 1
    }

    mutating func removeAll() {
        count = 0
    }

    func contains(_ number: Int) -> Bool {
        for i in 0..<count where numbers[i] == Int32(truncatingIfNeeded: number) { return true }
        return false
    }
}
