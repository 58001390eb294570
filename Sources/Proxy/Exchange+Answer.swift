internal import Reactor
internal import Telemetry
internal import Wire

/// What an upstream answers, on its way to the client.
extension Exchange {
    /// A final answer's head. False: the answer is not wanted, another attempt is made instead.
    func answerHead(_ head: borrowing ResponseHead, _ bytes: RawSpan, from upstream: UpstreamConnection) -> Bool {
        guard let route else { return false }
        let now = worker.loop.now
        let status = Int(head.status)
        let latency = now - upstream.began
        let endpoint = upstream.endpoint
        let cell = upstream.cell
        endpoint.counters.latency.add(UInt64(latency))
        judge(status, endpoint, now: now)
        if retriesInstead(of: status, from: upstream) { return false }

        // This one it is: the other attempt, if any, is called off.
        if second != nil { abandonOther(than: upstream) }
        cell.record(responseTime: latency)
        headLatency = now - began
        cell.counters.latency.record(nanoseconds: headLatency)
        cell.counters.countResponse(status: status)
        phase = .answering
        self.status = status
        answeredBy = endpoint
        answeringCell = cell
        idleDeadline = now + upstream.service.idleTimeout
        downstream?.answer(head, bytes, edits: route.responseEdits)
        return phase == .answering
    }

    /// Another attempt has answered first.
    private func abandonOther(than upstream: UpstreamConnection) {
        guard let other = first === upstream ? second : first else { return }
        remove(other)
        other.endpoint.counters.abandoned.add()
        other.giveUp()
    }

    /// What the status says about the endpoint.
    private func judge(_ status: Int, _ endpoint: WorkerEndpoint, now: Int64) {
        let counters = endpoint.counters
        switch status {
        case 502, 503, 504:
            counters.gatewayErrors.add()
            worker.report(endpoint, failures: endpoint.answeredUnavailable(), overstaying: false)
        case 500...599 where status != 501 && status != 505:
            counters.serverErrors.add()
        default:
            counters.successes.add()
            endpoint.succeeded(now: now)
        }
    }

    func answerBody(_ data: RawSpan) {
        bytesToClient += data.byteCount
        downstream?.answerBody(data)
    }

    func answerTrailer(_ line: RawSpan) {
        downstream?.answerTrailer(line)
    }

    /// The answer is whole. The upstream goes back to its pool, or closes, by itself.
    func answerEnded(by upstream: UpstreamConnection) {
        remove(upstream)
        downstream?.endAnswer()
        finish()
    }

    /// What an upstream's read brought has been pushed.
    func flushAnswer() {
        guard phase == .answering else { return }
        downstream?.flushAnswer()
        if phase == .answering, let service {
            idleDeadline = worker.loop.now + service.idleTimeout
            armTimer()
        }
    }

    /// The upstream broke within its answer: the client must see that it is not whole.
    func answerBroken(by upstream: UpstreamConnection) {
        if remove(upstream) {
            upstream.endpoint.counters.resets.add()
            worker.report(
                upstream.endpoint, failures: upstream.endpoint.failed(now: worker.loop.now), overstaying: false)
        }
        listener?.counters.truncated.add()
        ownToken = "truncated"
        downstream?.abortAnswer()
        finish()
    }

    /// Nothing more came for too long.
    func answerStalled() {
        guard let attempt = first else { return }
        attempt.giveUp()
        answerBroken(by: attempt)
    }
}
