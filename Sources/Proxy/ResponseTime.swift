/// The 99th percentile of a cell's time to a response head, tracked in one number.
///
/// After a warm-up that takes the largest of the first samples, each sample above the estimate raises it by 99
/// steps and each one below lowers it by one, a step being a thousandth of the estimate: it rests where one in a
/// hundred lies above (Ma, Muthukrishnan and Sandler, "Frugal Streaming for Estimating Quantiles", 2013).
struct ResponseTime {
    private static let warmUp = 32

    private var samples = 0
    private var estimate: Int64 = 0

    /// Nanoseconds; nil until enough has been seen.
    var percentile99: Int64? { samples < Self.warmUp ? nil : estimate }

    mutating func record(nanoseconds: Int64) {
        if samples < Self.warmUp {
            samples += 1
            estimate = max(estimate, nanoseconds)
            return
        }
        let step = max(estimate >> 10, 1)
        estimate = nanoseconds > estimate ? estimate + 99 * step : estimate - step
    }
}
