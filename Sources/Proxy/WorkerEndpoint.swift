internal import Picking
internal import Reactor
internal import TLS
internal import Telemetry
internal import Wire

/// One backend as one worker sees it: its idle connections, what is in flight, and whether it deserves a rest.
final class WorkerEndpoint {
    let number: Int
    let address: SocketAddress
    let name: String
    /// The same over restarts and in every worker, for hashing.
    let identity: UInt64
    let counters: EndpointCounters
    /// What it is called where it is spoken to encrypted.
    private(set) var peerName: TLSPeerName
    /// How often it was called otherwise: connections of before serve no more requests.
    private(set) var renamings = 0
    /// The line of Host that it is sent, with its line end; nil: the client's.
    private(set) var hostLine: [UInt8]?
    /// The last session it offered.
    let resumption = TLSResumption()
    var weight: Int { didSet { weigh() } }
    /// How long a connection may rest in the pool, nanoseconds.
    var idleTimeout: Int64 = 60_000_000_000
    /// After so long without a word, while requests are under way in HTTP/2, it is asked whether it is there; nanoseconds.
    var pingInterval: Int64 = 300_000_000_000
    /// How much of the weight counts, in ten-thousandths, as the brain says.
    var share = 10_000 { didSet { weigh() } }
    private var loadOfOne = 0
    /// Removed from the table: no new requests, connections close when they are done.
    var isRetired = false

    /// Until then it is expected to close connections on which it has answered a request with a body: nanoseconds.
    private var closesAfterBodiesUntil: Int64 = 0

    private(set) var inFlight = 0
    private(set) var rest = EndpointRest()
    /// The most recently used last. The loop keeps them; one that is closed leaves.
    private var idle: [Uncounted<UpstreamConnection>] = []

    init(_ published: Publication.Endpoint) {
        number = published.number
        address = published.address
        name = published.name
        // FNV-1a.
        identity = published.name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        counters = published.counters
        peerName = published.peerName
        hostLine = published.toldHost.map { Array("host: \($0)\r\n".utf8) }
        weight = published.weight
        weigh()
    }

    /// Takes on what a new table says of it.
    func update(_ published: Publication.Endpoint) {
        weight = published.weight
        share = published.share
        hostLine = published.toldHost.map { Array("host: \($0)\r\n".utf8) }
        guard peerName != published.peerName else { return }
        peerName = published.peerName
        renamings += 1
    }

    private func weigh() {
        loadOfOne = 1_000_000_000_000 / max(weight * share, 1)
    }

    /// In-flight requests for each unit of weight, scaled; the candidate with less is the better one.
    var load: Int { (inFlight + 1) * loadOfOne }

    // What happens to attempts

    /// It has told a client that waited for it to go on (100).
    var saysContinue = false

    func attemptBegan() {
        inFlight += 1
        counters.attempts.add()
        counters.inFlight.set(inFlight)
    }

    func attemptEnded() {
        inFlight -= 1
        counters.inFlight.set(inFlight)
    }

    /// A good answer has begun.
    func answered(now: Int64) {
        rest.answered(now: now)
    }

    func succeeded() {
        if rest.failureRun != 0 { counters.failureRun.set(0) }
        rest.succeeded()
    }

    /// A failure of its own doing. Returns the failures in a row.
    @discardableResult
    func failed(now: Int64) -> Int {
        rest.failed(now: now)
        return countedRun
    }

    /// An answer that says the endpoint, or what lies behind it, cannot serve now. Returns the failures in a row.
    func answeredUnavailable() -> Int {
        rest.answeredUnavailable()
        return countedRun
    }

    /// An attempt begun at `began` has been waited for longer than usual. Returns the failures in a row, or nil if it
    /// does not count.
    func overstayed(began: Int64, now: Int64) -> Int? {
        rest.overstayed(began: began, now: now) ? countedRun : nil
    }

    /// The same of an attempt that was called off without a connection.
    func unconnected(began: Int64, now: Int64) -> Int? {
        rest.unconnected(began: began, now: now) ? countedRun : nil
    }

