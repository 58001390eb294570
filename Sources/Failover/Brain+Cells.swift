internal import RouteTable

/// Cells and splits: out at once, back in steps.
extension Brain {
    /// Brings a service's cells and split up to date with the evidence.
    mutating func look(at index: Int) {
        services[index].needsLook = false
        for position in services[index].cells.indices { measure(index, position) }
        for position in services[index].cells.indices { lowerIfNeeded(index, position) }
        for position in services[index].cells.indices { raiseIfPossible(index, position) }
        resplit(index)
    }

    private mutating func measure(_ index: Int, _ position: Int) {
        let service = services[index]
        var all = 0
        var healthy = 0
        for number in service.cells[position].endpoints {
            guard let record = endpoints[number], !record.isNew else { continue }
            all += record.weight
            if record.isCapacity(isProbed: service.isProbed) { healthy += record.weight }
        }
        services[index].cells[position].recent.advance(to: now)
        services[index].cells[position].longer.advance(to: now)
        let evidence = services[index].cells[position].evidence(service.policy)
        let share = all == 0 ? 0 : healthy * whole / all
        services[index].cells[position].healthyShare = share
        services[index].cells[position].usable = share * (whole - (evidence?.badRatio ?? 0)) / whole
    }

    // Out at once

    private mutating func lowerIfNeeded(_ index: Int, _ position: Int) {
        let service = services[index]
        let cell = service.cells[position]
        let policy = service.policy
        if cell.healthyShare < policy.downBelow || cell.healthyShare == 0 {
            guard cell.ceiling > 0 else { return services[index].cells[position].roomSince = nil }
            lower(index, position, to: 0, .cellDown, [.ratio("healthy", cell.healthyShare)])
        } else if let evidence = cell.evidence(policy), isImpaired(evidence, policy) {
            services[index].cells[position].roomSince = nil
            if cell.ceiling > 0, hasBetter(than: evidence.badRatio, service, position) {
                lower(index, position, to: 0, .cellFailures, evidence.forDecision)
            }
        } else if cell.weightLimit(policy) < cell.ceiling
            || cell.limit(policy) < cell.ceiling - CellRecord.noticeableFall
        {
            lower(index, position, to: cell.limit(policy), .capacityLost, [.ratio("usable", cell.usable)])
        }
    }

    private func isImpaired(_ counts: Counts, _ policy: FailoverPolicy) -> Bool {
        counts.bad >= 5 && counts.badRatio > policy.cellFailureRatio
    }

    /// Another cell has healthy endpoints, and meets at most half as many failures, or has met none for want of
    /// requests. A service that fails alike everywhere does not fail because of where it is.
    private func hasBetter(than ratio: Int, _ service: ServiceRecord, _ position: Int) -> Bool {
        service.cells.indices.contains { other in
            let cell = service.cells[other]
            guard other != position, cell.ceiling > 0, cell.healthyShare >= max(service.policy.downBelow, 1) else {
                return false
            }
            return cell.evidence(service.policy).map { $0.badRatio * 2 <= ratio } ?? true
        }
    }

    private mutating func lower(
        _ index: Int, _ position: Int, to ceiling: Int, _ rule: Decision.Rule, _ evidence: [Decision.Evidence]
    ) {
        let cell = services[index].cells[position]
        // A fall soon after a return says that the return came too early.
        let hold = services[index].policy.hold
        let isRelapse = cell.climb != nil || cell.loweredAt.map { now - $0 < hold * 10 } ?? false
        services[index].cells[position].lower(to: ceiling, at: now, countsAsFailure: isRelapse && cell.ceiling > 0)
        decide(subject(index, position), .ceiling(before: cell.ceiling, after: ceiling), rule, evidence)
    }

    // Back in steps

    private mutating func raiseIfPossible(_ index: Int, _ position: Int) {
        let service = services[index]
        let cell = service.cells[position]
        let limit = cell.limit(service.policy)
        if cell.climb != nil { return verify(index, position) }
        if service.split[position] > cell.ceiling { watchBeyond(index, position) }
        guard limit > cell.ceiling, cell.healthyShare >= max(service.policy.downBelow, 1) else {
            return services[index].cells[position].roomSince = nil
        }
        if let evidence = cell.evidence(service.policy), isImpaired(evidence, service.policy) { return }
        guard let since = cell.roomSince else { return services[index].cells[position].roomSince = now }
        // What is fully restored waits its holds; what is only partly restored, and stays so, twice as long.
        let isRestored = cell.usable >= service.policy.restoredAt
        let hold = service.policy.hold * (cell.holds * (isRestored ? 1 : 2))
        guard now - since >= hold else { return }
        step(index, position, base: cell.ceiling, [.time("restored for", now - since), .ratio("usable", cell.usable)])
    }

