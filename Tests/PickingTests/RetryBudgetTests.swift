import Picking
import Testing

struct RetryBudgetTests {
    private let second: Int64 = 1_000_000_000

    @Test func `a burst passes, and a storm does not`() {
        var budget = RetryBudget(share: 2_000)
        var spent = 0
        for time in 0..<60 as Range<Int64> {
            for request in 0..<100 as Range<Int64> {
                let now = time * second + request * second / 100
                budget.countRequest(now: now)
                // Everything fails from the 20th second on.
                if time >= 20, budget.take(now: now) { spent += 1 }
            }
            if time == 20 { #expect(spent == 100, "all of the first second: ten seconds have been earned") }
        }
        // 40 s of 100 requests, a fifth each, and what had been earned before.
        #expect((800...1_000).contains(spent))
    }

    @Test func `when nothing that is repeated succeeds hardly anything is, until something does`() {
        var budget = RetryBudget(share: 2_000)
        func spend(_ requests: Int, helps: Bool, at now: Int64) -> Int {
            var spent = 0
            for _ in 0..<requests {
                budget.countRequest(now: now)
                if budget.take(now: now) {
                    spent += 1
                    budget.extraEnded(helped: helps)
                }
            }
            return spent
        }
        for time in 0..<10 as Range<Int64> {
            for _ in 0..<100 { budget.countRequest(now: time * second) }
        }
        let useless = spend(1_000, helps: false, at: 10 * second)
        #expect((60...90).contains(useless), "thirty, and a twentieth of the rest")
        let useful = spend(200, helps: true, at: 11 * second)
        #expect(useful >= 150, "all from the first that helps on")
    }

    @Test func `a few are always allowed`() {
        var budget = RetryBudget(share: 2_000)
        let allowed = (0..<100).count { _ in budget.take(now: 5 * second) }
        #expect(allowed == 30)
        let early = budget.take(now: 14 * second)
        let later = budget.take(now: 16 * second)
        #expect(!early && later)
    }
}
