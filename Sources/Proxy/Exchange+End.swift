package import Picking
internal import Reactor
internal import TLS
package import Telemetry
internal import Wire

/// The end of an attempt, and what it says about the endpoint: see `AttemptEnd` for who is to answer for what.
extension Exchange {
    /// Takes an attempt out, counts how it ended, and holds that against the endpoint if it is to answer for it. False:
    /// it had ended before.
    @discardableResult
    func end(_ attempt: Upstream, _ end: AttemptEnd) -> Bool {
        guard remove(attempt) else { return false }
        count(end, of: attempt)
        return true
    }

    /// The same of an attempt that goes on, or is taken out elsewhere. Once: what comes after an attempt was counted is no
    /// second end; but an answer that has counted as good and breaks off speaks against its endpoint all the same.
    func count(_ end: AttemptEnd, of attempt: Upstream) {
        let endpoint = attempt.endpoint
        if let counted = attempt.countedAs {
            guard end.isHeldAgainstEndpoint, !counted.isHeldAgainstEndpoint else { return }
            endpoint.counters.lateBreaks.add()
        } else {
            attempt.countedAs = end
            endpoint.counters.count(end)
            guard end.isHeldAgainstEndpoint else { return }
        }
        let run: Int
        switch end {
        // Errors of the application count in the ratio of failures, not in their run.
        case .serverError: return
        // Who says that it has no capacity has answered, and needs no rest.
        case .unavailable: run = endpoint.answeredUnavailable()
        case .unconnected:
            guard let counted = endpoint.unconnected(began: attempt.began, now: worker.loop.now) else { return }
            run = counted
        default: run = endpoint.failed(now: worker.loop.now)
        }
        worker.report(endpoint, failures: run, overstaying: false)
    }

    /// How an attempt ended of which this has become: the same can be the endpoint's doing or somebody else's.
    func end(of attempt: Upstream, _ cause: AttemptCause) -> AttemptEnd {
        AttemptEnd(cause, facts(of: attempt))
    }

    /// The same of a failure.
    func end(of attempt: Upstream, _ failure: AttemptFailure) -> AttemptEnd {
        let isOurs = failure == .tlsFailed && attempt.tlsFailure == .outOfMemory
        return end(of: attempt, .failed(isOurs ? .exhausted : failure))
    }

    /// What is known of an attempt under way.
    private func facts(of attempt: Upstream) -> AttemptFacts {
        let now = worker.loop.now
        var facts = AttemptFacts()
        facts.phase = phase == .answering ? .answering : attempt.isSent ? .waiting : .opening
        facts.isReached = attempt.isReached
        facts.connectPatience = attempt.service.connectPatience(attempt.cell)
        facts.wasReused = attempt.wasReused
        facts.sinceSent = attempt.isSent ? now - attempt.sentAt : 0
        facts.endpointWait = endpointWait(attempt, now: now)
        facts.clientSilence = clientSilence(attempt, now: now)
        facts.isClientAwaited = isClientOwing(attempt) || phase == .answering && isClientFull
        facts.isLeftExpecting = awaitsContinue && !attempt.endpoint.saysContinue
        facts.clientFull = max(longestFull, isClientFull ? now - (fullSince ?? now) : 0)
        facts.overstay = overstay(of: attempt)
        facts.endedInOrder = isTunnel && tunnel.endedCleanly && attempt.isSent && !method.isIdempotent
        return facts
    }

    /// How long nobody but the endpoint, or the way to it, has been waited for.
    func endpointWait(_ attempt: Upstream, now: Int64) -> Int64 {
        let movedAt = attempt.upload.movedAt
        if phase == .answering {
            return isClientFull ? 0 : now - max(lastOfAnswer, clientTookAt, clientSpokeAt, movedAt)
        }
        if !attempt.isSent || awaitsContinue { return now - attempt.began }
        // Who is told more has not been told all.
        if isTunnel { return now - max(attempt.began, clientSpokeAt) }
        if isRequestComplete { return now - max(attempt.began, movedAt) }
        // It takes no more of the request, since the client's last piece came, and nothing of what it was sent arrives.
        return attempt.holdsBack ? now - max(attempt.began, clientSpokeAt, movedAt) : 0
    }

    /// How long the client has been silent while it owes the rest of its request; or, if that is more, by how much it is
    /// late with what it has sent, at a thousand bytes a second: servers have a least rate, too. A call's client may take
    /// its time.
    private func clientSilence(_ attempt: Upstream, now: Int64) -> Int64 {
        guard isClientOwing(attempt) else { return 0 }
        if isGRPC { return now - clientSpokeAt }
        let due = Int(clamping: (now - attempt.sentAt) / 1_000_000)
        let behind = Int64(max(due - bytesFromClient, 0)) * 1_000_000
        return max(now - clientSpokeAt, behind)
    }

    /// The endpoint takes what it is sent, and the client has not sent all: the delay is not the endpoint's. A client that
    /// waits for a 100 owes nothing before that has come.
    func isClientOwing(_ attempt: Upstream) -> Bool {
        attempt.isSent && !isTunnel && !isRequestComplete && !awaitsContinue && !attempt.holdsBack
    }
}

extension EndpointCounters {
    /// Counts the end of an attempt: each is one outcome, as metrics and the brain know them.
    package func count(_ end: AttemptEnd) {
        switch end {
        case .succeeded: successes.add()
        case .unavailable: gatewayErrors.add()
        case .serverError: serverErrors.add()
        case .connectFailed, .tlsFailed: connectFailures.add()
        case .unreachable: unreachables.add()
        case .connectTimedOut: connectTimeouts.add()
        case .unconnected: unconnected.add()
        case .reset, .malformed: resets.add()
        case .responseTimedOut: responseTimeouts.add()
        case .truncated, .stalled: truncations.add()
        case .exhausted: exhausted.add()
        case .leftOut, .replaced, .clientGone, .clientSlow, .clientDeadline, .endedUnanswered, .cutOff: abandoned.add()
        }
    }
}
