/// What was counted in a stretch of time.
struct Counts: Sendable, Equatable, Codable {
    var attempts: Int32 = 0
    var successes: Int32 = 0
    var failures: Int32 = 0
    var overstays: Int32 = 0

    /// Attempts with a verdict.
    var ended: Int { Int(successes) + Int(failures) }

    /// Attempts that failed or took far too long. One that did both counts twice, so it is bounded by what was begun.
    var bad: Int { min(Int(failures) + Int(overstays), max(Int(attempts), ended)) }

    /// In ten-thousandths of what was begun; 0 when nothing was.
    var badRatio: Int {
        let all = max(Int(attempts), ended)
        return all == 0 ? 0 : bad * whole / all
    }

    /// In ten-thousandths of what has a verdict.
    var failureRatio: Int { ended == 0 ? 0 : Int(failures) * whole / ended }

    static func += (a: inout Counts, b: Counts) {
        a.attempts &+= b.attempts
        a.successes &+= b.successes
        a.failures &+= b.failures
        a.overstays &+= b.overstays
    }

    static func -= (a: inout Counts, b: Counts) {
        a.attempts &-= b.attempts
        a.successes &-= b.successes
        a.failures &-= b.failures
        a.overstays &-= b.overstays
    }
}

extension Counts {
    init(_ traffic: EndpointTraffic) {
        attempts = Int32(clamping: traffic.attempts)
        successes = Int32(clamping: traffic.successes)
        failures = Int32(clamping: traffic.failures)
        overstays = Int32(clamping: traffic.overstays + traffic.cellDark)
    }
}

/// Counts of the last stretch of time, kept in `size` buckets: what is older than the stretch, to a bucket, is gone.
struct SlidingCounts<let size: Int>: Sendable {
    private(set) var total = Counts()
    private var buckets = InlineArray<size, Counts>(repeating: Counts())
    /// The newest bucket's number since the clock began.
    private var newest: Int64 = 0
    /// Of a bucket, nanoseconds.
    private let width: Int64

    init(length: Duration) {
        width = max(length.nanoseconds / Int64(size), 1)
    }

    mutating func add(_ counts: Counts, at now: Instant) {
        advance(to: now)
        buckets[Int(newest % Int64(size))] += counts
        total += counts
    }

    mutating func advance(to now: Instant) {
        let number = now.nanoseconds / width
        guard number > newest else { return }
        for step in 1...min(number - newest, Int64(size)) {
            let slot = Int((newest + step) % Int64(size))
            total -= buckets[slot]
            buckets[slot] = Counts()
        }
        newest = number
    }

    /// The time that `total` is about, as of the last `advance` or `add`, at `now`.
    func covered(at now: Instant) -> Duration {
        let age = now - Instant(nanoseconds: newest * width)
        let part = min(max(age, .nanoseconds(1)), .nanoseconds(width))
        return Duration.nanoseconds(width) * (size - 1) + part
    }

    mutating func clear() {
        total = Counts()
        buckets = InlineArray(repeating: Counts())
    }
}

extension SlidingCounts: Codable {
    private enum Key: CodingKey { case width, newest, buckets }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        width = try container.decode(Int64.self, forKey: .width)
        newest = try container.decode(Int64.self, forKey: .newest)
        let known = try container.decode([Counts].self, forKey: .buckets)
        guard known.count == size, width > 0, newest >= 0, newest <= .max / width else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: container.codingPath,
                    debugDescription: "\(known.count) buckets of \(width) ns, the newest \(newest)"))
        }
        for (index, bucket) in known.enumerated() {
            buckets[index] = bucket
            total += bucket
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(width, forKey: .width)
        try container.encode(newest, forKey: .newest)
        try container.encode((0..<size).map { buckets[$0] }, forKey: .buckets)
    }
}
