/// How numbers and times are said in sentences.
extension Duration {
    /// `800 ms`, `2.5 s`, `45 s`, `2 min 5 s`, `40 min`, `3 h 5 min`, `2 d 4 h`.
    package var phrase: String {
        let milliseconds = max(self.milliseconds, 0)
        let seconds = milliseconds / 1_000
        let (minutes, hours) = (seconds / 60, seconds / 3_600)
        func two(_ large: Int, _ unit: String, _ small: Int, _ smaller: String) -> String {
            small == 0 ? "\(large) \(unit)" : "\(large) \(unit) \(small) \(smaller)"
        }
        if milliseconds < 1_000 { return "\(milliseconds) ms" }
        if seconds < 10, milliseconds % 1_000 >= 100 { return "\(seconds).\(milliseconds % 1_000 / 100) s" }
        if seconds < 60 { return "\(seconds) s" }
        if minutes < 10 { return two(minutes, "min", seconds % 60, "s") }
        if hours == 0 { return "\(minutes) min" }
        if hours < 48 { return two(hours, "h", minutes % 60, "min") }
        return two(hours / 24, "d", hours % 24, "h")
    }
}

extension Instant {
    /// `14:03:12` on the same day as another moment, else with its date; UTC, as all times of logs and journal are.
    package func phrase(asOf other: Instant) -> String {
        let (day, time) = (date.prefix(10), date.dropFirst(11).prefix(8))
        return day == other.date.prefix(10) ? String(time) : "\(day) \(time)"
    }

    /// Reads what `date` wrote; nil if it is something else, as a day that no month has, or a year out of range.
    package init?(date: String) {
        let bytes = Array(date.utf8)
        guard bytes.count == 24, bytes[10] == UInt8(ascii: "T"), bytes[23] == UInt8(ascii: "Z") else { return nil }
        // Four digits at most.
        func number(_ range: Range<Int>) -> Int64? {
            var value: Int64 = 0
            for byte in bytes[range] {
                guard (0x30...0x39).contains(byte) else { return nil }
                value = value &* 10 &+ Int64(byte &- 0x30)
            }
            return value
        }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
            let minute = number(14..<16), let second = number(17..<19), let millisecond = number(20..<23)
        else { return nil }
        // Hinnant, as in `date`, the other way.
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted % 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = era * 146_097 + dayOfEra - 719_468
        let milliseconds = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000 + millisecond
        let (nanoseconds, isOver) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        if isOver { return nil }
        self.init(nanoseconds: nanoseconds)
        // A 31st of February is another day, written otherwise.
        guard self.date == date else { return nil }
    }
}

/// `1 service`, `3 services`.
func counted(_ count: Int, _ noun: String) -> String { count == 1 ? "1 \(noun)" : "\(count) \(noun)s" }

extension [String] {
    /// `a`, `a and b`, `a, b and c`.
    var phrase: String {
        guard count > 1, let last else { return first ?? "" }
        return dropLast().joined(separator: ", ") + " and \(last)"
    }

    /// The first so many, and how many more there are.
    func shortened(to limit: Int) -> [String] {
        count <= limit ? self : prefix(limit) + ["and \(count - limit) more"]
    }
}

/// Thousandths of a request per second, as people write them: `0.5`, `12`, `340`.
func perSecond(_ thousandths: Int) -> String {
    let tenths = thousandths / 100 + (thousandths % 100 >= 50 ? 1 : 0)
    return tenths >= 100 || tenths % 10 == 0
        ? "\(thousandths / 1_000 + (thousandths % 1_000 >= 500 ? 1 : 0))" : "\(tenths / 10).\(tenths % 10)"
}
