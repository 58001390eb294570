internal import Picking
internal import Reactor
internal import Telemetry
internal import Wire

/// What an upstream answers, on its way to the client.
extension Exchange {
    /// An answer that has gone on for longer is a success, whatever becomes of it; a stream may last for days.
    private static let goingWell: Int64 = 1_000_000_000

    /// An answer's head that is not the final one.
    func passInterim(_ head: borrowing ResponseHead, _ bytes: RawSpan, from upstream: Upstream) {
        if head.status == 100, awaitsContinue {
            upstream.endpoint.saysContinue = true
            endContinue()
        }
        downstream?.lend { $0.passInterim(head, bytes) }
    }

    /// The client need not wait for a 100 any more: it owes its body, as others do.
    private func endContinue() {
        awaitsContinue = false
        clientSpokeAt = worker.loop.now
    }

    /// A final answer's head. False: the answer is not wanted, another attempt is made instead.
    func answerHead(_ head: borrowing ResponseHead, _ bytes: RawSpan, from upstream: Upstream) -> Bool {
        let now = worker.loop.now
        grpcStatus = isGRPC ? head.grpcStatus(bytes) : nil
        let status = grpcStatus?.asHTTP ?? Int(head.status)
        let latency = now - upstream.began
        let isComparable = isComparable
        if upstream.attemptCell.lend({
            $0.answered(after: latency, isComparable: isComparable, status: status, now: now)
        }) {
            worker.reportOverload()
        }
        judge(status, upstream, now: now)
        if attempts > 1 { upstream.service.load.budget.extraEnded(helped: !upstream.service.retries(status: status)) }
        if retriesInstead(of: status, from: upstream) { return false }

        if asksForUpgrade, client.speaksHTTP2, head.status < 300 {
            // To the client a 2xx would mean that its tunnel is there (RFC 8441, 5).
            answerOwn(.notUpgraded)
            return false
        }
        accept(status: Int(head.status), from: upstream)
        idleDeadline = now + upstream.attemptService.lend { restTime($0) }
        route?.lend { route in downstream?.lend { $0.answer(head, bytes, edits: route.responseEdits) } }
        return phase == .answering
    }

    /// How long nothing may come of an answer. Calls rest on purpose, as tunnels do.
    private func restTime(_ service: WorkerService) -> Int64 {
        restsOnPurpose ? max(service.idleTimeout, listener.tunnelTimeout) : service.idleTimeout
    }

    /// A call whose answer has begun and is not whole: it may rest for hours.
    var isRestingCall: Bool { phase == .answering && restsOnPurpose }

    /// It is a call to a service that can be called.
    var restsOnPurpose: Bool { isGRPC && service?.lend { $0.isHTTP2 } == true }

    /// This one it is: the other attempt, if any, is called off.
    func accept(status: Int, from upstream: Upstream) {
        let now = worker.loop.now
        let latency = now - upstream.began
        let endpoint = upstream.endpoint
        let cell = upstream.attemptCell
        if second != nil { abandonOther(than: upstream, isAnswered: status < 500) }
        endWait(for: upstream)
        if awaitsContinue { endContinue() }
        headLatency = now - began
        cell.lend { cell in
            if isComparable { cell.record(responseTime: latency, now: now) }
            Uncounted(cell.counters.latency).lend { $0.record(nanoseconds: headLatency) }
            cell.counters.countResponse(status: status)
        }
        service?.lend { $0.counters.answers.add(status) }
        phase = .answering
        lastOfAnswer = now
        self.status = status
        answeredBy = Uncounted(endpoint)
        answeringCell = cell
    }

    /// Another attempt has answered first.
    ///
    /// - Parameter isAnswered: well, not with an error.
    func abandonOther(than upstream: Upstream, isAnswered: Bool) {
        let isHedge = first?.isSame(as: upstream) == false
        guard let other = (isHedge ? first : second)?.counted else { return }
        if isHedge, isAnswered { lostRace(other, to: upstream, now: worker.loop.now) }
        end(other, end(of: other, .calledOff))
        other.giveUp()
    }

