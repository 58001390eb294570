import Picking
import Testing

struct ResponseTimeTests {
    private let second: Int64 = 1_000_000_000
    private let millisecond: Int64 = 1_000_000

    /// Learned from answers that come one after the other, after a first one.
    private func time(of answers: Int64, count: Int = 1) -> ResponseTime {
        var time = ResponseTime()
        for turn in 0...Int64(count) { time.record(nanoseconds: answers, now: (turn + 1) * answers) }
        return time
    }

    @Test func `a guess says when to ask somebody else, and nothing about who is waited for`() {
        let delay = HedgeDelay(learnedAtLeast: 50 * millisecond)
        #expect(delay.after(usual: nil, guess: second) == second)
        #expect(delay.overstay(usual: nil) == nil)
        #expect(delay.after(usual: 300 * millisecond, guess: second) == 600 * millisecond)
        #expect(delay.overstay(usual: 300 * millisecond) == 600 * millisecond)
        #expect(delay.overstay(usual: 1) == 50 * millisecond)
    }

    @Test func `a fixed delay says when to ask somebody else; twice the usual time is an overstay`() {
        let delay = HedgeDelay(fixed: 100 * millisecond)
        #expect(delay.after(usual: nil, guess: second) == 100 * millisecond)
        #expect(delay.overstay(usual: nil) == nil)
        #expect(delay.overstay(usual: 300 * millisecond) == 600 * millisecond)
        #expect(delay.overstay(usual: millisecond) == 100 * millisecond)
    }

    @Test func `what was asked before anything was answered is not taken for usual`() {
        var time = ResponseTime()
        // All that waited while it hung, and then what is usual.
        for waited in 1...40 as ClosedRange<Int64> { time.record(nanoseconds: waited * second / 8, now: 5 * second) }
        #expect(time.percentile99 == nil)
        let patience = time.guess(within: 15 * second)
        #expect(patience == 10 * second)
        for _ in 0..<32 { time.record(nanoseconds: 10 * millisecond, now: 6 * second) }
        #expect(time.percentile99 == 10 * millisecond)
    }

    @Test func `the guess is twice what answers have taken, until enough of them are known`() {
        var unknown = ResponseTime()
        var once = time(of: 3 * second)
        let (first, later) = (unknown.guess(within: 15 * second), once.guess(within: 15 * second))
        #expect(first == second && later == 6 * second)
        #expect(time(of: 3 * second, count: 31).percentile99 == nil)
        #expect(time(of: 3 * second, count: 32).percentile99 == 3 * second)
    }

    @Test func `who was called off early is given more time, until something is answered`() {
        var time = ResponseTime()
        let isOverstay = time.lostRace(waited: 1_050 * millisecond, other: 50 * millisecond, limit: 15 * second)
        let patience = time.guess(within: 15 * second)
        #expect(!isOverstay && patience == 4 * second)
        time.record(nanoseconds: 100 * millisecond, now: 6 * second)
        let answered = time.guess(within: 15 * second)
        #expect(answered == second)
    }

    /// How long was waited in vain, and how long the other endpoint took.
    @Test(arguments: [
        (waited: Int64(4_050), other: Int64(50), expected: false), (11_200, 2_000, false), (11_300, 6_000, false),
        (11_300, 2_000, true),
    ])
    func `where nothing was ever answered only most of what the table allows counts`(
        waited: Int64, other: Int64, expected: Bool
    ) {
        var unknown = ResponseTime()
        for _ in 0..<20 {
            let isOverstay = unknown.lostRace(
                waited: waited * millisecond, other: other * millisecond, limit: 15 * second)
            #expect(isOverstay == expected)
        }
    }

    @Test
    func `where nothing was answered in four seconds, one request in eight is given most of its time, until one is`() {
        var time = ResponseTime()
        _ = time.lostRace(waited: 4_050 * millisecond, other: 50 * millisecond, limit: 15 * second)
        let guesses = (0..<24).map { _ in time.guess(within: 15 * second) }
        #expect(guesses.count { $0 == 11_250 * millisecond } == 3)
        #expect(guesses.count { $0 == 4 * second } == 21)
        time.record(nanoseconds: 8 * second, now: 20 * second)
        let answered = (0..<24).map { _ in time.guess(within: 15 * second) }
        #expect(answered.allSatisfy { $0 == 11_250 * millisecond })
    }

    /// The same where an answer has taken a tenth of a second.
    @Test(arguments: [
        (waited: Int64(3_900), other: Int64(50), expected: false), (4_050, 50, true),
        // Those that are slow everywhere lose by chance.
        (4_200, 4_000, false), (8_000, 4_000, true),
    ])
    func `where little is known, a long wait counts if another endpoint answered in half the time`(
        waited: Int64, other: Int64, expected: Bool
    ) {
        var time = time(of: 100 * millisecond)
        let isOverstay = time.lostRace(waited: waited * millisecond, other: other * millisecond, limit: 15 * second)
        #expect(isOverstay == expected)
    }

    @Test func `a guess leaves another endpoint a quarter of what the table allows`() {
        var (unknown, slow) = (ResponseTime(), time(of: 900 * millisecond))
        let guesses = (unknown.guess(within: 400 * millisecond), slow.guess(within: 2 * second))
        #expect(guesses == (300 * millisecond, 1_500 * millisecond))
    }

    @Test func `what an answer of the same cell has taken is no overstay`() {
        var time = time(of: 5 * second)
        let (early, late) = (
            time.lostRace(waited: 9 * second, other: 50 * millisecond, limit: 15 * second),
            time.lostRace(waited: 10 * second, other: 50 * millisecond, limit: 15 * second)
        )
        #expect(!early && late)
    }

    @Test func `one in a hundred lies above the estimate`() throws {
        var time = ResponseTime()
        var random = RandomSource(seed: 7)
        // Most take a tenth of what the slowest take.
        func sample() -> Int64 {
            let isSlow = random.below(100) < 2
            return Int64(isSlow ? 50 + random.below(100) : 5 + random.below(10)) * millisecond
        }
        for turn in 1...20_000 as ClosedRange<Int64> { time.record(nanoseconds: sample(), now: turn * second) }
        let estimate = try #require(time.percentile99)
        let above = (0..<20_000).count { _ in sample() > estimate }
        #expect((50...600).contains(above), "\(above) of 20,000 above \(estimate)")
    }
}
