internal import Picking
internal import Reactor
internal import RouteTable
internal import TLS
internal import Telemetry
internal import Wire

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
    /// Its endpoints are spoken to in HTTP/2.
    let isHTTP2: Bool
    /// How endpoints are told who the client is.
    let proxyHeader: ProxyHeader.Version?
    let onFailover: OnFailover
    /// There is a `hashKey`.
    let hashes: Bool
    let requestLimit: Int
    let pendingLimit: Int
    var split: ServiceSplit
    let load: ServiceLoad
    /// How endpoints are spoken to; absent: without encryption.
    var tls: TLSClient? { didSet { tlsRules = tls?.rules ?? 0 } }
    /// The rules by which they are spoken to: a connection that was opened by others serves no more requests.
    private(set) var tlsRules: UInt64
    let handshakes: HandshakeCounters?

    private let hedgeDelay: HedgeDelay
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
        tls = published.tls
        tlsRules = published.tls?.rules ?? 0
        handshakes = published.handshakes
        self.cells = cells
        connectTimeout = service.timeouts.connect.nanoseconds
        responseTimeout = service.timeouts.response.nanoseconds
        idleTimeout = service.timeouts.idle.nanoseconds
        requestTimeout = service.timeouts.request?.nanoseconds ?? .max
        retryAttempts = service.retry.attempts
        hedges = service.retry.hedge != .off
        hedgeDelay =
            switch service.retry.hedge {
            case .off: HedgeDelay(learnedAtLeast: 50_000_000)
            case .learned(let floor): HedgeDelay(learnedAtLeast: floor.nanoseconds)
            case .after(let delay): HedgeDelay(fixed: delay.nanoseconds)
            }
        if case .hash(let key) = service.balance { hashKey = key } else { hashKey = nil }
        hashes = hashKey != nil
        isHTTP2 = service.protocol == .http2
        proxyHeader = service.proxyHeader.map { $0 == .v1 ? .v1 : .v2 }
        onFailover = service.onFailover
        requestLimit = (service.limits.requests + workers - 1) / workers
        pendingLimit = (service.limits.pending + workers - 1) / workers
        load = heir?.load ?? ServiceLoad(loop: loop)
        load.budget.share = service.retry.budget
        split = ServiceSplit(shares: published.split, shed: published.shed)
        retriesConnect = service.retry.on.contains(.connect)
        retriesReset = service.retry.on.contains(.reset)
        retriesTimeout = service.retry.on.contains(.timeout)
        retriedStatuses = service.retry.on.compactMap { if case .status(let status) = $0 { status } else { nil } }
    }

    func retries(_ failure: AttemptFailure) -> Bool {
        switch failure {
        case .connectFailed, .unreachable, .connectTimedOut, .tlsFailed, .exhausted: retriesConnect
        case .reset, .streamReset, .malformed: retriesReset
        case .responseTimedOut, .pingUnanswered: retriesTimeout
        case .refused, .leftOut: true
        }
    }

    func retries(status: Int) -> Bool {
        status >= 300 && retriedStatuses.contains(status)
    }

    /// The cell of this region.
    func cell(in region: String) -> WorkerCell? { cells.first { $0.region == region } }

    /// The first cell by preference that has a share of the split and is not full.
    var cellWithRoom: Int? {
        cells.indices.first { split.shares[$0] > 0 && !cells[$0].isFull }
    }

    /// How long to wait for a response head from `cell` before the request is hedged.
    func hedgeDelay(_ cell: WorkerCell) -> Int64 {
        let usual = cell.usualTime
        return hedgeDelay.after(usual: usual, guess: usual == nil ? cell.guess(within: responseTimeout) : 0)
    }

    /// How long an attempt waits for a response head from `cell` before it overstays; nil: nobody knows yet.
    func overstay(_ cell: WorkerCell) -> Int64? {
        hedgeDelay.overstay(usual: cell.usualTime)
    }

    /// How long a connection to `cell` is waited for before another address is asked: as long as they take, or as an answer
    /// may take, if that is known and less.
    func connectPatience(_ cell: WorkerCell) -> Int64 {
        min(cell.load.connectTime.patience, overstay(cell) ?? .max)
    }

    /// Counts a request in, unless that would be too many.
    func admit() -> Bool {
        counters.requests.add()
        load.inFlight += 1
        counters.inFlight.set(load.inFlight)
        guard load.inFlight <= requestLimit else {
            counters.overflows.add()
            return false
        }
        return true
    }

    func leave() {
        load.inFlight -= 1
        counters.inFlight.set(load.inFlight)
    }
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
