import Synchronization
import Testing

@testable import Telemetry

/// Counters have one writer and any readers; `make sanitize` runs this under the thread sanitizer.
struct CounterTests {
    /// What one thread writes.
    private final class Counters: Sendable {
        let counter = Counter()
        let gauge = Gauge()
        let histogram = Histogram()
        let handshakes = HandshakeCounters()
        let isDone = Atomic<Bool>(false)

        func write(_ count: Int) {
            for number in 1...count {
                counter.add()
                gauge.add(number.isMultiple(of: 2) ? -1 : 1)
                histogram.record(nanoseconds: Int64(number) * 1_000)
                handshakes.countFailure(number % 32)
            }
            isDone.store(true, ordering: .releasing)
        }
    }

    @Test func `readers never see a counter fall, and in the end see all of it`() async {
        let (writers, count) = (3, 20_000)
        let counters = (0..<writers).map { _ in Counters() }
        let estimate = SharedEstimate()
        await withTaskGroup(of: Void.self) { group in
            for one in counters {
                group.addTask {
                    one.write(count)
                    estimate.set(7)
                }
            }
            for _ in 0..<2 {
                group.addTask {
                    var before: UInt64 = 0
                    var isOver = false
                    while !isOver {
                        isOver = counters.allSatisfy { $0.isDone.load(ordering: .acquiring) }
                        let now = counters.reduce(0) { $0 + $1.counter.count }
                        #expect(now >= before)
                        before = now
                        #expect(counters.allSatisfy { (0...1).contains($0.gauge.level) })
                        _ = estimate.latest
                        _ = counters.map(\.histogram.sumNanoseconds)
                        await Task.yield()
                    }
                }
            }
        }
        for one in counters {
            #expect(one.counter.count == UInt64(count))
            #expect(one.gauge.level == 0)
            #expect((0..<Histogram.bucketCount).reduce(0) { $0 + one.histogram.count(inBucket: $1) } == UInt64(count))
            #expect((0..<32).reduce(0) { $0 + one.handshakes.failures($1) } == UInt64(count))
        }
        #expect(estimate.latest == 7)
    }
}
