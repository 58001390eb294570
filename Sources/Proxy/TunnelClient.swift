internal import Reactor
internal import Wire

/// A client's connection that is passed on as it comes: what it says goes to one endpoint, and what that says comes back.
final class TunnelClient: Downstream, Client {
    let listener: WorkerListener
    private let exchange: Exchange
    private var isReadPaused = false
    /// What the client said behind its request, until the tunnel goes on.
    private var held: [UInt8] = []
    /// The client has said its last.
    private var hasEnded = false
    /// The endpoint has, and the client is told when all before it is sent.
    private var endsWhenSent = false
    private var hasToldEnd = false
    var place = 0

    func forEachTunnel(_ visit: (Exchange) -> Void) { visit(exchange) }

    init(worker: Worker, listener: WorkerListener, socket: consuming Socket, peer: SocketAddress) {
        self.listener = listener
        exchange = Exchange(worker: worker, listener: listener, client: listener.context(for: peer, on: socket))
        super.init(worker: worker, socket: socket)
        guard watch() else { return }
        listener.connectionOpened()
        enter()
    }

    /// Goes on from an arrival, which the listener has counted.
    init(takingOver arrival: Arrival, listener: WorkerListener, client: ClientContext) {
        self.listener = listener
        exchange = Exchange(worker: arrival.worker, listener: listener, client: client)
        super.init(takingOver: arrival)
        enter()
    }

    /// Goes on where a request was answered with another protocol.
    init(takingOver connection: ClientConnection, listener: WorkerListener, exchange: Exchange) {
        self.listener = listener
        self.exchange = exchange
        super.init(takingOver: connection)
        enter()
    }

    /// Says what the client has said already, and goes on reading.
    func goOn(said: [UInt8]) {
        held = said
        hasUnread = true
        worker.loop.defer(self)
    }

    private func enter() {
        exchange.attach(to: self)
        worker.clients.insert(self)
    }

    /// - Parameters:
    ///   - said: what the client has said already.
    ///   - isHello: that begins with the ClientHello that the worker has just read.
    func begin(said: [UInt8] = [], isHello: Bool = false) {
        guard isOpen else { return }
        said.withBytes { exchange.beginTunnel(said: $0, isHello: isHello) }
        read(untilEnd: true)
    }

    // What the client says

    override func ready(_ readiness: Readiness) {
        guard isOpen else { return }
        if readiness.isWritable, isCongested { drain() }
        guard isOpen, readiness.isReadableOrEnded else { return }
        // Nobody will read what comes back.
        if readiness.isFailed, isReadPaused || hasEnded { return tellBroken() }
        if hasEnded { return }
        hasUnread = true
        renewShare()
        read(untilEnd: readiness.isEnded)
    }

    override func resumeTurn() {
        if isOpen { read(untilEnd: true) }
    }

    private func read(untilEnd: Bool) {
        while hasUnread && !isReadPaused && !hasEnded && !isYielding && isOpen {
            if share.isUsedUp { return yieldTurn() }
            guard exchange.wantsSpeech else {
                isReadPaused = true
                return
            }
            let room = exchange.speechRoom
            if room < readLimit { readLimit = room }
            switch receive(after: 0, untilEnd: untilEnd) {
            case .bytes(let count):
                listener.countReceived(count)
                worker.receiveBuffer.withBytes(count) { exchange.clientSaid($0) }
                exchange.flushRequest()
            case .wouldBlock: break
            case .endOfStream where tlsFailure == nil:
                hasEnded = true
                exchange.clientEnded()
            case .endOfStream, .failed: tellBroken()
            }
        }
    }

    /// Goes on after a pause.
    override func resume() {
        guard isOpen else { return }
        if isBroken { return tellBroken() }
        isReadPaused = false
        if !held.isEmpty {
            let said = held
            held = []
            said.withBytes { exchange.clientSaid($0) }
            exchange.flushRequest()
        }
        renewShare()
        read(untilEnd: true)
    }

    override func resumeRequestBody() {
        if readLimit < Self.smallRead { readLimit = Self.largeRead }
        if isReadPaused { worker.loop.defer(self) }
    }

    private func tellBroken() {
        exchange.clientBroke()
    }

    // What it is told

    override func answerBody(_ data: RawSpan) {
        listener.countSent(data.byteCount)
        gather(data)
    }

    override func flushAnswer() {
        transmit()
    }

    /// The endpoint has said its last; the client may still go on.
    override func endAnswer() {
        worker.sendQueued()
        endsWhenSent = true
        if !isCongested { tellEnd() }
    }

    private func tellEnd() {
        guard endsWhenSent, !hasToldEnd else { return }
        hasToldEnd = true
        shutdownWrite()
    }

    private func drain() {
        guard transmitUnsent() else { return }
        tellEnd()
        exchange.downstreamDrained()
    }

    /// There is no answer; a reset says so, where an end could be taken for one.
    override func answerOwn(_ answer: OwnAnswer) {
        close(reset: answer.isFailure && !exchange.hasEndedCleanly)
    }

    override func closeTunnel(reset: Bool) {
        worker.sendQueued()
        close(reset: reset)
    }

    /// Tunnels have as long as the drain takes.
    func drainStarted() {}

    private func close(reset: Bool) {
        guard isOpen else { return }
        exchange.detach()
        closeSocket(reset: reset)
        worker.clients.remove(self)
        listener.connectionClosed()
        worker.clientLeft()
    }
}
