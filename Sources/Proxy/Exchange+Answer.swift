internal import Reactor
internal import Telemetry
internal import Wire

/// What an upstream answers, on its way to the client.
extension Exchange {
    /// A final answer's head. False: the answer is not wanted, another attempt is made instead.
    func answerHead(_ head: borrowing ResponseHead, _ bytes: RawSpan, from upstream: UpstreamConnection) -> Bool {
        guard let attempt = first?.upstream === upstream ? first : second, let service, let route else { return false }
        let now = worker.loop.now
        let status = Int(head.status)
        let latency = now - attempt.began
        attempt.endpoint.counters.latency.add(UInt64(latency))
        judge(status, attempt, now: now)
        if retriesInstead(of: status, from: upstream) { return false }

        // This one it is: the other attempt, if any, is called off.
        if let other = first?.upstream === upstream ? second : first {
            remove(other.upstream)
            other.endpoint.counters.abandoned.add()
            other.upstream.giveUp()
        }
        attempt.cell.responseTime.record(nanoseconds: latency)
        headLatency = now - began
        attempt.cell.counters.latency.record(nanoseconds: headLatency)
        attempt.cell.counters.countResponse(status: status)
        phase = .answering
        self.status = status
        answeredBy = attempt.endpoint
        answeringCell = attempt.cell
        idleDeadline = now + service.idleTimeout
        downstream?.answer(head, bytes, edits: route.responseEdits)
        return phase == .answering
    }

    /// What the status says about the endpoint.
    private func judge(_ status: Int, _ attempt: Attempt, now: Int64) {
        let counters = attempt.endpoint.counters
        switch status {
        case 502, 503, 504:
            counters.gatewayErrors.add()
            worker.report(attempt.endpoint, failures: attempt.endpoint.answeredUnavailable(), overstaying: false)
        case 500...599 where status != 501 && status != 505:
            counters.serverErrors.add()
        default:
            counters.successes.add()
            attempt.endpoint.succeeded(now: now)
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
        if let attempt = remove(upstream) {
            attempt.endpoint.counters.resets.add()
            worker.report(
                attempt.endpoint, failures: attempt.endpoint.failed(now: worker.loop.now), overstaying: false)
        }
        listener?.counters.truncated.add()
        ownToken = "truncated"
        downstream?.abortAnswer()
        finish()
    }

    /// Nothing more came for too long.
    func answerStalled() {
        guard let attempt = first else { return }
        attempt.upstream.giveUp()
        answerBroken(by: attempt.upstream)
    }
}
