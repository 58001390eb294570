/// What serves requests one after the other at a capacity that collapses when it is exceeded.
///
/// While it keeps up, a request waits for those before it and no longer; a burst it makes up for. Falling behind by more
/// than half a second makes it slower (caches go cold, time goes into work nobody waits for any more): at a second it
/// serves half of what it could. Two seconds behind it refuses, which costs it something, too. So load a little above
/// its capacity that stays, or comes back as retries, keeps it down until it is taken away.
struct CollapsingQueue: Sendable {
    /// Requests per second when it keeps up; nil: it takes anything.
    var capacity: Int?
    /// When all that it was given is done.
    private var freeAt: Int64 = 0
    /// Of its capacity, in ten-thousandths, at `ramp.began` and after `ramp.length`.
    private var ramp: (from: Int, to: Int, began: Int64, length: Int64) = (10_000, 10_000, 0, 0)

    /// This far behind it begins to slow down; so much further, capacity is halved.
    private static let slowsAt: Int64 = 500_000_000
    private static let halvedAfter: Int64 = 500_000_000
    private static let refusesAt: Int64 = 2_000_000_000
    /// Slower than a third it does not get.
    private static let slowest: Int64 = 3
    /// A refusal costs a part of what an answer costs.
    private static let refusalCost: Int64 = 8

    init(capacity: Int?) {
        self.capacity = capacity
    }

    /// The part of its capacity it has now, in ten-thousandths.
    func factor(at now: Int64) -> Int {
        let age = now - ramp.began
        if age >= ramp.length { return ramp.to }
        return ramp.from + Int(Int64(ramp.to - ramp.from) * (age / 1_000) / max(ramp.length / 1_000, 1))
    }

    /// Its capacity goes from a part to another within a time.
    mutating func change(from: Int?, to: Int, over length: Int64, at now: Int64) {
        ramp = (from ?? factor(at: now), to, now, length)
    }

    /// How far behind it is.
    func backlog(at now: Int64) -> Int64 { max(freeAt - now, 0) }

    /// Takes in a request. Returns how long it waits, or nil when it is refused.
    mutating func take(at now: Int64) -> Int64? {
        guard let capacity else { return 0 }
        let behind = backlog(at: now)
        let able = max(Int64(capacity) * Int64(factor(at: now)) / 10_000, 1)
        let cost = 1_000_000_000 / able
        if behind >= Self.refusesAt {
            freeAt += cost / Self.refusalCost
            return nil
        }
        let excess = max(behind - Self.slowsAt, 0)
        let slowed = min(cost + cost * (excess / 1_000) / (Self.halvedAfter / 1_000), cost * Self.slowest)
        freeAt = max(freeAt, now) + slowed
        return freeAt - now - cost
    }
}
