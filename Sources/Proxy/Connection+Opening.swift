internal import Picking
internal import Reactor
internal import TLS
internal import Telemetry
internal import Wire

/// How connections to a service's endpoints are opened, and who waits for them: what a connection keeps of the table it
/// was opened under.
struct ConnectSettings {
    /// Absent: without encryption.
    let tls: TLSClient?
    /// Of `tls`; 0: without encryption.
    let rules: UInt64
    let handshakes: HandshakeCounters?
    /// How endpoints are told who the client is.
    let proxyHeader: ProxyHeader.Version?
    /// How long a connection may take to open that no request waits for.
    let timeout: Int64
    let load: ServiceLoad

    init(of service: WorkerService) {
        tls = service.tls
        rules = service.tlsRules
        handshakes = service.handshakes
        proxyHeader = service.proxyHeader
        timeout = service.connectTimeout
        load = service.load
    }

    /// Whether a connection that was opened by them is still one that the service would open: encrypted or not, verified by
    /// the same authorities, with the same certificate shown.
    func holds(for service: WorkerService) -> Bool { rules == service.tlsRules }
}

/// How a connection to an endpoint comes about: counted from here to its end, connected, encrypted if its service is.
extension Connection {
    enum Opening {
        case wantsMore
        case done
        case failed(AttemptFailure)
    }

    /// Counts a connection and begins to connect. If that fails at once, `failure` says so and the socket is none.
    static func connect(
        to endpoint: WorkerEndpoint, of load: CellLoad, by worker: Worker, _ failure: inout AttemptFailure?
    ) -> Socket {
        load.openConnections += 1
        endpoint.counters.connectionsOpened.add()
        endpoint.counters.openConnections.add(1)
        guard worker.hasRoomForSocket() else {
            worker.report(.sockets)
            failure = .exhausted
            return Socket.none
        }
        do throws(SystemError) {
            return try Socket.connect(to: endpoint.address)
        } catch {
            failure = AttemptFailure(connecting: error)
            if failure == .exhausted { worker.report(.system(error)) }
            return Socket.none
        }
    }

    /// Takes back what `connect` counted.
    static func countClosed(_ endpoint: WorkerEndpoint, of load: CellLoad) {
        load.openConnections -= 1
        endpoint.counters.openConnections.add(-1)
    }

    /// Waits for the socket. A failure is told from the loop, after whatever made this connection.
    final func awaitOpening(_ failure: inout AttemptFailure?) {
        if failure == nil, !watch() { failure = .exhausted }
        if failure != nil { worker.loop.defer(self) }
    }

    /// Goes on with what the socket tells. `beforeHandshake` may send what is to be said in the clear.
    final func goOnOpening(
        to endpoint: WorkerEndpoint, _ settings: ConnectSettings, _ readiness: Readiness,
        beforeHandshake: () -> Void = {}
    ) -> Opening {
        guard readiness.isWritable || readiness.isReadableOrEnded else { return .wantsMore }
        if tls == nil, let error = socketError { return .failed(AttemptFailure(connecting: error)) }
        guard let client = settings.tls else { return .done }
        renewShare()
        if tls == nil { beforeHandshake() }
        return switch shakeHands(with: endpoint, as: client, settings.handshakes, readiness) {
        case .wantsMore: .wantsMore
        case .done: .done
        case .failed: .failed(.tlsFailed)
        }
    }
}

extension AttemptFailure {
    init(connecting error: SystemError) {
        self = error.isExhaustion ? .exhausted : error.isUnreachable ? .unreachable : .connectFailed
    }
}
