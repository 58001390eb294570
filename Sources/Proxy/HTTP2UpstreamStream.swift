internal import Picking
internal import Reactor
internal import Telemetry
internal import Wire

/// One request on a shared HTTP/2 connection to an endpoint: an attempt.
final class HTTP2UpstreamStream: Upstream {
    private let connection: Uncounted<HTTP2UpstreamConnection>
    private var exchange: Uncounted<Exchange>?
    let body = HTTP2Body()
    /// Where it stands in its connection's list.
    var place = 0
    /// 0: the request was not submitted yet.
    private var id: Int = 0
    /// Its connection has no stream left for it.
    private var isLeftOut = false
    private var hasAnswer = false
    /// Its answer was whole with the head, but the endpoint has not ended the stream.
    private var awaitsEnd = false
    /// Bytes of the answer for which the endpoint's window was not opened again, as the client does not take them.
    private var withheld = 0
    /// The end of what was given to the session of the request's body: how much, and where in what its connection sends.
    private var handedOn = 0
    private var handedOnEnd = 0

    /// The connection keeps it until it is over.
    init(of connection: HTTP2UpstreamConnection, service: WorkerService, cell: WorkerCell) {
        self.connection = Uncounted(connection)
        super.init(
            worker: connection.worker, service: service, cell: cell, endpoint: connection.endpoint,
            socket: Socket.none)
        wasReused = connection.hasServed
        connection.add(self)
    }

    override var isConnected: Bool { connection.lend { $0.isConnected } }

    override var isReached: Bool { connection.lend { $0.isConnected || $0.tls != nil } }

    override func assign(_ exchange: Exchange, _ service: WorkerService, _ cell: Uncounted<WorkerCell>, now: Int64) {
        super.assign(exchange, service, cell, now: now)
        self.exchange = Uncounted(exchange)
    }

    /// The connection is open.
    func connected() {
        exchange?.lend { $0.upstreamConnected(self) }
    }

    // The request

    override func sendRequest(_ exchange: Exchange, _ head: borrowing RequestHead, _ bytes: RawSpan) {
        worker.fieldBuffer.clear()
        exchange.route?.lend { route in
            encodeRequest(
                head, bytes, client: exchange.client, rewrite: route.rewrite, edits: route.requestEdits,
                host: endpoint.hostLine, into: &worker.fieldBuffer)
        }
        let acceptsTrailers = head.acceptsTrailers(bytes)
        let hasBody = head.hasBody
        guard let taken = connection.lend({ $0.submit(self, hasBody: hasBody, acceptsTrailers: acceptsTrailers) })
        else {
            // Told from the loop, as every failure is.
            isLeftOut = true
            return worker.loop.defer(self)
        }
        id = taken
        guard hasBody else { return }
        if !exchange.keptBody.isEmpty { exchange.keptBody.withBytes { sendBody($0) } }
        if exchange.isRequestComplete { exchange.keptTrailers.withBytes { endBody($0) } }
    }

    override func sendBody(_ data: RawSpan) {
        if data.isEmpty { return }
        body.append(data)
        connection.lend { $0.waiting += data.byteCount }
    }

    override func endBody(_ trailers: RawSpan) {
        body.trailers.append(contentsOf: trailers)
        body.isEnded = true
        flush()
    }

    override func flush() {
        if id != 0 { connection.lend { $0.resume(body, of: id) } }
    }

    override var holdsBack: Bool {
        body.isFull(at: max(min(connection.lend { $0.room(for: id) }, HTTP2Body.most), HTTP2Body.leastRead))
    }

    /// What waits for a window has not gone; what was given to the session arrives with what other streams send.
    override func lookAtUpload(now: Int64) -> Bool {
        guard let exchange else { return true }
        let given = exchange.lend { $0.bytesFromClient } - body.count
        guard body.count == 0 else {
            upload.look(arrived: given + handedOnEnd, now: now)
            return false
        }
        return connection.lend { connection in
            if given != handedOn {
                handedOn = given
                handedOnEnd = connection.bytesPushed
            }
            let arrived = min(connection.bytesArrived, handedOnEnd)
            upload.look(arrived: given + arrived, now: now)
            return arrived == handedOnEnd
        }
    }

    /// The endpoint took what it was sent.
    func drained() {
        exchange?.lend { $0.upstreamDrained() }
    }

    // The answer

