internal import CNGHTTP2
internal import Picking
internal import Reactor
internal import TLS
internal import Telemetry
internal import Wire

/// An HTTP/2 connection to an endpoint, shared by as many exchanges as the endpoint allows.
///
/// Each stream is an attempt. Streams may be added while the connection is being opened; they are told when it is open.
final class HTTP2UpstreamConnection: HTTP2Connection, TimerOwner {
    private enum State {
        case connecting, open, closed
    }

    let endpoint: WorkerEndpoint
    /// Of the endpoint, when it was connected.
    private let renamings: Int
    /// Where it is counted.
    private let load: CellLoad
    private let settings: ConnectSettings
    private var state = State.connecting
    private var streams: [HTTP2UpstreamStream] = []
    /// Why there is no connection, once that is known.
    private var connectFailure: AttemptFailure?
    /// No stream is added any more: the endpoint says goodbye, or has not been heard of for too long.
    private(set) var isRetiring = false
    private(set) var idleSince: Int64 = 0
    /// When something last came from the endpoint.
    private(set) var lastHeard: Int64
    /// Where a ping stands in what is sent, and how much had arrived when somebody last looked.
    private var pingPlace = 0
    private var arrivedLast = 0
    private var keepAlive: HTTP2KeepAlive
    /// Of its opening, where nobody waits for that; of keep-alive pings once it is open.
    private var timer: TimerWheel.Handle?
    /// An answer has come on it.
    private(set) var hasServed = false
    /// The endpoint was told that what it says is none of HTTP/2.
    private var isBrokenOff = false
    /// The fields that are coming, and of which stream.
    private var coming = HTTP2ResponseFields()
    private var comingStream: Int = 0
    private var account = HTTP2Account()
    /// Bytes of the last frame of fields.
    private var fieldBytes = 0

    /// Streams on one connection at most, whatever the endpoint allows: one broken connection must not break everything.
    static let streamLimit = 100
    /// What an endpoint may send on one stream, and on all together, before it is passed on.
    private static let streamWindow: UInt32 = 262_144
    private static let window: Int32 = 16_777_216

    init(worker: Worker, service: WorkerService, cell: WorkerCell, endpoint: WorkerEndpoint) {
        settings = ConnectSettings(of: service)
        load = cell.load
        self.endpoint = endpoint
        renamings = endpoint.renamings
        lastHeard = worker.loop.now
        keepAlive = HTTP2KeepAlive(interval: endpoint.pingInterval, now: worker.loop.now)
        let socket = Self.connect(to: endpoint, of: cell.load, by: worker, &connectFailure)
        let isConnected = !socket.isConnecting && service.tls == nil
        super.init(worker: worker, socket: socket)
        awaitOpening(&connectFailure)
        if isConnected, connectFailure == nil { begin() }
    }

    /// It is opened for requests to come. No request's deadline ends its opening, so it has one of its own.
    func warm() {
        guard state == .connecting else { return }
        timer = worker.timers.add(self)
        arm(worker.loop.now + settings.timeout)
    }

    private func begin() {
        state = .open
        idleSince = worker.loop.now
        let isSettled = session.settle(
            [
                (NGHTTP2_SETTINGS_ENABLE_PUSH, 0),
                (NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, Self.streamWindow),
            ], window: Self.window)
        if !isSettled { broke() }
        queuePump()
        keepAlive.heard(now: worker.loop.now)
        if timer == nil { timer = worker.timers.add(self) }
        arm(worker.loop.now + endpoint.pingInterval)
    }

    var isConnected: Bool { state == .open }

    /// Whether it is spoken to as the service has it now.
    func serves(_ service: WorkerService) -> Bool {
        settings.holds(for: service) && (settings.tls == nil || renamings == endpoint.renamings)
    }

    /// Another stream may be added.
    var hasRoom: Bool {
        state != .closed && !isRetiring && !isEnding && !isBroken && connectFailure == nil
            && streams.count < min(Self.streamLimit, session.streamsAllowed)
    }

    var isIdle: Bool { streams.isEmpty }

    // Streams

    func add(_ stream: HTTP2UpstreamStream) {
        stream.place = streams.count
        streams.append(stream)
    }

    /// It is over, and nothing of it is in the session any more.
    func remove(_ stream: HTTP2UpstreamStream) {
        let last = streams.removeLast()
        if last !== stream {
            streams[stream.place] = last
            last.place = stream.place
        }
        if streams.isEmpty { rest() }
        settings.load.connectionFreed(in: load)
    }

