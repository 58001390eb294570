internal import CNGHTTP2
internal import Reactor
internal import Telemetry
internal import Wire

/// A client's HTTP/2 connection: requests come in as streams, many at a time.
///
/// A request's fields are written as the HTTP/1.1 head that means the same and parsed as one, an answer's head is taken
/// apart into fields again: so there is one reading of what a message means (docs/decisions/0009).
final class HTTP2ClientConnection: HTTP2Connection, Client, TimerOwner {
    let listener: WorkerListener
    let client: ClientContext
    var place = 0
    private var timer: TimerWheel.Handle?
    private var armedFor: Int64 = .max
    private var streams: [HTTP2ClientStream] = []
    /// The fields that are coming, of a request or its trailers, and of which stream.
    private var coming: HTTP2RequestFields?
    private var comingStream: Int = 0
    private var comingSince: Int64 = .max
    /// Bytes of the last frame of fields.
    private var fieldBytes = 0
    private var highestStream: Int = 0
    /// The highest that was passed over, and so must not come any more (RFC 9113, 5.1.1).
    private var highestSkipped: Int = 0
    /// The last streams that were reset from here, as many as there can be at once.
    private var resetStreams: [Int] = []
    private var idleSince: Int64
    private var account = HTTP2Account()
    /// Its first frame has come. Until then it is waited for as for a request's head: TLS tells nobody's intentions.
    private var hasSpoken = false
    /// The client was told to begin no more streams.
    private var isGoingAway = false
    private var hasSaidGoodbye = false
    private var congestedSince: Int64 = 0
    /// Everything is said; only the client's end is awaited.
    private var isLingering = false

    /// Streams a client may have at once.
    static let streamLimit: UInt32 = 128
    /// What a client may send, on all streams together, before it is passed on.
    static let window: Int32 = 1_048_576
    private static let lingerTime: Int64 = 1_000_000_000
    /// Between the announcement that the connection ends and the end of new streams: a client's way here and back.
    private static let goodbyeTime: Int64 = 1_000_000_000

    /// `held` is what the client has sent already.
    init(takingOver other: Connection, listener: WorkerListener, client: ClientContext, held: RawSpan) {
        self.listener = listener
        self.client = client.speakingHTTP2()
        idleSince = other.worker.loop.now
        super.init(takingOver: other, first: held)
        timer = worker.timers.add(self)
        worker.clients.insert(self)
        let isSettled = session.settle(
            [
                (NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, Self.streamLimit),
                (NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1),
                (NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, UInt32(listener.headLimits.headBytes)),
            ], window: Self.window)
        if !isSettled { broke() }
        queuePump()
        hasUnread = true
        worker.loop.defer(self)
        armTimer()
        if worker.isDraining || isDisowned { drainStarted() }
    }

    // Receiving

    override func ready(_ readiness: Readiness) {
        guard isOpen else { return }
        if readiness.isWritable, isCongested { drain() }
        guard isOpen, readiness.isReadableOrEnded else { return }
        if readiness.isBroken { return close() }
        hasUnread = true
        if isLingering { return linger() }
        readAll(untilEnd: readiness.isEnded)
        armTimer()
    }

    override func resume() {
        guard isOpen else { return }
        if isBroken { return close() }
        readAll(untilEnd: true)
        armTimer()
    }

    override func countReceived(_ count: Int) { listener.countReceived(count) }
    override func countSent(_ count: Int) { listener.countSent(count) }

    override func peerEnded() { close() }

    override func frameBegins(_ frame: HTTP2Frame) -> Bool {
        hasSpoken = true
        account.count(frame, now: worker.loop.now)
        endIfOverdrawn()
        if frame.type == HTTP2Frame.headers || frame.type == HTTP2Frame.continuation { fieldBytes = frame.length }
        guard frame.type == HTTP2Frame.headers || frame.type == HTTP2Frame.data else { return false }
        if frame.stream > highestStream || frame.stream == 0 {
            if frame.stream > highestStream + 2 { highestSkipped = frame.stream - 2 }
            highestStream = max(highestStream, frame.stream)
            return false
        }
        return true
    }

