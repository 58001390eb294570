import Failover
import Testing

@testable import Control

struct BrainClockTests {
    private static let second: Int64 = 1_000_000_000
    private static let wall = 1_700_000_000 * second

    private var clock: BrainClock { BrainClock(wall: Self.wall, boot: 50 * Self.second) }

    @Test func `time is the wall clock's at the start, and goes on with the machine's, its suspension included`() {
        #expect(clock.now(boot: 50 * Self.second) == Instant(nanoseconds: Self.wall))
        let afterANight = clock.now(boot: 28_850 * Self.second)
        #expect(afterANight == Instant(nanoseconds: Self.wall + 28_800 * Self.second))
    }

    @Test func `time goes on from what the last run left, though the wall clock was put back a little`() {
        var clock = clock
        let last = Instant(nanoseconds: Self.wall + 3_000 * Self.second)
        #expect(clock.goOn(from: last, boot: 50 * Self.second) == .seconds(3_000))
        #expect(clock.now(boot: 51 * Self.second) == last + .seconds(1))
    }

    @Test func `what the last run left long ago changes nothing`() {
        var clock = clock
        #expect(clock.goOn(from: Instant(nanoseconds: 1), boot: 50 * Self.second) == .zero)
        #expect(clock == self.clock)
    }

    @Test func `what is dated hours ahead of the wall clock is not gone on from`() {
        var clock = clock
        let last = Instant(nanoseconds: Self.wall + 3_601 * Self.second)
        #expect(clock.goOn(from: last, boot: 50 * Self.second) == nil)
        #expect(clock == self.clock)
    }
}
