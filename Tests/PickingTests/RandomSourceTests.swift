import Picking
import Testing

struct RandomSourceTests {
    @Test(arguments: [1, 2, 3, 10, 10_000, 1 << 32])
    func `numbers are below their bound, and everywhere below it`(bound: Int) {
        var random = RandomSource(seed: 7)
        let numbers = (0..<10_000).map { _ in random.below(bound) }
        #expect(numbers.allSatisfy { $0 >= 0 && $0 < bound })
        let mean = Double(numbers.reduce(0, +)) / 10_000
        #expect(abs(mean - Double(bound - 1) / 2) <= Double(bound) * 0.015)
    }

    @Test func `below nothing there is only zero`() {
        var random = RandomSource(seed: 7)
        #expect(random.below(0) == 0)
    }
}
