/// What was last read of counters that only grow, by the name of what they count.
struct SeenCounts {
    private var counts: [String: [UInt64]] = [:]

    var names: [String] { counts.keys.sorted() }

    /// What came since the last time. Counters that show less than then have begun anew, and all they show is new.
    mutating func since(_ name: String, _ now: [UInt64]) -> [UInt64] {
        guard let before = counts.updateValue(now, forKey: name) else { return now }
        return zip(now, before).contains(where: <) ? now : zip(now, before).map { $0 - $1 }
    }

    /// Forgets all others.
    mutating func keep(_ names: [String]) {
        let names = Set(names)
        counts = counts.filter { names.contains($0.key) }
    }
}
