internal import Picking
internal import Reactor
internal import TLS
internal import Telemetry
internal import Wire

/// An HTTP/1.1 connection to an endpoint: it carries one exchange at a time and rests in its endpoint's pool between.
final class UpstreamConnection: Upstream, TimerOwner {
    private enum State {
        case connecting, idle, busy, closed
    }

    /// Where in a response the next byte belongs.
    private enum Reading {
        case head
        case length(UInt64)
        case chunked(ChunkedDecoder)
        case untilClose
    }

    private var state = State.connecting
    private var reading = Reading.head
    private var exchange: Uncounted<Exchange>?
    /// A head or a chunk's line that has come in part, or what a turn had no time for.
    private var held = HeldBytes()
    private var partialHead = PartialHead()
    private var isReadPaused = false
    private var canPersist = true
    private var requestIsComplete = false
    private var sendsChunks = false
    /// Why there is no connection, once that is known.
    private var connectFailure: AttemptFailure?
    private(set) var idleSince: Int64 = 0
    /// Of its opening, where no request waits for that.
    private var openingTimer: TimerWheel.Handle?
    /// The endpoint was told whose connection this is, in this version and of this client.
    private var toldVersion: ProxyHeader.Version?
    private var toldClient: ProxiedClient?
    private var hasTold = false
    /// A request was sent on it.
    private var hasServed = false
    /// The request in hand, or the one before, has a body; and its answer came before that was sent.
    private var hasBody = false
    private var wasAnsweredEarly = false
    private var hasAnswered = false
    /// Until then it is not sure that the endpoint keeps the connection: nanoseconds.
    private var unsettledUntil: Int64 = 0

    /// A server that has answered without reading its request's body closes the connection, and everything that is sent to
    /// it meanwhile is lost: within this time (gunicorn and the JDK's server take some milliseconds).
    private static let settlingTime: Int64 = 100_000_000
    /// For so long an endpoint that has done so is expected to do so again.
    private static let memory: Int64 = 60_000_000_000

    override var isConnected: Bool { state != .connecting }

    /// How it is opened.
    private let settings: ConnectSettings
    /// Of the endpoint, when it was connected.
    private let renamings: Int

    init(worker: Worker, service: WorkerService, cell: WorkerCell, endpoint: WorkerEndpoint) {
        settings = ConnectSettings(of: service)
        renamings = endpoint.renamings
        let socket = Self.connect(to: endpoint, of: cell.load, by: worker, &connectFailure)
        if connectFailure == nil, !socket.isConnecting, service.tls == nil { state = .idle }
        super.init(worker: worker, service: service, cell: cell, endpoint: endpoint, socket: socket)
        awaitOpening(&connectFailure)
    }

    /// It is opened for requests to come. No request's deadline ends its opening, so it has one of its own.
    func warm() {
        if state == .idle { return rest() }
        let timer = worker.timers.add(self)
        worker.arm(timer, at: worker.loop.now + settings.timeout)
        openingTimer = timer
    }

    func deadlineReached() { close() }

    private func endOpening() {
        if let openingTimer { worker.timers.remove(openingTimer) }
        openingTimer = nil
    }

    /// Whether a service that tells its endpoints of their clients can use it for this one.
    func serves(_ client: ProxiedClient?, of service: WorkerService) -> Bool {
        guard settings.holds(for: service), !isEncrypted || renamings == endpoint.renamings else { return false }
        if service.proxyHeader == nil { return !hasTold }
        return hasTold ? toldVersion == service.proxyHeader && toldClient == client : !hasServed
    }

    // Sending

    override func assign(_ exchange: Exchange, _ service: WorkerService, _ cell: Uncounted<WorkerCell>, now: Int64) {
        super.assign(exchange, service, cell, now: now)
        self.exchange = Uncounted(exchange)
        requestIsComplete = false
        canPersist = true
        hasAnswered = false
        readLimit = exchange.downstream?.lend { $0.answerLimit } ?? Self.largeRead
        if state == .idle { state = .busy }
    }

