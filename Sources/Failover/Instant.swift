/// A moment on a clock that never goes back, in nanoseconds since 1970: from 1677-09-21 to 2262-04-11.
///
/// Moments are read from files and from commands, so what is done with them cannot trap: sums and differences end where
/// the range ends.
package struct Instant: Comparable, Hashable, Sendable, Codable {
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    package static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

    package static func + (a: Instant, b: Duration) -> Instant {
        let (sum, isOver) = a.nanoseconds.addingReportingOverflow(b.nanoseconds)
        return Instant(nanoseconds: isOver ? (b < .zero ? .min : .max) : sum)
    }

    package static func - (a: Instant, b: Instant) -> Duration {
        let (difference, isOver) = a.nanoseconds.subtractingReportingOverflow(b.nanoseconds)
        return .nanoseconds(isOver ? (a < b ? .min : .max) : difference)
    }
}

extension Instant {
    /// ISO 8601, to the millisecond: `2026-01-02T03:04:05.678Z`. Days become a date as in Hinnant, "chrono-Compatible
    /// Low-Level Date Algorithms" (2013).
    package var date: String {
        func padded(_ number: Int64, _ width: Int) -> String {
            let digits = "\(number)"
            return String(repeating: "0", count: max(width - digits.count, 0)) + digits
        }
        let milliseconds = Self.floored(nanoseconds, by: 1_000_000).quotient
        let (days, rest) = Self.floored(milliseconds, by: 86_400_000)
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let civilMonth = month < 10 ? month + 3 : month - 9
        let year = yearOfEra + era * 400 + (civilMonth <= 2 ? 1 : 0)
        return "\(padded(year, 4))-\(padded(civilMonth, 2))-\(padded(day, 2))T\(padded(rest / 3_600_000, 2)):"
            + "\(padded(rest / 60_000 % 60, 2)):\(padded(rest / 1_000 % 60, 2)).\(padded(rest % 1_000, 3))Z"
    }

    /// Rounded down, also before 1970: the remainder is never negative.
    private static func floored(_ number: Int64, by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = number.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

extension Duration {
    /// Whole nanoseconds. What is longer than 292 years counts as 292 years.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, isOver) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, isOverToo) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return isOver || isOverToo ? (self < .zero ? .min : .max) : sum
    }

    var milliseconds: Int { Int(nanoseconds / 1_000_000) }
}

/// Shares and ratios are whole ten-thousandths.
package let whole = 10_000
