package import RouteTable

/// The choice among a cell's endpoints that may be used, by the service's way of balancing. They are named by their
/// place among those; what is known of each is asked of the caller.
package struct EndpointChoice: Sendable {
    @usableFromInline let balance: Balance
    @usableFromInline private(set) var count = 0
    /// The running sum of their weights; empty when all weigh the same.
    @usableFromInline private(set) var sums: [Int] = []
    /// Of each, for hashing.
    private var weights: [Int] = []
    private var identities: [UInt64] = []
    private var turn: UInt64 = 0
    private var turns = EvenSequence()

    package init(_ balance: Balance) {
        self.balance = balance
    }

    /// - Parameters:
    ///   - weights: of each that may be used, more than 0.
    ///   - identities: the same over restarts and in every worker.
    package mutating func set(weights: [Int], identities: [UInt64]) {
        precondition(weights.count == identities.count && weights.allSatisfy { $0 > 0 })
        count = weights.count
        self.weights = weights
        self.identities = identities
        sums.removeAll(keepingCapacity: true)
        guard let first = weights.first, !weights.allSatisfy({ $0 == first }) else { return }
        var sum = 0
        for weight in weights {
            sum += weight
            sums.append(sum)
        }
    }

    /// One for a first attempt, not one that rests; nil when there is none.
    ///
    /// - Parameters:
    ///   - load: what an endpoint has in hand for each unit of weight; the less the better.
    ///   - isResting: it has just failed a request.
    @inlinable @inline(__always)
    package mutating func pick(
        key: UInt64?, random: inout RandomSource, load: (Int) -> Int, isResting: (Int) -> Bool
    ) -> Int? {
        if count == 0 { return nil }
        let choice: Int
        if case .leastRequests = balance {
            let a = draw(&random)
            let b = draw(&random)
            choice = load(b) < load(a) ? b : a
        } else {
            choice = pickOtherwise(key: key, random: &random, isResting: isResting)
        }
        if !isResting(choice) { return choice }
        return another(random: &random) { !isResting($0) }
    }

    @usableFromInline mutating func pickOtherwise(
        key: UInt64?, random: inout RandomSource, isResting: (Int) -> Bool
    ) -> Int {
        switch balance {
        case .leastRequests, .random: draw(&random)
        case .roundRobin: nextInTurn()
        case .hash: rendezvous(key ?? random.next(), isResting: isResting)
        }
    }

    /// One that is fit, from a random place on; nil when there is none.
    @inlinable package func another(random: inout RandomSource, isFit: (Int) -> Bool) -> Int? {
        let start = random.below(count)
        for step in 0..<count {
            let candidate = (start + step) % count
            if isFit(candidate) { return candidate }
        }
        return nil
    }

    /// One after the other; with weights, as evenly as can be.
    private mutating func nextInTurn() -> Int {
        guard let total = sums.last else {
            turn &+= 1
            return Int(turn % UInt64(count))
        }
        return byWeight(turns.next(below: total))
    }

    @inlinable func draw(_ random: inout RandomSource) -> Int {
        if let total = sums.last { return byWeight(random.below(total)) }
        return random.below(count)
    }

    @usableFromInline func byWeight(_ point: Int) -> Int {
        var low = 0
        var high = sums.count - 1
        while low < high {
            let middle = (low + high) / 2
            if point < sums[middle] { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// Highest random weight (Thaler and Ravishankar, 1998): a key stays with its endpoint as long as that is usable,
    /// and only its own keys move when it is not. Weighted by comparing weight / -log2(u) in whole numbers.
    private func rendezvous(_ key: UInt64, isResting: (Int) -> Bool) -> Int {
        var best = 0
        var bestScore = -1
        for place in 0..<count where !isResting(place) {
            let score = weights[place] &* 1_000_000 / Self.negativeLog2((key ^ identities[place]).mixed)
            if score > bestScore {
                best = place
                bestScore = score
            }
        }
        return best
    }

    /// -log2(hash / 2^64) in 1/65,536, at least 1: the exponent exactly, the rest linearly.
    private static func negativeLog2(_ hash: UInt64) -> Int {
        let exponent = (hash | 1).leadingZeroBitCount
        let rest = Int(((hash | 1) << UInt64(exponent + 1)) >> 48)
        return max((exponent + 1) * 65_536 - rest, 1)
    }
}

extension UInt64 {
    /// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every bit depends on all.
    var mixed: UInt64 {
        var z = self &+ 0x9e37_79b9_7f4a_7c15
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
