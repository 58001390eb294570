internal import Reactor
internal import Telemetry
internal import Wire

/// One request of a client's HTTP/2 connection, and its answer. Used for one request after the other, of whichever
/// connection.
final class HTTP2ClientStream: Downstream {
    private(set) var connection: Uncounted<HTTP2ClientConnection>?
    private(set) var id: Int = 0
    let exchange: Exchange
    let body = HTTP2Body()
    /// Where it stands in its connection's list.
    var place = 0

    /// Bytes of the request's body that the exchange does not want yet.
    private var held: [UInt8] = []
    private(set) var isRequestComplete = false
    /// The exchange is not over.
    private(set) var isExchanging = false
    private(set) var isAnswerBegun = false
    /// An extended CONNECT (RFC 8441): the request has no body, and what follows it is for a tunnel.
    private var isConnect = false
    private(set) var isTunnel = false
    /// The tunnel was told that the client has said its last.
    private var hasPassedEnd = false
    private var method = Method.get
    private var bodyFraming = RequestBody.none
    private var bodyReceived = 0
    /// Interim answers that the client has not taken: they are not part of the body, and no window holds them back.
    private var interimsWaiting = 0
    private(set) var opened: Int64 = 0
    /// When the client last sent something of this request, or took something of its answer.
    private(set) var lastProgress: Int64 = 0

    init(worker: Worker, listener: WorkerListener, client: ClientContext) {
        exchange = Exchange(worker: worker, listener: listener, client: client)
        super.init(worker: worker, socket: Socket.none)
    }

    // Its life

    func open(_ id: Int, of connection: HTTP2ClientConnection) {
        self.id = id
        self.connection = Uncounted(connection)
        body.begin()
        isRequestComplete = false
        isExchanging = false
        isAnswerBegun = false
        isConnect = false
        isTunnel = false
        hasPassedEnd = false
        method = .get
        bodyFraming = .none
        bodyReceived = 0
        interimsWaiting = 0
        opened = worker.loop.now
        lastProgress = opened
        exchange.attach(to: self, listener: connection.listener, client: connection.client)
    }

    /// The stream is over for the client, whether the exchange is or not.
    func close() {
        if isExchanging {
            isExchanging = false
            if isTunnel { exchange.clientBroke() } else { exchange.downstreamGone() }
        }
        exchange.detach()
        connection?.lend { $0.waiting -= body.count }
        if !held.isEmpty { held = [] }
        connection = nil
    }

    /// Waits for the client: its request's body is not complete, or its answer is not taken.
    var awaitsClient: Bool {
        // Calls rest on purpose; the exchange knows for how long.
        if exchange.restsOnPurpose { return body.count > 0 }
        return !isConnect && !isRequestComplete && held.isEmpty && !exchange.awaitsContinue || body.count > 0
    }

    /// All that Content-Length announced has come. Many clients end their stream in a frame of its own after that, and
    /// take a reset before it for a fault.
    private var isLengthReached: Bool {
        if case .length(let length) = bodyFraming { length == UInt64(bodyReceived) } else { false }
    }

    // The request

    /// Its head is complete. `isConnect`: what follows is for a tunnel, once there is one.
    func begin(_ head: borrowing RequestHead, _ bytes: RawSpan, isConnect: Bool, endsStream: Bool) {
        self.isConnect = isConnect
        method = head.method
        bodyFraming = head.body
        isRequestComplete = isConnect ? endsStream : !head.hasBody
        isExchanging = true
        exchange.begin(head, bytes)
        if isExchanging { exchange.flushRequest() }
    }

    func receive(_ data: RawSpan) {
        lastProgress = worker.loop.now
        bodyReceived += data.byteCount
        guard isExchanging else { return discard(data.byteCount) }
        if isConnect {
            guard held.isEmpty, isTunnel, exchange.wantsSpeech else { return held.append(contentsOf: data) }
            return say(data)
        }
        connection?.lend { connection in
            if let limit = connection.listener.bodyLimit, bodyReceived > limit {
                connection.listener.counters.refused.add()
                return refuse(.bodyTooLarge)
            }
            guard held.isEmpty, exchange.wantsRequestBody else { return held.append(contentsOf: data) }
            pass(data)
        }
    }

