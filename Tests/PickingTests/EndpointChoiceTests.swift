import Picking
import RouteTable
import Testing

struct EndpointChoiceTests {
    private func choice(_ balance: Balance, _ weights: [Int]) -> EndpointChoice {
        var choice = EndpointChoice(balance)
        choice.set(weights: weights, identities: weights.indices.map { UInt64($0) &* 0x1234_5678_9abc_def1 })
        return choice
    }

    private func pick(
        _ choice: inout EndpointChoice, _ random: inout RandomSource, key: UInt64? = nil, loads: [Int] = [],
        resting: Set<Int> = []
    ) -> Int? {
        choice.pick(key: key, random: &random) {
            loads.isEmpty ? 0 : loads[$0]
        } isResting: {
            resting.contains($0)
        }
    }

    @Test(arguments: [Balance.random, .roundRobin, .leastRequests])
    func `each has its part by weight`(balance: Balance) {
        var random = RandomSource(seed: 5)
        var choice = choice(balance, [1, 2, 7])
        var counts = [0, 0, 0]
        for _ in 0..<10_000 { counts[pick(&choice, &random)!] += 1 }
        for (count, weight) in zip(counts, [1, 2, 7]) { #expect(abs(count - weight * 1_000) < 200, "\(counts)") }
    }

    @Test func `of two, the one with less in hand`() {
        var random = RandomSource(seed: 5)
        var choice = choice(.leastRequests, [1, 1])
        let picks = (0..<100).map { _ in pick(&choice, &random, loads: [3, 0])! }
        // Both draws are the busy one a quarter of the time.
        #expect((60...90).contains(picks.count { $0 == 1 }))
    }

    @Test(arguments: [Balance.random, .roundRobin, .leastRequests, .hash(.source)])
    func `one that rests is left alone, and when all rest there is none`(balance: Balance) {
        var random = RandomSource(seed: 5)
        var choice = choice(balance, [1, 1, 1])
        for key in 0..<100 as Range<UInt64> {
            let left = pick(&choice, &random, key: key, resting: [0, 2])
            #expect(left == 1)
            let none = pick(&choice, &random, key: key, resting: [0, 1, 2])
            #expect(none == nil)
        }
    }

    @Test func `a key stays with its endpoint, and only the keys of one that is gone move`() {
        var random = RandomSource(seed: 5)
        var choice = choice(.hash(.source), [1, 1, 1, 1, 1])
        let keys = (0..<1_000 as Range<UInt64>).map { $0 &* 0x9e37_79b9_7f4a_7c15 }
        let before = keys.map { pick(&choice, &random, key: $0) }
        let again = keys.map { pick(&choice, &random, key: $0) }
        #expect(again == before)
        let after = keys.map { pick(&choice, &random, key: $0, resting: [3]) }
        #expect(zip(before, after).allSatisfy { $0 == $1 || $0 == 3 })
        for place in 0..<5 { #expect((140...260).contains(before.count { $0 == place })) }
    }

    @Test func `where nothing may be used there is nothing`() {
        var random = RandomSource(seed: 5)
        var choice = choice(.leastRequests, [])
        let none = pick(&choice, &random)
        #expect(none == nil)
    }
}