    /// A head: interim, final, or trailers.
    func headEnded(_ fields: borrowing HTTP2ResponseFields, endsStream: Bool) {
        guard let exchange else { return }
        if hasAnswer {
            do throws(Malformed) {
                try fields.visitTrailers { line in exchange.lend { $0.answerTrailer(line) } }
            } catch {
                return broken()
            }
            if endsStream { answerComplete() }
            return
        }
        worker.headBuffer.clear()
        let isTaken: Bool?
        do throws(Malformed) {
            try fields.write(
                isEmpty: endsStream, forRequest: exchange.lend { $0.method }, into: &worker.headBuffer)
            isTaken = worker.headBuffer.withBytes { head($0, exchange) }
        } catch {
            isTaken = nil
        }
        switch isTaken {
        case nil: broken()
        case false?: decline()
        case true? where hasAnswer && endsStream: answerComplete()
        case true? where hasAnswer && isBodiless: completeWithHead()
        case true?: break
        }
    }

    /// By the status or the request's method there is no body, whatever follows (RFC 9110, 6.4.1).
    private var isBodiless: Bool { if case .none = worker.responseHead.body { true } else { false } }

    /// The client has the answer now. An end of the stream that comes at once may still come.
    private func completeWithHead() {
        guard exchange != nil else { return }
        answerComplete()
        awaitsEnd = true
        worker.loop.defer(self)
    }

    /// Nil: it is no head. False: it is not wanted.
    private func head(_ bytes: RawSpan, _ exchange: Uncounted<Exchange>) -> Bool? {
        guard
            case .complete? = try? worker.responseHead.parse(bytes, forRequest: exchange.lend { $0.method }, .upstream)
        else { return nil }
        worker.responseHead.cameInHTTP2 = true
        if worker.responseHead.isInterim {
            if worker.responseHead.status == 101 || !interims.take(bytes.byteCount) { return nil }
            exchange.lend { $0.passInterim(worker.responseHead, bytes, from: self) }
            return true
        }
        hasAnswer = true
        guard exchange.lend({ $0.answerHead(worker.responseHead, bytes, from: self) }) else {
            return self.exchange == nil
        }
        // Another stream's frame may come before the next of this one.
        exchange.lend { $0.flushAnswer() }
        return true
    }

    func receive(_ data: RawSpan) {
        guard let exchange else { return connection.lend { $0.openWindow(of: id, data.byteCount) } }
        exchange.lend { $0.answerBody(data) }
        exchange.lend { $0.flushAnswer() }
        withheld += data.byteCount
        if self.exchange?.lend({ $0.isHeldBack() }) != true { openWindow() }
    }

    private func openWindow() {
        let count = withheld
        withheld = 0
        if count > 0 { connection.lend { $0.openWindow(of: id, count) } }
    }

    override func resumeReading() {
        openWindow()
    }

    /// The answer is whole.
    func answerComplete() {
        guard let exchange else { return }
        self.exchange = nil
        exchange.lend { $0.answerEnded(by: self) }
        // What the endpoint did not want of the request is not sent (RFC 9113, 8.1).
        if !body.isEnded, body.count > 0 { connection.lend { $0.reset(id, .cancel) } }
    }

    // Endings

    /// Nothing of the request was sent: it goes elsewhere, and says nothing about the endpoint.
    override func resume() {
        if awaitsEnd {
            awaitsEnd = false
            return connection.lend { $0.reset(id, .cancel) }
        }
        guard isLeftOut, exchange != nil else { return }
        leave()
        fail(.leftOut)
    }

    /// The session never had it.
    private func leave() {
        connection.lend { connection in
            connection.waiting -= body.count
            connection.remove(self)
        }
    }

    /// The answer is not wanted.
    private func decline() {
        guard let exchange else { return }
        self.exchange = nil
        connection.lend { $0.reset(id, .cancel) }
        exchange.lend { $0.answerDeclined(by: self) }
    }

    private func broken() {
        connection.lend { $0.reset(id, .protocolError) }
        fail(.malformed)
    }

    /// The stream is over. `error`: RFC 9113, 7.
    func closed(_ error: UInt32) {
        awaitsEnd = false
        connection.lend { $0.waiting -= body.count }
        guard error == HTTP2Error.refusedStream.rawValue else { return fail(.streamReset) }
        fail(connection.lend { $0.hadToRefuse(self) } ? .leftOut : .refused)
    }

    func connectionLost(_ failure: AttemptFailure) {
        awaitsEnd = false
        fail(id == 0 && failure == .reset ? .connectFailed : failure)
    }

    /// From the session or the loop: nothing is begun here that had not begun before.
    private func fail(_ failure: AttemptFailure) {
        guard let exchange else { return }
        self.exchange = nil
        exchange.lend { exchange in
            if exchange.phase == .answering {
                exchange.answerBroken(by: self, failure)
            } else {
                exchange.attemptFailed(self, failure)
            }
        }
    }

    override func giveUp() {
        guard exchange != nil else { return }
        exchange = nil
        connection.lend { connection in
            connection.waitedInVain(since: began)
            if id == 0 { leave() } else { connection.reset(id, .cancel) }
        }
    }
}
