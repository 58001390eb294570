/// How late the brain looked at what workers had counted, at worst, in the last ten to twenty seconds.
struct BrainLag {
    /// Between two looks, when nothing is urgent: nanoseconds.
    static let pause: Int64 = 100_000_000
    private static let window: Int64 = 10_000_000_000

    private var last: Int64?
    private var windowBegan: Int64 = 0
    private var worst: Int64 = 0
    private var worstBefore: Int64 = 0

    /// Nanoseconds.
    var latest: Int64 { max(worst, worstBefore) }

    /// The brain looks now.
    mutating func look(at now: Int64) {
        if now - windowBegan >= Self.window {
            worstBefore = worst
            worst = 0
            windowBegan = now
        }
        if let last { worst = max(worst, now - last - Self.pause) }
        last = now
    }
}
