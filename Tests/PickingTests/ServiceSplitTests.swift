import Picking
import Testing

struct ServiceSplitTests {
    @Test(arguments: [
        [10_000, 0, 0], [7_000, 3_000, 0], [1, 9_998, 1], [3_333, 3_333, 3_334], [5_000, 2_000, 1_000],
    ])
    func `in ten thousand turns each cell, and the refusal, has its share, to within a handful`(shares: [Int]) {
        let shed = 10_000 - shares.reduce(0, +)
        var split = ServiceSplit(shares: shares, shed: shed)
        var counts = shares.map { _ in 0 }
        var refused = 0
        for _ in 0..<10_000 {
            if let cell = split.draw(key: nil) { counts[cell] += 1 } else { refused += 1 }
        }
        for (count, share) in zip(counts + [refused], shares + [shed]) { #expect(abs(count - share) <= 4) }
    }

    @Test func `within any hundred turns a tenth is ten, give or take two`() {
        var split = ServiceSplit(shares: [9_000, 1_000], shed: 0)
        for _ in 0..<50 {
            let count = (0..<100).count { _ in split.draw(key: nil) == 1 }
            #expect((8...12).contains(count))
        }
    }

    @Test func `a key stays in its cell while the split grows, and half of a split's change moves half of the keys`() {
        var split = ServiceSplit(shares: [5_000, 5_000], shed: 0)
        let keys = (0..<1_000 as Range<UInt64>).map { $0 &* 0x9e37_79b9_7f4a_7c15 }
        let before = keys.map { split.draw(key: $0) }
        split.set([6_000, 4_000], shed: 0)
        let after = keys.map { split.draw(key: $0) }
        let moved = zip(before, after).count { $0 != $1 }
        #expect((80...120).contains(moved))
        #expect(zip(before, after).allSatisfy { $0 == $1 || $0 == 1 && $1 == 0 })
    }

    /// Hashes of names that differ in their ends have their first bits in common.
    @Test(arguments: [[9_000, 1_000], [5_000, 5_000], [1_000, 9_000]])
    func `keys that are alike are split as all others`(shares: [Int]) {
        var split = ServiceSplit(shares: shares, shed: 0)
        let counts = (1_000..<2_000).reduce(into: [0, 0]) { counts, number in
            // FNV-1a, as requests' keys are.
            let key = "user-\(number)".utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
                ($0 ^ UInt64($1)) &* 0x100_0000_01b3
            }
            if let cell = split.draw(key: key) { counts[cell] += 1 }
        }
        for (count, share) in zip(counts, shares) { #expect(abs(count - share / 10) < 60, "\(counts)") }
    }

    @Test func `what was let in once is not refused when it is tried again`() {
        var split = ServiceSplit(shares: [0, 1_000], shed: 9_000)
        let drawn = (0..<100).map { _ in split.drawAgain(key: nil) }
        #expect(drawn == Array(repeating: 1, count: 100))
    }
}