    override func sendRequest(_ exchange: Exchange, _ head: borrowing RequestHead, _ bytes: RawSpan) {
        if let version = attemptService.lend({ $0.proxyHeader }), !hasTold {
            noteTold(exchange.client.proxied, version)
            ProxyHeader(client: toldClient).encode(version, into: &worker.sendBuffer)
        }
        hasServed = true
        hasBody = head.hasBody
        wasAnsweredEarly = false
        exchange.route?.lend { route in
            encodeRequest(
                head, bytes, client: exchange.client, rewrite: route.rewrite, edits: route.requestEdits,
                host: endpoint.hostLine, keepsUpgrade: exchange.asksForUpgrade, into: &worker.sendBuffer)
        }
        sendsChunks = head.sendsChunks
        if !exchange.keptBody.isEmpty { exchange.keptBody.withBytes { sendBody($0) } }
        if !exchange.isRequestComplete { return }
        if sendsChunks { exchange.keptTrailers.withBytes { endBody($0) } } else { requestIsComplete = true }
    }

    private func noteTold(_ client: ProxiedClient?, _ version: ProxyHeader.Version) {
        hasTold = true
        toldVersion = version
        toldClient = client
    }

    override func sendBody(_ data: RawSpan) {
        if data.isEmpty { return }
        if sendsChunks {
            worker.sendBuffer.append(hex: UInt64(data.byteCount))
            worker.sendBuffer.append("\r\n")
        }
        gather(data)
        if sendsChunks { worker.sendBuffer.append("\r\n") }
    }

    override func endBody(_ trailers: RawSpan) {
        requestIsComplete = true
        if sendsChunks {
            worker.sendBuffer.append("0\r\n")
            worker.sendBuffer.append(trailers)
            worker.sendBuffer.append("\r\n")
        }
    }

    override func flush() {
        transmit()
    }

    // Receiving

    override func ready(_ readiness: Readiness) {
        if state == .connecting {
            goOnOpening(readiness)
            if state == .connecting || state == .closed { return }
        }
        if readiness.isWritable, isCongested, transmitUnsent() { exchange?.lend { $0.upstreamDrained() } }
        if readiness.isReadableOrEnded {
            hasUnread = true
            renewShare()
            read(untilEnd: readiness.isEnded)
        }
    }

    private func goOnOpening(_ readiness: Readiness) {
        let opening = goOnOpening(to: endpoint, settings, readiness) {
            guard let version = settings.proxyHeader else { return }
            noteTold(exchange?.lend { $0.client.proxied } ?? nil, version)
            tellPlainly(toldClient, version)
        }
        switch opening {
        case .wantsMore: break
        case .done: connected()
        case .failed(let failure):
            connectFailure = failure
            resume()
        }
    }

    private func connected() {
        endOpening()
        state = .busy
        if let exchange { exchange.lend { $0.upstreamConnected(self) } } else { rest() }
    }

    /// Reads and passes on, until the socket is empty, the client is congested, or this turn's share is used up.
    private func read(untilEnd: Bool) {
        while hasUnread && !isReadPaused && !isYielding && state != .closed {
            if share.isUsedUp { return yieldTurn() }
            switch receive(after: 0, untilEnd: untilEnd) {
            case .bytes(let count):
                if held.isEmpty {
                    worker.receiveBuffer.withBytes(count) { bytes in
                        let used = received(bytes)
                        if used < count && state != .closed { held.append(bytes.extracting(used..<count)) }
                    }
                    passOn()
                } else {
                    worker.receiveBuffer.withBytes(count) { held.append($0) }
                    useHeld()
                }
            case .wouldBlock: break
            case .endOfStream: ended(isClean: tlsFailure == nil)
            case .failed: ended(isClean: false)
            }
        }
    }

    private func useHeld() {
        let taken = held.takeAll()
        let used = taken.withBytes { received($0) }
        if state != .closed { held.putBack(taken, used: used) }
        passOn()
    }

    private func passOn() {
        if let exchange {
            exchange.lend { $0.flushAnswer() }
            pauseIfCongested()
        }
    }

    override func resumeTurn() {
        guard state != .connecting else { return }
        if state != .closed, !isReadPaused {
            if !held.isEmpty { useHeld() }
            read(untilEnd: true)
        }
        if state != .closed, isBroken, !isYielding { ended(isClean: false) }
    }

    private func pauseIfCongested() {
        if exchange?.lend({ $0.isHeldBack() }) == true {
            isReadPaused = true
            readLimit = Self.smallRead
        }
    }

