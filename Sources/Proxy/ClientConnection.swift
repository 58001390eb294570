internal import Reactor
internal import Telemetry
internal import Wire

/// A client's HTTP/1 connection: requests come in one after the other, and so do the answers.
final class ClientConnection: Downstream, Client, TimerOwner {
    private enum Phase {
        /// Between requests, or within a head.
        case head
        /// A request's body is being received.
        case body(BodyReading)
        /// The request is complete, its answer is not.
        case answer
        /// The last answer is out; what the client still sends is read and thrown away, so that the answer reaches it.
        case lingering
    }

    private enum BodyReading {
        case length(UInt64)
        case chunked(ChunkedDecoder)
    }

    let listener: WorkerListener
    private var timer: TimerWheel.Handle?
    private var phase = Phase.head
    /// One request after the other.
    private let exchange: Exchange
    /// A request was begun, and the exchange is not over for the client.
    private var isExchanging = false
    /// Part of a head, what follows the request in hand, or what a turn had no time for.
    private var held = HeldBytes()
    private var partialHead = PartialHead()
    private var isReadPaused = false
    private var isConsuming = false
    /// No request has come yet: it may turn out to be HTTP/2.
    private var isFirst = true
    private var hasAsked = false
    private var peerEnded = false
    private var method = Method.get
    private var minorVersion: UInt8 = 1
    private var keepsAlive = true
    private var bodyReceived = 0
    /// How the answer's body is framed toward the client.
    private var answerIsChunked = false
    private var answerBegun = false
    private var closesWhenSent = false
    /// Where it stands in the worker's list.
    var place = 0

    private static let lingerTime: Int64 = 2_000_000_000
    /// How long a client that is between two requests may still ask when its connection is to end: one that asks meanwhile
    /// is answered, and told with the answer.
    private static let farewellTime: Int64 = 1_000_000_000

    /// The connection ends with the answer in hand, or the next.
    private var isLeaving: Bool { worker.isDraining || isDisowned }

    init(worker: Worker, listener: WorkerListener, socket: consuming Socket, peer: SocketAddress) {
        self.listener = listener
        exchange = Exchange(worker: worker, listener: listener, client: listener.context(for: peer, on: socket))
        super.init(worker: worker, socket: socket)
        guard watch() else { return }
        listener.connectionOpened()
        begin()
    }

    /// Goes on from an arrival, which the listener has counted; `held` is what the client has sent already.
    init(takingOver arrival: Arrival, listener: WorkerListener, client: ClientContext, held: [UInt8]) {
        self.listener = listener
        self.held = HeldBytes(held)
        exchange = Exchange(worker: arrival.worker, listener: listener, client: client)
        super.init(takingOver: arrival)
        begin()
    }

    private func begin() {
        exchange.attach(to: self)
        timer = worker.timers.add(self)
        arm(listener.headTimeout)
        worker.clients.insert(self)
    }

    // Reading

    override func ready(_ readiness: Readiness) {
        guard isOpen else { return }
        if readiness.isWritable, isCongested { drain() }
        guard isOpen, readiness.isReadableOrEnded else { return }
        hasUnread = true
        if readiness.isBroken && isExchanging {
            // Both ways broken: nobody will read an answer.
            return gone()
        }
        renewShare()
        read(untilEnd: readiness.isEnded)
    }

    /// Reads and uses what comes, as far as this turn's share goes.
    private func read(untilEnd: Bool) {
        while hasUnread && !isReadPaused && !isYielding && isOpen {
            if share.isUsedUp { return yieldTurn() }
            switch receive(after: 0, untilEnd: untilEnd) {
            case .bytes(let count):
                listener.countReceived(count)
                if held.isEmpty {
                    worker.receiveBuffer.withBytes(count) { bytes in
                        let used = consume(bytes)
                        if used < count && isOpen { held.append(bytes.extracting(used..<count)) }
                    }
                } else {
                    worker.receiveBuffer.withBytes(count) { held.append($0) }
                    useHeld()
                }
            case .wouldBlock: break
            case .endOfStream: ended()
            case .failed: gone()
            }
        }
    }

    private func useHeld() {
        let taken = held.takeAll()
        let used = taken.withBytes { consume($0) }
        if isOpen { held.putBack(taken, used: used) }
    }

