/// How many requests a cell can have under way before more of them only wait longer: learned from its answers, for
/// cells whose capacity nobody has declared. Kept by a worker of its own requests; the brain reads it.
///
/// The gradient of Netflix's concurrency-limits (Gradient2) and Envoy's adaptive concurrency: answers of a short window
/// are held against the cell's own baseline. There is no limit until a window shows overload; then it is the
/// concurrency of that window, less as much as answers were late. It rises bit by bit while it is reached and nothing
/// is late, and is lifted when it was not needed for a while. All times are nanoseconds.
package struct ConcurrencyLimit: Sendable {
    /// `.max`: none.
    @usableFromInline var limit = Int.max
    /// Windows that showed overload, ever.
    package private(set) var overloads = 0

    // The present window
    @usableFromInline var count = 0
    @usableFromInline var sum: Int64 = 0
    @usableFromInline var refusals = 0
    @usableFromInline var peak = 0
    @usableFromInline var closesAt: Int64 = 0

    /// What an answer takes when nothing waits, and how many windows that is known from.
    private var baseline: Int64 = 0
    private var windowsKnown = 0
    private var lateInRow = 0
    private var calmSince: Int64 = 0

    @usableFromInline static var window: Int64 { 100_000_000 }
    /// Answers a window has at least, unless it lasts a second.
    @usableFromInline static var windowAnswers: Int { 10 }
    /// Windows it takes before there is a baseline to be late against: the first answers may come from a cache.
    private static let windowsOfBaseline = 10
    /// Late is more than twice the baseline and this.
    private static let slack: Int64 = 10_000_000
    /// Late windows in a row that are overload: one may be a pause of our own.
    private static let lateWindows = 2
    /// It is lifted when it was not reached for so long.
    private static let lift: Int64 = 30_000_000_000

    package init() {}

    /// The limit, if there is one.
    package var inForce: Int? { limit == .max ? nil : limit }

    /// Whether one more would be too many.
    @inlinable @inline(__always)
    package func isReached(by inFlight: Int) -> Bool { inFlight >= limit }

    /// An answer has come after so long a time, when so many were under way.
    ///
    /// - Parameter isRefusal: it says that there is no capacity (503, 504).
    /// - Returns: whether a window has been judged.
    @inlinable @inline(__always)
    package mutating func record(nanoseconds: Int64, isRefusal: Bool, inFlight: Int, now: Int64) -> Bool {
        if isRefusal {
            refusals &+= 1
        } else {
            count &+= 1
            sum &+= nanoseconds
        }
        peak = max(peak, inFlight)
        return now >= closesAt && close(now: now)
    }

    @usableFromInline mutating func close(now: Int64) -> Bool {
        let isFirst = closesAt == 0
        // The window is the time since it was opened; one with few answers goes on, for a second at most.
        if !isFirst && count + refusals < Self.windowAnswers && now < closesAt + 9 * Self.window { return false }
        let isJudged = !isFirst && count + refusals >= Self.windowAnswers
        if isJudged { judge(now: now) }
        count = 0
        sum = 0
        refusals = 0
        peak = 0
        closesAt = now + Self.window
        return isJudged
    }

    private mutating func judge(now: Int64) {
        let isRefusing = refusals >= 3 && refusals * 10 >= count + refusals
        let mean = count == 0 ? baseline : sum / Int64(count)
        let isLate = windowsKnown >= Self.windowsOfBaseline && mean > 2 * baseline + Self.slack
        lateInRow = isLate ? lateInRow + 1 : 0
        if count > 0 { adapt(to: mean) }
        if isRefusing || lateInRow >= Self.lateWindows {
            overloads += 1
            calmSince = now
            let gradient = isLate ? min(max(2 * baseline * 100 / max(mean, 1), 50), 90) : 80
            limit = max(min(limit, peak) * Int(gradient) / 100, 1)
        } else if limit != .max && !isLate {
            if peak >= limit {
                calmSince = now
                limit += max(limit / 20, 1)
            } else if now - calmSince > Self.lift {
                limit = .max
            }
        }
    }

    /// Falls quickly and rises by about 2 % a second, so that it is what answers took at their best, lately.
    private mutating func adapt(to mean: Int64) {
        if windowsKnown < Self.windowsOfBaseline {
            windowsKnown += 1
            baseline = max(baseline, mean, 1)
            return
        }
        baseline = mean < baseline ? baseline - (baseline - mean) / 4 : baseline + max(baseline / 512, 1)
    }
}
