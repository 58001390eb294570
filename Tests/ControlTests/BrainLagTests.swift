import Testing

@testable import Control

struct BrainLagTests {
    private static let second: Int64 = 1_000_000_000

    @Test func `what is late is what is later than the pause between looks, for ten to twenty seconds`() {
        var lag = BrainLag()
        var now = 5 * Self.second
        func look(after pause: Int64) {
            now += pause
            lag.look(at: now)
        }
        look(after: 0)
        for _ in 0..<20 { look(after: BrainLag.pause) }
        look(after: BrainLag.pause / 10)
        #expect(lag.latest == 0)
        look(after: BrainLag.pause + 3_000_000)
        look(after: BrainLag.pause + 2_000_000)
        #expect(lag.latest == 3_000_000)
        for _ in 0..<90 { look(after: BrainLag.pause) }
        #expect(lag.latest == 3_000_000)
        for _ in 0..<120 { look(after: BrainLag.pause) }
        #expect(lag.latest == 0)
    }
}
