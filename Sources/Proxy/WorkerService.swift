internal import Reactor
internal import RouteTable
internal import Telemetry

/// A service as one worker sees it: its cells, the split over them, its retry budget and what waits.
final class WorkerService {
    let name: String
    let counters: ServiceCounters
    let cells: [WorkerCell]
    let connectTimeout: Int64
    let responseTimeout: Int64
    let idleTimeout: Int64
    /// `.max`: none.
    let requestTimeout: Int64
    let retryAttempts: Int
    let hedges: Bool
    let hashKey: HashKey?
    /// There is a `hashKey`.
    let hashes: Bool
    let requestLimit: Int
    let pendingLimit: Int
    var budget: RetryBudget
    /// Shares of the cells in ten-thousandths; they sum to 10,000 with `shed`.
    private(set) var split: [Int]
    /// What is refused at once, in ten-thousandths.
    private(set) var shed: Int
    let load: ServiceLoad

    private var turns = EvenSequence()
    /// 0: learned.
    private let fixedHedgeDelay: Int64
    private let leastHedgeDelay: Int64
    private let retriesConnect: Bool
    private let retriesReset: Bool
    private let retriesTimeout: Bool
    private let retriedStatuses: [Int]

    init(
        _ service: Service, _ published: Publication.Service, cells: [WorkerCell], workers: Int, loop: EventLoop,
        heir: WorkerService?
    ) {
        name = service.name
        counters = published.counters
        self.cells = cells
        connectTimeout = service.timeouts.connect.nanoseconds
        responseTimeout = service.timeouts.response.nanoseconds
        idleTimeout = service.timeouts.idle.nanoseconds
        requestTimeout = service.timeouts.request?.nanoseconds ?? .max
        retryAttempts = service.retry.attempts
        switch service.retry.hedge {
        case .off: (hedges, fixedHedgeDelay, leastHedgeDelay) = (false, 0, 50_000_000)
        case .learned(let floor): (hedges, fixedHedgeDelay, leastHedgeDelay) = (true, 0, floor.nanoseconds)
        case .after(let delay): (hedges, fixedHedgeDelay, leastHedgeDelay) = (true, max(delay.nanoseconds, 1), 0)
        }
        if case .hash(let key) = service.balance { hashKey = key } else { hashKey = nil }
        hashes = hashKey != nil
        requestLimit = (service.limits.requests + workers - 1) / workers
        pendingLimit = (service.limits.pending + workers - 1) / workers
        load = heir?.load ?? ServiceLoad(loop: loop)
        budget = heir?.budget ?? RetryBudget(share: service.retry.budget)
        budget.share = service.retry.budget
        split = published.split
        shed = published.shed
        retriesConnect = service.retry.on.contains(.connect)
        retriesReset = service.retry.on.contains(.reset)
        retriesTimeout = service.retry.on.contains(.timeout)
        retriedStatuses = service.retry.on.compactMap { if case .status(let status) = $0 { status } else { nil } }
    }

    func retries(_ failure: AttemptFailure) -> Bool {
        switch failure {
        case .connectFailed, .unreachable, .connectTimedOut: retriesConnect
        case .reset, .malformed: retriesReset
        case .responseTimedOut: retriesTimeout
        }
    }

    func retries(status: Int) -> Bool {
        status >= 300 && retriedStatuses.contains(status)
    }

    func setSplit(_ shares: [Int], shed: Int) {
        precondition(shares.count == cells.count && shares.reduce(shed, +) == 10_000, "shares do not add up")
        split = shares
        self.shed = shed
    }

    /// The cell whose turn it is by the split; the same for the same key, as long as the split lets it be. Nil: the
    /// turn of those that are refused, lest others fail.
    @inline(__always)
    func draw(key: UInt64?) -> Int? {
        if split[0] == 10_000 { return 0 }
        let point = turns.next(below: 10_000)
        if point >= 10_000 - shed { return nil }
        return cell(at: key.map { Int($0.multipliedFullWidth(by: UInt64(10_000 - shed)).high) } ?? point)
    }

    /// The same for a request that was let in before: it is not refused any more.
    func drawAgain(key: UInt64?) -> Int {
        if split[0] == 10_000 { return 0 }
        let all = 10_000 - shed
        return cell(at: key.map { Int($0.multipliedFullWidth(by: UInt64(all)).high) } ?? turns.next(below: all))
    }

    /// Where a point from 0 up to the sum of all shares lies; the first where they are all 0.
    private func cell(at point: Int) -> Int {
        var point = point
        for (index, share) in split.enumerated() {
            if point < share { return index }
            point -= share
        }
        return 0
    }

    /// How long to wait for a response head from `cell` before the request is hedged or counts as overstaying.
    func hedgeDelay(_ cell: WorkerCell) -> Int64 {
        if fixedHedgeDelay > 0 { return fixedHedgeDelay }
        // Until something is known of a cell, a second is suspicious everywhere.
        return cell.usualTime.map { max(2 * $0, leastHedgeDelay) } ?? 1_000_000_000
    }

    /// Counts a request in, unless that would be too many.
    func admit() -> Bool {
        counters.requests.add()
        guard load.inFlight < requestLimit else {
            counters.overflows.add()
            return false
        }
        load.inFlight += 1
        counters.inFlight.set(load.inFlight)
        return true
    }

    func leave() {
        load.inFlight -= 1
        counters.inFlight.set(load.inFlight)
    }
}

/// Why an attempt failed before the answer's head was accepted.
enum AttemptFailure {
    case connectFailed, unreachable, connectTimedOut, reset, malformed, responseTimedOut
}

extension Duration {
    /// Whole nanoseconds, saturating.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow
            ? (seconds < 0 ? .min : .max) : product.addingReportingOverflow(attoseconds / 1_000_000_000).partialValue
    }
}
