internal import RouteTable

/// What a cell can carry, as its overloads have shown; for cells whose capacity nobody has declared. Rates are
/// thousandths of a request per second.
struct LearnedCapacity: Sendable, Codable {
    var rate: Int
    /// When it was last changed.
    var changedAt: Instant
    /// How long it stays before a little more is tried; twice as long after each try that was too much.
    private(set) var patience = LearnedCapacity.firstPatience
    private(set) var isTrying = false
    /// Tries in a row that were not too much.
    private var successes = 0

    init(rate: Int, at now: Instant) {
        self.rate = rate
        changedAt = now
    }

    /// As many signs of overload, one soon after the other, before anything is learned.
    static let firstRun = 3
    /// Of what is asked of a cell, if so much is answered within a second it carries what it is asked.
    static let carried = 9_500
    /// A change has its effect within this.
    static let settling = Duration.milliseconds(500)
    /// What is tried beyond what was carried, in ten-thousandths.
    private static let trial = 500
    private static let doublings = 3
    private static let firstPatience = Duration.seconds(5)
    private static let patienceWhileRefusing = Duration.seconds(1)
    private static let patienceLimit = Duration.seconds(60)
    /// Forgotten when less than half of it was needed for so long.
    static let forgotten = Duration.seconds(60)

    /// It was too much.
    mutating func fall(to rate: Int, at now: Instant) {
        if isTrying { patience = min(patience * 2, Self.patienceLimit) }
        isTrying = false
        successes = 0
        self.rate = rate
        changedAt = now
    }

    /// Whether it is time to try a little more: soon, where requests are refused for its sake and no try has failed yet.
    func wantsMore(_ load: Int, isRefusing: Bool, lastOverload: Instant, at now: Instant) -> Bool {
        let pause = isRefusing && patience <= Self.firstPatience ? Self.patienceWhileRefusing : patience
        return load * 100 >= rate * 85 && now - max(changedAt, lastOverload) >= pause
    }

    /// Twice as much, and as soon again as at first, each time that went well: what was learned in a fault that is over
    /// must not be shed for long.
    mutating func tryMore(at now: Instant) {
        if isTrying {
            successes = min(successes + 1, Self.doublings)
            patience = max(patience / 2, Self.firstPatience)
        }
        rate += max(rate * Self.trial / whole, 1_000) << successes
        isTrying = true
        changedAt = now
    }
}

/// The most a cell has lately carried without a sign of overload, in thousandths of a request per second.
struct ProvenLoad: Sendable, Codable {
    private(set) var rate = 0
    private var candidate = 0
    private var since = Instant(nanoseconds: 0)

    /// A load counts when nothing has spoken against it for so long.
    private static let proof = Duration.seconds(2)

    /// - Parameter lastOverload: when the cell last showed overload.
    mutating func pass(load: Int, lastOverload: Instant?, at now: Instant) {
        if let lastOverload, lastOverload > since {
            candidate = 0
            since = now
        } else if now - since >= Self.proof {
            rate = max(rate - rate / 512, candidate)
            candidate = load
            since = now
        } else {
            candidate = min(candidate, load)
        }
    }
}