    /// A frame of a stream that was begun: is it still there?
    override func frameFollows(_ frame: HTTP2Frame) {
        if stream(frame.stream) != nil { return }
        if isForgotten(frame.stream) {
            return fail(frame.stream <= highestSkipped ? .protocolError : .streamClosed)
        }
        account.countLate(frame, now: worker.loop.now)
        endIfOverdrawn()
    }

    override func dataFrame(_ frame: HTTP2Frame, padding: Int) {
        account.count(frame, padding: padding, now: worker.loop.now)
        endIfOverdrawn()
    }

    override func headRefused() {
        account.countRefusedHead(fieldBytes, now: worker.loop.now)
        endIfOverdrawn()
    }

    private func endIfOverdrawn() {
        if account.isOverdrawn { calmDown() }
    }

    /// Whether the client itself has ended the stream. One that was reset from here may still be sent on, until the
    /// client knows (RFC 9113, 5.1); the session does not tell them apart.
    private func isForgotten(_ id: Int) -> Bool {
        !session.hasStream(id) && !resetStreams.contains(id)
    }

    /// The client does what costs us more than it costs itself.
    private func calmDown() {
        guard !isEnding else { return }
        fail(.enhanceYourCalm)
    }

    /// It is in `streams` from `headEnded` to `streamClosed`.
    @inline(__always)
    private func stream(_ id: Int) -> Uncounted<HTTP2ClientStream>? {
        session.owner(of: id, as: HTTP2ClientStream.self)
    }

    override func headBegan(_ id: Int, isFirst: Bool) {
        if let fields = takeComing() {
            // One after the other, each malformed: the session resets their streams.
            listener.counters.refused.add()
            worker.giveBack(fields)
        }
        comingStream = id
        comingSince = worker.loop.now
        coming = worker.takeRequestFields()
        coming?.byteLimit = listener.headLimits.headBytes
        coming?.begin()
    }

    override func field(_ id: Int, _ name: RawSpan, _ value: RawSpan) -> Bool {
        countField()
        // Too large is answered; a multiple of that is an attack. Looked at where they are: a copy costs more than the field.
        guard coming?.add(name, value) ?? 0 >= 4 else { return true }
        calmDown()
        return false
    }

    override func headEnded(_ id: Int, isFirst: Bool, endsStream: Bool) {
        guard let fields = takeComing() else { return }
        if isFirst { requestBegan(id, fields, endsStream: endsStream) } else { trailersEnded(id, fields) }
        worker.giveBack(fields)
    }

    private func requestBegan(_ id: Int, _ fields: HTTP2RequestFields, endsStream: Bool) {
        let stream = worker.takeClientStream(listener: listener, client: client)
        stream.open(id, of: self)
        stream.place = streams.count
        streams.append(stream)
        // From within the head's own frame: its stream is there.
        guard session.setOwner(of: id, stream) else { return remove(stream) }
        begin(stream, fields, endsStream: endsStream)
    }

    private func takeComing() -> HTTP2RequestFields? {
        comingSince = .max
        return coming.take()
    }

    /// Trailers end their stream: the session has seen to that.
    private func trailersEnded(_ id: Int, _ fields: HTTP2RequestFields) {
        stream(id)?.lend { stream in
            do throws(Malformed) {
                try fields.visitTrailers { stream.receiveTrailer($0) }
                stream.receivedAll()
            } catch {
                refuse(stream, .malformed(error))
            }
        }
    }

