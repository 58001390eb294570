/// A service's split as one worker carries it out: whose turn it is, evenly, or by a request's key.
package struct ServiceSplit: Sendable {
    /// Of the cells, in ten-thousandths; with `shed` they add up to 10,000.
    package private(set) var shares: [Int]
    /// What is refused at once, in ten-thousandths.
    package private(set) var shed: Int
    @usableFromInline var isWhole: Bool
    @usableFromInline var turns = EvenSequence()

    package init(shares: [Int], shed: Int) {
        self.shares = shares
        self.shed = shed
        isWhole = shares.first == 10_000
    }

    package mutating func set(_ shares: [Int], shed: Int) {
        precondition(
            shares.count == self.shares.count && shares.reduce(shed, +) == 10_000, "shares do not add up")
        self.shares = shares
        self.shed = shed
        isWhole = shares.first == 10_000
    }

    /// The cell whose turn it is; the same for the same key, as long as the split lets it be. Nil: the turn of those
    /// that are refused, lest others fail.
    @inlinable @inline(__always)
    package mutating func draw(key: UInt64?) -> Int? {
        isWhole ? 0 : drawAmongMany(key: key)
    }

    @usableFromInline mutating func drawAmongMany(key: UInt64?) -> Int? {
        let point = turns.next(below: 10_000)
        let all = 10_000 - shed
        if point >= all { return nil }
        return cell(at: key.map { Self.point(of: $0, below: all) } ?? point)
    }

    /// The same for a request that was let in before: it is not refused any more.
    package mutating func drawAgain(key: UInt64?) -> Int {
        if isWhole { return 0 }
        let all = 10_000 - shed
        return cell(at: key.map { Self.point(of: $0, below: all) } ?? turns.next(below: all))
    }

    /// Keys that are alike, as hashes of names that differ in their ends, lie far from each other.
    private static func point(of key: UInt64, below bound: Int) -> Int {
        Int(key.mixed.multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// Where a point from 0 up to the sum of all shares lies; the first where they are all 0.
    private func cell(at point: Int) -> Int {
        var point = point
        for (index, share) in shares.enumerated() {
            if point < share { return index }
            point -= share
        }
        return 0
    }
}
