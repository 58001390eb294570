import RouteTable
import Testing

@testable import Failover

/// Numbers, dates and lengths at the ends of their range, as one changed character of a file or an option of a command
/// gives them: they are read or refused, told and explained, and end nothing.
@Suite struct RangeTests {
    private static let numbers = [
        "0", "-1", "9223372036854", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
        "18446744073709551615", "1e308", "-",
    ]

    private static let dates = [
        "9999-12-31T23:59:59.999Z", "9026-11-28T10:00:00.000Z", "2262-04-11T23:47:16.854Z", "2262-04-11T23:47:16.855Z",
        "1970-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "1677-09-21T00:12:43.146Z", "1677-01-01T00:00:00.000Z",
        "0001-01-01T00:00:00.000Z", "0000-01-01T00:00:00.000Z", "2026-11-28T99:99:99.000Z",
    ]

    /// The line once for each of its numbers and each value that is put in its place, and once for each date.
    private static func changed(_ line: String) -> [String] {
        var lines: [String] = []
        for match in line.matches(of: /:(-?\d+)[,}]/) {
            lines += numbers.map { line.replacingCharacters(in: match.1, with: $0) }
        }
        for match in line.matches(of: /"time":"([^"]*)"/) {
            lines += dates.map { line.replacingCharacters(in: match.1, with: $0) }
        }
        return lines
    }

    private func tell(_ decision: Decision, beside other: Decision) {
        #expect(!decision.sentence.isEmpty && !decision.description.isEmpty)
        #expect(!decision.evidenceLines.isEmpty)
        #expect(Decision(json: decision.json) == decision)
        #expect(!decision.time.phrase(asOf: other.time).isEmpty && !other.time.phrase(asOf: decision.time).isEmpty)
        for pair in [[decision, other], [other, decision], [decision, decision]] {
            #expect(History(pair, isGrouped: false).episodes.count == 2)
            #expect(!History(pair).episodes.isEmpty)
        }
    }

    @Test func `a line of the journal with any number or date at an end of its range is told, or left out`() throws {
        var (read, refused) = (0, 0)
        for (index, known) in HistoryTests.cases.map(\.decision).enumerated() {
            for line in Self.changed(known.json) {
                guard let decision = Decision(json: line) else {
                    refused += 1
                    continue
                }
                read += 1
                tell(decision, beside: HistoryTests.cases[(index + 1) % HistoryTests.cases.count].decision)
            }
        }
        #expect(read > 300 && refused > 300, "\(read) read, \(refused) refused")
    }

    @Test func `decisions with numbers and dates at the ends of their range are explained`() throws {
        var world = World(services: 2, policy: World.quick)
        world.run(.seconds(3))
        world.faults[0] = .refuse
        world.run(.seconds(3))
        var rules: Set<Decision.Rule> = []
        var explained = 0
        for known in world.decisions where rules.insert(known.rule).inserted {
            for line in Self.changed(known.json) {
                guard let decision = Decision(json: line) else { continue }
                let all = world.brain.explanations([decision] + world.decisions + [decision])
                #expect(!all.subjects.isEmpty)
                explained += 1
            }
        }
        #expect(rules.count > 2 && explained > 30, "\(rules.count) rules, \(explained) explained")
    }

    @Test(arguments: [
        (Int64.min, "1677-09-21T00:12:43.145Z"), (-1, "1969-12-31T23:59:59.999Z"), (0, "1970-01-01T00:00:00.000Z"),
        (Int64.max, "2262-04-11T23:47:16.854Z"),
    ])
    func `a moment at the ends of its range is written as a date`(nanoseconds: Int64, date: String) {
        #expect(Instant(nanoseconds: nanoseconds).date == date)
    }

    @Test(arguments: [
        "9999-12-31T23:59:59.999Z", "2262-04-11T23:47:16.855Z", "1677-09-21T00:12:43.145Z", "1600-01-01T00:00:00.000Z",
        "0000-00-00T00:00:00.000Z", "2026-11-28T24:00:00.000Z", "2026-11-28T10:60:00.000Z", "2026-02-30T10:00:00.000Z",
        "2026-00-28T10:00:00.000Z", "2026-11-00T10:00:00.000Z",
    ])
    func `a date that no moment has is none`(date: String) {
        #expect(Instant(date: date) == nil)
    }

    @Test func `sums and differences of moments end where the range ends`() {
        let (first, last) = (Instant(nanoseconds: .min), Instant(nanoseconds: .max))
        #expect(last - first == .nanoseconds(Int64.max))
        #expect(first - last == .nanoseconds(Int64.min))
        #expect(last + .seconds(1) == last)
        #expect(first + .seconds(-1) == first)
    }

    @Test func `a length that no counter of nanoseconds holds is the longest there is`() {
        #expect(Duration.seconds(Int64.max).nanoseconds == .max)
        #expect(Duration.seconds(Int64.min).nanoseconds == .min)
        #expect(Duration.milliseconds(Int.max).phrase == "106751 d 23 h")
        #expect(Duration.milliseconds(Int.min).phrase == "0 ms")
    }

    @Test func `requests per second at the ends of their range are written`() {
        #expect(perSecond(.max) == "9223372036854776")
        #expect(perSecond(450) == "0.5" && perSecond(12_400) == "12" && perSecond(340_000) == "340")
    }

    @Test func `an endpoint whose slow start is shorter than a millisecond comes back with its full share`() {
        var policy = World.quick
        policy.slowStart = .microseconds(500)
        var world = World(services: 1, policy: policy)
        world.run(.seconds(2))
        world.faults[0] = .refuse
        world.run(.seconds(3))
        world.faults[0] = .none
        world.run(.seconds(10))
        let isBack = world.decisions.contains {
            if case .state(let before, .healthy) = $0.change { before != .healthy } else { false }
        }
        #expect(isBack)
    }
}

extension String {
    fileprivate func replacingCharacters(in part: Substring, with text: String) -> String {
        String(self[..<part.startIndex]) + text + String(self[part.endIndex...])
    }
}