    private func say(_ data: RawSpan) {
        exchange.clientSaid(data)
        exchange.flushRequest()
        connection?.lend { $0.openWindow(of: id, data.byteCount) }
    }

    private func pass(_ data: RawSpan) {
        exchange.requestBody(data)
        if isExchanging { exchange.flushRequest() }
        connection?.lend { $0.openWindow(of: id, data.byteCount) }
    }

    /// Nobody wants it: the client may go on sending until it hears so.
    private func discard(_ count: Int) {
        connection?.lend { $0.openWindow(of: id, count) }
    }

    func receiveTrailer(_ line: RawSpan) {
        if isExchanging { exchange.requestTrailer(line) }
    }

    /// The client has sent all of its request.
    func receivedAll() {
        isRequestComplete = true
        if isExchanging, held.isEmpty { endRequest() }
    }

    private func endRequest() {
        if isConnect { return endSpeech() }
        exchange.endRequest()
        if isExchanging { exchange.flushRequest() }
    }

    /// What ends a client's side of a tunnel is an end, as a FIN is one (RFC 8441, 5); if it comes before there is a
    /// tunnel, it is passed on as soon as there is one.
    private func endSpeech() {
        if hasPassedEnd || !isTunnel { return }
        hasPassedEnd = true
        exchange.clientEnded()
    }

    override func resumeRequestBody() {
        if !held.isEmpty || isTunnel { worker.loop.defer(self) }
    }

    override func resume() {
        guard isExchanging, !held.isEmpty || isTunnel else { return }
        if !held.isEmpty {
            guard isConnect ? isTunnel && exchange.wantsSpeech : exchange.wantsRequestBody else { return }
            let data = held
            held = []
            data.withBytes { if isConnect { say($0) } else { pass($0) } }
        }
        if isExchanging, isRequestComplete { endRequest() }
    }

    // The answer

    /// What waits here is bounded by what the client takes: one that takes nothing costs next to nothing.
    override var holdsBack: Bool {
        interimsWaiting > 0 || body.isFull(at: max(min(room, HTTP2Body.most), HTTP2Body.leastRead))
    }

    override var answerLimit: Int { max(room - body.count, HTTP2Body.leastRead) }

    private var room: Int { connection?.lend { $0.room(for: id) } ?? 0 }

    override func passInterim(_ head: borrowing ResponseHead, _ bytes: RawSpan) {
        worker.fieldBuffer.clear()
        guard encodeInterim(head, bytes, into: &worker.fieldBuffer) else { return }
        let isTaken = connection?.lend { $0.submitInterim(id, status: Int(head.status)) }
        if isTaken == true { interimsWaiting += 1 }
    }

    override func answer(_ head: borrowing ResponseHead, _ bytes: RawSpan, edits: borrowing CompiledEdits) {
        isAnswerBegun = true
        worker.fieldBuffer.clear()
        var keepsAlive = true
        let framing = encodeResponse(
            head, bytes, toMinorVersion: 1, method: method, keepsAlive: &keepsAlive, date: worker.date, edits: edits,
            into: &worker.fieldBuffer)
        let hasBody: Bool
        switch head.body {
        case .length(let length): hasBody = length > 0
        default: if case .none = framing { hasBody = false } else { hasBody = true }
        }
        submit(status: Int(head.status), hasBody: hasBody)
    }

    private func submit(status: Int, hasBody: Bool) {
        lastProgress = worker.loop.now
        connection?.lend { _ = $0.submitAnswer(of: self, status: status, hasBody: hasBody) }
    }

