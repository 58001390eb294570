internal import Reactor
internal import TLS
internal import Telemetry

/// How a connection to an endpoint comes about: counted from here to its end, connected, encrypted if its service is.
extension Connection {
    enum Opening {
        case wantsMore
        case done
        case failed(AttemptFailure)
    }

    /// Counts a connection and begins to connect. If that fails at once, `failure` says so and the socket is none.
    static func connect(to endpoint: WorkerEndpoint, of cell: WorkerCell, _ failure: inout AttemptFailure?) -> Socket {
        cell.load.openConnections += 1
        endpoint.counters.connectionsOpened.add()
        endpoint.counters.openConnections.add(1)
        do {
            return try Socket.connect(to: endpoint.address)
        } catch {
            failure = AttemptFailure(connecting: error)
            return Socket.none
        }
    }

    /// Takes back what `connect` counted.
    static func countClosed(_ endpoint: WorkerEndpoint, of cell: WorkerCell) {
        cell.load.openConnections -= 1
        endpoint.counters.openConnections.add(-1)
    }

    /// Waits for the socket. A failure is told from the loop, after whatever made this connection.
    final func awaitOpening(_ failure: inout AttemptFailure?) {
        if failure == nil, !watch() { failure = .connectFailed }
        if failure != nil { worker.loop.defer(self) }
    }

    /// Goes on with what the socket tells. `beforeHandshake` may send what is to be said in the clear.
    final func goOnOpening(
        to endpoint: WorkerEndpoint, of service: WorkerService, _ readiness: Readiness, beforeHandshake: () -> Void = {}
    ) -> Opening {
        guard readiness.isWritable || readiness.isReadableOrEnded else { return .wantsMore }
        if tls == nil, let error = socketError { return .failed(AttemptFailure(connecting: error)) }
        guard let client = service.tls else { return .done }
        share = Share()
        if tls == nil { beforeHandshake() }
        return switch shakeHands(with: endpoint, of: service, as: client, readiness) {
        case .wantsMore: .wantsMore
        case .done: .done
        case .failed: .failed(.tlsFailed)
        }
    }
}

extension AttemptFailure {
    init(connecting error: SystemError) {
        self = error.isUnreachable ? .unreachable : .connectFailed
    }
}
