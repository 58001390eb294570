internal import RouteTable
internal import Telemetry

/// A service in one region as one worker sees it, and the choice among its endpoints.
final class WorkerCell {
    let region: String
    let counters: CellCounters
    let endpoints: [WorkerEndpoint]
    let connectionLimit: Int
    private(set) var responseTime = ResponseTime()
    private let sharedResponseTime: SharedEstimate
    private(set) var load = CellLoad()

    private let balance: Balance
    /// Those the brain lets be used, and the running sum of their weights; empty sums when all weigh the same.
    private var usable: [WorkerEndpoint] = []
    private var weightSums: [Int] = []
    private var turn: UInt64 = 0
    private var turns = EvenSequence()

    init(
        region: String, _ published: Publication.Cell, endpoints: [WorkerEndpoint], balance: Balance,
        connectionLimit: Int
    ) {
        self.region = region
        counters = published.counters
        sharedResponseTime = published.responseTime
        self.endpoints = endpoints
        self.balance = balance
        self.connectionLimit = connectionLimit
        endpointsChanged()
    }

    /// Goes on with what the same cell learned under the table before.
    func inherit(from before: WorkerCell) {
        responseTime = before.responseTime
        load = before.load
    }

    /// The 99th percentile of the time to a response head, nanoseconds: this worker's own, or while it has seen too
    /// little another's. nil: nobody has seen enough.
    var usualTime: Int64? { responseTime.percentile99 ?? sharedResponseTime.latest }

    @inline(__always)
    func record(responseTime nanoseconds: Int64) {
        responseTime.record(nanoseconds: nanoseconds)
    }

    /// Tells other workers what this one has learned.
    func shareResponseTime() {
        if let own = responseTime.percentile99 { sharedResponseTime.set(own) }
    }

    /// To be called after an endpoint's share or weight changed.
    func endpointsChanged() {
        usable = endpoints.filter { $0.share > 0 && $0.weight > 0 }
        weightSums.removeAll(keepingCapacity: true)
        guard let first = usable.first else { return }
        if usable.allSatisfy({ $0.weight * $0.share == first.weight * first.share }) { return }
        var sum = 0
        for endpoint in usable {
            sum += endpoint.weight * endpoint.share
            weightSums.append(sum)
        }
    }

    /// An endpoint for a first attempt: by the service's way of balancing, not one that rests. Nil: nothing here now.
    func pick(key: UInt64?, now: Int64, cautious: Bool, random: inout RandomSource) -> Uncounted<WorkerEndpoint>? {
        if usable.isEmpty { return nil }
        let choice: Uncounted<WorkerEndpoint>
        switch balance {
        case .leastRequests:
            let a = draw(&random)
            let b = draw(&random)
            choice = b.lend { $0.load } < a.lend { $0.load } ? b : a
        case .random:
            choice = draw(&random)
        case .roundRobin:
            choice = nextInTurn()
        case .hash:
            choice = rendezvous(key ?? random.next(), now: now, cautious: cautious)
        }
        if !choice.lend({ $0.isResting(now: now, cautious: cautious) }) { return choice }
        return another(excluding: TriedEndpoints(), now: now, cautious: cautious, random: &random)
    }

    /// An endpoint that was not tried yet and does not rest, from a random place on; nil when there is none.
    func another(
        excluding tried: TriedEndpoints, now: Int64, cautious: Bool, random: inout RandomSource
    ) -> Uncounted<WorkerEndpoint>? {
        let start = random.below(usable.count)
        for i in 0..<usable.count {
            let candidate = usable[(start + i) % usable.count]
            if !tried.contains(candidate.number) && !candidate.isResting(now: now, cautious: cautious) {
                return Uncounted(candidate)
            }
        }
        return nil
    }

    /// An endpoint that answered something since `time`, other than those tried.
    func alive(since time: Int64, excluding tried: TriedEndpoints) -> Uncounted<WorkerEndpoint>? {
        usable.first { $0.lastAnswer >= time && !tried.contains($0.number) }.map { Uncounted($0) }
    }

    /// Any endpoint at all, tried or not, resting or not, used by the brain's leave or not: better than none.
    func anything(random: inout RandomSource) -> Uncounted<WorkerEndpoint>? {
        let from = usable.isEmpty ? endpoints : usable
        let start = random.below(from.count)
        for i in 0..<from.count {
            let candidate = from[(start + i) % from.count]
            if candidate.weight > 0 { return Uncounted(candidate) }
        }
        return nil
    }

    /// One after the other; with weights, as evenly as can be.
    private func nextInTurn() -> Uncounted<WorkerEndpoint> {
        guard let total = weightSums.last else {
            turn &+= 1
            return Uncounted(usable[Int(turn % UInt64(usable.count))])
        }
        return byWeight(turns.next(below: total))
    }

    private func draw(_ random: inout RandomSource) -> Uncounted<WorkerEndpoint> {
        if let total = weightSums.last { return byWeight(random.below(total)) }
        return Uncounted(usable[random.below(usable.count)])
    }

    private func byWeight(_ point: Int) -> Uncounted<WorkerEndpoint> {
        var low = 0
        var high = weightSums.count - 1
        while low < high {
            let middle = (low + high) / 2
            if point < weightSums[middle] { high = middle } else { low = middle + 1 }
        }
        return Uncounted(usable[low])
    }

    /// Highest random weight (Thaler and Ravishankar, 1998): a key stays with its endpoint as long as that is usable,
    /// and only its own keys move when it is not. Weighted by comparing weight / -log2(u) in whole numbers.
    private func rendezvous(_ key: UInt64, now: Int64, cautious: Bool) -> Uncounted<WorkerEndpoint> {
        var best = usable[0]
        var bestScore = -1
        for endpoint in usable where !endpoint.isResting(now: now, cautious: cautious) {
            let hash = mix(key ^ endpoint.identity)
            let score = endpoint.weight * endpoint.share &* 1_000_000 / negativeLog2(hash)
            if score > bestScore {
                best = endpoint
                bestScore = score
            }
        }
        return Uncounted(best)
    }

    /// -log2(hash / 2^64) in 1/65,536, at least 1: the exponent exactly, the rest linearly.
    private func negativeLog2(_ hash: UInt64) -> Int {
        let exponent = (hash | 1).leadingZeroBitCount
        let rest = Int(((hash | 1) << UInt64(exponent + 1)) >> 48)
        return max((exponent + 1) * 65_536 - rest, 1)
    }

    /// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
    private func mix(_ x: UInt64) -> UInt64 {
        var z = x &+ 0x9e37_79b9_7f4a_7c15
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// The endpoints a request was sent to already: as many as retries and a hedge can make.
struct TriedEndpoints {
    private var numbers = InlineArray<12, Int32>(repeating: -1)
    private(set) var count = 0

    mutating func insert(_ number: Int) {
        guard count < 12 else { return }
        numbers[count] = Int32(truncatingIfNeeded: number)
        count += 1
    }

    mutating func removeAll() {
        count = 0
    }

    func contains(_ number: Int) -> Bool {
        for i in 0..<count where numbers[i] == Int32(truncatingIfNeeded: number) { return true }
        return false
    }
}
