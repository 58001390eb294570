internal import RouteTable

/// How traffic is shared among regions: arithmetic only.
///
/// Services are served in order of importance. Each fills its regions in order of preference, up to what its cells may
/// have and what their capacity has room for; those of equal importance that want more of a region than there is share
/// its room in proportion. What fits nowhere is shed, if every capacity is known; where one is not, it goes there: too
/// much is better than nothing.
struct Plan: Sendable {
    /// What a service asks for.
    struct Request: Sendable {
        var importance = Importance.normal
        /// Thousandths of a request per second.
        var demand = 0
        /// In order of preference.
        var offers: [Offer]
        /// Its shares now.
        var held: [Int]
    }

    /// What a cell can give.
    struct Offer: Sendable, Equatable {
        var region = 0
        /// The most of its service's traffic it may have, in ten-thousandths.
        var allowed: Int
        /// The same before anything is shed: more than `allowed` where a cell is to be left although it still works.
        var lastResort: Int
        /// Thousandths of a request per second. Absent: unknown.
        var capacity: Int?
        /// The capacity is what overload has shown, not what somebody has declared.
        var isLearned: Bool
        /// Weight that counts, of all weight.
        var healthyShare: Int
        /// Its endpoints are out by probes only: no request has failed there lately.
        var isSilent: Bool

        init(
            region: Int = 0, allowed: Int, lastResort: Int? = nil, capacity: Int? = nil, isLearned: Bool = false,
            healthyShare: Int, isSilent: Bool = false
        ) {
            self.region = region
            self.allowed = allowed
            self.lastResort = lastResort ?? allowed
            self.capacity = capacity
            self.isLearned = isLearned
            self.healthyShare = healthyShare
            self.isSilent = isSilent
        }
    }

    /// What a region can take, in thousandths of a request per second.
    struct Region: Sendable, Equatable {
        /// Absent: unknown.
        var capacity: Int?
        /// How much of it is used as long as there is room elsewhere, in ten-thousandths.
        var target = 8_000
    }

    /// What a service gets: shares of its cells and what is shed, in ten-thousandths that add up to 10,000.
    struct Share: Sendable, Equatable {
        var shares: [Int]
        var shed = 0
        var failsOpen = false
        /// It has more of a cell than the cell may have, because that still works and there is nothing better.
        var usesLastResort = false
    }

    private let regions: [Region]
    private let requests: [Request]
    private var result: [Share]
    /// Of each request, what has no place yet, in ten-thousandths.
    private var left: [Int]
    /// Of each region, what is used of it.
    private var used: [Int]

    /// - Returns: one for each request.
    static func shares(_ requests: [Request], in regions: [Region]) -> [Share] {
        var plan = Plan(requests, in: regions)
        plan.fill()
        for share in plan.result {
            precondition(
                share.shares.isEmpty || share.shares.reduce(share.shed, +) == whole, "shares and shed add up")
        }
        return plan.result
    }

    private init(_ requests: [Request], in regions: [Region]) {
        self.regions = regions
        self.requests = requests
        result = requests.map { Share(shares: Array(repeating: 0, count: $0.offers.count)) }
        left = requests.map { $0.offers.isEmpty ? 0 : whole }
        used = Array(repeating: 0, count: regions.count)
    }

    /// How far a capacity is used, in the order in which it is tried.
    private enum Level {
        /// Every region up to its target.
        case comfortable
        case full
        /// Also cells that were to be left, but still work.
        case lastResort
    }

    private mutating func fill() {
        for importance in Importance.allCases.reversed() {
            let members = requests.indices.filter { requests[$0].importance == importance && left[$0] > 0 }
            if members.isEmpty { continue }
            // Those that can stay where they are, should nothing else be left, let the others go first.
            let refugees = members.filter { requests[$0].offers.allSatisfy { $0.lastResort <= $0.allowed } }
            let others = members.filter { !refugees.contains($0) }
            for group in [refugees, others] {
                for level in [Level.comfortable, .full] { place(group, level) }
            }
            place(members.filter { !hasOpenUnlimited($0) }, .lastResort)
            for member in members {
                result[member].usesLastResort = zip(result[member].shares, requests[member].offers).contains {
                    $0 > $1.allowed
                }
            }
            for member in members where left[member] > 0 { placeRest(of: member) }
        }
    }

    /// Lets members take room, all in their best region that has some for them, until nobody finds any.
    private mutating func place(_ members: [Int], _ level: Level) {
        var isExhausted = Array(repeating: false, count: regions.count)
        var wants = Array(repeating: 0, count: regions.count)
        while true {
            // What each wants next, and of which of its cells; in total, in each region.
            var wishes: [(member: Int, position: Int, share: Int)] = []
            for region in wants.indices { wants[region] = 0 }
            for member in members where left[member] > 0 {
                for (position, offer) in requests[member].offers.enumerated() where !isExhausted[offer.region] {
                    let share = possible(member, position, level)
                    if share == 0 { continue }
                    wishes.append((member, position, share))
                    wants[offer.region] += load(share, of: member)
                    break
                }
            }
            if wishes.isEmpty { return }
            let rooms = regions.indices.map { room(in: $0, level) }
            for (member, position, share) in wishes {
                let region = requests[member].offers[position].region
                guard let room = rooms[region], wants[region] > room else {
                    grant(share, to: member, position)
                    continue
                }
                isExhausted[region] = true
                grant(room <= 0 ? 0 : share * room / wants[region], to: member, position)
            }
        }
    }

