import RouteTable
import Testing

@testable import Failover

/// What a run of reports makes of one healthy endpoint that answered well before.
struct EndpointRuleTests {
    struct Case: CustomTestStringConvertible {
        var what: String
        /// At these milliseconds, counting from the last good answer.
        var reports: [(milliseconds: Int64, change: @Sendable (inout EndpointTraffic) -> Void)]
        /// What was decided about it; nil: nothing.
        var rule: Decision.Rule?

        var testDescription: String { what }
    }

    private static func run(_ length: Int, _ kind: any WritableKeyPath<EndpointTraffic, Int> & Sendable) -> (
        @Sendable (inout EndpointTraffic) -> Void
    ) {
        {
            $0.attempts = 1
            $0[keyPath: kind] = 1
            $0.failureRun = length
        }
    }

    static let cases: [Case] = [
        Case(what: "two resets, a second apart", reports: [(100, run(1, \.resets)), (1_200, run(2, \.resets))]),
        Case(
            what: "three resets in a silence of a second",
            reports: [(100, run(1, \.resets)), (1_200, run(2, \.resets)), (2_300, run(3, \.resets))],
            rule: .fallenSilent),
        Case(
            what: "two answers broken off in a silence of a second",
            reports: [(100, run(1, \.truncations)), (1_200, run(2, \.truncations))], rule: .fallenSilent),
        Case(
            what: "two answers broken off at once",
            reports: [(100, run(1, \.truncations)), (110, run(2, \.truncations))]),
        Case(
            what: "five at once",
            reports: [
                (
                    100,
                    {
                        $0.attempts = 5
                        $0.truncations = 5
                        $0.failureRun = 5
                    }
                )
            ], rule: .consecutiveFailures),
        Case(
            what: "an answer between",
            reports: [
                (100, run(1, \.truncations)),
                (
                    1_100,
                    {
                        $0.attempts = 1
                        $0.successes = 1
                    }
                ),
                (1_200, run(1, \.truncations)), (1_700, run(2, \.truncations)),
            ]),
    ]

    @Test(arguments: cases)
    func `an endpoint goes by the rule its failures meet`(_ example: Case) {
        var brain = Brain()
        let endpoint = { Topology.Endpoint(id: EndpointID($0), address: "10.0.0.\($0):80", weight: 1) }
        _ = brain.observe(
            .topology(
                Topology(
                    regions: [.init(name: "a"), .init(name: "b")],
                    services: [
                        .init(
                            name: "shop", policy: FailoverPolicy(), probe: nil,
                            cells: [
                                .init(region: 0, endpoints: [endpoint(0), endpoint(1)]),
                                .init(region: 1, endpoints: [endpoint(2)]),
                            ])
                    ])), at: Instant(nanoseconds: 0))
        let start: Int64 = 1_000_000_000
        var report = EndpointTraffic(endpoint: EndpointID(0))
        report.attempts = 100
        report.successes = 100
        _ = brain.observe(.traffic(Traffic([report])), at: Instant(nanoseconds: start))
        var rules: [Decision.Rule] = []
        for (milliseconds, change) in example.reports {
            report = EndpointTraffic(endpoint: EndpointID(0))
            change(&report)
            let actions = brain.observe(
                .traffic(Traffic([report])), at: Instant(nanoseconds: start + milliseconds * 1_000_000))
            for case .decision(let decision) in actions {
                if case .endpoint = decision.subject { rules.append(decision.rule) }
            }
        }
        #expect(rules == (example.rule.map { [$0] } ?? []))
    }
}
