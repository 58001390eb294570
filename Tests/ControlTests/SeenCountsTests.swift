import RouteTable
import Telemetry
import Testing

@testable import Control

/// What is remembered of counters that are kept by name.
struct SeenCountsTests {
    @Test func `what came since the last look is told once`() {
        var seen = SeenCounts()
        #expect(seen.since("a", [3, 1]) == [3, 1])
        #expect(seen.since("a", [5, 1]) == [2, 0])
        #expect(seen.since("b", [7, 7]) == [7, 7])
        #expect(seen.since("a", [5, 1]) == [0, 0])
    }

    @Test func `names that are gone are forgotten, and what comes under them again counts from nothing`() {
        var seen = SeenCounts()
        for number in 0..<1_000 { _ = seen.since("n\(number)", [9]) }
        seen.keep(["n1", "n2", "never"])
        #expect(seen.names == ["n1", "n2"])
        #expect(seen.since("n5", [4]) == [4])
        #expect(seen.since("n1", [10]) == [1])
    }

    /// A listener that was taken out and put back has counters of its own again.
    @Test func `handshakes of a listener that is back are counted from nothing`() {
        var seen = HandshakesSeen()
        let former = HandshakeCounters()
        for _ in 0..<5 { former.countFailure(1) }
        #expect(seen.news("listener web", [former])?.contains("5 handshakes failed") == true)
        let now = HandshakeCounters()
        #expect(seen.news("listener web", [now]) == nil)
        now.countFailure(1)
        #expect(seen.news("listener web", [now])?.contains("1 handshake failed") == true)
    }

    @Test func `handshakes of what the table does not name are forgotten`() {
        var seen = HandshakesSeen()
        let counters = HandshakeCounters()
        counters.countFailure(1)
        _ = seen.news("listener web", [counters])
        _ = seen.news("service shop", [counters])
        seen.keep(Table())
        #expect(seen.seen.names == [])
    }
}
