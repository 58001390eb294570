internal import Picking
internal import Reactor
internal import Telemetry
internal import Wire

/// What an upstream answers, on its way to the client.
extension Exchange {
    /// An answer that has gone on for longer is a success, whatever becomes of it; a stream may last for days.
    private static let goingWell: Int64 = 1_000_000_000

    /// A final answer's head. False: the answer is not wanted, another attempt is made instead.
    func answerHead(_ head: borrowing ResponseHead, _ bytes: RawSpan, from upstream: Upstream) -> Bool {
        let now = worker.loop.now
        grpcStatus = isGRPC ? head.grpcStatus(bytes) : nil
        let status = grpcStatus?.asHTTP ?? Int(head.status)
        let latency = now - upstream.began
        if upstream.cell.answered(after: latency, status: status, now: now) { worker.reportOverload() }
        judge(status, upstream, now: now)
        if attempts > 1 { upstream.service.budget.extraEnded(helped: !upstream.service.retries(status: status)) }
        if retriesInstead(of: status, from: upstream) { return false }

        if asksForUpgrade, client.speaksHTTP2, head.status < 300 {
            // To the client a 2xx would mean that its tunnel is there (RFC 8441, 5).
            answerOwn(.notUpgraded)
            return false
        }
        accept(status: Int(head.status), from: upstream)
        idleDeadline = now + restTime(upstream.service)
        route?.lend { route in downstream?.lend { $0.answer(head, bytes, edits: route.responseEdits) } }
        return phase == .answering
    }

    /// How long nothing may come of an answer. Calls rest on purpose, as tunnels do.
    private func restTime(_ service: WorkerService) -> Int64 {
        restsOnPurpose ? max(service.idleTimeout, listener.tunnelTimeout) : service.idleTimeout
    }

    /// It is a call to a service that can be called.
    var restsOnPurpose: Bool { isGRPC && service?.lend { $0.isHTTP2 } == true }

    /// This one it is: the other attempt, if any, is called off.
    func accept(status: Int, from upstream: Upstream) {
        let now = worker.loop.now
        let latency = now - upstream.began
        let endpoint = upstream.endpoint
        let cell = upstream.cell
        if second != nil { abandonOther(than: upstream) }
        endWait(for: upstream)
        cell.record(responseTime: latency)
        headLatency = now - began
        Uncounted(cell.counters.latency).lend { $0.record(nanoseconds: headLatency) }
        cell.counters.countResponse(status: status)
        phase = .answering
        self.status = status
        answeredBy = Uncounted(endpoint)
        answeringCell = Uncounted(cell)
    }

    /// Another attempt has answered first.
    func abandonOther(than upstream: Upstream) {
        guard let other = (first?.isSame(as: upstream) == true ? second : first)?.counted else { return }
        remove(other)
        other.endpoint.counters.abandoned.add()
        other.giveUp()
    }

    /// What the status says about the endpoint.
    private func judge(_ status: Int, _ upstream: Upstream, now: Int64) {
        let endpoint = upstream.endpoint
        let counters = endpoint.counters
        switch status {
        case 502, 503, 504:
            counters.gatewayErrors.add()
            worker.report(endpoint, failures: endpoint.answeredUnavailable(), overstaying: false)
        case 500...599 where status != 501 && status != 505:
            counters.serverErrors.add()
        default:
            endpoint.answered(now: now)
            upstream.owesSuccess = true
        }
    }

    /// A head alone is no success yet: the answer is at its end, or goes on well.
    private func countSuccess(of upstream: Upstream) {
        guard upstream.owesSuccess else { return }
        upstream.owesSuccess = false
        switch grpcStatus?.asHTTP {
        case 503:
            upstream.endpoint.counters.gatewayErrors.add()
            worker.report(upstream.endpoint, failures: upstream.endpoint.answeredUnavailable(), overstaying: false)
        case 500: upstream.endpoint.counters.serverErrors.add()
        default:
            upstream.endpoint.counters.successes.add()
            upstream.endpoint.succeeded()
        }
    }

    func answerBody(_ data: RawSpan) {
        bytesToClient += data.byteCount
        downstream?.lend { $0.answerBody(data) }
    }

    func answerTrailer(_ line: RawSpan) {
        if isGRPC, let status = GRPCStatus(trailerLine: line) { grpcStatus = status }
        if route?.lend({ $0.responseEdits.dropTrailer(line) }) == true { return }
        downstream?.lend { $0.answerTrailer(line) }
    }

    /// The answer is whole. The upstream goes back to its pool, or closes, by itself.
    func answerEnded(by upstream: Upstream) {
        remove(upstream)
        countSuccess(of: upstream)
        if isGRPC { count(grpcStatus ?? .unknown) }
        downstream?.lend { $0.endAnswer() }
        finish()
    }

    /// What an upstream's read brought has been pushed.
    func flushAnswer() {
        guard phase == .answering else { return }
        downstream?.lend { $0.flushAnswer() }
        if worker.loop.now - began - headLatency > Self.goingWell { first?.lend { countSuccess(of: $0) } }
        if phase == .answering {
            renewIdleDeadline()
            armTimer()
        }
    }

    /// The time in which nothing may come of the answer begins again.
    func renewIdleDeadline() {
        if let idleTimeout = service?.lend({ restTime($0) }) { idleDeadline = worker.loop.now + idleTimeout }
    }

    /// The client takes no more at present, so that the endpoint is not read: then the time is the client's, for which its
    /// connection has a limit of its own, and the endpoint's begins again.
    func isClientFull() -> Bool {
        guard downstream?.lend({ $0.holdsBack }) == true else { return false }
        renewIdleDeadline()
        return true
    }

    /// The upstream broke within its answer: the client must see that it is not whole.
    func answerBroken(by upstream: Upstream) {
        if remove(upstream) {
            upstream.endpoint.counters.truncations.add()
            worker.report(
                upstream.endpoint, failures: upstream.endpoint.failed(now: worker.loop.now), overstaying: false)
        }
        listener.counters.truncated.add()
        ownToken = "truncated"
        if isGRPC { count(grpcStatus ?? .unavailable) }
        downstream?.lend { $0.abortAnswer() }
        finish()
    }

    /// A call's deadline has come within its answer.
    func callExpired() {
        ownToken = OwnAnswer.requestTimeout.token
        count(.deadlineExceeded)
        downstream?.lend { $0.abortAnswer() }
        finish()
    }

    /// A call has ended: with its status in the region that answered it, or without any.
    func count(_ status: GRPCStatus) {
        grpcStatus = status
        if let answeringCell {
            answeringCell.lend { $0.counters.grpc[status.rawValue].add() }
        } else {
            service?.lend { $0.counters.grpc[status.rawValue].add() }
        }
    }

    /// Nothing more came for too long.
    func answerStalled() {
        guard let attempt = first?.counted else { return }
        attempt.giveUp()
        answerBroken(by: attempt)
    }
}
