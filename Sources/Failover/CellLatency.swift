internal import RouteTable

/// How long a cell's answers take, against its own past. Microseconds.
struct CellLatency: Sendable, Codable {
    /// What the latest report said; nil before the first.
    private(set) var latest: Quantiles?
    /// When that was.
    private(set) var at = Instant(nanoseconds: 0)
    /// What they took while they were not slow.
    private(set) var past = Quantiles()
    private(set) var reports = 0
    /// Reports in a row that were slow.
    private(set) var slowInRow = 0

    struct Quantiles: Sendable, Equatable, Codable {
        var median = 0
        /// The 95th percentile.
        var tail = 0
    }

    /// Reports it takes before there is a past.
    private static let reportsOfPast = 5
    /// Slow is more than three times the past and this beyond it.
    private static let medianSlack = 20_000
    private static let tailSlack = 50_000
    /// Reports in a row by which it is degraded: a slow second may be a pause of our own.
    static let slowReports = 2
    /// Reports further apart than this are not in a row.
    private static let stretch = Duration.seconds(5)

    mutating func take(_ report: Quantiles, at now: Instant) {
        if now - at > Self.stretch { slowInRow = 0 }
        latest = report
        at = now
        guard reports >= Self.reportsOfPast else {
            past = reports == 0 ? report : past.toward(report, by: 2)
            reports += 1
            return
        }
        let isSlow =
            report.median > max(3 * past.median, past.median + Self.medianSlack)
            || report.tail > max(3 * past.tail, past.tail + Self.tailSlack)
        slowInRow = isSlow ? slowInRow + 1 : 0
        // What stays slow is what it takes, in the end: about 1 % a report.
        past = isSlow ? past.risen(by: 128) : past.toward(report, by: 16)
    }

    /// Its answers have been slow of late.
    func isSlow(at now: Instant) -> Bool { slowInRow >= Self.slowReports && isFresh(at: now) }

    func isFresh(at now: Instant) -> Bool { latest != nil && now - at <= .seconds(3) }

    /// What an answer takes there, as far as is known: now, or when there last was traffic.
    func usual(at now: Instant) -> Quantiles? {
        if reports == 0 { return nil }
        return isFresh(at: now) ? latest : past
    }
}

extension CellLatency.Quantiles {
    fileprivate func toward(_ other: Self, by part: Int) -> Self {
        Self(median: median + (other.median - median) / part, tail: tail + (other.tail - tail) / part)
    }

    fileprivate func risen(by part: Int) -> Self {
        Self(median: median + median / part + 1, tail: tail + tail / part + 1)
    }
}
