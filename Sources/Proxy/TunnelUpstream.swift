internal import Picking
internal import Reactor
internal import RouteTable
internal import TLS
internal import Telemetry
internal import Wire

/// A connection to an endpoint for one tunnel: what the client says is passed on as it comes, and back.
final class TunnelUpstream: Upstream {
    private enum State {
        case connecting, open, closed
    }

    private var state = State.connecting
    private var exchange: Uncounted<Exchange>?
    /// Its place was lost while it was being connected, and this is what becomes of its tunnel.
    var lostPlace: OnFailover?
    /// Why there is no connection, once that is known.
    private var connectFailure: AttemptFailure?
    private var isReadPaused = false
    /// The endpoint has said its last.
    private var hasEnded = false
    /// The client has, and the endpoint is told when all before it is sent.
    private var endsWhenSent = false
    private var hasToldEnd = false
    private var openedAt: Int64 = 0

    override var isConnected: Bool { state != .connecting }

    /// How long the connection has been open, nanoseconds.
    var age: Int64 { worker.loop.now - openedAt }

    /// How it is opened.
    private let settings: ConnectSettings

    init(worker: Worker, service: WorkerService, cell: WorkerCell, endpoint: WorkerEndpoint) {
        settings = ConnectSettings(of: service)
        let socket = Self.connect(to: endpoint, of: cell.load, by: worker, &connectFailure)
        if connectFailure == nil, !socket.isConnecting, service.tls == nil {
            state = .open
            openedAt = worker.loop.now
        }
        super.init(worker: worker, service: service, cell: cell, endpoint: endpoint, socket: socket)
        awaitOpening(&connectFailure)
    }

    /// Goes on where a request was answered with another protocol.
    init(takingOver connection: UpstreamConnection, exchange: Exchange) {
        state = .open
        openedAt = connection.worker.loop.now
        settings = ConnectSettings(of: connection.service)
        self.exchange = Uncounted(exchange)
        super.init(takingOver: connection)
    }

    /// Reads what there is.
    func takeUp() {
        if hasUnread { worker.loop.defer(self) }
    }

    override func assign(_ exchange: Exchange, _ service: WorkerService, _ cell: Uncounted<WorkerCell>, now: Int64) {
        super.assign(exchange, service, cell, now: now)
        self.exchange = Uncounted(exchange)
    }

    // What the client says

    /// Tells who the client is, if the service wants to know, and passes on what it has said so far.
    override func beginTunnel(client: ClientContext, said: RawSpan) {
        if let version = settings.proxyHeader, tls == nil {
            ProxyHeader(client: client.proxied).encode(version, into: &worker.sendBuffer)
        }
        sendBody(said)
    }

    override func sendBody(_ data: RawSpan) {
        gather(data)
    }

    override func flush() {
        transmit()
    }

    /// The client has said its last; the endpoint may still go on.
    override func endBody(_ trailers: RawSpan) {
        transmit()
        worker.sendQueued()
        endsWhenSent = true
        if !isCongested { tellEnd() }
    }

    private func tellEnd() {
        guard endsWhenSent, !hasToldEnd else { return }
        hasToldEnd = true
        shutdownWrite()
    }

    // What the endpoint says

    override func ready(_ readiness: Readiness) {
        if state == .connecting {
            goOnOpening(readiness)
            if state != .open { return }
        }
        if readiness.isWritable, isCongested, transmitUnsent() {
            tellEnd()
            exchange?.lend { $0.upstreamDrained() }
        }
        guard state == .open, readiness.isReadableOrEnded else { return }
        if hasEnded {
            if readiness.isFailed { tellBroken() }
            return
        }
        hasUnread = true
        renewShare()
        read(untilEnd: readiness.isEnded)
    }

    private func goOnOpening(_ readiness: Readiness) {
        let opening = goOnOpening(to: endpoint, settings, readiness) {
            if let version = settings.proxyHeader { tellPlainly(exchange?.lend { $0.client.proxied } ?? nil, version) }
        }
        switch opening {
        case .wantsMore: break
        case .done: opened()
        case .failed(let failure):
            connectFailure = failure
            resume()
        }
    }

    private func opened() {
        state = .open
        openedAt = worker.loop.now
        exchange?.lend { $0.upstreamConnected(self) }
    }

    override func resumeTurn() {
        if state != .closed { readOn() }
    }

    /// Reads and passes on, until the socket is empty, the client is congested, there is no more, or this turn's share
    /// is used up.
    private func read(untilEnd: Bool) {
        while hasUnread && !isReadPaused && !hasEnded && !isYielding && state == .open {
            if share.isUsedUp { return yieldTurn() }
            switch receive(after: 0, untilEnd: untilEnd) {
            case .bytes(let count):
                guard let exchange else { return closeTunnel(reset: true) }
                worker.receiveBuffer.withBytes(count) { data in exchange.lend { $0.serverSaid(data, from: self) } }
                exchange.lend { $0.flushTunnel() }
                if exchange.lend({ $0.downstream?.lend { $0.holdsBack } }) == true { isReadPaused = true }
            case .wouldBlock: break
            case .endOfStream where tlsFailure == nil:
                hasEnded = true
                exchange?.lend { $0.serverEnded(self) }
            case .endOfStream, .failed: tellBroken()
            }
        }
    }

    override func resumeReading() {
        guard isReadPaused else { return }
        isReadPaused = false
        if hasUnread { worker.loop.defer(self) }
    }

    override func resume() {
        guard state != .closed else { return }
        if let connectFailure {
            let exchange = exchange
            closeTunnel(reset: false)
            exchange?.lend {
                if let tlsFailure { $0.tlsFailure = tlsFailure }
                $0.attemptFailed(self, connectFailure)
            }
            return
        }
        // What it said before it broke may still be there.
        if isBroken {
            hasUnread = true
            isReadPaused = false
        }
        renewShare()
        readOn()
    }

    private func readOn() {
        read(untilEnd: true)
        if state == .open && isBroken && !isYielding { tellBroken() }
    }

    private func tellBroken() {
        exchange?.lend { $0.serverBroke(self) }
    }

    override func giveUp() {
        closeTunnel(reset: true)
    }

    override func closeTunnel(reset: Bool) {
        guard state != .closed else { return }
        state = .closed
        exchange = nil
        closeSocket(reset: reset)
        Self.countClosed(endpoint, of: load)
        settings.load.connectionFreed(in: load)
    }
}