    override func upgrade(_ head: borrowing ResponseHead, _ bytes: RawSpan) {
        isAnswerBegun = true
        isTunnel = true
        worker.fieldBuffer.clear()
        encodeInterim(head, bytes, into: &worker.fieldBuffer)
        // RFC 8441, 5: what HTTP/1.1 says by 101 is a 200, and the key's answer is not given.
        submit(status: 200, hasBody: true)
    }

    override func closeTunnel(reset: Bool) {
        isExchanging = false
        if reset || !isRequestComplete { connection?.lend { $0.reset(id, .cancel) } }
        body.isEnded = true
        flushAnswer()
    }

    override func answerBody(_ data: RawSpan) {
        if data.isEmpty { return }
        if body.count == 0 { lastProgress = worker.loop.now }
        push(data)
    }

    private func push(_ data: RawSpan) {
        body.append(data)
        connection?.lend { $0.waiting += data.byteCount }
    }

    override func answerTrailer(_ line: RawSpan) {
        body.trailers.append(contentsOf: line)
    }

    override func flushAnswer() {
        connection?.lend { $0.resume(body, of: id) }
    }

    override func endAnswer() {
        body.isEnded = true
        flushAnswer()
        if !isTunnel { over() }
    }

    override func answerOwn(_ answer: OwnAnswer) {
        worker.fieldBuffer.clear()
        isAnswerBegun = true
        if exchange.isGRPC, let token = answer.token {
            encodeGRPCError(
                status: answer.status, token: token, sentence: answer.sentence, date: worker.date,
                into: &worker.fieldBuffer)
            submit(status: 200, hasBody: false)
            return endAnswer()
        }
        answer.encode(
            method: method, minorVersion: 1, keepsAlive: true, date: worker.date, into: &worker.fieldBuffer)
        let bodyStart = connection?.lend { $0.submitAnswer(of: self, status: answer.status, hasBody: true) } ?? 0
        worker.fieldBuffer.withBytes { push($0.extracting(bodyStart..<$0.byteCount)) }
        endAnswer()
    }

    override func abortAnswer() {
        if exchange.isGRPC, isAnswerBegun {
            // A status that is not OK tells a caller as much as a reset, and better.
            worker.fieldBuffer.clear()
            let isExpired = exchange.grpcStatus == .deadlineExceeded
            let isLeft = exchange.tunnel.end == .failover
            worker.fieldBuffer.append(
                grpcStatus: exchange.grpcStatus ?? .unavailable,
                token: isExpired ? "request-timeout" : isLeft ? Exchange.failoverToken : "truncated",
                sentence: isExpired
                    ? "The call took too long."
                    : isLeft ? "Nothing is sent to the call's region any more." : "The service broke off its answer.")
            worker.fieldBuffer.withBytes { body.trailers.append(contentsOf: $0) }
            return endAnswer()
        }
        over()
        connection?.lend { $0.reset(id, .internalError) }
    }

    private func over() {
        isExchanging = false
        if !held.isEmpty {
            discard(held.count)
            held = []
        }
    }

    /// Answers a request that is cut short.
    func refuse(_ answer: OwnAnswer) {
        if isAnswerBegun {
            if isExchanging {
                isExchanging = false
                exchange.downstreamGone()
            }
            return abortAnswer()
        }
        if isExchanging { exchange.answerOwn(answer) } else { answerOwn(answer) }
    }

    /// The client has not gone on for too long.
    func timedOut() {
        connection?.lend { $0.listener.counters.refused.add() }
        refuse(.bodyTimeout)
    }

    /// A frame of the answer went out. True: it was the last, and the client, who has not sent all of its request, is to
    /// send no more (RFC 9113, 8.1).
    func sent(_ frame: HTTP2Frame) -> Bool {
        lastProgress = worker.loop.now
        if interimsWaiting > 0, frame.type == HTTP2Frame.headers {
            interimsWaiting -= 1
            if interimsWaiting == 0, isExchanging { exchange.downstreamDrained() }
        }
        return frame.endsStream && !isTunnel && !isRequestComplete && !isLengthReached
    }
}
