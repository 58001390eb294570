package import RouteTable

/// What a name stands for.
package struct NameAnswer: Sendable, Equatable {
    /// Of each kind, in a stable order; nil: it was not asked for, or not answered this time. Empty: there is none.
    package var ipv4: [IPAddress]?
    package var ipv6: [IPAddress]?
    /// Those of them that this host has no way to, as far as its own addresses and routes tell.
    package var unreachable: Set<IPAddress> = []
    /// For how long that is good, if the answer said so.
    package var timeToLive: Duration?

    package init(
        ipv4: [IPAddress]? = nil, ipv6: [IPAddress]? = nil, unreachable: Set<IPAddress> = [],
        timeToLive: Duration? = nil
    ) {
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self.unreachable = unreachable
        self.timeToLive = timeToLive
    }
}

/// Why nothing is known of a name.
package enum NameFailure: Error, Sendable, Equatable {
    /// There is no such name, or it has no address of a kind that was asked for.
    case notFound
    /// All its addresses are of a kind that this host has no route to.
    case noRoute
    /// No server answered in time.
    case timedOut
    /// No server could be asked at all.
    case unreachable
    /// Servers answered that they cannot or will not; the code of the last one (RFC 1035, 4.1.1).
    case refused(UInt8)
    case malformed
    /// It is no name that the DNS could know.
    case notAName
    /// This router has no descriptors left, or ends.
    case exhausted
}

extension NameFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notFound: "no such name, or no address"
        case .noRoute: "only addresses that this host has no route to"
        case .timedOut: "no answer from the name servers"
        case .unreachable: "no name server can be reached"
        case .refused(2): "the name servers failed (SERVFAIL)"
        case .refused(5): "the name servers refuse to answer (REFUSED)"
        case .refused(let code): "the name servers do not answer (code \(code))"
        case .malformed: "malformed answer"
        case .notAName: "not a host name"
        case .exhausted: "no descriptors left to ask with"
        }
    }
}
