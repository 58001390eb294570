import Testing

@testable import Failover

@Suite struct DecisionTests {
    private func decision(_ subject: Decision.Subject, _ change: Decision.Change, _ rule: Decision.Rule) -> Decision {
        Decision(
            sequence: 7, time: Instant(nanoseconds: 1_767_323_045_678_901_234), subject: subject, change: change,
            rule: rule,
            evidence: [.count("failures in a row", 5), .ratio("usable", 1_250), .text("probe", "status \"503\"\n")])
    }

    @Test("A decision is one line of JSON with names that stay")
    func json() {
        let endpoint = decision(
            .endpoint(service: "checkout", region: "us-east-1", address: "10.0.0.1:80"),
            .state(before: .healthy, after: .ejected), .consecutiveFailures)
        #expect(
            endpoint.json
                == #"{"sequence":7,"time":"2026-01-02T03:04:05.678Z","subject":"endpoint","service":"checkout","region":"us-east-1","#
                + #""endpoint":"10.0.0.1:80","change":"state","before":"healthy","after":"ejected","#
                + #""rule":"consecutive-failures","evidence":{"failures_in_a_row":5,"usable":1250,"probe":"status \"503\"\u000a"}}"#
        )
        let split = decision(
            .service("checkout"),
            .split(regions: ["a", "b"], before: [10_000, 0], after: [0, 10_000], shedBefore: 0, shedAfter: 0),
            .followsCapacity
        )
        #expect(
            split.json.contains(
                #""before":{"a":10000,"b":0},"after":{"a":0,"b":10000},"rule":"follows-capacity""#))
    }

    @Test("A decision is a sentence")
    func sentence() {
        let cell = decision(
            .cell(service: "checkout", region: "us-east-1"), .ceiling(before: 10_000, after: 0), .cellDown)
        #expect(
            cell.description.hasPrefix(
                "checkout in us-east-1: at most 100 % → 0 % (cell-down: failures in a row 5, usable 12.5 %, probe "))
        let split = decision(
            .service("checkout"),
            .split(
                regions: ["a", "b", "c"], before: [10_000, 0, 0], after: [7_000, 3_000, 0], shedBefore: 0, shedAfter: 0),
            .followsCapacity)
        #expect(split.description.hasPrefix("checkout: a 100 % → 70 %, b 0 % → 30 % (follows-capacity: "))
        let held = decision(
            .service("checkout"),
            .split(regions: ["a", "b"], before: [10_000, 0], after: [10_000, 0], shedBefore: 0, shedAfter: 0), .failOpen
        )
        #expect(held.description.hasPrefix("checkout: stays a 100 %, b 0 % (fail-open: "))
    }

    @Test(
        "A moment is written as a date",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"), (1_704_067_199_000, "2023-12-31T23:59:59.000Z"),
            (4_107_542_400_001, "2100-03-01T00:00:00.001Z"),
        ])
    func date(milliseconds: Int64, date: String) {
        #expect(Instant(nanoseconds: milliseconds * 1_000_000 + 999_999).date == date)
    }
}