    /// Nothing is under way.
    private func rest() {
        idleSince = worker.loop.now
        // Nobody waits for it to open any more; or nobody is to use it again.
        if state == .connecting || isRetiring || endpoint.isRetired || worker.isDraining { worker.loop.defer(self) }
    }

    /// Submits the request whose head is in the worker's field buffer, written for HTTP/1.1. Nil: this connection takes no
    /// more; nothing of it was sent.
    func submit(_ stream: HTTP2UpstreamStream, hasBody: Bool, acceptsTrailers: Bool) -> Int? {
        worker.fields.removeAll()
        let line = worker.fieldBuffer.requestLine
        worker.fieldBuffer.withBytes { bytes in
            worker.fields.append(":method", bytes.extracting(line.method))
            worker.fields.append(":scheme", bytes: tls == nil ? "http" : "https")
            worker.fields.append(":path", bytes.extracting(line.path))
        }
        worker.fieldBuffer.visitFields { name, value in
            if name.isHost {
                worker.fields.append(":authority", value)
            } else if !name.isTransferEncoding {
                worker.fields.append(name, value)
            }
        }
        if acceptsTrailers { worker.fields.append("te", bytes: "trailers") }
        worker.fields.movePseudoFieldsFirst()
        let id = session.submitRequest(worker.fields, body: hasBody ? stream.body : nil, owner: stream)
        if id == nil { isRetiring = true }
        queuePump()
        return id
    }

    /// An exchange has waited in vain: if nothing has come since it began, nobody else is to wait here.
    func waitedInVain(since began: Int64) {
        guard lastHeard < began else { return }
        isRetiring = true
        doubt()
    }

    // Whether the endpoint is there

    /// There is reason to think that it is not: those whose requests rest on this connection are to know soon.
    func doubt() {
        keepAlive.interval = endpoint.pingInterval
        if state == .open, !streams.isEmpty, keepAlive.doubts(now: worker.loop.now) { ask() }
    }

    private func ask() {
        pingPlace = bytesPushed
        arrivedLast = bytesArrived
        session.ping()
        queuePump()
        arm(keepAlive.asked(now: worker.loop.now))
    }

    func deadlineReached() {
        // Requests that have come to wait for it have deadlines of their own.
        if state == .connecting, streams.isEmpty { return close(.connectTimedOut) }
        guard state == .open else { return }
        keepAlive.interval = endpoint.pingInterval
        switch keepAlive.next(now: worker.loop.now, isBusy: !streams.isEmpty) {
        case .ask: ask()
        case .dead where isPingUnderWay: arm(keepAlive.asked(now: worker.loop.now))
        case .dead: close(.pingUnanswered)
        case .wait(let time): arm(time)
        }
    }

    /// A ping waits behind the bodies that were sent before it, and they go on arriving: it may have been there for a moment
    /// only, if at all.
    private var isPingUnderWay: Bool {
        let arrived = bytesArrived
        defer { arrivedLast = arrived }
        return arrivedLast < pingPlace && arrived > arrivedLast
    }

    private func arm(_ deadline: Int64) {
        if let timer { worker.arm(timer, at: deadline) }
    }

    /// Whether that a stream was refused says nothing about the endpoint: it leaves a connection on which it has served,
    /// or more is under way than it takes, which it may have said only after the stream was begun.
    func hadToRefuse(_ stream: HTTP2UpstreamStream) -> Bool {
        isRetiring && stream.wasReused || streams.count > session.streamsAllowed
    }

    @inline(__always)
    private func stream(_ id: Int) -> Uncounted<HTTP2UpstreamStream>? {
        session.owner(of: id, as: HTTP2UpstreamStream.self)
    }

    // Events

    override func ready(_ readiness: Readiness) {
        if state == .connecting {
            goOnOpening(readiness)
            if state != .open { return }
        }
        if readiness.isWritable, isCongested { drain() }
        if readiness.isReadableOrEnded {
            hasUnread = true
            readAll(untilEnd: readiness.isEnded)
        }
    }

    private func goOnOpening(_ readiness: Readiness) {
        switch goOnOpening(to: endpoint, settings, readiness) {
        case .wantsMore: break
        case .done where settings.tls == nil || tls?.speaks("h2") == true: connected()
        case .done:
            settings.handshakes?.countFailure(Int(TLSFailure.noSharedProtocol.rawValue))
            tlsFailure = .noSharedProtocol
            close(.tlsFailed)
        case .failed(let failure): close(failure)
        }
    }

