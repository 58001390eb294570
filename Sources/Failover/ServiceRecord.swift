internal import RouteTable

/// What is known of a service.
struct ServiceRecord: Sendable, Codable {
    let name: String
    var policy: FailoverPolicy
    var probe: Topology.ProbeRule?
    var importance: Importance
    var moves: Moves
    var mode: FailoverMode
    /// The services it calls in its region, directly and through others; itself never.
    var needs: [Int] = []
    /// Of the brain's cells, in order of preference.
    var cells: Range<Int>
    /// Of each cell, in ten-thousandths; adds up to 10,000 with `shed`.
    var split: [Int]
    var shed = 0
    var failsOpen = false
    var usesLastResort = false
    var demand: Demand
    /// Something changed that its cells may depend on, and it is among those to be looked at.
    var needsLook = true

    var isProbed: Bool { probe != nil }
}

/// How much is asked of a service.
struct Demand: Sendable, Codable {
    /// Requests of the last five seconds.
    private var requests = SlidingCounts<10>(length: .seconds(5))
    private var began: Instant
    /// What the plan in force was made for, in thousandths of a request per second.
    private(set) var planned = 0
    private var plannedAt: Instant
    /// What it is imagined to be, in place of what was measured; thousandths of a request per second.
    var imagined: Int?

    init(at now: Instant) {
        began = now
        plannedAt = now
    }

    mutating func add(_ count: Int, at now: Instant) {
        var counts = Counts()
        counts.attempts = Int32(clamping: count)
        requests.add(counts, at: now)
    }

    /// Nothing was counted for a while: what there was before says nothing of now.
    mutating func restart(at now: Instant) {
        requests.clear()
        began = now
    }

    /// Thousandths of a request per second.
    mutating func rate(at now: Instant) -> Int {
        if let imagined { return imagined }
        requests.advance(to: now)
        // After a pause nothing is known for a moment.
        if planned > 0 && now - began < .milliseconds(500) { return planned }
        // What is reported in a bucket came, on average, half a look before.
        let covered = min(max((now - began).milliseconds, 500), requests.covered(at: now).milliseconds + 50)
        return Int(requests.total.attempts) * 1_000_000 / covered
    }

    /// Whether the present rate is so different from what the plan in force was made for that it needs another: by a
    /// tenth at once, by 3 % more after two seconds, by 5 % less after five. A request per second more or less is nothing.
    mutating func hasMoved(at now: Instant) -> Bool {
        let difference = rate(at: now) - planned
        if abs(difference) <= 1_000 { return false }
        let share = abs(difference) * 100 / max(planned, 1)
        let age = now - plannedAt
        return share >= 10 || difference > 0 && share >= 3 && age >= .seconds(2) || share >= 5 && age >= .seconds(5)
    }

    /// Takes the present rate for the plan.
    mutating func adopt(at now: Instant) {
        planned = rate(at: now)
        plannedAt = now
    }
}
