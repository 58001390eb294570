package import Picking
internal import Reactor
internal import TLS
package import Telemetry
internal import Wire

/// The end of an attempt, and what it says about the endpoint: see `AttemptEnd` for who is to answer for what.
extension Exchange {
    /// A client that has said nothing for so long, while it has not said all, is what the other side has waited for.
    private static let clientSilence: Int64 = 1_000_000_000

    /// Takes an attempt out, counts how it ended, and holds that against the endpoint if it is to answer for it. False:
    /// it had ended before.
    @discardableResult
    func end(_ attempt: Upstream, _ end: AttemptEnd) -> Bool {
        guard remove(attempt) else { return false }
        count(end, of: attempt)
        return true
    }

    /// The same of an attempt that goes on, or is taken out elsewhere.
    func count(_ end: AttemptEnd, of attempt: Upstream) {
        let endpoint = attempt.endpoint
        endpoint.counters.count(end)
        guard end.isHeldAgainstEndpoint else { return }
        let run: Int
        switch end {
        // Errors of the application count in the ratio of failures, not in their run.
        case .serverError: return
        // Who says that it has no capacity has answered, and needs no rest.
        case .unavailable: run = endpoint.answeredUnavailable()
        default: run = endpoint.failed(now: worker.loop.now)
        }
        worker.report(endpoint, failures: run, overstaying: false)
    }

    /// How an attempt ended that failed before its answer's head: the same failure can be the endpoint's or the client's.
    func end(of attempt: Upstream, _ failure: AttemptFailure) -> AttemptEnd {
        switch failure {
        case .reset where attempt.wasReused && attempt.isSent: .leftOut
        case .reset where isTunnel && tunnel.endedCleanly && attempt.isSent && !method.isIdempotent: .endedUnanswered
        case .reset where hasClientFallenSilent(attempt): .clientSlow
        case .reset: .reset
        case .connectFailed: .connectFailed
        case .unreachable: .unreachable
        case .connectTimedOut: .connectTimedOut
        case .tlsFailed: attempt.tlsFailure == .outOfMemory ? .exhausted : .tlsFailed
        case .malformed: .malformed
        case .responseTimedOut: .responseTimedOut
        case .refused: .unavailable
        case .leftOut: .leftOut
        case .exhausted: .exhausted
        }
    }

    /// The endpoint takes what it is sent, and the client has not sent all: the delay is not the endpoint's.
    func isClientOwing(_ attempt: Upstream) -> Bool {
        attempt.isSent && !isTunnel && !isRequestComplete && !attempt.holdsBack
    }

    /// For so long that whoever waits for the rest of the request may well have had enough.
    func hasClientFallenSilent(_ attempt: Upstream) -> Bool {
        isClientOwing(attempt) && worker.loop.now - clientSpokeAt >= Self.clientSilence
    }

    /// How an answer ended that is cut off here, as a time-out came.
    func endOfAnswer(_ attempt: Upstream) -> AttemptEnd {
        if isClientFull() || isClientOwing(attempt) { return .clientSlow }
        let silence = worker.loop.now - lastOfAnswer
        return silence >= Self.clientSilence ? .stalled : .cutOff
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
        case .reset, .malformed: resets.add()
        case .responseTimedOut: responseTimeouts.add()
        case .truncated, .stalled: truncations.add()
        case .exhausted: exhausted.add()
        case .leftOut, .replaced, .clientGone, .clientSlow, .clientDeadline, .endedUnanswered, .cutOff: abandoned.add()
        }
    }
}
