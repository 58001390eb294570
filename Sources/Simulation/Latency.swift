/// How long answers took: counted in buckets of an eighth of an octave of microseconds.
package struct Latency: Sendable, Equatable {
    private var buckets: [Int32] = []
    package private(set) var count = 0

    mutating func add(nanoseconds: Int64) {
        if buckets.isEmpty { buckets = Array(repeating: 0, count: 256) }
        buckets[Self.bucket(of: nanoseconds / 1_000)] += 1
        count += 1
    }

    static func += (a: inout Latency, b: Latency) {
        guard b.count > 0 else { return }
        if a.buckets.isEmpty { return a = b }
        for index in a.buckets.indices { a.buckets[index] += b.buckets[index] }
        a.count += b.count
    }

    /// In nanoseconds, the upper bound of the bucket: at most an eighth more than it was. 0 without answers.
    package func percentile(_ hundredths: Int) -> Int64 {
        let wanted = (count * hundredths + 9_999) / 10_000
        var seen = 0
        for (index, bucket) in buckets.enumerated() where bucket > 0 {
            seen += Int(bucket)
            if seen >= wanted { return Self.upperBound(of: index) * 1_000 }
        }
        return 0
    }

    private static func bucket(of microseconds: Int64) -> Int {
        guard microseconds >= 8 else { return Int(max(microseconds, 0)) }
        let exponent = 63 - microseconds.leadingZeroBitCount
        return min((exponent - 2) * 8 + Int(microseconds >> (exponent - 3)) & 7, 255)
    }

    private static func upperBound(of bucket: Int) -> Int64 {
        if bucket < 8 { return Int64(bucket) }
        let exponent = bucket / 8 + 2
        return (Int64(8 + bucket % 8) + 1) << Int64(exponent - 3)
    }
}
