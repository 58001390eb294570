package import Reactor
package import RouteTable
package import TLS
package import Telemetry
package import Wire

/// What is probed, and how.
package struct ProbeTarget: Sendable {
    /// The endpoint's number.
    package let number: Int
    package let address: SocketAddress
    /// What goes into the Host field unless the probe names one.
    package let authority: String
    package let probe: Probe
    /// Whether a PROXY protocol header must come before the request.
    package let proxyHeader: ProxyHeaderVersion?
    /// What workers count of its requests.
    package let counters: [EndpointCounters]
    /// How the endpoint is spoken to; nil: without encryption.
    package let tls: TLSClient?
    package let peerName: TLSPeerName

    package init(
        number: Int, address: SocketAddress, authority: String, probe: Probe,
        proxyHeader: ProxyHeaderVersion? = nil, counters: [EndpointCounters] = [], tls: TLSClient? = nil,
        peerName: TLSPeerName = .none
    ) {
        self.proxyHeader = proxyHeader
        self.tls = tls
        self.peerName = peerName
        self.counters = counters
        self.number = number
        self.address = address
        self.authority = authority
        self.probe = probe
    }
}

/// What a probe found.
package enum ProbeFinding: Sendable, Equatable {
    case passed(latencyNanoseconds: Int64)
    case failed(ProbeFailure)
    /// The prober itself was late: nothing can be said.
    case unknown
}

package enum ProbeFailure: Sendable, Equatable {
    case connect(SystemError)
    case timeout
    case tls(TLSFailure)
    /// The connection ended before the answer was complete.
    case closed
    case malformed
    /// More came than is looked at.
    case tooLarge
    case status(Int)
    case header(String)
    case body
    /// What a gRPC health check was answered.
    case health(HealthCheckExchange.Failure)
}

extension ProbeFailure {
    /// Something at the other end said no; not merely nothing.
    package var isAnswer: Bool {
        switch self {
        case .connect(let error): !error.isUnreachable
        case .timeout: false
        case .tls, .closed, .malformed, .tooLarge, .status, .header, .body, .health: true
        }
    }
}

extension ProbeFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .connect(let error): "connect: \(error)"
        case .timeout: "timeout"
        case .tls(let failure): "tls: \(failure.word)"
        case .closed: "closed before a whole answer"
        case .malformed: "malformed answer"
        case .tooLarge: "answer too large"
        case .status(let status): "status \(status)"
        case .header(let name): "field \(name) not as expected"
        case .body: "expected text not in the body"
        case .health(let failure): "\(failure)"
        }
    }
}

/// Who is told. Called on the prober's thread; must not block.
package protocol ProbeReports: Sendable {
    /// - Parameter isAwaited: it was asked for, or its endpoint is suspect.
    func probed(_ number: Int, _ finding: ProbeFinding, isAwaited: Bool)
    /// How late the prober's timers are, at worst, in the second past.
    func lag(nanoseconds: Int64)
}
