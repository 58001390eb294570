internal import RouteTable

/// Splits: what the cells may have, made into shares by the plan.
extension Brain {
    /// Asks whether demand has changed so much that the plan is to be made anew.
    mutating func watchDemand() {
        guard hasCapacities, !needsPlan, !isFrozen else { return }
        isPlanForDemand = services.indices.contains { services[$0].demand.hasMoved(at: now) }
        needsPlan = isPlanForDemand
    }

    /// Makes all splits anew.
    mutating func plan() {
        needsPlan = false
        if hasCapacities {
            for index in services.indices { services[index].demand.adopt(at: now) }
        }
        let requests = services.indices.map { request($0, at: now) }
        let shares = shares(requests)
        for index in services.indices { take(shares[index], for: index, requests[index]) }
        isPlanForDemand = false
        isPlanForOrder = false
    }

    /// The plan of all services. One in shadow is planned as if it were active, for the record; in fact its traffic
    /// stays in its first region, and leaves the active ones so much less room there.
    func shares(_ requests: [Plan.Request]) -> [Plan.Share] {
        let room = regions.indices.map { usable($0) }
        guard services.contains(where: { $0.mode == .shadow }) else { return Plan.shares(requests, in: room) }
        var left = room
        var active: [Int] = []
        for (index, service) in services.enumerated() {
            if service.mode == .active {
                active.append(index)
            } else if let first = service.cells.first, let capacity = left[cells[first].region].capacity {
                left[cells[first].region].capacity = max(capacity - requests[index].demand, 0)
            }
        }
        var shares = Plan.shares(requests, in: room)
        for (index, share) in zip(active, Plan.shares(active.map { requests[$0] }, in: left)) { shares[index] = share }
        return shares
    }

    /// A change that is not worth a decision: half a percent, where demand is not known more exactly.
    private func isTrifle(_ share: Plan.Share, for index: Int) -> Bool {
        let service = services[index]
        guard hasCapacities, share.failsOpen == service.failsOpen,
            !service.cells.contains(where: { cells[$0].climb != nil })
        else { return false }
        return zip(share.shares + [share.shed], service.split + [service.shed]).allSatisfy {
            ($0 == 0) == ($1 == 0) && ($0 == whole) == ($1 == whole) && abs($0 - $1) <= 50
        }
    }

    /// The shares there would be at a time to come if nothing but orders changed.
    func imaginedShares(at time: Instant) -> [Plan.Share] {
        var imagined = self
        for index in services.indices { imagined.services[index].demand.adopt(at: now) }
        return imagined.shares(services.indices.map { imagined.request($0, at: time) })
    }

    func request(_ index: Int, at time: Instant) -> Plan.Request {
        let service = services[index]
        return Plan.Request(
            importance: service.importance, demand: service.demand.planned,
            offers: service.cells.map { offer($0, ordered: ordered($0, at: time)) }, held: service.split)
    }

    /// - Parameter ordered: what orders leave it of what it would have.
    private func offer(_ index: Int, ordered: Int) -> Plan.Offer {
        let cell = cells[index]
        let policy = services[cell.service].policy
        let isSilent =
            (cell.evidence(policy).map { $0.badRatio <= policy.cellFailureRatio } ?? true)
            && cell.endpoints.contains { endpoints[$0]?.state == .down }
        // Whatever it waits for: nothing has failed there that would make it worse than a refusal.
        let isUnimpaired = cell.impairment == nil
        return Plan.Offer(
            region: cell.region, allowed: min(allowed(index), ordered),
            lastResort: min(isUnimpaired ? cell.limit(policy) : cell.ceiling, ordered),
            capacity: cell.capacity.map { $0 * cell.weightLimit(policy) / whole } ?? cell.learned?.rate,
            isLearned: cell.capacity == nil && cell.learned != nil,
            healthyShare: cell.healthyShare, isSilent: isSilent)
    }

    /// The most a cell may have: its ceiling, while its region is open, and no more than what it needs there may have.
    func allowed(_ index: Int) -> Int {
        isRegionOpen(for: index) ? min(cells[index].ceiling, needsCeiling(index)?.ceiling ?? whole) : 0
    }

    /// What those a cell calls in its region leave it, if one of them is impaired there and better elsewhere.
    func needsCeiling(_ index: Int) -> (ceiling: Int, need: Int)? {
        let cell = cells[index]
        var lowest: (ceiling: Int, need: Int)?
        for need in services[cell.service].needs {
            guard let needed = services[need].cells.first(where: { cells[$0].region == cell.region }),
                cells[needed].impairment != nil, cells[needed].ceiling < lowest?.ceiling ?? whole,
                isBetterElsewhere(need, for: cell.service, than: cell.region)
            else { continue }
            lowest = (cells[needed].ceiling, needed)
        }
        return lowest
    }