    /// Goes on after a pause: first with what is held, then with the socket.
    override func resume() {
        guard isOpen else { return }
        if isBroken { return gone() }
        isReadPaused = false
        if isYielding { return }
        renewShare()
        resumeTurn()
    }

    override func resumeTurn() {
        guard isOpen, !isReadPaused else { return }
        if !held.isEmpty { useHeld() }
        read(untilEnd: true)
    }

    /// Uses as much as it can of bytes that the client has sent. Returns how many; the others are to be held.
    private func consume(_ bytes: RawSpan) -> Int {
        isConsuming = true
        var offset = 0
        while offset < bytes.byteCount && isOpen {
            if share.work <= 0 {
                yieldTurn()
                readLimit = Self.smallRead
                break
            }
            let rest = bytes.extracting(offset..<bytes.byteCount)
            let used: Int
            switch phase {
            case .head where isCongested:
                // The client takes no answers: it gets no more of them until it does.
                used = 0
                isReadPaused = true
            case .head: used = consumeHead(rest)
            case .body(let reading): used = consumeBody(rest, reading)
            case .answer:
                used = 0
                isReadPaused = true
            case .lingering:
                // Nobody needs it: a piece a turn is enough.
                used = rest.byteCount
                share.work = 0
            }
            offset += used
            if used == 0 { break }
        }
        if isExchanging { exchange.flushRequest() }
        isConsuming = false
        return offset
    }

    /// Takes a request head off the front; 0 when it is not all there.
    private func consumeHead(_ bytes: RawSpan) -> Int {
        let headBytes: Int
        if isFirst {
            switch HTTP2Preface.compare(bytes) {
            case .differs:
                isFirst = false
                if bytes.looksLikeTLS {
                    refuse(.tlsOnPlain)
                    return 0
                }
            case .incomplete:
                isTimingHead = true
                return 0
            case .complete:
                becomeHTTP2(bytes)
                return 0
            }
        }
        guard partialHead.isWorthParsing(bytes, limit: listener.headLimits.headBytes) else { return 0 }
        share.work -= Share.message
        do {
            switch try worker.requestHead.parse(bytes, listener.headLimits) {
            case .incomplete:
                if !isTimingHead {
                    isTimingHead = true
                    arm(listener.headTimeout)
                }
                return 0
            case .complete(let count): headBytes = count
            }
        } catch {
            refuse(.malformed(error))
            return 0
        }
        isTimingHead = false
        partialHead.begin()
        method = worker.requestHead.method
        minorVersion = worker.requestHead.minorVersion
        hasAsked = true
        keepsAlive = worker.requestHead.isPersistent && !isLeaving
        bodyReceived = 0
        answerBegun = false
        if let refusal = listener.refusal(of: worker.requestHead, bytes) {
            refuse(refusal)
            return 0
        }
        switch worker.requestHead.body {
        case .none: phase = .answer
        case .length(let length): phase = length == 0 ? .answer : .body(.length(length))
        case .chunked: phase = .body(.chunked(ChunkedDecoder()))
        }
        if case .body = phase { arm(listener.bodyTimeout) } else { disarm() }
        isExchanging = true
        exchange.begin(worker.requestHead, bytes.extracting(0..<headBytes))
        return headBytes
    }

    /// The client speaks HTTP/2 without having been asked (RFC 9113, 3.3).
    private func becomeHTTP2(_ bytes: RawSpan) {
        leave()
        // The loop keeps it.
        _ = HTTP2ClientConnection(takingOver: self, listener: listener, client: exchange.client, held: bytes)
    }

