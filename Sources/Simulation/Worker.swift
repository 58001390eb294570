internal import Picking
internal import RouteTable

/// One core of the router: the parts of `Picking` put together as `Proxy` does, without sockets. What a request does
/// with them is in `World+Attempts.swift`.
final class Worker {
    let services: [WorkerService]
    /// By number.
    private(set) var endpoints: [WorkerEndpoint?] = []
    var random: RandomSource

    init(services: [WorkerService], seed: UInt64) {
        self.services = services
        random = RandomSource(seed: seed)
    }

    func add(_ endpoint: WorkerEndpoint) {
        while endpoints.count <= endpoint.number { endpoints.append(nil) }
        endpoints[endpoint.number] = endpoint
    }
}

/// A service as one worker sees it.
final class WorkerService {
    let cells: [WorkerCell]
    var split: ServiceSplit
    var budget: RetryBudget
    var inFlight = 0
    let requestLimit: Int
    let connectTimeout: Int64
    let responseTimeout: Int64
    let requestTimeout: Int64?
    let retryAttempts: Int
    let hedges: Bool
    let hashes: Bool
    private let hedgeDelay: HedgeDelay
    private let retriedOn: [RetryPolicy.Condition]

    init(_ service: Service, cells: [WorkerCell], split: ServiceSplit, workers: Int) {
        self.cells = cells
        self.split = split
        budget = RetryBudget(share: service.retry.budget)
        requestLimit = (service.limits.requests + workers - 1) / workers
        connectTimeout = service.timeouts.connect.nanoseconds
        responseTimeout = service.timeouts.response.nanoseconds
        requestTimeout = service.timeouts.request?.nanoseconds
        retryAttempts = service.retry.attempts
        retriedOn = service.retry.on
        hedges = service.retry.hedge != .off
        hedgeDelay =
            switch service.retry.hedge {
            case .off: HedgeDelay(learnedAtLeast: 50_000_000)
            case .learned(let floor): HedgeDelay(learnedAtLeast: floor.nanoseconds)
            case .after(let delay): HedgeDelay(fixed: delay.nanoseconds)
            }
        if case .hash = service.balance { hashes = true } else { hashes = false }
    }

    func retries(_ condition: RetryPolicy.Condition) -> Bool { retriedOn.contains(condition) }

    /// The first cell by preference that has a share of the split and is not full.
    var cellWithRoom: Int? {
        cells.indices.first { split.shares[$0] > 0 && !cells[$0].isFull }
    }

    /// How long to wait for an answer from `cell` before the request is hedged.
    func hedgeDelay(_ cell: WorkerCell) -> Int64 {
        let usual = cell.usualTime
        return hedgeDelay.after(usual: usual, guess: usual == nil ? cell.guess(within: responseTimeout) : 0)
    }

    /// How long an attempt waits for an answer from `cell` before it overstays; nil: nobody knows yet.
    func overstay(_ cell: WorkerCell) -> Int64? { hedgeDelay.overstay(usual: cell.usualTime) }

    /// How long a connection to `cell` is waited for before another address is asked. Connections take no time here.
    func connectPatience(_ cell: WorkerCell) -> Int64 { min(ConnectTime.delay, overstay(cell) ?? .max) }
}

/// What workers tell each other of a cell: its usual response time, nanoseconds.
final class SharedEstimate {
    var latest: Int64?
}

/// A service in one region as one worker sees it, and the choice among its endpoints.
final class WorkerCell {
    let position: Int
    private(set) var endpoints: [WorkerEndpoint] = []
    let connectionLimit: Int
    private var responseTime = ResponseTime()
    private let shared: SharedEstimate
    var inFlight = 0
    private(set) var concurrency = ConcurrencyLimit()
    private var usable: [WorkerEndpoint] = []
    private var choice: EndpointChoice

    init(position: Int, balance: Balance, connectionLimit: Int, shared: SharedEstimate) {
        self.position = position
        self.connectionLimit = connectionLimit
        self.shared = shared
        choice = EndpointChoice(balance)
    }

    var usualTime: Int64? { responseTime.percentile99 ?? shared.latest }

    var hasAnswers: Bool { responseTime.hasAnswers }

