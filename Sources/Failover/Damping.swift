internal import RouteTable

/// What flapping has brought upon a cell or a region: the penalty of RFC 2439, 4.2. It is added to each time traffic has
/// to leave, and halves with time; between halvings it falls in a straight line, at most 6 % above the curve.
struct Damping: Sendable, Equatable, Codable {
    private var penalty = 0
    private var asOf = Instant(nanoseconds: 0)
    private(set) var isSuppressed = false

    /// The penalty at a time no earlier than that of the last call.
    func penalty(_ policy: DampingPolicy, at now: Instant) -> Int {
        let halfLife = max(policy.halfLife.nanoseconds, 1)
        let age = max((now - asOf).nanoseconds, 0)
        let halvings = age / halfLife
        if halvings >= 62 { return 0 }
        let begun = penalty >> Int(halvings)
        // What is taken off is at most half of it: the quotient fits whatever the product is.
        let fallen = max(halfLife / 1_000 * 2, 1).dividingFullWidth(
            Int64(begun).multipliedFullWidth(by: age % halfLife / 1_000)
        ).quotient
        return begun - Int(fallen)
    }

    /// Traffic had to leave.
    mutating func add(_ policy: DampingPolicy, at now: Instant) {
        // No more than what falls to `reuse` within `limit`.
        let halvings = min(policy.limit.nanoseconds / max(policy.halfLife.nanoseconds, 1), 32)
        let most = max(policy.reuse << Int(halvings), policy.suppress)
        penalty = min(penalty(policy, at: now) + DampingPolicy.penalty, most)
        asOf = now
        if penalty >= policy.suppress { isSuppressed = true }
    }

    /// Lifts the suppression when its time has come.
    mutating func pass(_ policy: DampingPolicy, at now: Instant) {
        if isSuppressed && penalty(policy, at: now) < policy.reuse { isSuppressed = false }
    }
}
