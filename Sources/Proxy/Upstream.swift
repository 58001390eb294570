internal import Picking
internal import Reactor
internal import Wire

/// What carries an attempt: an HTTP/1 connection to an endpoint, or one stream of an HTTP/2 connection (which has no
/// socket of its own).
///
/// A connection belongs to an endpoint, and may live longer than any table. Service and cell, with their time-outs,
/// limits and budget, are those of the attempt it carries: of the table that the attempt was begun under.
class Upstream: Connection {
    let endpoint: WorkerEndpoint
    /// Where the connection is counted.
    let load: CellLoad

    // The attempt it carries

    /// Kept by the tables its exchange uses, as `attemptCell` is: not to be asked for between two attempts.
    final private(set) var attemptService: Uncounted<WorkerService>
    final private(set) var attemptCell: Uncounted<WorkerCell>
    final var service: WorkerService { attemptService.counted }
    final var cell: WorkerCell { attemptCell.counted }
    final var began: Int64 = 0
    /// Connecting, or waiting for the answer's head, at most until then.
    final var deadline: Int64 = .max
    final var isSent = false
    final var hasOverstayed = false
    /// When the request's head was sent.
    final var sentAt: Int64 = 0
    /// How far its request has come, if that is long enough to be looked after.
    final var upload = UploadProgress()
    /// As what the attempt was counted, which its answer may show before it is whole.
    final var countedAs: AttemptEnd?
    /// It carried an exchange before this one.
    final var wasReused = false
    /// What is left of the interim answers that may come before the final one.
    final var interims = InterimAllowance()

    init(worker: Worker, service: WorkerService, cell: WorkerCell, endpoint: WorkerEndpoint, socket: consuming Socket) {
        attemptService = Uncounted(service)
        attemptCell = Uncounted(cell)
        self.endpoint = endpoint
        load = cell.load
        super.init(worker: worker, socket: socket)
    }

    /// Goes on with an attempt that another connection began.
    init(takingOver other: Upstream) {
        attemptService = other.attemptService
        attemptCell = other.attemptCell
        endpoint = other.endpoint
        load = other.load
        super.init(takingOver: other)
        began = other.began
        isSent = other.isSent
        sentAt = other.sentAt
        countedAs = other.countedAs
        hasOverstayed = other.hasOverstayed
    }

    /// Says in the clear who the client is, before a handshake: the header comes before everything else.
    final func tellPlainly(_ client: ProxiedClient?, _ version: ProxyHeader.Version) {
        ProxyHeader(client: client).encode(version, into: &worker.sendBuffer)
        worker.sendBuffer.withBytes { sendPlainly($0, RawSpan()) }
        worker.sendBuffer.clear()
    }

    /// Whether a request can be sent; if not, `Exchange.upstreamConnected` tells when.
    var isConnected: Bool { unsupported() }

    /// The other end has taken the connection, though a handshake may not be over.
    var isReached: Bool { isConnected || tls != nil }

    /// The endpoint takes no more at present, or took no more as its connection was closed.
    var holdsBack: Bool { isCongested || wasCongested }

    func assign(_ exchange: Exchange, _ service: WorkerService, _ cell: Uncounted<WorkerCell>, now: Int64) {
        attemptService = Uncounted(service)
        attemptCell = cell
        began = now
        deadline = now + (isConnected ? service.responseTimeout : service.connectTimeout)
        isSent = false
        hasOverstayed = false
        countedAs = nil
        interims = InterimAllowance()
        upload = UploadProgress()
    }

    /// Looks how much of the request has arrived. True: all that was pushed has.
    func lookAtUpload(now: Int64) -> Bool {
        let arrived = bytesArrived
        upload.look(arrived: arrived, now: now)
        return isDrained && arrived == bytesPushed
    }

    /// Puts the head, and what is kept of the body, into what is to be sent.
    func sendRequest(_ exchange: Exchange, _ head: borrowing RequestHead, _ bytes: RawSpan) { unsupported() }

    func sendBody(_ data: RawSpan) { unsupported() }

    func endBody(_ trailers: RawSpan) { unsupported() }

    /// Sends what was pushed.
    func flush() { unsupported() }

    /// The first bytes of a tunnel; more follows by `sendBody`.
    func beginTunnel(client: ClientContext, said: RawSpan) { unsupported() }

    /// The tunnel is over: `reset` says that it did not end by itself.
    func closeTunnel(reset: Bool) { unsupported() }

    /// The client can take more.
    func resumeReading() { unsupported() }

    /// The exchange no longer wants anything of it.
    func giveUp() { unsupported() }
}
