internal import Reactor
internal import RouteTable
internal import TLS
internal import Telemetry
internal import Wire

/// A listener as one worker sees it: its own socket, its limits, and its connections' count.
final class WorkerListener: EventHandler, Yielding {
    let worker: Worker
    /// The listener's place in the table that is served now.
    private(set) var index: Int
    private(set) var name: String
    private(set) var counters: ListenerCounters
    private(set) var accessLog: AccessLogRing?
    private(set) var isLogged = false
    private(set) var accessLogFormat = AccessLog.Format.json
    private(set) var headLimits: HeadLimits
    private(set) var bodyLimit: Int?
    private(set) var headTimeout: Int64 = 0
    private(set) var idleTimeout: Int64 = 0
    private(set) var bodyTimeout: Int64 = 0
    private(set) var tunnelTimeout: Int64 = 0
    private(set) var transport = Listener.Transport.http
    private(set) var handshakeTimeout: Int64 = 0
    private(set) var redirectsToHTTPS = false
    /// Absent: what is spoken is not encrypted.
    var tls: TLSServer? { didSet { clientRules = tls?.clientRules ?? 0 } }
    /// The rules for clients. A connection that was begun by others ends with its next answer.
    private(set) var clientRules: UInt64 = 0
    let identity: ListenerIdentity

    private var trustedProxies: [AddressBlock] = []
    private var readsProxyHeader = false
    /// It listens on every address: which one a client came to, its own socket knows.
    private let isUnspecified: Bool
    private var connectionLimit = 0
    private var openConnections = 0
    private var isAccepting = false {
        didSet { if isAccepting != oldValue { counters.accepting.add(isAccepting ? 1 : -1) } }
    }
    private var socket: ListeningSocket
    private var registration: EventLoop.Registration?
    /// No connections are accepted at present: a limit is reached, or its socket could not be watched. New ones wait in
    /// the backlog.
    private var isFull = false
    /// What it may still accept until it listens no more: what waits in its backlog; nil: it is not to close.
    private var lastOnes: Int?
    /// When it listens no more, whoever waits.
    private var closesBy: Int64 = 0
    private var isYielding = false
    /// It is in the table no more. Its open connections go on with the table it was last part of, each to the end of
    /// the request in hand: another listener may have its place in the present one.
    private(set) var formerTable: WorkerTable?
    var isRetired: Bool { formerTable != nil }

    init(
        worker: Worker, index: Int, listener: Listener, publication: Publication, socket: consuming ListeningSocket
    ) {
        self.worker = worker
        self.index = index
        name = listener.name
        identity = listener.identity
        counters = publication.listeners[index]
        headLimits = HeadLimits()
        isUnspecified = socket.address.ip?.isUnspecified == true
        self.socket = socket
        update(index: index, listener, publication)
        watch()
    }

    /// Accepts from now on. If the loop cannot watch the socket, which is told, it is tried again every second.
    private func watch() {
        do {
            registration = try worker.loop.register(socket, self)
            isFull = false
        } catch {
            if !isFull { worker.reportFailure(of: self, error) }
            isFull = true
            worker.hasPausedListeners = true
        }
        isAccepting = !isFull
    }

    /// Takes on new settings; open connections see them from their next request on.
    func update(index: Int, _ listener: Listener, _ publication: Publication) {
        self.index = index
        name = listener.name
        count(in: publication.listeners[index])
        accessLog = publication.accessLogs[index]
        isLogged = accessLog != nil
        accessLogFormat = listener.accessLog?.format ?? .json
        headLimits = HeadLimits(
            headBytes: listener.limits.headBytes, targetBytes: listener.limits.targetBytes,
            fieldCount: listener.limits.headerCount)
        bodyLimit = listener.limits.bodyBytes
        headTimeout = listener.timeouts.head.nanoseconds
        idleTimeout = listener.timeouts.idle.nanoseconds
        bodyTimeout = listener.timeouts.body.nanoseconds
        tunnelTimeout = listener.timeouts.tunnel.nanoseconds
        transport = listener.transport
        readsProxyHeader = listener.readsProxyHeader
        handshakeTimeout = listener.timeouts.handshake.nanoseconds
        redirectsToHTTPS = listener.redirectsToHTTPS
        tls = publication.tlsServers[index]
        trustedProxies = listener.trustedProxies
        connectionLimit = (listener.limits.connections + publication.workers - 1) / publication.workers
    }

    /// What is open, and whether it accepts, is counted there from now on. Several may count in the same: a listener that
    /// has moved, and the one before, whose connections have not ended.
    private func count(in other: ListenerCounters) {
        counters.openConnections.add(-openConnections)
        other.openConnections.add(openConnections)
        if isAccepting {
            counters.accepting.add(-1)
            other.accepting.add(1)
        }
        counters = other
    }

    /// Another socket in place of the one it has, to which nobody finds the way any more. Who waits there is taken first.
    func listen(on other: consuming ListeningSocket) {
        guard socket.isOpen, lastOnes == nil else { return }
        while case .more = acceptPortion() {}
        if let registration { worker.loop.unwatch(socket, registration) }
        registration = nil
        socket = other
        watch()
    }

    func ready(_ readiness: Readiness) {
        if case .noRoom = acceptPortion() { pause() }
    }

    private enum Portion {
        case more, nobody, noRoom
    }

    /// Accepted in one turn: those already connected have theirs in between.
    private static let portion = 64