    private func consumeBody(_ bytes: RawSpan, _ reading: BodyReading) -> Int {
        if !isExchanging { return bytes.byteCount }
        if !exchange.wantsRequestBody {
            isReadPaused = true
            // Now the endpoint is waited for, unless the client does not take its answer.
            if !isCongested { disarm() }
            return 0
        }
        arm(listener.bodyTimeout)
        share.work -= 1
        switch reading {
        case .length(let remaining):
            let count = min(bytes.byteCount, Int(clamping: remaining))
            exchange.requestBody(bytes.extracting(0..<count))
            if remaining == UInt64(count) {
                requestComplete()
            } else {
                phase = .body(.length(remaining &- UInt64(count)))
            }
            return count
        case .chunked(var decoder):
            do {
                let step = try decoder.next(bytes, from: 0)
                if case .body = phase { phase = .body(.chunked(decoder)) }
                switch step {
                case .data(let range, let consumed):
                    bodyReceived += Int(range.count)
                    if let limit = listener.bodyLimit, bodyReceived > limit {
                        refuse(.bodyTooLarge)
                        return 0
                    }
                    exchange.requestBody(bytes.extracting(Int(range.start)..<Int(range.end)))
                    return consumed
                case .trailer(let range, let consumed):
                    exchange.requestTrailer(bytes.extracting(Int(range.start)..<Int(range.end)))
                    return consumed
                case .needMore(let consumed): return consumed
                case .end(let consumed):
                    requestComplete()
                    return consumed
                }
            } catch {
                refuse(.malformed(error))
                return 0
            }
        }
    }

    private func requestComplete() {
        phase = .answer
        disarm()
        if isExchanging { exchange.endRequest() } else { answerDone() }
    }

    /// The client will send no more. What it asked for is still answered.
    private func ended() {
        peerEnded = true
        switch phase {
        case .head:
            // Nothing, or half a request, asks for no answer, but the one before may not be with the kernel yet.
            closeWhenSent()
        case .body: gone()
        case .answer: keepsAlive = false
        case .lingering: close()
        }
    }

    private func gone() {
        let wasExchanging = isExchanging
        isExchanging = false
        close()
        if wasExchanging { exchange.downstreamGone() }
    }

    // Answering

    override func passInterim(_ head: borrowing ResponseHead, _ bytes: RawSpan) {
        guard minorVersion == 1 else { return }
        // Who has waited for it may go on.
        if head.status == 100, case .body = phase, !isReadPaused { arm(listener.bodyTimeout) }
        if encodeInterim(head, bytes, into: &worker.sendBuffer) { flushAnswer() }
    }

    override func answer(_ head: borrowing ResponseHead, _ bytes: RawSpan, edits: borrowing CompiledEdits) {
        if case .body = phase { keepsAlive = false }
        if isLeaving || peerEnded { keepsAlive = false }
        answerBegun = true
        let framing = encodeResponse(
            head, bytes, toMinorVersion: minorVersion, method: method, keepsAlive: &keepsAlive, date: worker.date,
            edits: edits, into: &worker.sendBuffer)
        // A pattern, not `==`: that of another module's type is called through its witness.
        if case .chunked = framing { answerIsChunked = true } else { answerIsChunked = false }
    }

    /// A tunnel goes on with the connection, and with what the client has said behind its request.
    override func upgrade(_ head: borrowing ResponseHead, _ bytes: RawSpan) {
        encodeInterim(head, bytes, allowsUpgrade: true, into: &worker.sendBuffer)
        flushAnswer()
        worker.sendQueued()
        let said = held.array
        let exchange = exchange
        leave()
        TunnelClient(takingOver: self, listener: listener, exchange: exchange).goOn(said: said)
    }

    override func answerBody(_ data: RawSpan) {
        if data.isEmpty { return }
        if answerIsChunked {
            worker.sendBuffer.append(hex: UInt64(data.byteCount))
            worker.sendBuffer.append("\r\n")
        }
        if isGathered(data) {
            worker.sendBuffer.append(data)
        } else {
            listener.countSent(worker.sendBuffer.count + data.byteCount)
            transmit(followedBy: data)
        }
        if answerIsChunked { worker.sendBuffer.append("\r\n") }
    }

    override func answerTrailer(_ line: RawSpan) {
        if answerIsChunked { trailers.append(contentsOf: line) }
    }

    override func endAnswer() {
        if answerIsChunked {
            worker.sendBuffer.append("0\r\n")
            if !trailers.isEmpty {
                trailers.withBytes { worker.sendBuffer.append($0) }
                trailers = []
            }
            worker.sendBuffer.append("\r\n")
        }
        flushAnswer()
        isExchanging = false
        answerDone()
    }

    override func flushAnswer() {
        listener.countSent(worker.sendBuffer.count)
        transmit()
    }

    override func becameCongested() {
        arm(listener.bodyTimeout)
    }

