import Testing

@testable import Failover

@Suite struct PlanTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let allowed: [Int]
        var healthy: [Int]?
        var silent: [Bool]?
        let held: [Int]
        let expected: [Int]
        var failsOpen = false

        var testDescription: String { "\(allowed) from \(held) → \(expected)" }
    }

    @Test(
        "Cells are filled in order, the rest is spread, and nothing allowed means failing open",
        arguments: [
            Case(allowed: [10_000, 10_000], held: [10_000, 0], expected: [10_000, 0]),
            Case(allowed: [7_000, 10_000], held: [10_000, 0], expected: [7_000, 3_000]),
            Case(allowed: [0, 7_000, 10_000], held: [10_000, 0, 0], expected: [0, 7_000, 3_000]),
            Case(allowed: [100, 10_000], held: [0, 10_000], expected: [100, 9_900]),
            Case(allowed: [2_000, 6_000], held: [0, 10_000], expected: [2_500, 7_500]),
            Case(allowed: [1, 1, 1], held: [10_000, 0, 0], expected: [3_334, 3_333, 3_333]),
            Case(
                allowed: [0, 0], healthy: [10_000, 10_000], held: [0, 10_000], expected: [0, 10_000], failsOpen: true),
            Case(allowed: [0, 0], healthy: [0, 0], held: [10_000, 0], expected: [10_000, 0], failsOpen: true),
            Case(allowed: [0, 0], healthy: [0, 5_000], held: [10_000, 0], expected: [0, 10_000], failsOpen: true),
            Case(
                allowed: [0, 0], healthy: [0, 0], silent: [false, true], held: [10_000, 0], expected: [0, 10_000],
                failsOpen: true),
            Case(
                allowed: [0, 0], healthy: [0, 0], silent: [true, true], held: [0, 10_000], expected: [0, 10_000],
                failsOpen: true),
            Case(allowed: [], held: [], expected: []),
        ])
    func split(test: Case) {
        let offers = test.allowed.indices.map {
            Plan.Offer(
                region: $0, allowed: test.allowed[$0], healthyShare: test.healthy?[$0] ?? test.allowed[$0],
                isSilent: test.silent?[$0] ?? false)
        }
        let regions = test.allowed.map { _ in Plan.Region() }
        let share = Plan.shares([Plan.Request(offers: offers, held: test.held)], in: regions)[0]
        #expect(share == Plan.Share(shares: test.expected, shed: 0, failsOpen: test.failsOpen))
    }

    @Test("Counts older than the window are gone, to a bucket")
    func window() {
        var counts = SlidingCounts<10>(length: .seconds(10))
        let begin = Instant(nanoseconds: 5_000_000_000_000)
        var one = Counts()
        one.attempts = 1
        for second in 0..<30 { counts.add(one, at: begin + .seconds(second)) }
        #expect(counts.total.attempts == 10)
        counts.advance(to: begin + .seconds(34))
        #expect(counts.total.attempts == 5)
        counts.advance(to: begin + .seconds(3_600))
        #expect(counts.total == Counts())
    }
}