    private func acceptPortion() -> Portion {
        for _ in 0..<Self.portion {
            if openConnections >= connectionLimit { return .noRoom }
            if worker.hasAllClients {
                worker.report(.clients)
                return .noRoom
            }
            switch socket.accept() {
            case .accepted(let client, let peer):
                welcome(client, from: peer)
            case .wouldBlock: return .nobody
            case .failed(let error):
                if error.isOfOneConnection { continue }
                // Out of descriptors or memory: whoever waits does so for another second, or until a client leaves.
                worker.report(.system(error))
                return .noRoom
            }
        }
        return .more
    }

    /// Whoever has to say something first arrives; others are served at once. The loop keeps them.
    private func welcome(_ client: consuming Socket, from peer: SocketAddress) {
        let hasHeader = readsProxyHeader && peer.ip.map { isTrusted($0) } == true
        if hasHeader || transport == .tlsPassthrough || tls != nil {
            _ = Arrival(worker: worker, listener: self, socket: client, peer: peer, hasProxyHeader: hasHeader)
        } else if transport == .tcp {
            TunnelClient(worker: worker, listener: self, socket: client, peer: peer).begin()
        } else {
            _ = ClientConnection(worker: worker, listener: self, socket: client, peer: peer)
        }
    }

    private func pause() {
        guard !isFull, let registration else { return }
        isFull = true
        worker.loop.unwatch(socket, registration)
        self.registration = nil
        worker.hasPausedListeners = true
        isAccepting = false
    }

    /// Accepts again if there is room.
    func resumeIfPossible() {
        guard isFull, socket.isOpen, openConnections < connectionLimit, !worker.hasAllClients else { return }
        watch()
    }

    var isPaused: Bool { isFull }

    var isOpen: Bool { socket.isOpen }

    // What every request counts

    func countRequest() { Uncounted(counters).lend { $0.requests.add() } }

    func countUnrouted() { counters.unrouted.add() }

    func countReceived(_ bytes: Int) { Uncounted(counters).lend { $0.bytesReceived.add(UInt64(bytes)) } }

    func countSent(_ bytes: Int) { Uncounted(counters).lend { $0.bytesSent.add(UInt64(bytes)) } }

    func connectionOpened() {
        openConnections += 1
        counters.connections.add()
        counters.openConnections.add(1)
    }

    func connectionClosed() {
        openConnections -= 1
        counters.openConnections.add(-1)
        if isFull { resumeIfPossible() }
        if lastOnes != nil { askForTurn() }
    }

    // The end

    /// Those who wait for room in the backlog of a listener that goes have so long until they are turned away.
    private static let closingTime: Int64 = 2_000_000_000

    /// Takes what waits in the backlog, a portion each turn and as there is room, then listens no more.
    func close() {
        guard socket.isOpen, lastOnes == nil else { return }
        if let registration { worker.loop.unwatch(socket, registration) }
        registration = nil
        isFull = false
        isAccepting = false
        lastOnes = Int(ListeningSocket.backlog)
        closesBy = worker.loop.now + Self.closingTime
        worker.closingBegan(of: self)
        takeLastOnes()
    }

    /// There may be room for those who wait, or it is time.
    func askForTurn() {
        if isYielding || !socket.isOpen { return }
        isYielding = true
        worker.loop.yield(self)
    }

    func turnCame() {
        isYielding = false
        takeLastOnes()
    }

    private func takeLastOnes() {
        guard let left = lastOnes, socket.isOpen else { return }
        switch acceptPortion() {
        // Others may come all the time: no more are taken than can have been there.
        case .more where left > Self.portion:
            lastOnes = left - Self.portion
            askForTurn()
        case .noRoom where worker.loop.now < closesBy: break
        default:
            socket.close()
            worker.closingEnded(of: self)
        }
    }

    /// It leaves the table that comes after `table`. Whoever waits in the backlog is still served, by `table`.
    func retire(from table: WorkerTable) {
        formerTable = table
        close()
    }

    /// What every request of a client carries on.
    func context(for peer: SocketAddress, on client: borrowing Socket) -> ClientContext {
        guard let source = peer.proxied,
            let destination = (isUnspecified ? client.localAddress() : socket.address)?.proxied
        else { return ClientContext(scheme: .http).through(worker.pseudonym) }
        return context(for: ProxiedClient(source: source, destination: destination))
    }

    /// The same of a client that a proxy speaks for.
    func context(for proxied: ProxiedClient) -> ClientContext {
        let ip = SocketIP(bytes: proxied.source.bytes, count: UInt8(proxied.source.count))
        let text = ip.text
        return ClientContext(
            address: text.bytes, addressCount: Int(text.count), proxied: proxied, isTrusted: isTrusted(ip),
            scheme: .http
        ).through(worker.pseudonym)
    }

    private func isTrusted(_ ip: SocketIP) -> Bool {
        trustedProxies.contains { ip.isWithin($0.bytes, prefixBits: $0.prefixBits) }
    }

    /// Why a well-formed request is not served here, if so.
    func refusal(of head: borrowing RequestHead, _ bytes: RawSpan) -> OwnAnswer? {
        if case .connect = head.method { return .connectRefused }
        if let bodyLimit, case .length(let length) = head.body, length > UInt64(bodyLimit) { return .bodyTooLarge }
        if head.maxForwards(bytes) == 0 { return .hopsExhausted }
        if head.hasPassed(worker.pseudonym, bytes) { return .loop }
        return nil
    }
}

extension SocketAddress {
    /// Nil for a UNIX-domain socket.
    fileprivate var proxied: ProxiedAddress? {
        ip.map { ProxiedAddress(bytes: $0.bytes, count: Int($0.count), port: port) }
    }
}
