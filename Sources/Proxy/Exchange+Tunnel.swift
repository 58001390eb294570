internal import Picking
internal import Reactor
internal import RouteTable
internal import Telemetry
internal import Wire

/// What a tunnel has beside what every exchange has.
struct TunnelState {
    /// When the client said its first words; until then nobody owes an answer.
    var askedAt: Int64 = 0
    var serverHasEnded = false
    /// The last attempt ended in an end, not in a failure.
    var endedCleanly = false
    /// Closed then for its region's or its endpoint's sake; `.max`: it is not.
    var closeDeadline: Int64 = .max
    /// Why it ended, for the log.
    var end: TunnelEnd?
}

/// Who or what ended a tunnel; of two sides that have ended, the one that did first.
enum TunnelEnd {
    case client, server, clientReset, serverReset, idle, failover

    var text: StaticString {
        switch self {
        case .client: "client"
        case .server: "server"
        case .clientReset: "client-reset"
        case .serverReset: "server-reset"
        case .idle: "idle"
        case .failover: "failover"
        }
    }

    /// Who has ended it.
    var side: AttemptEnd.TunnelSide {
        switch self {
        case .client, .clientReset: .client
        case .server, .serverReset: .endpoint
        case .idle, .failover: .router
        }
    }

    func count(at counters: ListenerCounters) {
        switch self {
        case .client: counters.tunnelsEndedByClient.add()
        case .server: counters.tunnelsEndedByServer.add()
        case .clientReset: counters.tunnelsResetByClient.add()
        case .serverReset: counters.tunnelsResetByServer.add()
        case .idle: counters.tunnelsIdle.add()
        case .failover: counters.tunnelsFailedOver.add()
        }
    }
}

/// A connection that is passed on as it comes: an exchange whose body is bytes both ways. What an answer's head is for a
/// request, the endpoint's first byte is for a tunnel.
///
/// A ClientHello is all that a TLS client says before it is answered. So it may be said again to another endpoint until
/// the first byte has come from one, as a request that may be repeated: its tunnel counts as a GET. Other tunnels count as
/// a POST: they may be moved until something was said.
extension Exchange {
    /// What a client says is kept up to this as long as no endpoint is connected.
    private static let speechLimit = 16_384
    /// An endpoint that ends sooner than this after it was connected, without a word, has failed.
    private static let goingWell: Int64 = 1_000_000_000

    /// Takes on a client's connection.
    /// - Parameters:
    ///   - said: what the client has said already.
    ///   - isHello: that begins with the ClientHello that the worker has just read.
    func beginTunnel(said: RawSpan, isHello: Bool) {
        isTunnel = true
        phase = .waiting
        began = worker.loop.now
        tunnel.askedAt = began
        idleDeadline = began + listener.tunnelTimeout
        isRequestComplete = false
        method = isHello && !worker.clientHello.carriesEarlyData ? .get : .post
        keptHead.removeAll(keepingCapacity: true)
        if isHello { worker.clientHello.withServerName { keptHead.append(contentsOf: $0) } }
        keptBody.append(contentsOf: said)
        bytesFromClient = said.byteCount
        listener.countRequest()
        let table = worker.lendTable(to: listener)
        self.table = table
        let found = keptHead.withBytes { name in
            table.lend { table in
                table.tunnelRoute(serverName: name, listener: listener) { _, matches in
                    isHello && worker.clientHello.offers(matches)
                }
            }
        }
        guard let found else {
            listener.countUnrouted()
            return answerOwn(.noRoute)
        }
        route = found
        let index = found.lend { found in
            found.counters.requests.add()
            return found.destinations.pick(&worker.random)
        }
        passOn(to: table.lend { $0.service(at: index) })
    }

    private func passOn(to service: Uncounted<WorkerService>) {
        service.lend { lent in
            self.service = service
            guard lent.admit() else { return answerOwn(.overflow) }
            hashKey = lent.hashKey.flatMap { $0.hash(client) }
            guard let drawn = lent.split.draw(key: hashKey) else {
                lent.counters.shed.add()
                return answerOwn(.shed(retryAfter: 1))
            }
            lent.load.budget.countRequest(now: began)
            retriesLeft = lent.retryAttempts
            startTunnel(lent, in: drawn)
            armTimer()
        }
    }

