internal import Failover
internal import FoundationEssentials

/// Moments as people give them to a command; UTC where they do not say otherwise, as logs and journal are.
enum MomentText {
    static let expectation = "a time such as 14:05, 14:05:30 or 2026-01-02T14:05:00Z (UTC), from 1678 to 2261"

    /// `14:05` is the last one that has passed.
    static func moment(_ text: String, now: Date) -> Instant? {
        if let clock = text.wholeMatch(of: /(\d{1,2}):(\d{2})(?::(\d{2}))?/) {
            guard let hour = Int(clock.1), let minute = Int(clock.2), let second = Int(clock.3 ?? "0"), hour < 24,
                minute < 60, second < 60
            else { return nil }
            let midnight = (now.timeIntervalSince1970 / 86_400).rounded(.down) * 86_400
            let time = midnight + Double((hour * 60 + minute) * 60 + second)
            return Instant(seconds: time > now.timeIntervalSince1970 ? time - 86_400 : time)
        }
        guard
            let parts = text.wholeMatch(
                of: /(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2})?(?:\.(\d{1,9}))?(?:Z|([+-])(\d{2}):?(\d{2}))?)?/)
        else { return nil }
        let fraction = ((parts.4.map(String.init) ?? "") + "000").prefix(3)
        guard let moment = Instant(date: "\(parts.1)T\(parts.2 ?? "00:00")\(parts.3 ?? ":00").\(fraction)Z") else {
            return nil
        }
        guard let sign = parts.5, let hours = parts.6.flatMap({ Int($0) }), let minutes = parts.7.flatMap({ Int($0) })
        else { return moment }
        return moment + .seconds((sign == "+" ? -60 : 60) * (hours * 60 + minutes))
    }

    /// A length such as `1h` before now, or a moment.
    static func since(_ text: String, now: Date, length: (String) -> Int?) -> Instant? {
        length(text).map { Instant(seconds: now.timeIntervalSince1970 - Double($0)) } ?? moment(text, now: now)
    }
}

extension Instant {
    /// Since 1970, to the millisecond; where there is no such moment, the first or the last that there is.
    init(seconds: Double) {
        let limit = Double(Int64.max / 1_000_000)
        let milliseconds = Int64(min(max((seconds * 1_000).rounded(), 1 - limit), limit - 1))
        self.init(nanoseconds: milliseconds &* 1_000_000)
    }
}
