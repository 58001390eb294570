internal import Reactor
internal import Telemetry
internal import Wire

/// One request and its answer: where a downstream and one upstream (or, while it is hedged, two) meet.
///
/// The request is kept as it came, in canonical HTTP/1 bytes, until an answer's head is accepted, so that another
/// attempt can encode it again for whichever endpoint is next. Exchanges are reused; one owns no memory beyond what
/// it keeps of its request.
///
/// An attempt never fails within the call that starts it: failures arrive later, from the loop. So no call here
/// comes back into the exchange it came from.
final class Exchange: TimerOwner {
    enum Phase {
        case free
        /// No answer's head was accepted yet.
        case waiting
        /// An upstream's answer is being passed on.
        case answering
    }

    let worker: Worker
    var phase = Phase.free
    var timer: TimerWheel.Handle?

    var downstream: (any Downstream)?
    var listener: WorkerListener?
    var service: WorkerService?
    var route: WorkerRoute?
    var client = ClientContext()

    // The request
    var method = Method.get
    var bodyFraming = RequestBody.none
    var began: Int64 = 0
    var keptHead: [UInt8] = []
    var keptBody: [UInt8] = []
    /// More body came than is kept: what was sent cannot be sent again.
    var bodyExceedsKept = false
    var isRequestComplete = false
    /// The trailer section of a chunked request, line by line.
    var keptTrailers: [UInt8] = []
    var hashKey: UInt64?

    // Attempts: each is the connection that carries it
    var first: UpstreamConnection?
    /// The hedge, while there is one.
    var second: UpstreamConnection?
    var tried = TriedEndpoints()
    var triedCells: UInt64 = 0
    var retriesLeft = 0
    var isHedged = false
    var freeRetryLeft = true
    var lastFailure: AttemptFailure?
    /// In the queue of those that wait for a connection.
    var isPending = false

    // Deadlines in nanoseconds; `.max`: none
    var overstayDeadline: Int64 = .max
    var requestDeadline: Int64 = .max
    var idleDeadline: Int64 = .max

    // What the access log says
    var status = 0
    var attempts = 0
    var answeredBy: WorkerEndpoint?
    var answeringCell: WorkerCell?
    var bytesToClient = 0
    var bytesFromClient = 0
    var ownToken: StaticString?
    var headLatency: Int64 = 0

    /// How much of a request's body is kept for another attempt.
    static let keptBodyLimit = 65_536

    init(worker: Worker) {
        self.worker = worker
    }

    /// Takes on a request whose head has just been parsed.
    func begin(
        _ head: borrowing RequestHead, _ bytes: RawSpan, from downstream: any Downstream, listener: WorkerListener,
        client: ClientContext
    ) {
        self.downstream = downstream
        self.listener = listener
        self.client = client
        phase = .waiting
        began = worker.loop.now
        method = head.method
        bodyFraming = head.body
        isRequestComplete = !head.hasBody
        keptHead.removeAll(keepingCapacity: true)
        keptHead.append(contentsOf: bytes)
        listener.counters.requests.add()

        guard let route = worker.table.route(head, bytes, listener: listener) else {
            listener.counters.unrouted.add()
            return answerOwn(.noRoute)
        }
        self.route = route
        switch route.action {
        case .respond(let answer): return answerOwn(answer)
        case .redirect(let redirect): return answerOwn(redirect.answer(head, bytes, client))
        case .forward(let destinations): service = destinations.pick(&worker.random)
        }
        guard let service, service.admit() else {
            service = nil
            return answerOwn(.overflow)
        }
        service.budget.countRequest(now: began)
        retriesLeft = service.retryAttempts
        if service.requestTimeout != .max { requestDeadline = began + service.requestTimeout }
        hashKey = service.hashKey.flatMap { $0.hash(head, bytes, client) }
        startFirstAttempt(head, bytes)
        armTimer()
    }

    /// A request that must not be sent twice is not what an endpoint's recovery is tried on.
    var isCautious: Bool { !method.isIdempotent }

    /// Whether the request may be sent again after bytes of it were sent.
    var isRepeatable: Bool { method.isIdempotent && !bodyExceedsKept }

    /// Whether the whole request is at hand.
    var isWholeRequestKept: Bool { isRequestComplete && !bodyExceedsKept }

    // The request's body

    /// Whether the downstream may push more of the request's body now.
    var wantsRequestBody: Bool {
        guard phase != .free else { return true }
        if phase == .answering { return first.map { !$0.isCongested } ?? true }
        guard let first, first.isSent else { return keptBody.isEmpty }
        return !first.isCongested
    }

    func requestBody(_ data: RawSpan) {
        bytesFromClient += data.byteCount
        if phase == .waiting && !bodyExceedsKept && (method.isIdempotent || first?.isSent != true) {
            if keptBody.count + data.byteCount <= Self.keptBodyLimit {
                keptBody.append(contentsOf: data)
            } else if first?.isSent == true {
                bodyExceedsKept = true
                keptBody.removeAll()
            } else {
                // Not sent yet: it must be kept whatever its size; the downstream pushes no more until it is.
                keptBody.append(contentsOf: data)
            }
        } else if phase == .waiting {
            bodyExceedsKept = true
        }
        if let first, first.isSent { first.sendBody(data) }
    }

    func requestTrailer(_ line: RawSpan) {
        keptTrailers.append(contentsOf: line)
    }

    func endRequest() {
        isRequestComplete = true
        if let first, first.isSent { keptTrailers.withBytes { first.endBody($0) } }
        if phase == .waiting, let first, first.isSent, let service {
            first.deadline = worker.loop.now + service.responseTimeout
            armTimer()
        }
    }

    /// What the downstream pushed of the request is to be sent now.
    func flushRequest() {
        if let first, first.isSent { first.flush() }
    }

    func upstreamDrained() {
        if !isRequestComplete { downstream?.resumeRequestBody() }
    }

    func downstreamDrained() {
        first?.resumeReading()
    }

    /// The client is gone: nothing is to be answered any more.
    func downstreamGone() {
        listener?.counters.clientAborts.add()
        finish()
    }

    // The end

    /// Answers for ourselves and ends.
    func answerOwn(_ answer: OwnAnswer) {
        status = answer.status
        ownToken = answer.token
        if answer.isFailure { service?.counters.failures.add() }
        downstream?.answerOwn(answer)
        finish()
    }

    /// Lets go of everything and becomes free for another request.
    func finish() {
        abandonAttempts()
        if isPending, let service {
            service.load.pending.remove(self)
            service.counters.pending.set(service.load.pending.count)
        }
        isPending = false
        if let timer { worker.loop.timers.disarm(timer) }
        if let listener, let log = listener.accessLog { record(in: log, listener.accessLogFormat) }
        service?.leave()
        downstream = nil
        listener = nil
        service = nil
        route = nil
        phase = .free
        bodyExceedsKept = false
        tried = TriedEndpoints()
        triedCells = 0
        isHedged = false
        freeRetryLeft = true
        lastFailure = nil
        overstayDeadline = .max
        requestDeadline = .max
        idleDeadline = .max
        status = 0
        attempts = 0
        answeredBy = nil
        answeringCell = nil
        bytesToClient = 0
        bytesFromClient = 0
        ownToken = nil
        headLatency = 0
        keptTrailers.removeAll(keepingCapacity: true)
        if keptBody.capacity > 4_096 { keptBody = [] } else { keptBody.removeAll(keepingCapacity: true) }
        if keptHead.capacity > 8_192 { keptHead = [] }
        worker.giveBack(self)
    }
}