    override func resumeReading() {
        guard isReadPaused else { return }
        isReadPaused = false
        if hasUnread || !held.isEmpty { worker.loop.defer(self) }
    }

    override func resume() {
        guard state != .closed else { return }
        if let connectFailure {
            let exchange = exchange
            self.exchange = nil
            close()
            exchange?.lend {
                if let tlsFailure { $0.tlsFailure = tlsFailure }
                $0.attemptFailed(self, connectFailure)
            }
            return
        }
        if isBroken {
            // What it answered before it broke may still be there.
            hasUnread = true
            isReadPaused = false
        }
        if isYielding { return }
        renewShare()
        resumeTurn()
    }

    /// Uses as much as it can of bytes that the endpoint has sent. Returns how many; the others are to be held.
    private func received(_ bytes: RawSpan) -> Int {
        guard state == .busy, exchange != nil else {
            // Nobody asked.
            close()
            return bytes.byteCount
        }
        var offset = 0
        while state == .busy, exchange != nil, offset < bytes.byteCount {
            if share.work <= 0 {
                readLimit = Self.smallRead
                yieldTurn()
                return offset
            }
            switch reading {
            case .head:
                guard let next = head(bytes, from: offset) else { return offset }
                offset = next
            case .length(let remaining):
                let count = min(bytes.byteCount - offset, Int(clamping: remaining))
                exchange?.lend { $0.answerBody(bytes.extracting(offset..<offset + count)) }
                offset += count
                reading = .length(remaining &- UInt64(count))
                if remaining == UInt64(count) { complete(leftover: bytes.byteCount - offset) }
            case .chunked(var decoder):
                share.work -= 1
                let next = chunk(bytes, from: offset, &decoder)
                if case .chunked = reading, next == offset { return offset }
                offset = next
            case .untilClose:
                exchange?.lend { $0.answerBody(bytes.extracting(offset..<bytes.byteCount)) }
                offset = bytes.byteCount
            }
        }
        return offset
    }

    /// Parses a head; returns where it ends, or nil when more is needed or all is over.
    private func head(_ bytes: RawSpan, from offset: Int) -> Int? {
        guard let exchange else { return nil }
        let rest = bytes.extracting(offset..<bytes.byteCount)
        guard partialHead.isWorthParsing(rest, limit: HeadLimits.upstream.headBytes) else { return nil }
        share.work -= Share.message
        let count: Int
        do {
            switch try worker.responseHead.parse(rest, forRequest: exchange.lend { $0.method }, .upstream) {
            case .incomplete: return nil
            case .complete(let headBytes): count = headBytes
            }
            partialHead.begin()
        } catch {
            malformed()
            return nil
        }
        let headBytes = rest.extracting(0..<count)
        if worker.responseHead.isInterim {
            if worker.responseHead.status == 101 {
                upgrade(exchange, headBytes, rest: rest.extracting(count..<rest.byteCount))
                return nil
            }
            guard interims.take(count) else {
                malformed()
                return nil
            }
            exchange.lend { $0.passInterim(worker.responseHead, headBytes, from: self) }
            return offset + count
        }
        if !worker.responseHead.isPersistent { canPersist = false }
        if !requestIsComplete || isCongested { wasAnsweredEarly = true }
        hasAnswered = true
        switch worker.responseHead.body {
        case .none: reading = .length(0)
        case .length(let length): reading = .length(length)
        case .chunked: reading = .chunked(ChunkedDecoder())
        case .untilClose:
            reading = .untilClose
            canPersist = false
        }
        guard exchange.lend({ $0.answerHead(worker.responseHead, headBytes, from: self) }) else {
            if self.exchange != nil { decline(bytesLeft: rest.byteCount - count) }
            return nil
        }
        if case .length(0) = reading { complete(leftover: rest.byteCount - count) }
        return offset + count
    }

    /// A tunnel goes on with the connection, if one was asked for.
    private func upgrade(_ exchange: Uncounted<Exchange>, _ headBytes: RawSpan, rest: RawSpan) {
        let isAskedFor = exchange.lend { $0.hasAskedFor(worker.responseHead, headBytes) }
        guard isAskedFor, !isCongested else { return malformed() }
        worker.sendQueued()
        self.exchange = nil
        state = .closed
        exchange.lend { $0.upgraded(worker.responseHead, headBytes, from: self, rest: rest) }
    }

