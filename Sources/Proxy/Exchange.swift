internal import Picking
internal import Reactor
internal import TLS
internal import Telemetry
internal import Wire

/// One request and its answer: where a downstream and one upstream (or, while it is hedged, two) meet.
///
/// The request is kept as it came, in canonical HTTP/1 bytes, until an answer's head is accepted, so that another
/// attempt can encode it again for whichever endpoint is next. An exchange belongs to its client's connection, which
/// uses it for one request after the other; between them it owns no memory worth mentioning.
///
/// An attempt never fails within the call that starts it: failures arrive later, from the loop. So no call here
/// comes back into the exchange it came from.
final class Exchange: TimerOwner, Pending {
    enum Phase {
        case free
        /// No answer's head was accepted yet.
        case waiting
        /// An upstream's answer is being passed on.
        case answering
    }

    let worker: Worker
    private(set) var listener: WorkerListener
    private(set) var client: ClientContext
    private(set) var downstream: Uncounted<Downstream>?
    private(set) var timer: TimerWheel.Handle?

    var phase = Phase.free
    /// What `service` and `route` are part of: kept by the worker as long as an exchange uses it.
    var table: Uncounted<WorkerTable>?
    /// The table that later attempts are made under, once another is served than the request began with.
    var laterTable: Uncounted<WorkerTable>?
    var service: Uncounted<WorkerService>?
    var route: Uncounted<WorkerRoute>?

    /// What passes is bytes both ways: the request's head is the server's name, if any, its body what the client says.
    var isTunnel = false
    var tunnel = TunnelState()

    // The request
    var method = Method.get
    var bodyFraming = RequestBody.none
    var began: Int64 = 0
    var keptHead: [UInt8] = []
    var keptBody: [UInt8] = []
    /// More body came than is kept: what was sent cannot be sent again.
    var bodyExceedsKept = false
    var isRequestComplete = false
    /// The client waits for an answer of 100 before it sends the body.
    var awaitsContinue = false
    /// For another protocol than HTTP, on the same connection.
    var asksForUpgrade = false
    /// A gRPC call: it ends by its own status, and may last.
    var isGRPC = false
    /// How the call has ended, once that is known.
    var grpcStatus: GRPCStatus?
    /// The trailer section of a chunked request, line by line.
    var keptTrailers: [UInt8] = []
    var hashKey: UInt64?

    // Attempts: each is the connection that carries it, open or about to fail
    var first: Uncounted<Upstream>?
    /// The hedge, while there is one.
    var second: Uncounted<Upstream>?
    var tried = TriedEndpoints()
    var retriesLeft = 0
    var isHedged = false
    /// How often another address was asked, because there was no connection.
    var darkAttempts = 0
    /// When the request is hedged, whether there is a connection or not.
    var hedgeDeadline: Int64 = .max
    var freeRetryLeft = true
    /// A kept connection has turned out to be closed: others may be, too.
    var avoidsKept = false
    var lastFailure: AttemptFailure?
    /// Its place in the queue of those that wait for a connection.
    var pendingTicket: Int?
    /// Where it waits; nil: it does not.
    var pendingLoad: ServiceLoad?
    /// The queue is this cell's; nil: the service's.
    var pendingCell: CellLoad?

    // Deadlines in nanoseconds; `.max`: none
    var overstayDeadline: Int64 = .max
    var requestDeadline: Int64 = .max
    var idleDeadline: Int64 = .max
    /// When to look how much of a long body has arrived.
    var lookDeadline: Int64 = .max
    /// When a piece of the request's body last came.
    var clientSpokeAt: Int64 = 0
    /// When a piece of the answer last came.
    var lastOfAnswer: Int64 = 0
    /// Since when the client takes no more of the answer; nil: it does. The longest such time, and when it last ended.
    var fullSince: Int64?
    var longestFull: Int64 = 0
    var clientTookAt: Int64 = 0

    // What the access log says
    var status = 0
    var attempts = 0
    var answeredBy: Uncounted<WorkerEndpoint>?
    var answeringCell: Uncounted<WorkerCell>?
    var bytesToClient = 0
    var bytesFromClient = 0
    var ownToken: StaticString?
    /// The answer ended before it was whole, and not for the client's sake.
    var isCutOff = false
    var headLatency: Int64 = 0
    /// Of the last attempt that failed of it.
    var tlsFailure: TLSFailure?

    /// How much of a request's body is kept for another attempt.
    static let keptBodyLimit = 65_536
    /// Memory for heads that is kept from one request to the next.
    private static let keptHeadCapacity = 2_048