    override func answerOwn(_ answer: OwnAnswer) {
        if case .body = phase { keepsAlive = false }
        if isLeaving || peerEnded || answer.closes { keepsAlive = false }
        worker.sendBuffer.clear()
        answer.encode(
            method: method, minorVersion: minorVersion, keepsAlive: keepsAlive, date: worker.date,
            into: &worker.sendBuffer)
        share.work -= worker.sendBuffer.count / 1_024
        flushAnswer()
        isExchanging = false
        answerDone()
    }

    override func abortAnswer() {
        isExchanging = false
        worker.sendBuffer.clear()
        close(reset: true)
    }

    /// Answers a request that never became an exchange, or is cut short, and closes.
    private func refuse(_ answer: OwnAnswer) {
        if answer.token != nil { listener.counters.refused.add() }
        if isExchanging {
            if answerBegun {
                exchange.downstreamGone()
                return abortAnswer()
            }
            keepsAlive = false
            return exchange.answerOwn(answer)
        }
        keepsAlive = false
        phase = .answer
        if listener.isLogged { exchange.recordRefusal(answer) }
        answerOwn(answer)
    }

    /// The answer is pushed to the end: the next request, or the end of the connection.
    private func answerDone() {
        guard isOpen else { return }
        if keepsAlive, case .answer = phase {
            phase = .head
            arm(listener.idleTimeout)
            if isReadPaused || !held.isEmpty || hasUnread, !isConsuming { worker.loop.defer(self) }
            return
        }
        closeWhenSent()
    }

    private func closeWhenSent() {
        if case .head = phase { phase = .answer }
        closesWhenSent = true
        worker.sendQueued()
        if isOpen && !isCongested { finishSending() }
    }

    /// The last answer is with the kernel.
    private func finishSending() {
        let hasMore: Bool
        if case .body = phase { hasMore = true } else { hasMore = hasUnread || !held.isEmpty }
        if peerEnded || !hasMore && !isConsuming { return close() }
        shutdownWrite()
        phase = .lingering
        readLimit = Self.smallRead
        held.removeAll()
        isReadPaused = false
        arm(Self.lingerTime)
        if !isConsuming { worker.loop.defer(self) }
    }

    override func resumeRequestBody() {
        guard isReadPaused, case .body = phase, isExchanging, exchange.wantsRequestBody else { return }
        arm(listener.bodyTimeout)
        if !isConsuming { worker.loop.defer(self) }
    }

    /// There is room in the socket again.
    private func drain() {
        guard transmitUnsent() else { return arm(listener.bodyTimeout) }
        if closesWhenSent { return finishSending() }
        if isExchanging {
            // It may owe the rest of its request all the same.
            if case .body = phase, !isReadPaused { arm(listener.bodyTimeout) } else { disarm() }
            exchange.downstreamDrained()
        } else if isReadPaused, case .head = phase {
            arm(listener.idleTimeout)
            worker.loop.defer(self)
        }
    }

    // Deadlines

    private var isTimingHead = false
    private var trailers: [UInt8] = []

    private func arm(_ after: Int64) {
        if let timer { worker.arm(timer, at: worker.loop.now + after) }
    }

    private func disarm() {
        if let timer { worker.disarm(timer) }
    }

    func deadlineReached() {
        guard isOpen else { return }
        if isCongested || closesWhenSent {
            // The client does not take its answer.
            if isExchanging { exchange.downstreamGone() }
            return abortAnswer()
        }
        switch phase {
        case .head: if isTimingHead { refuse(.headTimeout) } else { close() }
        // A client that waits for a 100 owes nothing yet: its endpoint's time runs.
        case .body: if exchange.awaitsContinue { arm(listener.bodyTimeout) } else { refuse(.bodyTimeout) }
        case .answer: break
        case .lingering: close()
        }
    }

    /// The connection ends after the answer in hand, or the next. One that has not asked yet has the time it had before
    /// to do so, one between two requests a moment.
    func drainStarted() {
        keepsAlive = false
        if case .head = phase, held.isEmpty, hasAsked { arm(Self.farewellTime) }
    }

    /// Another connection, or none, goes on with the socket.
    private func leave() {
        if let timer { worker.timers.remove(timer) }
        timer = nil
        held.removeAll()
        exchange.detach()
        worker.clients.remove(self)
    }

    private func close(reset: Bool = false) {
        guard isOpen else { return }
        leave()
        closeSocket(reset: reset)
        listener.connectionClosed()
        worker.clientLeft()
    }
}