    private func begin(_ stream: HTTP2ClientStream, _ fields: HTTP2RequestFields, endsStream: Bool) {
        worker.headBuffer.clear()
        let refusal: OwnAnswer?
        do throws(Malformed) {
            if fields.asksForOtherProtocol { return refuse(stream, .connectRefused) }
            try fields.write(
                hasBody: !endsStream, webSocketKey: (worker.random.next(), worker.random.next()),
                into: &worker.headBuffer)
            // The exchange keeps a copy; nothing else writes heads meanwhile.
            refusal = worker.headBuffer.withBytes {
                start(stream, $0, isConnect: fields.asksForWebSocket, endsStream: endsStream)
            }
        } catch {
            refusal = .malformed(error)
        }
        if let refusal {
            stream.exchange.isGRPC = fields.announcesGRPC
            if fields.isTooLarge { account.countTooLarge(fields: fields.fieldCount, now: worker.loop.now) }
            refuse(stream, refusal)
        }
    }

    /// Parses a head that was written from fields and begins the exchange; or says why not.
    private func start(
        _ stream: HTTP2ClientStream, _ bytes: RawSpan, isConnect: Bool, endsStream: Bool
    ) -> OwnAnswer? {
        do {
            guard case .complete = try worker.requestHead.parse(bytes, listener.headLimits) else {
                return .malformed(.headTooLarge)
            }
        } catch {
            return .malformed(error)
        }
        if let refusal = listener.refusal(of: worker.requestHead, bytes) { return refusal }
        stream.begin(worker.requestHead, bytes, isConnect: isConnect, endsStream: endsStream)
        return nil
    }

    private func refuse(_ stream: HTTP2ClientStream, _ answer: OwnAnswer) {
        if answer.token != nil { listener.counters.refused.add() }
        // What was begun has a line of its own.
        if listener.isLogged, !stream.isExchanging { stream.exchange.recordRefusal(answer) }
        stream.refuse(answer)
    }

    override func data(_ id: Int, _ data: RawSpan) {
        // Each stream has a window of its own: what one of them does not take must not hold the others back.
        session.openWindow(data.byteCount)
        stream(id)?.lend { $0.receive(data) }
    }

    override func dataEnded(_ id: Int) {
        stream(id)?.lend { $0.receivedAll() }
    }

    override func streamClosed(_ id: Int, _ error: UInt32) {
        if comingStream == id, let fields = takeComing() { worker.giveBack(fields) }
        guard let stream = stream(id)?.counted else { return }
        account.streamClosed(isClean: error == HTTP2Error.noError.rawValue, age: worker.loop.now - stream.opened)
        remove(stream)
        if streams.isEmpty { idleSince = worker.loop.now }
    }

    private func remove(_ stream: HTTP2ClientStream) {
        let last = streams.removeLast()
        if last !== stream {
            streams[stream.place] = last
            last.place = stream.place
        }
        stream.close()
        worker.giveBack(stream)
    }

    // Sending

    /// Submits the head in the worker's field buffer. Returns where the body behind it begins.
    func submitAnswer(of stream: HTTP2ClientStream, status: Int, hasBody: Bool) -> Int {
        let bodyStart = fillFields(status: status)
        let isTaken = session.submitAnswer(stream.id, worker.fields, body: hasBody ? stream.body : nil)
        // The client must not wait for what will not come.
        if !isTaken { reset(stream.id, .internalError) }
        queuePump()
        return bodyStart
    }

    /// Submits the interim head in the worker's field buffer. False: it will not be sent.
    func submitInterim(_ id: Int, status: Int) -> Bool {
        _ = fillFields(status: status)
        defer { queuePump() }
        return session.submitInterim(id, worker.fields)
    }

    private func fillFields(status: Int) -> Int {
        worker.fields.removeAll()
        worker.statusText.clear()
        worker.statusText.append(decimal: status)
        worker.statusText.withBytes { worker.fields.append(":status", $0) }
        return worker.fieldBuffer.visitFields { name, value in
            // The session frames the body; the only other field that would be wrong here is gone already.
            if !name.isTransferEncoding { worker.fields.append(name, value) }
        }
    }

    override func bodyDrained(_ id: Int) {
        stream(id)?.lend { $0.exchange.downstreamDrained() }
    }

