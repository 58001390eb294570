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
            what: "five without a connection",
            reports: [
                (500, run(1, \.unconnected)), (600, run(2, \.unconnected)), (700, run(3, \.unconnected)),
                (750, run(4, \.unconnected)), (780, run(5, \.unconnected)),
            ], rule: .hanging),
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

    /// A service without probes in two regions.
    private static var topology: Topology {
        let endpoint = { Topology.Endpoint(id: EndpointID($0), address: "10.0.0.\($0):80", weight: 1) }
        return Topology(
            regions: [.init(name: "a"), .init(name: "b")],
            services: [
                .init(
                    name: "shop", policy: FailoverPolicy(), probe: nil,
                    cells: [
                        .init(region: 0, endpoints: [endpoint(0), endpoint(1)]),
                        .init(region: 1, endpoints: [endpoint(2)]),
                    ])
            ])
    }

    @Test(arguments: cases)
    func `an endpoint goes by the rule its failures meet`(_ example: Case) {
        var brain = Brain()
        _ = brain.observe(.topology(Self.topology), at: Instant(nanoseconds: 0))
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

    // Trials by requests

    /// A service without probes in two regions, whose first endpoint fails until it is ejected, and waits for its trial.
    private struct Trial {
        var brain = Brain()
        var now = Instant(nanoseconds: 1_000_000_000)
        var decisions: [Decision] = []

        init(isEjected: Bool = true) {
            tell(.topology(EndpointRuleTests.topology))
            for run in 1...5 where isEjected { meet(\.connectFailures, run: run) }
        }

        mutating func tell(_ event: Event) {
            for case .decision(let decision) in brain.observe(event, at: now) {
                if case .endpoint = decision.subject { decisions.append(decision) }
            }
        }

        /// One request, in a report of its own, while the endpoint's neighbor answers.
        mutating func meet(_ kind: WritableKeyPath<EndpointTraffic, Int>, run: Int = 0) {
            now = now + .milliseconds(500)
            var report = EndpointTraffic(endpoint: EndpointID(0))
            report.attempts = 1
            report[keyPath: kind] = 1
            report.failureRun = run
            var other = EndpointTraffic(endpoint: EndpointID(1))
            other.attempts = 1
            other.successes = 1
            tell(.traffic(Traffic([report, other])))
            tell(.tick)
        }

        mutating func waitForTrial() {
            let before = state
            for _ in 0..<4_000 where state != .probation {
                now = now + .milliseconds(100)
                tell(.tick)
            }
            #expect(before == .ejected && state == .probation)
        }

        var state: EndpointState? { brain.view(of: EndpointID(0))?.state }
    }

    @Test func `three in a row without a connection, where there was one, are a silence`() {
        var endpoint = Trial(isEjected: false)
        for _ in 0..<20 {
            endpoint.meet(\.successes)
            endpoint.now = endpoint.now + .milliseconds(-400)
        }
        for run in 1...2 { endpoint.meet(\.unconnected, run: run) }
        #expect(endpoint.state == .healthy)
        endpoint.meet(\.unconnected, run: 3)
        #expect(endpoint.state == .ejected && endpoint.decisions.last?.rule == .fallenSilent)
    }

    @Test func `what finds no connection counts against its cell only where that has no other`() {
        for (kind, isLeft) in [(\EndpointTraffic.unconnected, false), (\.cellDark, true)] {
            var endpoint = Trial(isEjected: false)
            for _ in 0..<20 {
                endpoint.now = endpoint.now + .milliseconds(-450)
                // Endpoint 1 answers as often.
                endpoint.meet(kind)
            }
            endpoint.now = endpoint.now + .seconds(1)
            endpoint.tell(.tick)
            #expect((endpoint.brain.split(ofService: 0)[0] == 0) == isLeft, "\(kind)")
        }
    }

    @Test(arguments: [
        \EndpointTraffic.connectFailures, \.connectTimeouts, \.resets, \.responseTimeouts, \.gatewayErrors,
        \.serverErrors, \.truncations, \.overstays, \.unconnected,
    ])
    func `a trial fails with its second failure, however far apart the two are`(
        _ kind: any WritableKeyPath<EndpointTraffic, Int> & Sendable
    ) {
        var trial = Trial()
        trial.waitForTrial()
        trial.meet(kind, run: 6)
        #expect(trial.state == .probation)
        for _ in 0..<100 {
            trial.now = trial.now + .milliseconds(100)
            trial.tell(.tick)
        }
        trial.meet(kind, run: 7)
        #expect(trial.state == .ejected && trial.decisions.last?.rule == .trialFailed)
        #expect(trial.decisions.last?.evidence.first { $0.name == "answers" } != nil)
    }

    @Test func `each trial that fails is followed by a longer wait`() {
        var trial = Trial()
        var trials: [Instant] = []
        for _ in 0..<4 {
            trial.waitForTrial()
            trials.append(trial.now)
            for run in 6...7 { trial.meet(\.resets, run: run) }
        }
        let waits = zip(trials, trials.dropFirst()).map { $1 - $0 }
        #expect(waits.count == 3 && zip(waits, waits.dropFirst()).allSatisfy { $1 >= $0 + .seconds(29) }, "\(waits)")
    }

    @Test func `what is answered in a trial outweighs a few failures`() {
        var trial = Trial()
        trial.waitForTrial()
        for turn in 0..<9 {
            trial.meet(\.successes)
            // Every third fails besides.
            if turn % 3 == 0 { trial.meet(\.gatewayErrors, run: 1) }
        }
        #expect(trial.state == .probation)
        trial.meet(\.successes)
        #expect(trial.state == .healthy && trial.decisions.last?.rule == .trialPassed)
    }

    @Test func `who answers each request of a trial, but late, passes it`() {
        var trial = Trial()
        trial.waitForTrial()
        for _ in 0..<10 {
            trial.meet(\.overstays, run: 1)
            trial.meet(\.successes)
        }
        #expect(trial.state == .healthy)
    }

    @Test func `a trial begins anew with the next one`() {
        var trial = Trial()
        trial.waitForTrial()
        for run in 6...7 { trial.meet(\.resets, run: run) }
        trial.waitForTrial()
        trial.meet(\.resets, run: 8)
        #expect(trial.state == .probation)
    }
}
