package import Synchronization

/// A number one thread adds to and any thread may read.
///
/// Adding is a load and a store, not a locked instruction: each counter has a single writer. A reader sees a value
/// that is at most some microseconds old.
package struct Counter: ~Copyable, Sendable {
    @usableFromInline let value = Atomic<UInt64>(0)

    package init() {}

    @inlinable package var count: UInt64 { value.load(ordering: .relaxed) }

    /// Only on the thread that owns this counter.
    @inlinable package func add(_ amount: UInt64 = 1) {
        value.store(value.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }
}

/// A number any thread may set and any may read: the last one stays.
package final class SharedEstimate: Sendable {
    private let value = Atomic<Int64>(0)

    package init() {}

    /// nil as long as nobody has set it.
    package var latest: Int64? {
        let latest = value.load(ordering: .relaxed)
        return latest == 0 ? nil : latest
    }

    package func set(_ estimate: Int64) {
        value.store(estimate, ordering: .relaxed)
    }
}

/// A number that goes up and down: what is open, waiting or in flight now. One writer, any reader.
package struct Gauge: ~Copyable, Sendable {
    @usableFromInline let value = Atomic<Int>(0)

    package init() {}

    @inlinable package var level: Int { value.load(ordering: .relaxed) }

    /// Only on the thread that owns this gauge.
    @inlinable package func add(_ amount: Int) {
        value.store(value.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    /// Only on the thread that owns this gauge.
    @inlinable package func set(_ level: Int) {
        value.store(level, ordering: .relaxed)
    }
}