    /// In another region where the service is, what it needs is not impaired, or not called.
    private func isBetterElsewhere(_ need: Int, for service: Int, than region: Int) -> Bool {
        services[service].cells.contains { other in
            guard cells[other].region != region else { return false }
            let needed = services[need].cells.first { cells[$0].region == cells[other].region }
            return needed.map { cells[$0].impairment == nil && cells[$0].ceiling > 0 } ?? true
        }
    }

    /// What is left of a region's capacity by the share of its weight that is healthy.
    private func usable(_ region: Int) -> Plan.Region {
        let record = regions[region]
        guard let capacity = record.capacity else { return Plan.Region(target: record.target) }
        var all = 0
        var able = 0
        for cell in cells where cell.region == region {
            let weight = cell.endpoints.reduce(0) { $0 + (endpoints[$1]?.weight ?? 0) }
            all += weight
            able += weight * cell.weightLimit(services[cell.service].policy) / whole
        }
        return Plan.Region(capacity: all == 0 ? 0 : capacity * able / all, target: record.target)
    }

    private mutating func take(_ share: Plan.Share, for index: Int, _ request: Plan.Request) {
        let service = services[index]
        guard share.shares != service.split || share.shed != service.shed || share.failsOpen != service.failsOpen
        else { return }
        if isTrifle(share, for: index) { return }
        let names = service.cells.map { regions[cells[$0].region].name }
        decide(
            .service(service.name),
            .split(
                regions: names, before: service.split, after: share.shares, shedBefore: service.shed,
                shedAfter: share.shed),
            rule(share, for: index), evidence(request, index, names))
        services[index].failsOpen = share.failsOpen
        services[index].usesLastResort = share.usesLastResort
        services[index].split = share.shares
        services[index].shed = share.shed
        for (position, cell) in service.cells.enumerated() where share.shares[position] <= cells[cell].ceiling {
            cells[cell].beyond = nil
        }
        if service.mode == .active {
            actions.append(.split(service: index, shares: share.shares, shed: share.shed))
        }
    }

    /// What it is that moved it.
    private func rule(_ share: Plan.Share, for index: Int) -> Decision.Rule {
        let service = services[index]
        if share.failsOpen { return .failOpen }
        if share.shed != service.shed { return .shed }
        if share.usesLastResort { return .lastResort }
        if isPlanForOrder && service.cells.contains(where: { ordered($0, at: now) < whole || cells[$0].mayReturn }) {
            return .ordered
        }
        let gives = service.cells.filter {
            share.shares[$0 - service.cells.lowerBound] < service.split[$0 - service.cells.lowerBound]
        }
        if gives.contains(where: { !isRegionOpen(for: $0) }) { return .followsRegion }
        if gives.contains(where: { cells[$0].ceiling > allowed($0) }) { return .followsNeeds }
        let isClimbing = service.cells.contains { cells[$0].climb != nil }
        return isPlanForDemand && !isClimbing ? .followsDemand : .followsCapacity
    }

    private func evidence(_ request: Plan.Request, _ index: Int, _ names: [String]) -> [Decision.Evidence] {
        var evidence: [Decision.Evidence] = []
        for (name, offer) in zip(names, request.offers) { evidence.append(.ratio("\(name) may have", offer.allowed)) }
        for (name, offer) in zip(names, request.offers) {
            if let capacity = offer.capacity { evidence.append(.count("\(name) can take", capacity / 1_000)) }
        }
        for cell in services[index].cells {
            guard let capacity = regions[cells[cell].region].capacity else { continue }
            evidence.append(.count("\(regions[cells[cell].region].name) can take in all", capacity / 1_000))
        }
        if hasCapacities { evidence.append(.count("requests a second", request.demand / 1_000)) }
        for cell in services[index].cells {
            let name = regions[cells[cell].region].name
            if let order = overrides.first(where: { covers($0.subject, cell) }) {
                evidence.append(.text("ordered of \(order.subject)", "\(order.kind): \(order.why)"))
            }
            if !isRegionOpen(for: cell) { evidence.append(.text(name, regions[cells[cell].region].reason)) }
            if let need = needsCeiling(cell)?.need {
                let service = services[cells[need].service].name
                evidence.append(.text("needs \(service) in \(name)", cells[need].impairment?.reason ?? ""))
            }
        }
        return evidence
    }
}
