import RouteTable
import Testing

@testable import Failover

/// Decisions told as sentences, read back, and put together.
@Suite struct HistoryTests {
    private static let start = Instant(nanoseconds: 1_767_323_045_000_000_000)

    struct Case: Sendable, CustomTestStringConvertible {
        let subject: Decision.Subject
        let change: Decision.Change
        let rule: Decision.Rule
        let evidence: [Decision.Evidence]
        let sentence: String

        var testDescription: String { "\(rule.rawValue)" }

        var decision: Decision {
            Decision(sequence: 1, time: start, subject: subject, change: change, rule: rule, evidence: evidence)
        }
    }

    private static let endpoint = Decision.Subject.endpoint(service: "checkout", region: "east", address: "10.0.0.1:80")
    private static let cell = Decision.Subject.cell(service: "checkout", region: "east")
    private static func move(_ after: [Int], shed: Int = 0) -> Decision.Change {
        .split(regions: ["east", "west"], before: [10_000, 0], after: after, shedBefore: 0, shedAfter: shed)
    }
    private static let failures: [Decision.Evidence] = [
        .count("attempts", 40), .count("failures", 12), .count("overstays", 3),
    ]

    static let cases: [Case] = [
        Case(
            subject: endpoint, change: .state(before: .healthy, after: .ejected), rule: .consecutiveFailures,
            evidence: [
                .count("failures in a row", 5), .count("connect failed", 5), .time("ejected for", .seconds(30)),
            ],
            sentence: "checkout's endpoint 10.0.0.1:80 in east is taken out for 30 s: 5 requests in a row failed."),
        Case(
            subject: endpoint, change: .state(before: .healthy, after: .ejected), rule: .fallenSilent,
            evidence: [
                .count("failures in a row", 3), .time("no answer for", .milliseconds(850)),
                .time("ejected for", .seconds(90)),
            ],
            sentence:
                "checkout's endpoint 10.0.0.1:80 in east is taken out for 1 min 30 s: 3 requests in a row failed, "
                + "and none was answered for 850 ms."),
        Case(
            subject: endpoint, change: .state(before: .healthy, after: .down), rule: .probeFall,
            evidence: [.count("failures in a row", 2), .text("probe", "status 503")],
            sentence: "checkout's endpoint 10.0.0.1:80 in east is taken out: 2 probes in a row failed (status 503)."),
        Case(
            subject: endpoint, change: .state(before: .healthy, after: .healthy), rule: .requestsOutrankProbes,
            evidence: [.count("failures in a row", 2), .count("limit", 1)],
            sentence:
                "checkout's endpoint 10.0.0.1:80 in east stays in although 2 probes in a row failed: its requests "
                + "are answered, and probes alone may take out no more."),
        Case(
            subject: endpoint, change: .state(before: .hanging, after: .healthy), rule: .answersAgain,
            evidence: [.count("answers", 4)],
            sentence:
                "checkout's endpoint 10.0.0.1:80 in east is used again: what overstayed was answered, so it was a "
                + "pause."),
        Case(
            subject: cell, change: .ceiling(before: 10_000, after: 0), rule: .cellFailures, evidence: failures,
            sentence: "checkout leaves east: of 40 requests, 12 failed and 3 overstayed."),
        Case(
            subject: cell, change: .ceiling(before: 10_000, after: 0), rule: .cellDown,
            evidence: [.ratio("healthy", 0)],
            sentence: "checkout leaves east: 0 % of its weight there is healthy."),
        Case(
            subject: cell, change: .ceiling(before: 100, after: 500), rule: .failbackStep,
            evidence: [.time("soaked for", .seconds(10))] + failures,
            sentence: "checkout comes back to east, at most 5 % after 1 %: the step before has passed, after 10 s."),
        Case(
            subject: cell, change: .ceiling(before: 500, after: 0), rule: .failbackAborted,
            evidence: failures + [.ratio("elsewhere", 10)],
            sentence: "checkout goes back from 5 % to 0 % in east: of 40 requests, 12 failed and 3 overstayed in the "
                + "step, 0.1 % elsewhere."),
        Case(
            subject: cell, change: .ceiling(before: 10_000, after: 7_500), rule: .slow,
            evidence: [
                .time("median", .milliseconds(90)), .time("before", .milliseconds(8)),
                .text("median in west", "unknown"),
            ],
            sentence: "checkout may have at most 75 % in east, after 100 %: its answers are slower than they were, and "
                + "than elsewhere."),
        Case(
            subject: cell, change: .capacity(before: nil, after: 120), rule: .capacityLearned,
            evidence: [
                .count("requests a second", 150), .ratio("answered", 8_000), .count("concurrency limit", 4),
                .time("median in west", .milliseconds(7)),
            ],
            sentence:
                "checkout in east carries 120 requests/s, after no known limit: at 150 requests/s its answers came "
                + "late or were refused, and 80 % were well."),
        Case(
            subject: cell, change: .capacity(before: 120, after: nil), rule: .capacityForgotten,
            evidence: [.time("no overload for", .seconds(61))],
            sentence:
                "checkout in east has no known limit any more: it needed less than half of 120 requests/s, without "
                + "overload, for 1 min 1 s."),
        Case(
            subject: .service("checkout"), change: move([0, 10_000]), rule: .followsRegion,
            evidence: [.ratio("east may have", 0), .text("east", "cascade: services impaired 3")],
            sentence: "checkout: east 100 % → 0 %, west 0 % → 100 %, because east is left as a whole."),
        Case(
            subject: .service("checkout"), change: move([0, 8_000], shed: 2_000), rule: .shed,
            evidence: [.ratio("east may have", 0), .count("west can take", 80)],
            sentence: "checkout: east 100 % → 0 %, west 0 % → 80 %, shed 0 % → 20 %: what fits nowhere is shed."),
        Case(
            subject: .region("east"), change: .region(before: .serving, after: .evacuated), rule: .cascade,
            evidence: [.count("services impaired", 3), .count("services with traffic", 5)],
            sentence: "east is evacuated: 3 of 5 services with traffic there became impaired together."),
        Case(
            subject: .region("east"), change: .order(before: "none", after: "drain"), rule: .ordered,
            evidence: [.text("why", "new kernel"), .time("for", .seconds(1_800))],
            sentence: "Ordered: drain of east for 30 min: new kernel."),
        Case(
            subject: .router, change: .holds(before: false, after: true), rule: .everythingSilent,
            evidence: [.time("no sign of life for", .milliseconds(1_500)), .text("silent", "east, west")],
            sentence:
                "The router holds what it decided last: nothing anywhere has shown itself for 1.5 s, so the fault is "
                + "probably its own."),
    ]

