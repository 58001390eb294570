internal import Synchronization

/// How long things took: counts in buckets whose width is a quarter of their power of two, so that any quantile is
/// known to within 19 %. From 16 µs to 137 s; what lies outside counts in the first or last bucket. One writer.
package final class Histogram: Sendable {
    /// Nanoseconds below 2^14 share the first bucket.
    @usableFromInline static let lowestBits = 14
    @usableFromInline static let highestBits = 37
    /// Four for each power of two, and one for everything below the lowest.
    package static let bucketCount = (highestBits - lowestBits) * 4 + 1

    @usableFromInline let buckets: UnsafeMutablePointer<Atomic<UInt64>>
    @usableFromInline let total = Counter()

    package init() {
        unsafe buckets = .allocate(capacity: Self.bucketCount)
        for i in 0..<Self.bucketCount { unsafe (buckets + i).initialize(to: Atomic(0)) }
    }

    deinit {
        unsafe buckets.deinitialize(count: Self.bucketCount)
        unsafe buckets.deallocate()
    }

    /// Only on the thread that owns this histogram.
    @inlinable package func record(nanoseconds: Int64) {
        let bucket = Self.bucket(nanoseconds: nanoseconds)
        // In bounds: `bucket` is below bucketCount by construction.
        unsafe buckets[bucket].store(buckets[bucket].load(ordering: .relaxed) &+ 1, ordering: .relaxed)
        total.add(UInt64(clamping: nanoseconds))
    }

    /// The bucket a duration falls into.
    @inlinable package static func bucket(nanoseconds: Int64) -> Int {
        if nanoseconds < 1 << lowestBits { return 0 }
        let power = 63 - nanoseconds.leadingZeroBitCount
        if power >= highestBits { return bucketCount - 1 }
        return (power - lowestBits) * 4 + Int(truncatingIfNeeded: nanoseconds >> Int64(power - 2)) & 3 + 1
    }

    /// The upper edge of a bucket, in nanoseconds; the last one has none (`.max`).
    package static func upperEdge(of bucket: Int) -> Int64 {
        if bucket == 0 { return 1 << lowestBits }
        if bucket == bucketCount - 1 { return .max }
        let power = (bucket - 1) / 4 + lowestBits
        return Int64((bucket - 1) % 4 + 5) << Int64(power - 2)
    }

    package func count(inBucket bucket: Int) -> UInt64 {
        precondition(bucket >= 0 && bucket < Self.bucketCount)
        return unsafe buckets[bucket].load(ordering: .relaxed)
    }

    /// The sum of all that was recorded, in nanoseconds.
    package var sumNanoseconds: UInt64 { total.count }
}
