internal import Picking
internal import Reactor
internal import Telemetry
internal import Wire

/// A request that asks for another protocol, WebSocket mostly, and is given it: what follows is passed on as it comes.
extension Exchange {
    /// Whether a 101 names what the request has asked for (RFC 9110, 15.2.2): anything else nobody here would understand.
    /// It comes after all of the request (7.8): what the client says from then on is in the other protocol.
    func hasAskedFor(_ head: borrowing ResponseHead, _ bytes: RawSpan) -> Bool {
        guard asksForUpgrade, isRequestComplete else { return false }
        return keptHead.withBytes { asked in
            guard case .complete? = try? worker.keptRequestHead.parse(asked, .unlimited) else { return false }
            return worker.keptRequestHead.asksFor(head, bytes, in: asked)
        }
    }

    /// The endpoint has answered 101. `rest` is what it has said in the other protocol already.
    func upgraded(
        _ head: borrowing ResponseHead, _ bytes: RawSpan, from upstream: UpstreamConnection, rest: RawSpan
    ) {
        // RFC 8441, 5: over HTTP/2 it is a 200.
        accept(status: client.speaksHTTP2 ? 200 : 101, from: upstream)
        let tunnelUpstream = TunnelUpstream(takingOver: upstream, exchange: self)
        // The attempt goes on; only who carries it is another.
        first = Uncounted(tunnelUpstream)
        isTunnel = true
        tunnel = TunnelState()
        tunnel.askedAt = began
        isRequestComplete = false
        requestDeadline = .max
        overstayDeadline = .max
        lookDeadline = .max
        idleDeadline = worker.loop.now + listener.tunnelTimeout
        count(.succeeded, of: tunnelUpstream)
        tunnelUpstream.endpoint.succeeded()
        downstream?.lend { $0.upgrade(head, bytes) }
        guard isTunnel else { return }
        if !rest.isEmpty {
            serverSaid(rest, from: tunnelUpstream)
            flushTunnel()
        }
        armTimer()
        downstream?.lend { $0.resumeRequestBody() }
        tunnelUpstream.takeUp()
    }
}
