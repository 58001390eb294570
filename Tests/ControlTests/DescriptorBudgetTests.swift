import Proxy
import Testing

@testable import Control

struct DescriptorBudgetTests {
    @Test(arguments: [(256, 2), (1_024, 1), (1_024, 8), (20_000, 2), (1_048_576, 16)])
    func `clients and their connections leave the reserve alone`(limit: Int, workers: Int) {
        let budget = DescriptorBudget(limit: limit, workers: workers)
        #expect(budget.reserve >= 64 + 8 * workers)
        #expect(budget.room.sockets * workers <= limit - budget.reserve)
        #expect(2 * budget.room.clients <= budget.room.sockets)
        #expect(budget.clients > 0)
        #expect(budget.ceiling + workers <= limit - 16 && budget.ceiling > limit - budget.reserve)
    }

    @Test(arguments: [(48, 2), (60, 2), (256, 2), (20_000, 2)])
    func `what is said to be kept and what clients get is not more than there is`(limit: Int, workers: Int) {
        let budget = DescriptorBudget(limit: limit, workers: workers)
        #expect(budget.kept + 2 * budget.clients <= limit)
        #expect(budget.kept > 0)
    }

    @Test func `a system without a limit has one here`() {
        #expect(DescriptorBudget(limit: -1, workers: 1).limit == 1_048_576)
    }
}
