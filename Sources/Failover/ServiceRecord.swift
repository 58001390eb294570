internal import RouteTable

/// What is known of a service.
struct ServiceRecord: Sendable {
    let name: String
    var policy: FailoverPolicy
    var probe: Topology.ProbeRule?
    /// In order of preference.
    var cells: [CellRecord]
    /// Of each cell, in ten-thousandths; adds up to 10,000.
    var split: [Int]
    var failsOpen = false
    /// Something changed that its split may depend on.
    var needsLook = true

    var isProbed: Bool { probe != nil }

    /// Nothing is under way that only time moves on.
    var isAtRest: Bool {
        !needsLook && !failsOpen && cells.allSatisfy { $0.ceiling == whole && $0.climb == nil }
    }
}

/// Capacity that probes alone took out of a region, lately: the velocity limit.
struct ProbeRemovals: Sendable {
    private var removals: [(weight: Int, at: Instant)] = []

    /// Weight removed within the window.
    mutating func recent(window: Duration, at now: Instant) -> Int {
        removals.removeAll { $0.at + window <= now }
        return removals.reduce(0) { $0 + $1.weight }
    }

    mutating func add(weight: Int, at now: Instant) {
        removals.append((weight, now))
    }
}
