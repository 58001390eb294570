import Picking
import Testing

/// A cell that serves one request after the other, so many a second, answering each after its turn.
private struct Queueing {
    var capacity: Int
    var limit = ConcurrencyLimit()
    private(set) var now: Int64 = 1_000_000_000
    private var freeAt: Int64 = 0
    private var waiting: [(done: Int64, began: Int64)] = []
    private(set) var worst: Int64 = 0
    private(set) var turnedAway = 0

    init(capacity: Int) { self.capacity = capacity }

    /// Requests at an even rate, those beyond the limit going elsewhere.
    mutating func offer(_ rate: Int, seconds: Int, refusesAfter: Int64 = .max) {
        worst = 0
        turnedAway = 0
        for _ in 0..<rate * seconds {
            now += 1_000_000_000 / Int64(rate)
            while let first = waiting.first, first.done <= now {
                waiting.removeFirst()
                let latency = first.done - first.began
                worst = max(worst, latency)
                _ = limit.record(
                    nanoseconds: latency, isRefusal: latency > refusesAfter, inFlight: waiting.count + 1,
                    now: first.done)
            }
            if limit.isReached(by: waiting.count) {
                turnedAway += 1
                continue
            }
            freeAt = max(freeAt, now) + 1_000_000_000 / Int64(capacity)
            waiting.append((freeAt + 1_000_000, now))
        }
    }
}

struct ConcurrencyLimitTests {
    @Test func `there is no limit while nothing waits`() {
        var cell = Queueing(capacity: 1_000)
        cell.offer(500, seconds: 60)
        #expect(cell.limit.inForce == nil)
        #expect(cell.limit.overloads == 0)
    }

    @Test func `what is too much is turned away within half a second, and what is let in does not wait for long`() {
        var cell = Queueing(capacity: 400)
        cell.offer(100, seconds: 2)
        cell.offer(500, seconds: 1)
        #expect(cell.limit.inForce != nil)
        cell.offer(500, seconds: 20)
        #expect(cell.worst < 60_000_000, "\(cell.worst)")
        // A fifth is too much; hardly more than that goes elsewhere.
        #expect((1_800...2_600).contains(cell.turnedAway), "\(cell.turnedAway)")
    }

    @Test func `when it is not needed any more it is lifted`() {
        var cell = Queueing(capacity: 400)
        cell.offer(100, seconds: 2)
        cell.offer(500, seconds: 5)
        cell.offer(100, seconds: 60)
        #expect(cell.limit.inForce == nil)
    }

    @Test func `one pause is no overload`() {
        var limit = ConcurrencyLimit()
        var now: Int64 = 1_000_000_000
        for window in 0..<100 {
            for _ in 0..<20 {
                now += 5_000_000
                _ = limit.record(
                    nanoseconds: window == 50 ? 90_000_000 : 1_000_000, isRefusal: false, inFlight: 3, now: now)
            }
        }
        #expect(limit.overloads == 0)
    }

    @Test func `what the first few answers took is no baseline that others could be late against`() {
        var limit = ConcurrencyLimit()
        var now: Int64 = 1_000_000_000
        for answer in 0..<600 {
            now += 5_000_000
            _ = limit.record(
                nanoseconds: answer < 60 ? 500_000 : 30_000_000, isRefusal: false, inFlight: 3, now: now)
        }
        #expect(limit.overloads == 0)
    }

    @Test func `refusals are overload at once`() {
        var limit = ConcurrencyLimit()
        var now: Int64 = 1_000_000_000
        for answer in 0..<200 {
            now += 5_000_000
            _ = limit.record(nanoseconds: 1_000_000, isRefusal: answer > 100 && answer % 3 == 0, inFlight: 9, now: now)
        }
        #expect(limit.overloads >= 1)
        #expect((limit.inForce ?? .max) < 9)
    }
}