    /// What is taken for it, of the next attempt, while it is unknown.
    func guess(within limit: Int64) -> Int64 { responseTime.guess(within: limit) }

    /// Another endpoint, asked later, has answered the request of an attempt here. Returns whether that is an overstay.
    func lostRace(waited: Int64, other: Int64, limit: Int64) -> Bool {
        usualTime == nil && responseTime.lostRace(waited: waited, other: other, limit: limit)
    }

    var isFull: Bool { concurrency.isReached(by: inFlight) }

    func record(responseTime nanoseconds: Int64, now: Int64) {
        responseTime.record(nanoseconds: nanoseconds, now: now)
    }

    /// An answer's head has come. Returns whether that shows overload that was not known.
    func answered(after nanoseconds: Int64, status: Int, now: Int64) -> Bool {
        let before = concurrency.overloads
        return concurrency.record(
            nanoseconds: nanoseconds, isRefusal: status == 503 || status == 504, inFlight: inFlight, now: now)
            && concurrency.overloads != before
    }

    func shareResponseTime() {
        if let own = responseTime.percentile99 { shared.latest = own }
    }

    func set(_ endpoints: [WorkerEndpoint]) {
        self.endpoints = endpoints
        endpointsChanged()
    }

    /// To be called after an endpoint's share or weight changed.
    func endpointsChanged() {
        usable = endpoints.filter { $0.share > 0 && $0.weight > 0 }
        choice.set(weights: usable.map { $0.weight * $0.share }, identities: usable.map(\.identity))
    }

    func pick(key: UInt64?, now: Int64, cautious: Bool, random: inout RandomSource) -> WorkerEndpoint? {
        let usable = usable
        return choice.pick(key: key, random: &random) { place in
            usable[place].load
        } isResting: { place in
            usable[place].rest.isResting(now: now, cautious: cautious)
        }.map { usable[$0] }
    }

    /// One that was not tried yet and does not rest.
    func another(
        excluding tried: TriedEndpoints, now: Int64, cautious: Bool, random: inout RandomSource
    ) -> WorkerEndpoint? {
        choice.another(random: &random) { place in
            !tried.contains(usable[place].number) && !usable[place].rest.isResting(now: now, cautious: cautious)
        }.map { usable[$0] }
    }

    /// One that answered something since `time`, other than those tried.
    func alive(since time: Int64, excluding tried: TriedEndpoints) -> WorkerEndpoint? {
        usable.first { $0.rest.lastAnswer >= time && !tried.contains($0.number) }
    }

    /// Any at all: better than none.
    func anything(random: inout RandomSource) -> WorkerEndpoint? {
        let from = usable.isEmpty ? endpoints : usable
        let start = random.below(from.count)
        for step in 0..<from.count where from[(start + step) % from.count].weight > 0 {
            return from[(start + step) % from.count]
        }
        return nil
    }
}

/// An endpoint as one worker sees it.
final class WorkerEndpoint {
    let number: Int
    let identity: UInt64
    let weight: Int
    /// In ten-thousandths, as the brain says.
    var share: Int { didSet { loadOfOne = Self.loadOfOne(weight, share) } }
    private var loadOfOne: Int
    var inFlight = 0
    var rest = EndpointRest()

    init(number: Int, address: String, weight: Int, share: Int) {
        self.number = number
        identity = address.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        self.weight = weight
        self.share = share
        loadOfOne = Self.loadOfOne(weight, share)
    }

    private static func loadOfOne(_ weight: Int, _ share: Int) -> Int { 1_000_000_000_000 / max(weight * share, 1) }

    /// In-flight requests for each unit of weight, scaled.
    var load: Int { (inFlight + 1) * loadOfOne }
}

/// The endpoints a request was sent to already.
struct TriedEndpoints {
    private var numbers = InlineArray<12, Int32>(repeating: -1)
    private var count = 0

    mutating func insert(_ number: Int) {
        guard count < 12 else { return }
        numbers[count] = Int32(truncatingIfNeeded: number)
        count += 1
    }

    func contains(_ number: Int) -> Bool {
        for index in 0..<count where numbers[index] == Int32(truncatingIfNeeded: number) { return true }
        return false
    }
}
