/// The 99th percentile of a cell's time to a response head, tracked in one number.
///
/// After a warm-up that takes the largest of the first samples, each sample above the estimate raises it by 99
/// steps and each one below lowers it by one, a step being a thousandth of the estimate: it rests where one in a
/// hundred lies above (Ma, Muthukrishnan and Sandler, "Frugal Streaming for Estimating Quantiles", 2013).
package struct ResponseTime: Sendable {
    @usableFromInline static var warmUp: Int { 32 }

    @usableFromInline var samples = 0
    @usableFromInline var estimate: Int64 = 0

    @inlinable package init() {}

    /// Nanoseconds; nil until enough has been seen.
    @inlinable package var percentile99: Int64? { samples < Self.warmUp ? nil : estimate }

    @inlinable package mutating func record(nanoseconds: Int64) {
        if samples < Self.warmUp {
            samples += 1
            estimate = max(estimate, nanoseconds)
            return
        }
        let step = max(estimate >> 10, 1)
        estimate = nanoseconds > estimate ? estimate + 99 * step : estimate - step
    }
}

/// When a request has waited for longer than usual: it is hedged, or counts as overstaying.
package struct HedgeDelay: Sendable {
    /// Nanoseconds; 0: learned.
    @usableFromInline let fixed: Int64
    @usableFromInline let least: Int64

    /// A fixed delay, in nanoseconds.
    package init(fixed: Int64) {
        self.fixed = max(fixed, 1)
        least = 0
    }

    /// Twice the usual time, at least so many nanoseconds.
    package init(learnedAtLeast least: Int64) {
        fixed = 0
        self.least = least
    }

    /// Until something is known of a cell, a second is suspicious everywhere.
    @usableFromInline static var whileUnknown: Int64 { 1_000_000_000 }

    /// - Parameter usual: the 99th percentile of the cell's response time, nanoseconds; nil: unknown.
    @inlinable package func after(usual: Int64?) -> Int64 {
        if fixed > 0 { return fixed }
        return usual.map { max(2 * $0, least) } ?? Self.whileUnknown
    }

    /// Since when a neighbor must have answered something to show that the region is alive: for the latter half of the
    /// wait. The first half is about what an answer takes, so what came in it may have been on its way already when the
    /// region fell silent, as this request was.
    @inlinable package static func signOfLife(began: Int64, now: Int64) -> Int64 {
        began + (now - began) / 2
    }
}