    override func sent(_ frame: HTTP2Frame) {
        account.countSent(frame)
        endIfOverdrawn()
        if frame.type == HTTP2Frame.reset {
            if resetStreams.count == Int(Self.streamLimit) { resetStreams.removeFirst() }
            resetStreams.append(frame.stream)
            // Malformed fields: the session resets the stream before it becomes a request.
            if coming != nil, frame.stream == comingStream { listener.counters.refused.add() }
        }
        guard frame.type == HTTP2Frame.data || frame.type == HTTP2Frame.headers else { return }
        if stream(frame.stream)?.lend({ $0.sent(frame) }) == true {
            account.excuseReset()
            reset(frame.stream, .noError)
        }
    }

    override func brokenOff() { listener.counters.abuses.add() }

    /// Visits a copy: visiting may end streams.
    func forEachTunnel(_ visit: (Exchange) -> Void) {
        for stream in streams where stream.isTunnel || stream.exchange.isRestingCall { visit(stream.exchange) }
    }

    // The end

    func drainStarted() {
        guard isOpen, !isOver, !isGoingAway else { return }
        isGoingAway = true
        session.announceEnd()
        queuePump()
        arm(worker.loop.now + Self.goodbyeTime)
    }

    private func sayGoodbye() {
        hasSaidGoodbye = true
        session.refuseFurtherStreams()
        queuePump()
    }

    override func finished() {
        worker.sendQueued()
        closeStreams()
        if isBroken || isCongested { return close(reset: true) }
        // What the client still sends would turn the close into a reset, and our last words might be lost.
        isLingering = true
        shutdownWrite()
        arm(worker.loop.now + Self.lingerTime)
    }

    /// Waits for the client's end, reading nothing but that.
    private func linger() {
        if case .endOfStream = receive(after: 0, untilEnd: true) { close() }
    }

    private func closeStreams() {
        for stream in streams {
            stream.close()
            worker.giveBack(stream)
        }
        streams = []
    }

    private func close(reset: Bool = false) {
        guard isOpen else { return }
        if let timer { worker.timers.remove(timer) }
        timer = nil
        if let fields = takeComing() { worker.giveBack(fields) }
        closeStreams()
        closeSocket(reset: reset)
        worker.clients.remove(self)
        listener.connectionClosed()
        worker.clientLeft()
    }

    // Deadlines

    override func becameCongested() {
        congestedSince = worker.loop.now
        armTimer()
    }

    /// Deadlines mostly move later: the timer is armed only where it would come too late, and armed again when it comes.
    private func armTimer() {
        guard isOpen, !isLingering else { return }
        let deadline = nextDeadline
        if deadline < armedFor { arm(deadline) }
    }

    private func arm(_ deadline: Int64) {
        armedFor = deadline
        if let timer { worker.arm(timer, at: deadline) }
    }

    private var nextDeadline: Int64 {
        if isEnding { return worker.loop.now + Self.lingerTime }
        if !hasSpoken { return idleSince + listener.headTimeout }
        if comingSince != .max { return comingSince + listener.headTimeout }
        if isCongested || !streams.isEmpty { return worker.loop.now + listener.bodyTimeout / 2 }
        return idleSince + listener.idleTimeout
    }

    func deadlineReached() {
        guard isOpen else { return }
        let now = worker.loop.now
        armedFor = .max
        if isEnding || isLingering { return close(reset: true) }
        if isCongested, congestedSince <= now - listener.bodyTimeout {
            listener.counters.abuses.add()
            return close(reset: true)
        }
        if !hasSpoken, idleSince <= now - listener.headTimeout {
            listener.counters.refused.add()
            return close()
        }
        if isGoingAway, !hasSaidGoodbye { sayGoodbye() }
        if comingSince <= now - listener.headTimeout {
            listener.counters.refused.add()
            fail(.enhanceYourCalm)
        }
        for stream in streams where stream.awaitsClient && stream.lastProgress <= now - listener.bodyTimeout {
            stream.timedOut()
        }
        if streams.isEmpty, idleSince <= now - listener.idleTimeout { fail(.noError) }
        arm(nextDeadline)
    }
}