    /// - Parameter client: of the connection it will be attached to.
    init(worker: Worker, listener: WorkerListener, client: ClientContext) {
        self.worker = worker
        self.listener = listener
        self.client = client
    }

    /// The same for a stream, of whichever client it is now.
    func attach(to downstream: Downstream, listener: WorkerListener, client: ClientContext) {
        self.listener = listener
        self.client = client
        attach(to: downstream)
    }

    /// Makes it ready for requests from a client's connection that is in the loop.
    func attach(to downstream: Downstream) {
        self.downstream = Uncounted(downstream)
        timer = worker.timers.add(self)
    }

    /// The client's connection leaves the loop.
    func detach() {
        if let timer { worker.timers.remove(timer) }
        timer = nil
    }

    /// Takes on a request whose head has just been parsed.
    func begin(_ head: borrowing RequestHead, _ bytes: RawSpan) {
        phase = .waiting
        began = worker.loop.now
        clientSpokeAt = began
        method = head.method
        bodyFraming = head.body
        isRequestComplete = !head.hasBody
        awaitsContinue = head.expectsContinue && head.hasBody
        isGRPC = head.isGRPC(bytes)
        asksForUpgrade = head.upgrade != nil
        keptHead.removeAll(keepingCapacity: true)
        keptHead.append(contentsOf: bytes)
        listener.countRequest()
        if listener.redirectsToHTTPS { return answerOwn(WorkerRedirect.toHTTPS.answer(head, bytes, client)) }
        let table = worker.lendTable(to: listener)
        self.table = table
        guard let route = table.lend({ $0.route(head, bytes, listener: listener) }) else {
            listener.countUnrouted()
            return answerOwn(.noRoute)
        }
        self.route = route
        route.lend { route in
            route.counters.requests.add()
            if route.forwards {
                let index = route.destinations.pick(&worker.random)
                forward(to: table.lend { $0.service(at: index) }, head, bytes)
            } else {
                answerRouted(route.ownAnswer(head, bytes, client))
            }
        }
    }

    /// Answers what a route says. Who has asked over HTTP/2 for another protocol would take a 2xx for a tunnel (RFC 8441, 5).
    private func answerRouted(_ answer: OwnAnswer) {
        let looksUpgraded = asksForUpgrade && client.speaksHTTP2 && answer.status < 300
        answerOwn(looksUpgraded ? .notUpgraded : answer)
    }

    private func forward(to service: Uncounted<WorkerService>, _ head: borrowing RequestHead, _ bytes: RawSpan) {
        service.lend { lent in
            self.service = service
            guard lent.admit() else { return answerOwn(.overflow) }
            if lent.hashes { hashKey = lent.hashKey.flatMap { $0.hash(head, bytes, client) } }
            guard let drawn = lent.split.draw(key: hashKey) else {
                lent.counters.shed.add()
                return answerOwn(.shed(retryAfter: 1 + worker.random.below(3)))
            }
            Uncounted(lent.load).lend { $0.budget.countRequest(now: began) }
            retriesLeft = lent.retryAttempts
            if lent.requestTimeout != .max { requestDeadline = began + lent.requestTimeout }
            if isGRPC, let timeout = head.grpcTimeout(bytes) { requestDeadline = min(requestDeadline, began + timeout) }
            startFirstAttempt(lent, in: drawn, head, bytes)
            armTimer()
        }
    }

    /// A request that must not be sent twice is not what an endpoint's recovery is tried on.
    var isCautious: Bool { !method.isIdempotent }

    /// Whether the request may be sent again after bytes of it were sent.
    var isRepeatable: Bool { method.isIdempotent && !bodyExceedsKept }

    /// What was sent of the request's body may be sent again: to another endpoint, or because one has not looked at it.
    var keepsBody: Bool { method.isIdempotent || service?.lend { $0.isHTTP2 } == true }

    /// Whether the whole request is at hand.
    var isWholeRequestKept: Bool { (isRequestComplete || isTunnel) && !bodyExceedsKept }

    // The request's body

    /// Whether the downstream may push more of the request's body now.
    var wantsRequestBody: Bool {
        guard phase != .free else { return true }
        guard let first else { return phase == .answering || keptBody.isEmpty }
        return first.lend { first in
            phase == .answering || first.isSent ? !first.holdsBack : keptBody.isEmpty
        }
    }

    /// An attempt under way has been sent what is at hand of the request.
    private var isSent: Bool { first?.lend { $0.isSent } ?? false }