    // What the client says

    /// Whether more of it can be taken now. A hello is all there is until it is answered, perhaps by another endpoint.
    var wantsSpeech: Bool {
        guard let first, first.lend({ $0.isConnected }) else {
            return phase == .waiting && keptBody.count < Self.speechLimit
        }
        if phase == .waiting, method.isIdempotent { return false }
        return !first.lend { $0.holdsBack }
    }

    /// How much of it.
    var speechRoom: Int {
        first?.lend { $0.isConnected } == true ? .max : max(Self.speechLimit - keptBody.count, 1)
    }

    func clientSaid(_ data: RawSpan) {
        let now = worker.loop.now
        bytesFromClient += data.byteCount
        idleDeadline = now + listener.tunnelTimeout
        guard let first, first.lend({ $0.isConnected }) else {
            keptBody.append(contentsOf: data)
            return
        }
        first.lend { upstream in
            if upstream.isSent { clientSpokeAt = now } else { firstWords(to: upstream, now: now) }
            upstream.sendBody(data)
        }
    }

    /// From here on an answer is waited for.
    private func firstWords(to upstream: Upstream, now: Int64) {
        upstream.isSent = true
        if phase != .waiting { return }
        tunnel.askedAt = now
        upstream.began = now
        overstayDeadline = now + upstream.service.hedgeDelay(upstream.cell)
        armTimer()
    }

    /// A connection is there: what was kept is said.
    func sendSpeech(on upstream: Upstream) {
        let hasSpoken = !keptBody.isEmpty
        keptBody.withBytes { upstream.beginTunnel(client: client, said: $0) }
        if hasSpoken {
            upstream.isSent = true
        } else {
            overstayDeadline = .max
        }
        // Those who need not answer are waited for as long as the tunnel may rest.
        upstream.deadline = method.isIdempotent ? worker.loop.now + upstream.service.responseTimeout : .max
        if !method.isIdempotent, !keptBody.isEmpty { keptBody = [] }
        upstream.flush()
        if isRequestComplete { upstream.endBody(RawSpan()) }
        downstream?.lend { $0.resumeRequestBody() }
    }

    /// The client has said its last.
    func clientEnded() {
        isRequestComplete = true
        tunnel.end = tunnel.end ?? .client
        guard let first, first.lend({ $0.isConnected }) else { return }
        first.lend { $0.endBody(RawSpan()) }
        endTunnelIfDone()
    }

    func clientBroke() {
        endTunnel(.clientReset)
    }

    // What the endpoint says

    func serverSaid(_ data: RawSpan, from upstream: Upstream) {
        if phase == .waiting { serverAnswered(upstream) }
        bytesToClient += data.byteCount
        idleDeadline = worker.loop.now + listener.tunnelTimeout
        downstream?.lend { $0.answerBody(data) }
    }

    func flushTunnel() {
        downstream?.lend { $0.flushAnswer() }
    }

    /// The first byte has come: this one it is.
    private func serverAnswered(_ upstream: Upstream) {
        let now = worker.loop.now
        let cell = upstream.cell
        let endpoint = upstream.endpoint
        let latency = now - upstream.began
        if second != nil { abandonOther(than: upstream, isAnswered: true) }
        if attempts > 1 { upstream.service.load.budget.extraEnded(helped: true) }
        endWait(for: upstream)
        endpoint.answered(now: now)
        count(.succeeded, of: upstream)
        endpoint.succeeded()
        cell.counters.attemptTime.record(nanoseconds: latency)
        if bytesFromClient <= UploadProgress.comparable, clientSpokeAt <= upstream.began {
            cell.record(responseTime: latency, now: now)
        }
        headLatency = now - tunnel.askedAt
        cell.counters.latency.record(nanoseconds: headLatency)
        phase = .answering
        answeredBy = Uncounted(endpoint)
        answeringCell = Uncounted(cell)
        if !keptBody.isEmpty { keptBody = [] }
        overstayDeadline = .max
        armTimer()
        downstream?.lend { $0.resumeRequestBody() }
    }

