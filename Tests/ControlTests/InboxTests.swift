import Probes
import Proxy
import Synchronization
import Testing

@testable import Control

/// What workers and the prober leave for the brain; `make sanitize` runs this under the thread sanitizer.
struct InboxTests {
    /// Counted by several tasks.
    private final class Count: Sendable {
        private let value: Mutex<Int>

        init(_ value: Int = 0) { self.value = Mutex(value) }

        var now: Int { value.withLock { $0 } }
        func add(_ amount: Int) { value.withLock { $0 += amount } }
    }

    @Test func `what many threads report is taken once, or counted as dropped`() async throws {
        let inbox = Inbox()
        let (reporters, reports) = (4, 5_000)
        let left = Count(reporters)
        var taken = 0
        try await withThrowingTaskGroup(of: Int.self) { group in
            for reporter in 0..<reporters {
                group.addTask {
                    for number in 0..<reports {
                        switch number % 3 {
                        case 0: inbox.urgent(endpoint: reporter, failures: number, overstaying: false)
                        case 1: inbox.probed(number, .unknown, isAwaited: false)
                        default: inbox.published(generation: number)
                        }
                    }
                    left.add(-1)
                    return 0
                }
            }
            group.addTask {
                var taken = 0
                var isOver = false
                while !isOver {
                    isOver = left.now == 0
                    let (reports, dropped) = inbox.takeAll()
                    taken += reports.count + dropped
                    await Task.yield()
                }
                return taken
            }
            for try await count in group { taken += count }
        }
        #expect(taken == reporters * reports)
    }

    @Test func `work given to a thread by many is done once each, or refused`() async throws {
        let thread = try WorkThread(name: "test", costLimit: 1_000)
        let (accepted, done) = (Count(), Count())
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<2_000 where thread.add(cost: 1, { done.add(1) }) { accepted.add(1) }
                }
            }
        }
        await thread.finish(within: .seconds(10))
        #expect(done.now == accepted.now)
        #expect(accepted.now >= 1_000)
    }
}