    /// What the status says about the endpoint. A head alone is no success yet.
    private func judge(_ status: Int, _ upstream: Upstream, now: Int64) {
        let end = AttemptEnd.answered(status)
        if end == .succeeded { upstream.endpoint.answered(now: now) } else { count(end, of: upstream) }
    }

    /// The answer is at its end, or goes on well.
    private func countAnswer(of upstream: Upstream) {
        if upstream.countedAs != nil { return }
        // A call's status is in its trailers; any other was judged with its head.
        let end = AttemptEnd.answered(grpcStatus?.asHTTP ?? 200)
        count(end, of: upstream)
        if end == .succeeded { upstream.endpoint.succeeded() }
    }

    func answerBody(_ data: RawSpan) {
        lastOfAnswer = worker.loop.now
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
        countAnswer(of: upstream)
        if isGRPC { count(grpcStatus ?? .unknown) }
        downstream?.lend { $0.endAnswer() }
        finish()
    }

    /// What an upstream's read brought has been pushed.
    func flushAnswer() {
        guard phase == .answering else { return }
        downstream?.lend { $0.flushAnswer() }
        if worker.loop.now - began - headLatency > Self.goingWell { first?.lend { countAnswer(of: $0) } }
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
    /// connection has a limit of its own.
    var isClientFull: Bool { downstream?.lend { $0.holdsBack } == true }

    /// Whether the upstream that asks is to be read no further at present.
    func isHeldBack() -> Bool {
        guard isClientFull else { return false }
        fullSince = fullSince ?? worker.loop.now
        return true
    }

    /// The client takes more again: the endpoint's time begins again.
    func clientTookAnswer() {
        let now = worker.loop.now
        if let fullSince { longestFull = max(longestFull, now - fullSince) }
        fullSince = nil
        clientTookAt = now
        renewIdleDeadline()
    }

    /// The upstream broke within its answer: the client must see that it is not whole.
    func answerBroken(by upstream: Upstream, _ failure: AttemptFailure) {
        breakOff(upstream, end(of: upstream, failure))
    }

    private func breakOff(_ upstream: Upstream, _ reason: AttemptEnd) {
        end(upstream, reason)
        listener.counters.truncated.add()
        ownToken = "truncated"
        isCutOff = true
        if isGRPC { count(grpcStatus ?? .unavailable) }
        downstream?.lend { $0.abortAnswer() }
        finish()
    }

    /// A call's deadline has come within its answer.
    func callExpired() {
        abandonAttempts(.clientDeadline)
        ownToken = OwnAnswer.requestTimeout.token
        isCutOff = true
        count(.deadlineExceeded)
        downstream?.lend { $0.abortAnswer() }
        finish()
    }

    /// A call that rests is ended, as nothing is sent to its region or its endpoint any more: its caller may call again,
    /// and is served elsewhere.
    func callLeft() {
        ownToken = Self.failoverToken
        isCutOff = true
        tunnel.end = .failover
        count(.unavailable)
        downstream?.lend { $0.abortAnswer() }
        finish()
    }

    static let failoverToken: StaticString = "failover"

    /// A call has ended: with its status in the region that answered it, or without any.
    func count(_ status: GRPCStatus) {
        grpcStatus = status
        if let answeringCell {
            answeringCell.lend { $0.counters.grpc[status.rawValue].add() }
        } else {
            service?.lend { $0.counters.grpc[status.rawValue].add() }
        }
    }

    /// Nothing more came for too long, or the request's own time is over.
    func answerStalled(_ cause: AttemptCause) {
        guard let attempt = first?.counted else { return }
        let reason = end(of: attempt, cause)
        attempt.giveUp()
        breakOff(attempt, reason)
    }
}
