internal import Reactor
internal import RouteTable
internal import TLS
internal import Telemetry
internal import Wire

/// A client's connection before it is known who the client is and what it speaks. Once that is known, another
/// connection takes over: of HTTP/1, of HTTP/2, or a tunnel's.
///
/// Its steps, each only where the listener has it: the PROXY protocol's header, of trusted proxies; the ClientHello, read
/// and kept; the TLS handshake. A listener without any of them needs no arrival.
final class Arrival: Connection, Client, TimerOwner {
    /// What the bytes so far have come to.
    private enum Progress {
        /// More must come.
        case incomplete
        case refused(StaticString)
        /// It is known who goes on, with what is held.
        case complete
    }

    let listener: WorkerListener
    private(set) var client: ClientContext
    private var awaitsProxyHeader: Bool
    /// As it was when the client came.
    private let server: TLSServer?
    private var timer: TimerWheel.Handle?
    /// Bytes received that cannot be understood yet, or that belong to what follows.
    private var held: [UInt8] = []
    /// Nothing more is to be said; what the client still sends is read and thrown away, so that the last words reach it.
    private var isLingering = false
    var place = 0

    private static let lingerTime: Int64 = 2_000_000_000

    init(
        worker: Worker, listener: WorkerListener, socket: consuming Socket, peer: SocketAddress, hasProxyHeader: Bool
    ) {
        self.listener = listener
        client = listener.context(for: peer, on: socket)
        awaitsProxyHeader = hasProxyHeader
        server = listener.tls
        super.init(worker: worker, socket: socket)
        guard watch() else { return }
        readLimit = Self.smallRead
        listener.connectionOpened()
        timer = worker.timers.add(self)
        arm(server == nil ? listener.headTimeout : listener.handshakeTimeout)
        worker.clients.insert(self)
    }

    override func ready(_ readiness: Readiness) {
        guard isOpen else { return }
        if readiness.isWritable, isCongested { _ = transmitUnsent() }
        guard readiness.isReadableOrEnded else { return }
        hasUnread = true
        if isYielding { return }
        renewShare()
        goOn(untilEnd: readiness.isEnded)
    }

    override func resumeTurn() {
        if isOpen { goOn(untilEnd: true) }
    }

    private func goOn(untilEnd: Bool) {
        if isLingering { return readToEnd() }
        if tls == nil, server == nil || awaitsProxyHeader { return read(untilEnd: untilEnd) }
        shakeHands(untilEnd: untilEnd)
    }

    override func resume() {
        if isOpen && isBroken { close() }
    }

    // What comes before TLS, or instead of it

    private func read(untilEnd: Bool) {
        while hasUnread && isOpen {
            if share.isUsedUp { return yieldTurn() }
            let kept = held.count
            if kept > 0 { held.withBytes { worker.receiveBuffer.fill($0) } }
            switch receive(after: kept, untilEnd: untilEnd) {
            case .bytes(let count):
                listener.countReceived(count)
                held.removeAll(keepingCapacity: true)
                switch worker.receiveBuffer.withBytes(kept + count, { consume($0) }) {
                case .incomplete: break
                case .refused(let reason): refuse(reason)
                case .complete:
                    if server == nil { return handOver() }
                    return shakeHands(untilEnd: untilEnd)
                }
            case .wouldBlock: break
            case .endOfStream, .failed: close()
            }
        }
    }

    /// Goes as far as the bytes allow; what is left of them is held.
    private func consume(_ bytes: RawSpan) -> Progress {
        var offset = 0
        if awaitsProxyHeader {
            do {
                switch try ProxyHeader.parse(bytes) {
                case .incomplete: return hold(bytes, from: 0, .incomplete)
                case .complete(let header, let count):
                    awaitsProxyHeader = false
                    offset = count
                    if let proxied = header.client { client = listener.context(for: proxied) }
                }
            } catch {
                return .refused(error.reason)
            }
        }
        guard listener.transport == .tlsPassthrough else { return hold(bytes, from: offset, .complete) }
        do {
            switch try worker.clientHello.read(bytes.extracting(offset..<bytes.byteCount)) {
            case .incomplete: return hold(bytes, from: offset, .incomplete)
            case .complete: return hold(bytes, from: offset, .complete)
            }
        } catch {
            return .refused(error.reason)
        }
    }

    private func hold(_ bytes: RawSpan, from offset: Int, _ progress: Progress) -> Progress {
        held.append(contentsOf: bytes.extracting(offset..<bytes.byteCount))
        return progress
    }

    private func shakeHands(untilEnd: Bool) {
        guard let server else { return }
        let first = held
        held = []
        shakeHands(with: server, first: first, untilEnd: untilEnd)
    }

    // Whoever goes on takes the listener's count of connections along

    private func handOver() {
        switch listener.transport {
        case .http: becomeHTTP1(client)
        case .tcp:
            leave()
            TunnelClient(takingOver: self, listener: listener, client: client).begin(said: held)
        case .tlsPassthrough:
            leave()
            TunnelClient(takingOver: self, listener: listener, client: client).begin(said: held, isHello: true)
        }
    }

    func becomeHTTP1(_ client: ClientContext) {
        leave()
        let connection = ClientConnection(takingOver: self, listener: listener, client: client, held: held)
        connection.hasUnread = true
        connection.resume()
    }

    func becomeHTTP2(_ client: ClientContext) {
        leave()
        // The loop keeps it, and has it read what is there.
        held.withBytes {
            _ = HTTP2ClientConnection(takingOver: self, listener: listener, client: client, held: $0)
        }
    }

    func becomeTunnel(_ client: ClientContext) {
        leave()
        let tunnel = TunnelClient(takingOver: self, listener: listener, client: client)
        tunnel.hasUnread = true
        tunnel.begin(said: held)
    }

    private func leave() {
        if let timer { worker.timers.remove(timer) }
        timer = nil
        worker.clients.remove(self)
    }

    // Ending

    /// What came first is not what was to come.
    private func refuse(_ reason: StaticString) {
        listener.counters.refused.add()
        if listener.isLogged {
            Exchange(worker: worker, listener: listener, client: client).recordRefusal(status: 0, reason)
        }
        close()
    }

    /// What was to come first did not come in time.
    func deadlineReached() {
        guard isOpen else { return }
        if isLingering { return close() }
        if tls == nil && (awaitsProxyHeader || server == nil) {
            refuse("head-timeout")
        } else {
            handshakeFailed(.handshakeTimeout)
        }
    }

    /// Who has come has the time it had before to say what it wants.
    func drainStarted() {}

    func linger() {
        guard isOpen else { return }
        if isBroken { return close() }
        endEncryption()
        shutdownWrite()
        isLingering = true
        arm(Self.lingerTime)
        readToEnd()
    }

    private func readToEnd() {
        while isOpen {
            if share.isUsedUp { return yieldTurn() }
            switch receive(after: 0, untilEnd: true) {
            case .bytes: share.work = 0
            case .wouldBlock: return
            case .endOfStream, .failed: return close()
            }
        }
    }

    private func arm(_ after: Int64) {
        if let timer { worker.arm(timer, at: worker.loop.now + after) }
    }

    func close() {
        guard isOpen else { return }
        leave()
        held = []
        closeSocket()
        listener.connectionClosed()
        worker.clientLeft()
    }
}