    /// The endpoint has said its last.
    func serverEnded(_ upstream: TunnelUpstream) {
        if phase == .waiting {
            let isEarly = !isRequestComplete && (method.isIdempotent || upstream.age < Self.goingWell)
            if isEarly || second != nil {
                tunnel.endedCleanly = true
                upstream.closeTunnel(reset: false)
                return attemptFailed(upstream, .reset)
            }
            serverAnswered(upstream)
        }
        tunnel.serverHasEnded = true
        tunnel.end = tunnel.end ?? .server
        downstream?.lend { $0.endAnswer() }
        endTunnelIfDone()
    }

    func serverBroke(_ upstream: TunnelUpstream) {
        if phase == .answering { return endTunnel(.serverReset) }
        tunnel.endedCleanly = false
        upstream.closeTunnel(reset: true)
        attemptFailed(upstream, .reset)
    }

    // The end

    /// Its last attempt came to an end that was none of a failure.
    var hasEndedCleanly: Bool { lastFailure == .reset && tunnel.endedCleanly }

    /// All that was kept for one side is sent.
    func tunnelDrained() {
        if isRequestComplete, tunnel.serverHasEnded { return endTunnelIfDone() }
        if !isRequestComplete { downstream?.lend { $0.resumeRequestBody() } }
    }

    /// Both have said their last, and have been told all.
    private func endTunnelIfDone() {
        guard isRequestComplete, tunnel.serverHasEnded, first?.lend({ $0.holdsBack }) != true,
            downstream?.lend({ $0.holdsBack }) != true
        else { return }
        endTunnel(tunnel.end ?? .client)
    }

    /// Closes both connections, with a reset if not all was said.
    private func endTunnel(_ end: TunnelEnd) {
        let resets = end == .clientReset || end == .serverReset || end == .failover
        tunnel.end = end
        end.count(at: listener.counters)
        worker.sendQueued()
        for attempt in [second?.counted, first?.counted] {
            guard let attempt else { continue }
            // One that has answered is a success, whatever becomes of it.
            if phase == .waiting { count(self.end(of: attempt, .tunnelEnded(by: end.side)), of: attempt) }
            remove(attempt)
            attempt.closeTunnel(reset: resets)
        }
        downstream?.lend { $0.closeTunnel(reset: resets) }
        finish()
    }

    /// Whether it has rested for too long, or stayed for too long where it is not to be.
    func tunnelTimedOut(now: Int64) -> Bool {
        if now >= tunnel.closeDeadline {
            endTunnel(.failover)
        } else if now >= idleDeadline {
            endTunnel(.idle)
        } else {
            return false
        }
        return true
    }

    /// Its region gets nothing any more, or its endpoint is no longer in the table.
    /// A connection that is still being made is asked again once it is there.
    func lostPlace(_ choice: OnFailover) {
        if !isTunnel { return callLostPlace(choice) }
        guard first?.lend({ $0.isConnected }) == true else {
            (first?.counted as? TunnelUpstream)?.lostPlace = choice
            return
        }
        switch choice {
        case .keep: break
        case .close: endTunnel(.failover)
        case .closeAfter(let time):
            tunnel.closeDeadline = min(tunnel.closeDeadline, worker.loop.now + time.nanoseconds)
            armTimer()
        }
    }

    private func callLostPlace(_ choice: OnFailover) {
        guard isRestingCall else { return }
        switch choice {
        case .keep: break
        case .close: callLeft()
        case .closeAfter(let time):
            tunnel.closeDeadline = min(tunnel.closeDeadline, worker.loop.now + time.nanoseconds)
            armTimer()
        }
    }

    /// Its region gets something again.
    func regainedPlace() {
        tunnel.closeDeadline = .max
        (first?.counted as? TunnelUpstream)?.lostPlace = nil
    }
}