    /// What a member could have of one of its cells beyond what it has: of its own accord, without the others.
    private func possible(_ member: Int, _ position: Int, _ level: Level) -> Int {
        let request = requests[member]
        let offer = request.offers[position]
        let has = result[member].shares[position]
        let most = level == .lastResort ? max(offer.allowed, offer.lastResort) : offer.allowed
        var share = min(left[member], most - has)
        if let capacity = offer.capacity, request.demand > 0 {
            let most = offer.isLearned ? learned(capacity, level) : usable(capacity, in: offer.region, level)
            share = min(share, most * whole / request.demand - has)
        }
        return max(share, 0)
    }

    private func room(in region: Int, _ level: Level) -> Int? {
        regions[region].capacity.map { usable($0, in: region, level) - used[region] }
    }

    /// What of a capacity is used before anything is shed: demand is not known more exactly than this.
    static let full = 9_300

    /// What was learned is what is carried; before anything is shed, a little more is tried.
    private func learned(_ capacity: Int, _ level: Level) -> Int {
        level == .lastResort ? capacity * 11 / 10 : capacity
    }

    private func usable(_ capacity: Int, in region: Int, _ level: Level) -> Int {
        capacity * (level == .comfortable ? min(regions[region].target, Self.full) : Self.full) / whole
    }

    /// Requests per second, in thousandths, rounded up.
    private func load(_ share: Int, of member: Int) -> Int {
        (requests[member].demand * share + whole - 1) / whole
    }

    private mutating func grant(_ share: Int, to member: Int, _ position: Int) {
        result[member].shares[position] += share
        left[member] -= share
        used[requests[member].offers[position].region] += load(share, of: member)
    }

    // What fits nowhere

    private mutating func placeRest(of member: Int) {
        let request = requests[member]
        let unlimited = request.offers.indices.filter { isUnlimited(request.offers[$0]) }
        let open = unlimited.filter { request.offers[$0].allowed > 0 }
        let left = unlimited.filter { request.offers[$0].lastResort > 0 }
        if !open.isEmpty {
            spread(member, over: open, \.allowed)
        } else if !left.isEmpty {
            spread(member, over: left, \.lastResort)
        } else if request.offers.contains(where: { max($0.allowed, $0.lastResort) > 0 }) {
            result[member].shed = self.left[member]
            self.left[member] = 0
        } else {
            result[member] = Share(shares: failOpen(request), failsOpen: true)
            self.left[member] = 0
        }
    }

    /// What fits nowhere else can go where traffic may go and no limit is known.
    private func hasOpenUnlimited(_ member: Int) -> Bool {
        requests[member].offers.contains { $0.allowed > 0 && isUnlimited($0) }
    }

    private func isUnlimited(_ offer: Offer) -> Bool {
        offer.capacity == nil && regions[offer.region].capacity == nil
    }

    /// In proportion to what they may have; what rounding leaves goes to the one that has most.
    private mutating func spread(_ member: Int, over cells: [Int], _ measure: (Offer) -> Int) {
        let offers = requests[member].offers
        let rest = left[member]
        let all = cells.reduce(0) { $0 + measure(offers[$1]) }
        for position in cells { grant(rest * measure(offers[position]) / all, to: member, position) }
        if let most = cells.max(by: { result[member].shares[$0] < result[member].shares[$1] }) {
            grant(left[member], to: member, most)
        }
    }

    /// Where traffic goes when it may go nowhere: it stays where it is as long as nothing better is known, else goes
    /// to the first cell with endpoints that count, else to the first that only probes speak against.
    private func failOpen(_ request: Request) -> [Int] {
        let (offers, held) = (request.offers, request.held)
        let isHeldUsable = zip(offers, held).contains { $0.healthyShare > 0 && $1 > 0 }
        let target: Int?
        if isHeldUsable {
            target = nil
        } else if let some = offers.firstIndex(where: { $0.healthyShare > 0 }) {
            target = some
        } else if zip(offers, held).contains(where: { $0.isSilent && $1 > 0 }) {
            target = nil
        } else {
            target = offers.firstIndex { $0.isSilent }
        }
        var shares = [Int](repeating: 0, count: offers.count)
        if let target {
            shares[target] = whole
        } else if held.count == offers.count, held.reduce(0, +) == whole {
            shares = held
        } else {
            shares[0] = whole
        }
        return shares
    }
}
