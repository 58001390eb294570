internal import Failover

/// The latest decisions, to explain what they led to.
struct DecisionMemory: Sendable {
    /// Oldest first.
    private(set) var decisions: [Decision] = []

    /// At least so many are kept, at most twice as many.
    static let limit = 2_000

    mutating func add(_ decision: Decision) {
        decisions.append(decision)
        if decisions.count >= 2 * Self.limit { decisions.removeFirst(decisions.count - Self.limit) }
    }
}
