/// Why an attempt failed.
package enum AttemptFailure: CaseIterable, Sendable {
    case connectFailed, unreachable, connectTimedOut, tlsFailed
    /// The connection broke, or was closed.
    case reset
    /// Only its stream was reset (RFC 9113, 6.4): the connection goes on.
    case streamReset
    case malformed, responseTimedOut
    /// The endpoint did not answer a ping, on a connection with requests under way.
    case pingUnanswered
    /// The endpoint says that it has not looked at the request (RFC 9113, 8.7).
    case refused
    /// The same, for a reason that says nothing about the endpoint: it leaves the connection, or was sent too much on it.
    case leftOut
    /// This router has no descriptor, port or memory left for a connection.
    case exhausted
}

/// What has ended an attempt.
package enum AttemptCause: Sendable {
    case failed(AttemptFailure)
    /// Nothing more came of an answer for so long, which is a limit of the table; nanoseconds.
    case stoodStill(Int64)
    /// The request's own time was over: so long since it began, which is a limit of the table; nanoseconds.
    case requestTimedOut(Int64)
    /// The time was over that the caller itself has set.
    case callerTimedOut
    /// The answer, whole or going on well, has this status.
    case answered(Int)
    /// Another attempt has answered first, or is made in its stead.
    case calledOff
    /// A tunnel ended before its endpoint had said anything.
    case tunnelEnded(by: AttemptEnd.TunnelSide)
}

/// What is known of an attempt as it ends: how far it had come, and who has kept whom waiting. Times are nanoseconds.
package struct AttemptFacts: Sendable {
    package enum Phase: CaseIterable, Sendable {
        /// Nothing of the request was sent.
        case opening
        /// It was sent, in part or as a whole; the answer's head is awaited.
        case waiting
        /// The answer is passed on.
        case answering
    }

    package var phase = Phase.waiting
    /// The other end has taken the connection, though a handshake may not be over.
    package var isReached = true
    /// How long a connection is waited for before another address is asked (`ConnectTime.patience`), or an attempt before
    /// it is unusual, if that is less.
    package var connectPatience = ConnectTime.delay
    /// Its connection had carried a request before.
    package var wasReused = false
    /// How long ago the request's head was sent.
    package var sinceSent: Int64 = 0
    /// How long nobody but the endpoint, or the way to it, was waited for: it was being connected to, all of the request had
    /// arrived, or nothing more of it did; within an answer: it had said nothing, and taken nothing, since the client could go
    /// on.
    package var endpointWait: Int64 = 0
    /// The client is waited for now: it owes the rest of its request, or does not take its answer.
    package var isClientAwaited = false
    /// The client waits for a 100 before it sends the body, and this endpoint was never seen to say 100: it may be one that
    /// waits for the body, as endpoints do that know nothing of it.
    package var isLeftExpecting = false
    /// How long the client has said nothing while it owes the rest of its request, or by how much it is late with it.
    package var clientSilence: Int64 = 0
    /// The longest time for which the client took nothing of its answer, so that the endpoint was not read.
    package var clientFull: Int64 = 0
    /// How long an attempt waits before it is unusual (`HedgeDelay.overstay`); nil: unknown.
    package var overstay: Int64?
    /// A tunnel whose client has spoken was ended in good order.
    package var endedInOrder = false

    package init() {}
}

extension AttemptEnd {
    package enum TunnelSide: CaseIterable, Sendable {
        case client, endpoint, router
    }

    /// A client that has kept an endpoint waiting for so long is what the endpoint has lost patience with.
    package static let patience: Int64 = 1_000_000_000
    /// A kept connection that had been closed as a request went out shows it within a round trip, between any two regions.
    package static let staleTime: Int64 = 300_000_000