    /// Takes the next piece of a chunked body. Returns where it ends: where it began, if more must come first.
    private func chunk(_ bytes: RawSpan, from offset: Int, _ decoder: inout ChunkedDecoder) -> Int {
        do {
            let step = try decoder.next(bytes, from: offset)
            reading = .chunked(decoder)
            switch step {
            case .data(let range, let consumed):
                exchange?.lend { $0.answerBody(bytes.extracting(Int(range.start)..<Int(range.end))) }
                return consumed
            case .trailer(let range, let consumed):
                exchange?.lend { $0.answerTrailer(bytes.extracting(Int(range.start)..<Int(range.end))) }
                return consumed
            case .needMore(let consumed): return consumed
            case .end(let consumed):
                complete(leftover: bytes.byteCount - consumed)
                return consumed
            }
        } catch {
            canPersist = false
            malformed()
            return bytes.byteCount
        }
    }

    // Endings

    /// The answer is whole.
    private func complete(leftover: Int) {
        guard let exchange else { return }
        self.exchange = nil
        reading = .head
        // Bytes nobody asked for, or a request that is not fully sent: the next exchange must not meet them.
        let isReusable = canPersist && leftover == 0 && requestIsComplete && !isBroken && isDrained
        exchange.lend { $0.answerEnded(by: self) }
        if isReusable && state == .busy { rest() } else { close() }
    }

    /// The answer is not wanted. If it is at hand in full, the connection is still good.
    private func decline(bytesLeft: Int) {
        guard let exchange else { return }
        self.exchange = nil
        if case .length(let length) = reading, length == UInt64(bytesLeft), canPersist, requestIsComplete, isDrained {
            reading = .head
            rest()
        } else {
            close()
        }
        exchange.lend { $0.answerDeclined(by: self) }
    }

    /// Goes back to the pool, or straight to a request that waits.
    private func rest() {
        if !held.isEmpty { held.removeAll() }
        partialHead.begin()
        if endpoint.isRetired || worker.isDraining { return close() }
        state = .idle
        wasReused = true
        isReadPaused = false
        readLimit = Self.largeRead
        idleSince = worker.loop.now
        let isUnsure = wasAnsweredEarly || hasBody && endpoint.closesAfterBodies(now: idleSince)
        unsettledUntil = isUnsure ? idleSince + Self.settlingTime : 0
        endpoint.keepIdle(self)
        settings.load.connectionFreed(in: load)
    }

    private func malformed() {
        guard let exchange else { return close() }
        self.exchange = nil
        close()
        exchange.lend { exchange in
            if exchange.phase == .answering {
                exchange.answerBroken(by: self, .malformed)
            } else {
                exchange.attemptFailed(self, .malformed)
            }
        }
    }

    /// Whether a request that must not be sent twice may be sent on it: the endpoint has not closed it since its last
    /// answer, as far as can be told, and is not about to.
    func isSafe(now: Int64) -> Bool { now >= unsettledUntil && isQuiet }

    /// The endpoint has closed it soon after it has answered a request with a body.
    private func noteEarlyEnd() {
        guard hasBody, wasReused, worker.loop.now - idleSince < Self.settlingTime else { return }
        endpoint.noteCloseAfterBody(until: worker.loop.now + Self.memory)
    }

    private func ended(isClean: Bool) {
        if exchange == nil || !hasAnswered { noteEarlyEnd() }
        guard let exchange else { return close() }
        if isClean, case .untilClose = reading, exchange.lend({ $0.phase }) == .answering {
            self.exchange = nil
            close()
            return exchange.lend { $0.answerEnded(by: self) }
        }
        self.exchange = nil
        let hadPart = !held.isEmpty
        close()
        exchange.lend { exchange in
            if exchange.phase == .answering {
                exchange.answerBroken(by: self, .reset)
            } else {
                exchange.attemptFailed(self, hadPart ? .malformed : .reset)
            }
        }
    }

    override func giveUp() {
        exchange = nil
        close()
    }

    func close() {
        guard state != .closed else { return }
        if state == .idle { endpoint.removeIdle(self) }
        endOpening()
        state = .closed
        held.removeAll()
        closeSocket()
        Self.countClosed(endpoint, of: load)
        settings.load.connectionFreed(in: load)
    }
}
