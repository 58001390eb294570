/// Finds the name somebody probably meant: the nearest by the number of slips of the pen.
package enum NearName {
    /// The candidate nearest to a word, if it is near enough to suggest; of several as near, the first.
    ///
    /// Near enough is one slip in three letters, and one in words shorter than three. Capitals are no slip.
    package static func of(_ word: String, among candidates: some Sequence<String>) -> String? {
        let given = Array(word.lowercased().utf8)
        // Beyond this it is no slip, and the table of distances would be large.
        guard !given.isEmpty, given.count <= 64 else { return nil }
        var limit = max(1, given.count / 3)
        var nearest: String?
        for candidate in candidates where candidate != word {
            let known = Array(candidate.lowercased().utf8)
            if known.isEmpty || abs(known.count - given.count) > limit { continue }
            let distance = distance(given, known)
            if distance == 0 { return candidate }
            if distance <= limit {
                nearest = candidate
                // From now on only nearer ones count.
                limit = distance - 1
            }
        }
        return nearest
    }

    /// Letters put in, left out, replaced, or swapped with their neighbor: the restricted Damerau–Levenshtein distance
    /// (optimal string alignment; Boytsov, "Indexing methods for approximate dictionary searching", 2011).
    static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for i in 0..<a.count {
            var row = [i + 1]
            row.reserveCapacity(b.count + 1)
            for j in 0..<b.count {
                var best = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, beforeLast[j - 1] + 1) }
                row.append(best)
            }
            beforeLast = last
            last = row
        }
        return last[b.count]
    }
}
