internal import Picking
internal import Reactor
internal import Telemetry
internal import Wire

/// A request that asks for another protocol, WebSocket mostly, and is given it: what follows is passed on as it comes.
extension Exchange {
    /// The endpoint has answered 101. `rest` is what it has said in the other protocol already.
    func upgraded(
        _ head: borrowing ResponseHead, _ bytes: RawSpan, from upstream: UpstreamConnection, rest: RawSpan
    ) {
        accept(status: 101, from: upstream)
        let tunnelUpstream = TunnelUpstream(takingOver: upstream, exchange: self)
        // The attempt goes on; only who carries it is another.
        first = Uncounted(tunnelUpstream)
        isTunnel = true
        tunnel = TunnelState()
        tunnel.askedAt = began
        isRequestComplete = false
        requestDeadline = .max
        overstayDeadline = .max
        idleDeadline = worker.loop.now + listener.tunnelTimeout
        tunnelUpstream.endpoint.counters.successes.add()
        tunnelUpstream.endpoint.succeeded()
        tunnelUpstream.owesSuccess = false
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
