import Picking
import Testing

struct ConnectTimeTests {
    private static let millisecond: Int64 = 1_000_000

    @Test func `a connection is waited for a quarter of a second, and twice what connections take`() {
        var time = ConnectTime()
        #expect(time.patience == 250 * Self.millisecond)
        time.record(nanoseconds: 20 * Self.millisecond)
        #expect(time.patience == 250 * Self.millisecond)
        time.record(nanoseconds: 300 * Self.millisecond)
        #expect(time.patience == 600 * Self.millisecond)
        time.record(nanoseconds: 20 * Self.millisecond)
        #expect((500..<600).contains(time.patience / Self.millisecond), "one that was quick is no rule yet")
        for _ in 0..<20 { time.record(nanoseconds: 20 * Self.millisecond) }
        #expect(time.patience == 250 * Self.millisecond, "a lost packet is forgotten")
    }

    @Test func `no time that a clock can tell traps`() {
        var time = ConnectTime()
        for nanoseconds in [Int64.max, .min, 0, .max] {
            time.record(nanoseconds: nanoseconds)
            #expect(time.patience >= ConnectTime.delay)
        }
    }
}
