/// How many requests may be sent again: a share of the requests of the last ten seconds.
///
/// What ten seconds of requests have earned can be spent at once, so a burst of failures passes; a storm does not,
/// because what it spends is not earned again faster than requests come. Retries and hedges draw on the same budget.
/// When they come to nothing, one after the other, repeating does not help: then few are made, until one does.
package struct RetryBudget: Sendable {
    @usableFromInline static var seconds: Int { 10 }
    /// Always allowed, per second, so that a service with little traffic can retry at all.
    @usableFromInline static var floorPerSecond: Int { 3 }

    /// In ten-thousandths of the requests.
    package var share: Int
    @usableFromInline var requests = InlineArray<10, Int>(repeating: 0)
    @usableFromInline var extras = InlineArray<10, Int>(repeating: 0)
    @usableFromInline var requestSum = 0
    @usableFromInline var extraSum = 0
    @usableFromInline var second: Int64 = 0

    /// Retries and hedges in a row that came to nothing.
    private var uselessRun = 0
    private var turn = 0
    /// From so many on only each so-many-th is still made.
    private static let uselessLimit = 30
    private static let trialEvery = 20

    package init(share: Int) {
        self.share = share
    }

    /// - Parameter now: nanoseconds, as everywhere here.
    @inlinable package mutating func countRequest(now: Int64) {
        advance(now)
        requests[Int(second % 10)] &+= 1
        requestSum &+= 1
    }

    /// Takes one retry or hedge out of the budget, if there is one.
    package mutating func take(now: Int64) -> Bool {
        advance(now)
        let allowed = max(requestSum * share / 10_000, Self.floorPerSecond * Self.seconds)
        guard extraSum < allowed else { return false }
        if uselessRun >= Self.uselessLimit {
            turn = (turn + 1) % Self.trialEvery
            if turn > 0 { return false }
        }
        extras[Int(second % 10)] += 1
        extraSum += 1
        return true
    }

    /// A retry or hedge has been answered, or has failed.
    package mutating func extraEnded(helped: Bool) {
        uselessRun = helped ? 0 : min(uselessRun + 1, Self.uselessLimit)
    }

    @inlinable mutating func advance(_ now: Int64) {
        let present = now / 1_000_000_000
        if present == second { return }
        pass(to: present)
    }

    @usableFromInline mutating func pass(to present: Int64) {
        let steps = min(present - second, Int64(Self.seconds))
        for i in 0..<max(steps, 0) {
            let slot = Int((present - i) % 10)
            requestSum -= requests[slot]
            extraSum -= extras[slot]
            requests[slot] = 0
            extras[slot] = 0
        }
        second = present
    }
}