    private func connected() {
        begin()
        for stream in streams { stream.connected() }
    }

    override func resume() {
        guard state != .closed else { return }
        if let connectFailure { return close(connectFailure) }
        // What the endpoint said before a write failed may still be there: answers, and which requests it leaves out.
        if isBroken { hasUnread = true }
        if state == .open { readAll(untilEnd: true) }
        if isBroken, !isYielding { return close(isEnding ? .malformed : .reset) }
        if state != .closed, streams.isEmpty,
            state == .connecting || isRetiring || endpoint.isRetired || worker.isDraining
        {
            close(.reset)
        }
    }

    override func countReceived(_ count: Int) {
        lastHeard = worker.loop.now
        keepAlive.heard(now: lastHeard)
    }

    override func peerEnded() {
        close(.reset)
    }

    override func brokenOff() { isBrokenOff = true }

    override func finished() {
        close(hasServed && !isBrokenOff ? .reset : .malformed)
    }

    override func goingAway(lastStream: Int) {
        // Streams above it are closed as refused by the session.
        isRetiring = true
    }

    override func frameBegins(_ frame: HTTP2Frame) -> Bool {
        let now = worker.loop.now
        switch frame.type {
        case HTTP2Frame.headers, HTTP2Frame.data:
            if frame.type == HTTP2Frame.headers { fieldBytes = frame.length }
            account.count(frame, now: now)
            // Called off here, or ended there: what still comes of it is passed over.
            if !session.hasStream(frame.stream) { account.countLate(frame, now: now) }
        case HTTP2Frame.continuation: fieldBytes = frame.length
        // Of a request of ours, the endpoint may do as it likes.
        case HTTP2Frame.reset: if !session.hasStream(frame.stream) { account.count(frame, now: now) }
        default: account.count(frame, now: now)
        }
        endIfOverdrawn()
        return false
    }

    override func dataFrame(_ frame: HTTP2Frame, padding: Int) {
        account.count(frame, padding: padding, now: worker.loop.now)
        endIfOverdrawn()
    }

    override func headRefused() {
        account.countRefusedHead(fieldBytes, now: worker.loop.now)
        endIfOverdrawn()
    }

    /// The endpoint does what costs us more than it costs itself.
    private func endIfOverdrawn() {
        if account.isOverdrawn, !isEnding { fail(.enhanceYourCalm) }
    }

    override func sent(_ frame: HTTP2Frame) {
        switch frame.type {
        // Windows are opened for bodies that were sent, and our own SETTINGS and PING are acknowledged.
        case HTTP2Frame.data, HTTP2Frame.settings, HTTP2Frame.ping: account.countSent(frame)
        // Whom we call off has done nothing wrong.
        case HTTP2Frame.reset: account.expectLateFrames()
        default: break
        }
    }

    override func headBegan(_ id: Int, isFirst: Bool) {
        comingStream = id
        coming.begin()
    }

    override func field(_ id: Int, _ name: RawSpan, _ value: RawSpan) -> Bool {
        countField()
        return coming.add(name, value)
    }

    override func headEnded(_ id: Int, isFirst: Bool, endsStream: Bool) {
        hasServed = true
        stream(id)?.lend { $0.headEnded(coming, endsStream: endsStream) }
    }

    override func data(_ id: Int, _ data: RawSpan) {
        session.openWindow(data.byteCount)
        if let stream = stream(id) {
            stream.lend { $0.receive(data) }
        } else {
            openWindow(of: id, data.byteCount)
        }
    }

    override func dataEnded(_ id: Int) {
        stream(id)?.lend { $0.answerComplete() }
    }

    override func streamClosed(_ id: Int, _ error: UInt32) {
        guard let stream = stream(id)?.counted else { return }
        account.streamClosed(isClean: error == HTTP2Error.noError.rawValue, age: worker.loop.now - stream.began)
        stream.closed(error)
        remove(stream)
    }

    override func bodyDrained(_ id: Int) {
        stream(id)?.lend { $0.drained() }
    }

    // The end

    func close(_ failure: AttemptFailure) {
        guard state != .closed else { return }
        state = .closed
        if let timer { worker.timers.remove(timer) }
        timer = nil
        closeSocket()
        endpoint.removeShared(self)
        Self.countClosed(endpoint, of: load)
        let failed = streams
        streams = []
        for stream in failed {
            stream.tlsFailure = tlsFailure
            stream.connectionLost(failure)
        }
        settings.load.connectionFreed(in: load)
    }
}