    func requestBody(_ data: RawSpan) {
        clientSpokeAt = worker.loop.now
        bytesFromClient += data.byteCount
        awaitsContinue = false
        if lookDeadline == .max, bytesFromClient > UploadProgress.firstFlight { lookAfterUpload() }
        if phase == .waiting && !bodyExceedsKept && (keepsBody || !isSent) {
            if keptBody.count + data.byteCount <= Self.keptBodyLimit {
                keptBody.append(contentsOf: data)
            } else if isSent {
                bodyExceedsKept = true
                keptBody.removeAll()
            } else {
                // Not sent yet: it must be kept whatever its size; the downstream pushes no more until it is.
                keptBody.append(contentsOf: data)
            }
        } else if phase == .waiting {
            bodyExceedsKept = true
        }
        if isSent { first?.lend { $0.sendBody(data) } }
    }

    func requestTrailer(_ line: RawSpan) {
        if route?.lend({ $0.requestEdits.dropTrailer(line) }) == true { return }
        keptTrailers.append(contentsOf: line)
    }

    func endRequest() {
        isRequestComplete = true
        awaitsContinue = false
        clientSpokeAt = worker.loop.now
        guard isSent, let first else { return }
        first.lend { first in
            keptTrailers.withBytes { first.endBody($0) }
            if phase == .waiting { awaitAnswer(from: first) }
        }
    }

    /// The endpoint has all of the request: from here on the time is its own.
    private func awaitAnswer(from attempt: Upstream) {
        let now = worker.loop.now
        attempt.deadline = now + attempt.service.responseTimeout
        if now > attempt.began {
            attempt.began = now
            overstayDeadline = now + attempt.service.hedgeDelay(attempt.cell)
        }
        armTimer()
    }

    /// What the downstream pushed of the request is to be sent now.
    func flushRequest() {
        first?.lend { if $0.isSent { $0.flush() } }
    }

    func upstreamDrained() {
        if isTunnel { return tunnelDrained() }
        if !isRequestComplete { downstream?.lend { $0.resumeRequestBody() } }
    }

    func downstreamDrained() {
        if isTunnel { tunnelDrained() } else if phase == .answering { clientTookAnswer() }
        first?.lend { $0.resumeReading() }
    }

    /// The client is gone: nothing is to be answered any more.
    func downstreamGone() {
        listener.counters.clientAborts.add()
        if isGRPC { count(.cancelled) }
        abandonAttempts(.clientGone)
        finish()
    }

    // The end

    /// Answers for ourselves and ends.
    func answerOwn(_ answer: OwnAnswer) {
        status = answer.status
        ownToken = answer.token
        service?.lend { service in
            if answer.isFailure { service.counters.failures.add() }
            if !isTunnel { service.counters.answers.add(answer.status) }
        }
        if isGRPC, answer.token != nil { count(GRPCStatus(httpStatus: answer.status)) }
        downstream?.lend { $0.answerOwn(answer) }
        finish()
    }

    /// The client saw a failure, whoever is to blame.
    private var hasFailed: Bool {
        status >= 500 || isCutOff || (isGRPC && (grpcStatus?.asHTTP ?? 0) >= 500)
    }

    /// Lets go of everything and becomes free for another request.
    func finish() {
        abandonAttempts(.cutOff)
        if hasFailed { route?.lend { $0.counters.failures.add() } }
        if pendingLoad != nil { leaveQueue() }
        if let timer { worker.disarm(timer) }
        if listener.isLogged { record() }
        service?.lend { $0.leave() }
        table?.lend { worker.giveBack($0) }
        if let laterTable {
            laterTable.lend { worker.giveBack($0) }
            self.laterTable = nil
        }
        service = nil
        route = nil
        table = nil
        phase = .free
        isTunnel = false
        awaitsContinue = false
        asksForUpgrade = false
        isGRPC = false
        grpcStatus = nil
        tunnel = TunnelState()
        bodyExceedsKept = false
        tried.removeAll()
        isHedged = false
        darkAttempts = 0
        hedgeDeadline = .max
        freeRetryLeft = true
        avoidsKept = false
        lastFailure = nil
        fullSince = nil
        longestFull = 0
        clientTookAt = 0
        overstayDeadline = .max
        requestDeadline = .max
        idleDeadline = .max
        lookDeadline = .max
        status = 0
        attempts = 0
        answeredBy = nil
        answeringCell = nil
        bytesToClient = 0
        bytesFromClient = 0
        ownToken = nil
        isCutOff = false
        headLatency = 0
        tlsFailure = nil
        hashKey = nil
        if !keptTrailers.isEmpty { keptTrailers = [] }
        if !keptBody.isEmpty { keptBody = [] }
        if keptHead.capacity > Self.keptHeadCapacity { keptHead = [] }
    }

    private func leaveQueue() {
        pendingLoad?.remove(self)
        tellWaiting()
    }
}
