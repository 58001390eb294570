internal import RouteTable

/// What is known of a region as a whole.
struct RegionRecord: Sendable, Codable {
    let name: String
    /// Thousandths of a request per second. Absent: unknown.
    var capacity: Int?
    /// In ten-thousandths.
    var target: Int

    var state = RegionState.serving
    var since: Instant
    var isEvacuatedByCascade = false
    /// The rule that made the state, and its evidence in a few words.
    var reason = ""
    var damping = Damping()
    /// Evacuated, but healthy again since then.
    var restoredSince: Instant?
    /// Capacity that probes alone took out, lately.
    var removals = ProbeRemovals()
    /// Since when requests and probes that went there have brought nothing back; nil while something comes back.
    var silentSince: Instant?

    /// Traffic of services that move with the region may go there, as far as their cells can carry it.
    var isOpen: Bool { state != .evacuated }
}

/// How a region stands.
package enum RegionState: String, Sendable, Equatable, CaseIterable, Codable {
    case serving
    /// Impaired as a whole: what moves with it has left.
    case evacuated
    /// Well again: its services come back in steps.
    case returning
}

/// Capacity that probes alone took out of a region, lately: the velocity limit.
struct ProbeRemovals: Sendable, Codable {
    private struct Removal: Sendable, Codable {
        var weight: Int
        var at: Instant
    }

    private var removals: [Removal] = []

    /// Weight removed within the window.
    mutating func recent(window: Duration, at now: Instant) -> Int {
        removals.removeAll { $0.at + window <= now }
        return removals.reduce(0) { $0 + $1.weight }
    }

    mutating func add(weight: Int, at now: Instant) {
        removals.append(Removal(weight: weight, at: now))
    }
}