    @Test("A decision is a sentence that somebody called at night understands", arguments: cases)
    func sentence(test: Case) {
        #expect(test.decision.sentence == test.sentence)
    }

    @Test("What is read back from the journal says the same", arguments: cases)
    func reading(test: Case) throws {
        let read = try #require(Decision(json: test.decision.json))
        #expect(read.json == test.decision.json)
        #expect(read.sentence == test.sentence)
        #expect(read == test.decision)
    }

    @Test("All decisions of seeded worlds are read back, and have no sentence without a rule of its own")
    func readingAll() throws {
        for seed in 0..<20 as Range<UInt64> {
            var random = Seeded(state: seed)
            var world = World(isProbed: seed % 2 == 0, seed: seed)
            for _ in 0..<10 {
                world.upset(&random)
                world.run(.seconds(3))
            }
            for decision in world.decisions {
                let read = try #require(Decision(json: decision.json), "\(decision.json)")
                #expect(read.json == decision.json)
                #expect(read.sentence == decision.sentence)
                #expect(!decision.sentence.contains("(\(decision.rule.rawValue))"), "\(decision.sentence)")
            }
        }
    }

    @Test(
        "What is no decision is not read",
        arguments: [
            "", "{}", "[]", "{\"sequence\":1", "{\"sequence\":1}", String(repeating: "{\"a\":", count: 5_000),
            #"{"sequence":-1,"time":"2026-01-02T03:04:05.678Z","subject":"router","change":"holds","before":false,"#
                + #""after":true,"rule":"stalled","evidence":{}}"#,
        ])
    func unreadable(line: String) {
        #expect(Decision(json: line) == nil)
    }

    @Test("The many decisions about endpoints of an outage do not hide the one about the region")
    func grouping() throws {
        var world = World(services: 8, endpointsPerCell: 5)
        world.run(.seconds(3))
        world.faults[0] = .refuse
        world.run(.seconds(5))
        #expect(world.decisions.count > 50)
        let outage = try #require(History(world.decisions).episodes.first)
        #expect(outage.lead.text.hasPrefix("east is evacuated: "), "\(outage.lead.text)")
        #expect(outage.others.count < 15, "\(outage.others.map(\.text))")
        #expect(outage.lead.decisions + outage.others.reduce(0) { $0 + $1.decisions } <= world.decisions.count)
        #expect(
            outage.others.contains { $0.text.hasPrefix("40 endpoints of 8 services in east are taken out") },
            "\(outage.others.map(\.text))")
    }

    @Test("Without grouping each decision stands alone, and grouped none is lost")
    func each() {
        var world = World()
        world.run(.seconds(3))
        world.faults[0] = .errors(percent: 60)
        world.run(.seconds(20))
        world.faults[0] = .none
        world.run(.seconds(60))
        let alone = History(world.decisions, isGrouped: false).episodes
        #expect(alone.map(\.lead.text) == world.decisions.map(\.sentence))
        let told = History(world.decisions).episodes.flatMap { [$0.lead] + $0.others }
        #expect(told.reduce(0) { $0 + $1.decisions } == world.decisions.count)
    }

    @Test(
        "Times are said as people say them",
        arguments: [
            (Duration.milliseconds(800), "800 ms"), (.milliseconds(2_500), "2.5 s"), (.seconds(2), "2 s"),
            (.milliseconds(45_900), "45 s"), (.seconds(125), "2 min 5 s"), (.seconds(2_400), "40 min"),
            (.seconds(11_100), "3 h 5 min"), (.seconds(7_200), "2 h"), (.seconds(187_200), "2 d 4 h"),
            (.seconds(-5), "0 ms"),
        ])
    func times(duration: Duration, phrase: String) {
        #expect(duration.phrase == phrase)
    }

    @Test("A date is read as it was written, to the millisecond", arguments: [0, 951_782_399_999, 4_107_542_400_001])
    func dates(milliseconds: Int64) throws {
        let instant = Instant(nanoseconds: milliseconds * 1_000_000)
        #expect(Instant(date: instant.date) == instant)
        #expect(Instant(date: "yesterday") == nil)
    }
}