    /// The next step of the way back, at most what the cell can carry.
    private mutating func step(_ index: Int, _ position: Int, base: Int, _ evidence: [Decision.Evidence]) {
        let service = services[index]
        let cell = service.cells[position]
        let next = service.policy.steps.first { $0 > cell.ceiling } ?? whole
        let ceiling = min(next, cell.limit(service.policy))
        guard ceiling > cell.ceiling else { return services[index].cells[position].climb = nil }
        services[index].cells[position].ceiling = ceiling
        services[index].cells[position].climb = CellRecord.Climb(base: base, trial: CellRecord.Trial(since: now))
        decide(subject(index, position), .ceiling(before: cell.ceiling, after: ceiling), .failbackStep, evidence)
    }

    /// Looks at what a step's requests met.
    ///
    /// A step has passed when its soak is over and enough requests were seen; when three soaks are over and the few
    /// there were did not fail; or, where no traffic came because better cells take it all, with the soak.
    private mutating func verify(_ index: Int, _ position: Int) {
        let service = services[index]
        let cell = service.cells[position]
        guard let climb = cell.climb else { return }
        let trial = climb.trial
        let counts = trial.counts
        if trial.fails(service.policy) {
            services[index].cells[position].lower(to: climb.base, at: now, countsAsFailure: true)
            return decide(
                subject(index, position), .ceiling(before: cell.ceiling, after: climb.base), .failbackAborted,
                counts.forDecision + [.ratio("elsewhere", trial.others.failureRatio)])
        }
        let time = now - trial.since
        guard time >= service.policy.soak else { return }
        let isOffered = service.split[position] > 0
        let seen = counts.ended
        guard
            seen >= service.policy.soakRequests || !isOffered
                || time >= service.policy.soak * 3 && (seen >= 5 && counts.failures == 0)
                || time >= service.policy.soak * 10 && counts.failures == 0
        else { return }
        let evidence = [Decision.Evidence.time("soaked for", time)] + counts.forDecision
        if cell.ceiling == whole || cell.ceiling >= cell.limit(service.policy) {
            services[index].cells[position].climb = nil
            services[index].cells[position].roomSince = nil
            decide(
                subject(index, position), .ceiling(before: climb.base, after: cell.ceiling), .failbackDone, evidence)
        } else {
            step(index, position, base: climb.base, evidence)
        }
    }

    /// A cell that must carry more than its ceiling, because nothing else can, and does so well, needs no steps.
    private mutating func watchBeyond(_ index: Int, _ position: Int) {
        let service = services[index]
        let cell = service.cells[position]
        guard let trial = cell.beyond else {
            return services[index].cells[position].beyond = CellRecord.Trial(since: now)
        }
        if trial.fails(service.policy) || cell.healthyShare < service.policy.downBelow {
            return services[index].cells[position].beyond = CellRecord.Trial(since: now)
        }
        guard now - trial.since >= service.policy.soak, trial.counts.ended >= service.policy.soakRequests else {
            return
        }
        let share = min(service.split[position], cell.limit(service.policy))
        guard share > cell.ceiling else { return }
        services[index].cells[position].ceiling = share
        services[index].cells[position].beyond = nil
        decide(
            subject(index, position), .ceiling(before: cell.ceiling, after: share), .carriesWell,
            trial.counts.forDecision)
    }

    // The split

    private mutating func resplit(_ index: Int) {
        let service = services[index]
        let offers = service.cells.map { cell in
            Plan.Offer(
                allowed: cell.ceiling, healthyShare: cell.healthyShare,
                isSilent: cell.evidence(service.policy).map { $0.badRatio <= service.policy.cellFailureRatio } ?? true
                    && cell.endpoints.contains { endpoints[$0]?.state == .down })
        }
        let (shares, failsOpen) = Plan.split(offers, held: service.split)
        if failsOpen != service.failsOpen || shares != service.split {
            let change = Decision.Change.split(
                regions: service.cells.map { regions[$0.region] }, before: service.split, after: shares)
            let evidence = zip(service.cells, offers).map { cell, offer in
                Decision.Evidence.ratio("\(regions[cell.region]) can take", offer.allowed)
            }
            decide(.service(service.name), change, failsOpen ? .failOpen : .followsCapacity, evidence)
        }
        services[index].failsOpen = failsOpen
        guard shares != service.split else { return }
        services[index].split = shares
        for position in shares.indices where shares[position] <= service.cells[position].ceiling {
            services[index].cells[position].beyond = nil
        }
        actions.append(.split(service: index, shares: shares))
    }

    private func subject(_ index: Int, _ position: Int) -> Decision.Subject {
        .cell(service: services[index].name, region: regions[services[index].cells[position].region])
    }
}

extension CellRecord.Trial {
    /// Too many failed: more than the policy's part, and more than twice what fails elsewhere; or so many overstayed
    /// or failed that the cell is impaired.
    fileprivate func fails(_ policy: FailoverPolicy) -> Bool {
        let limit = max(policy.abortRatio, 2 * others.failureRatio)
        return counts.failures >= 2 && counts.failureRatio > limit
            || counts.bad >= 5 && counts.badRatio > policy.cellFailureRatio
    }
}

extension Counts {
    fileprivate var forDecision: [Decision.Evidence] {
        [
            .count("attempts", Int(attempts)), .count("failures", Int(failures)), .count("overstays", Int(overstays)),
        ]
    }
}