    /// The one place that says how an attempt ended, from what ended it and what is known of it.
    package init(_ cause: AttemptCause, _ attempt: AttemptFacts) {
        switch cause {
        case .failed(let failure):
            self = attempt.phase == .answering ? Self.brokenOff(failure, attempt) : Self.failed(failure, attempt)
        case .stoodStill(let limit):
            self = attempt.stoodStill(for: min(limit, Self.patience))
        case .requestTimedOut(let limit):
            switch attempt.phase {
            case .answering: self = attempt.stoodStill(for: Self.patience)
            case _ where attempt.isClientAwaited || attempt.isLeftExpecting: self = .clientSlow
            case _ where !attempt.hasTakenMost(of: limit): self = .cutOff
            case .opening: self = .connectTimedOut
            case .waiting: self = .responseTimedOut
            }
        case .callerTimedOut: self = .clientDeadline
        case .calledOff: self = attempt.isDark ? .unconnected : .replaced
        case .answered(let status): self = Self.answered(status)
        case .tunnelEnded(.client): self = .clientGone
        case .tunnelEnded(.endpoint): self = .endedUnanswered
        case .tunnelEnded(.router): self = .cutOff
        }
    }

    /// An answer, whole or going on well.
    @inlinable package static func answered(_ status: Int) -> AttemptEnd {
        switch status {
        case 502, 503, 504: .unavailable
        case 500...599 where status != 501 && status != 505: .serverError
        default: .succeeded
        }
    }

    /// Before an answer's head.
    private static func failed(_ failure: AttemptFailure, _ attempt: AttemptFacts) -> AttemptEnd {
        switch failure {
        case .reset where attempt.isStale: .leftOut
        case .reset where attempt.endedInOrder: .endedUnanswered
        case .reset, .streamReset: attempt.clientSilence >= patience ? .clientSlow : .reset
        case .connectFailed: .connectFailed
        case .unreachable: .unreachable
        case .connectTimedOut: .connectTimedOut
        case .tlsFailed: .tlsFailed
        case .malformed: .malformed
        case .responseTimedOut: attempt.isClientAwaited || attempt.isLeftExpecting ? .clientSlow : .responseTimedOut
        case .pingUnanswered: .responseTimedOut
        case .refused: .unavailable
        case .leftOut: .leftOut
        case .exhausted: .exhausted
        }
    }

    /// Within an answer.
    private static func brokenOff(_ failure: AttemptFailure, _ attempt: AttemptFacts) -> AttemptEnd {
        switch failure {
        case .reset, .streamReset: attempt.hasClientKeptWaiting ? .clientSlow : .truncated
        case .connectFailed, .unreachable, .connectTimedOut, .tlsFailed, .malformed, .responseTimedOut,
            .pingUnanswered, .refused, .leftOut:
            .truncated
        case .exhausted: .exhausted
        }
    }
}

extension AttemptFacts {
    /// A kept connection had been closed as the request went out.
    fileprivate var isStale: Bool { phase == .waiting && wasReused && sinceSent <= AttemptEnd.staleTime }

    /// Nothing has come from there, not even a connection, in the time that connections take.
    fileprivate var isDark: Bool { phase == .opening && !isReached && endpointWait >= connectPatience }

    fileprivate var hasClientKeptWaiting: Bool { max(clientSilence, clientFull) >= AttemptEnd.patience }

    /// An answer is ended here, of which nothing has come for some time.
    fileprivate func stoodStill(for time: Int64) -> AttemptEnd {
        isClientAwaited ? .clientSlow : endpointWait >= time ? .stalled : .cutOff
    }

    /// Whether most of a request's time, which is over, went by in waiting for this endpoint: half of it, or, of less than
    /// two seconds, a second or seven eighths; or a second that is unusually long for it.
    fileprivate func hasTakenMost(of limit: Int64) -> Bool {
        if endpointWait >= max(limit / 2, min(AttemptEnd.patience, limit - limit / 8)) { return true }
        return overstay.map { endpointWait >= max($0, AttemptEnd.patience) } ?? false
    }
}
