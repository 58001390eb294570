/// What one worker's own requests have shown of an endpoint: failures in a row, and whether it deserves a rest. The
/// brain decides what follows. All times are nanoseconds.
package struct EndpointRest: Sendable {
    /// Failures in a row.
    @inlinable package var failureRun: Int { run }
    /// When a good answer last began.
    @inlinable package var lastAnswer: Int64 { answeredAt }

    @usableFromInline var run = 0
    @usableFromInline var answeredAt: Int64 = .min
    /// Not before then, unless nothing else is left: it just failed a request in hand.
    @usableFromInline var until: Int64 = .min
    /// The same for requests that must not be sent twice: others may find out first whether it is well again.
    @usableFromInline var cautiousUntil: Int64 = .min

    /// How long an endpoint that failed is left alone.
    private static let rest: Int64 = 1_000_000_000
    /// For requests that must not be sent twice it doubles with each failure in a row, up to this.
    private static let cautiousRestLimit: Int64 = 32_000_000_000
    /// Overstays in a row, without an answer since they began, that count as a failure.
    private static let silenceLimit = 2

    package init() {}

    /// - Parameter cautious: for a request that must not be sent twice.
    @inlinable @inline(__always)
    package func isResting(now: Int64, cautious: Bool) -> Bool {
        (cautious ? cautiousUntil : until) > now
    }

    /// A good answer has begun.
    @inlinable package mutating func answered(now: Int64) {
        answeredAt = now
    }

    /// A good answer is whole.
    @inlinable package mutating func succeeded() {
        run = 0
        until = .min
        cautiousUntil = .min
    }

    /// A failure of its own doing.
    package mutating func failed(now: Int64) {
        run += 1
        rest(now: now)
    }

    /// An answer that says the endpoint, or what lies behind it, cannot serve now. It counts in the run, but an
    /// endpoint that answers is not given a rest.
    package mutating func answeredUnavailable() {
        run += 1
    }

    /// An attempt begun at `began` has been waited for longer than usual. Counts as a failure only if nothing at all
    /// has come from here since, twice in a row: one slow request among fast ones is the request's doing.
    ///
    /// - Returns: whether it counts.
    package mutating func overstayed(began: Int64, now: Int64) -> Bool {
        guard lastAnswer < began else { return false }
        run += 1
        if run >= Self.silenceLimit { rest(now: now) }
        return true
    }

    /// An attempt begun at `began` was called off without a connection. Counts as a failure, unless something has come from
    /// here since: then the way is open, and a packet was lost.
    ///
    /// - Returns: whether it counts.
    package mutating func unconnected(began: Int64, now: Int64) -> Bool {
        guard lastAnswer < began else { return false }
        failed(now: now)
        return true
    }

    private mutating func rest(now: Int64) {
        until = now + Self.rest
        cautiousUntil = now + min(Self.rest << Int64(min(run, 5)), Self.cautiousRestLimit)
    }
}