    private var countedRun: Int {
        counters.failureRun.set(rest.failureRun)
        return rest.failureRun
    }

    // HTTP/2 connections, which requests share. The loop keeps them; one that is closed leaves.

    private var shared: [Uncounted<HTTP2UpstreamConnection>] = []

    /// One that takes another stream of this service: the one that was opened first, so that the others come to rest.
    func sharedConnection(for service: WorkerService) -> Uncounted<HTTP2UpstreamConnection>? {
        shared.first { $0.lend { $0.hasRoom && $0.serves(service) } }
    }

    var sharedCount: Int { shared.count }

    func addShared(_ connection: HTTP2UpstreamConnection) {
        shared.append(Uncounted(connection))
    }

    func removeShared(_ connection: HTTP2UpstreamConnection) {
        if let index = shared.firstIndex(where: { $0.isSame(as: connection) }) { shared.remove(at: index) }
    }

    /// Nothing is sent to it any more, for a reason that its open connections may not know yet.
    func doubt() {
        for connection in shared { connection.lend { $0.doubt() } }
    }

    private func closeIdleShared(unusedSince time: Int64) {
        for connection in shared {
            connection.lend { if $0.isIdle, $0.isConnected, isRetired || $0.idleSince <= time { $0.close(.reset) } }
        }
    }

    // Idle connections

    func closesAfterBodies(now: Int64) -> Bool { now < closesAfterBodiesUntil }
    func noteCloseAfterBody(until time: Int64) { closesAfterBodiesUntil = time }

    /// A connection for a request that must not be sent twice: the one used last of those that are sure to stay.
    func takeSafe(for client: borrowing ClientContext, of service: WorkerService, now: Int64) -> Uncounted<
        UpstreamConnection
    >? {
        let proxied = service.proxyHeader == nil ? nil : client.proxied
        let safe = idle.lastIndex { $0.lend { $0.serves(proxied, of: service) && $0.isSafe(now: now) } }
        return safe.map { idle.remove(at: $0) }
    }

    var idleCount: Int { idle.count }

    /// Since when the connection has rested that has rested longest; nil where none rests.
    var idleSince: Int64? { idle.first?.lend { $0.idleSince } }

    func closeIdlest() -> Bool {
        guard let first = idle.first else { return false }
        // It leaves the pool as it closes.
        first.lend { $0.close() }
        return true
    }

    /// The connection used last. Where the service wants to know its clients, it must have been this one's, or nobody's
    /// yet: the endpoint takes all that comes on it for his.
    func takeIdle(for client: borrowing ClientContext, of service: WorkerService) -> Uncounted<UpstreamConnection>? {
        if service.proxyHeader == nil {
            while let last = idle.popLast() {
                if last.lend({ $0.serves(nil, of: service) }) { return last }
                // From before the table said otherwise.
                last.lend { $0.close() }
            }
            return nil
        }
        let proxied = client.proxied
        let fitting = idle.lastIndex { $0.lend { $0.serves(proxied, of: service) } }
        return fitting.map { idle.remove(at: $0) }
    }

    func keepIdle(_ connection: UpstreamConnection) {
        idle.append(Uncounted(connection))
    }

    /// Takes a connection that is closed out of the pool, if it is there.
    func removeIdle(_ connection: UpstreamConnection) {
        if let index = idle.lastIndex(where: { $0.isSame(as: connection) }) { idle.remove(at: index) }
    }

    /// Closes connections unused since `time`, or all if the endpoint is retired.
    func closeIdle(unusedSince time: Int64) {
        if !shared.isEmpty { closeIdleShared(unusedSince: time) }
        if isRetired {
            while let connection = idle.popLast() { connection.lend { $0.close() } }
            return
        }
        var stale = 0
        while stale < idle.count, idle[stale].lend({ $0.idleSince }) <= time { stale += 1 }
        if stale == 0 { return }
        let closing = idle[..<stale]
        idle.removeFirst(stale)
        for connection in closing { connection.lend { $0.close() } }
    }
}
