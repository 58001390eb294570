/// When what is being written is taken for complete: once nothing has changed for as long as the writing took so far.
///
/// An editor's save is one change; a generator or a copy of many files takes its time, and pauses. Times are nanoseconds
/// of one clock that never goes back.
struct QuietTime: Sendable {
    struct Bounds: Sendable {
        /// The quiet after a single change.
        var shortest: Int64 = 1_000_000_000
        /// The most quiet that is asked for, however long the writing took.
        var longest: Int64 = 2_000_000_000
        /// From the first change on: where there is no quiet, what is there is read after this long.
        var limit: Int64 = 10_000_000_000
    }

    let bounds: Bounds
    private var first: Int64?
    private var last: Int64 = 0

    init(_ bounds: Bounds = Bounds()) {
        self.bounds = bounds
    }

    mutating func changed(at now: Int64) {
        first = first ?? now
        last = now
    }

    /// When the changes so far are to be told; nil when there are none.
    var end: Int64? {
        guard let first else { return nil }
        let quiet = min(max(last - first, bounds.shortest), bounds.longest)
        return min(last + quiet, first + bounds.limit)
    }
}
