internal import RouteTable

/// Cells: out at once, back in steps.
extension Brain {
    /// A name is answered within this, or has failed to be for the first time.
    private static let namesTime = Duration.seconds(10)

    /// Time alone may move it on.
    func isUnderWay(_ index: Int) -> Bool {
        services[index].failsOpen
            || services[index].cells.contains {
                cells[$0].ceiling < whole || cells[$0].climb != nil || cells[$0].bareSince != nil
            }
    }

    /// Its evidence has changed.
    mutating func needsLook(_ service: Int) {
        if services[service].needsLook { return }
        services[service].needsLook = true
        toLookAt.append(service)
    }

    /// Looks at the services whose evidence has changed, and when it is time at those that time may move on.
    mutating func lookWhereNeeded(isTime: Bool) {
        if isTime { for index in services.indices where isUnderWay(index) { needsLook(index) } }
        // In the order of the table, whatever came first.
        let found = toLookAt.sorted()
        toLookAt.removeAll(keepingCapacity: true)
        for index in found { look(at: index) }
    }

    /// Brings a service's cells up to date with the evidence.
    mutating func look(at index: Int) {
        services[index].needsLook = false
        let policy = services[index].policy
        for cell in services[index].cells { measure(cell, policy) }
        for cell in services[index].cells { lowerIfNeeded(cell, policy) }
        for cell in services[index].cells { raiseIfPossible(cell, policy) }
    }

    private mutating func measure(_ cell: Int, _ policy: FailoverPolicy) {
        if let since = cells[cell].bareSince {
            if now - since >= Self.namesTime { cells[cell].bareSince = nil }
            cells[cell].needsWeighing = true
        }
        if cells[cell].needsWeighing { weigh(cell) }
        cells[cell].recent.advance(to: now)
        cells[cell].longer.advance(to: now)
        let badRatio = cells[cell].evidence(policy)?.badRatio ?? 0
        let before = cells[cell].usable
        cells[cell].usable = cells[cell].healthyShare * (whole - badRatio) / whole
        // What may have nothing is still a last resort, as far as it is usable.
        let (usable, limit) = (cells[cell].usable, CellRecord.noticeableFall)
        if cells[cell].ceiling < whole && (abs(usable - before) >= limit || (usable == 0) != (before == 0)) {
            needsPlan = true
        }
    }

    mutating func weigh(_ cell: Int) {
        let isProbed = services[cells[cell].service].isProbed
        var all = 0
        var healthy = 0
        var byProbesAlone = 0
        for number in cells[cell].endpoints {
            guard let record = endpoints[number], !record.isNew, !isBesideTheWay(number) else { continue }
            all += record.weight
            if record.isCapacity(isProbed: isProbed) { healthy += record.weight }
            if record.isOutByProbesAlone { byProbesAlone += record.weight }
        }
        // Its neighbors carry what it would have; without any, it is no capacity.
        if healthy == byProbesAlone { healthy = 0 }
        // While its names are being resolved nothing is known of it: absent is not down. Workers pass it over meanwhile.
        let share = cells[cell].bareSince != nil ? whole : all == 0 ? 0 : healthy * whole / all
        cells[cell].needsWeighing = false
        if share != cells[cell].healthyShare { needsPlan = true }
        cells[cell].healthyShare = share
    }

    // Out at once

    private mutating func lowerIfNeeded(_ index: Int, _ policy: FailoverPolicy) {
        let cell = cells[index]
        if cell.healthyShare < policy.downBelow || cell.healthyShare == 0 {
            guard cell.ceiling > 0 else {
                cells[index].leftFrom = nil
                return cells[index].roomSince = nil
            }
            lower(index, to: 0, .cellDown, [.ratio("healthy", cell.healthyShare)])
        } else if let evidence = cell.evidence(policy), isImpaired(evidence, policy) {
            cells[index].roomSince = nil
            if isOverloaded(index) { return }
            if cell.ceiling > 0, hasBetter(than: evidence.badRatio, index, policy),
                !mayBeOurOwn(silentSince: cell.silentSince, region: cell.region)
            {
                lower(index, to: 0, .cellFailures, evidence.forDecision)
            }
        } else if cell.weightLimit(policy) < cell.ceiling
            || cell.limit(policy) < cell.ceiling - CellRecord.noticeableFall && !isOverloaded(index)
        {
            lower(index, to: cell.limit(policy), .capacityLost, [.ratio("usable", cell.usable)])
        } else if cell.ceiling > 0, cell.climb == nil, share(of: index) > 0,
            cell.loweredAt.map({ now - $0 >= CellRecord.slowPause }) ?? true,
            let evidence = isSlowerThanAnother(index)
        {
            lower(index, to: max(min(cell.ceiling, share(of: index)) - CellRecord.slowStep, 0), .slow, evidence)
        }
    }

    private func isImpaired(_ counts: Counts, _ policy: FailoverPolicy) -> Bool {
        counts.bad >= 5 && counts.badRatio > policy.cellFailureRatio
    }

    /// Another cell has healthy endpoints, and meets at most half as many failures, or has met none for want of
    /// requests. A service that fails alike everywhere does not fail because of where it is.
    private func hasBetter(than ratio: Int, _ index: Int, _ policy: FailoverPolicy) -> Bool {
        services[cells[index].service].cells.contains { other in
            let cell = cells[other]
            guard other != index, cell.ceiling > 0, ordered(other, at: now) > 0,
                cell.healthyShare >= max(policy.downBelow, 1)
            else { return false }
            return cell.evidence(policy).map { $0.badRatio * 2 <= ratio } ?? true
        }
    }

    private mutating func lower(
        _ index: Int, to ceiling: Int, _ rule: Decision.Rule, _ evidence: [Decision.Evidence]
    ) {
        let cell = cells[index]
        let policy = services[cell.service].policy
        // A fall soon after a return says that the return came too early.
        let isRelapse = cell.climb != nil || cell.cameBackAt.map { now - $0 < policy.hold * 10 } ?? false
        if ceiling == 0 { leave(index, rule, evidence) }
        put(index, to: ceiling, countsAsFailure: isRelapse && cell.ceiling > 0)
        decide(subject(index), .ceiling(before: cell.ceiling, after: ceiling), rule, evidence)
    }

    /// Traffic has to leave a cell: that counts against its coming back, and perhaps against its region.
    private mutating func leave(_ index: Int, _ rule: Decision.Rule, _ evidence: [Decision.Evidence]) {
        cells[index].damping.add(services[cells[index].service].policy.damping, at: now)
        needsCorrelation = true
        let isNews = cells[index].impairment == nil || cells[index].climb != nil
        guard isNews, hadTraffic(index, within: cascade.within) else { return }
        let reason = "\(rule.rawValue): \(evidence.map(\.description).joined(separator: ", "))"
        let isByRequests =
            rule != .cellDown
            || cells[index].endpoints.contains {
                endpoints[$0].map { $0.state == .ejected || $0.state == .hanging } ?? false
            }
        cells[index].impairment = CellRecord.Impairment(since: now, reason: reason, isByRequests: isByRequests)
    }

    func hadTraffic(_ index: Int, within time: Duration) -> Bool {
        cells[index].lastTraffic.map { now - $0 <= time } ?? false
    }

    mutating func put(_ index: Int, to ceiling: Int, countsAsFailure: Bool) {
        cells[index].lower(to: ceiling, at: now, countsAsFailure: countsAsFailure)
        needsPlan = true
    }

    // Back in steps

    private mutating func raiseIfPossible(_ index: Int, _ policy: FailoverPolicy) {
        // Nothing comes back at all: nothing is shown by it.
        if own.isHolding { return }
        let cell = cells[index]
        let limit = cell.limit(policy)
        if cell.climb != nil { return verify(index, policy) }
        if share(of: index) > cell.ceiling { watchBeyond(index, policy) }
        cells[index].damping.pass(policy.damping, at: now)
        guard limit > cell.ceiling, cell.healthyShare >= max(policy.downBelow, 1) else {
            return cells[index].roomSince = nil
        }
        if let evidence = cell.evidence(policy), isImpaired(evidence, policy) { return }
        if cell.latency.isSlow(at: now) { return cells[index].roomSince = nil }
        guard let since = cell.roomSince else { return cells[index].roomSince = now }
        guard isRegionOpen(for: index) else { return }
        // What is fully restored waits its holds; what is only partly restored, and stays so, twice as long.
        let isRestored = cell.usable >= policy.restoredAt
        let hold = policy.hold * (cell.holds * (isRestored ? 1 : 2))
        guard now - since >= hold && !cells[index].damping.isSuppressed || cell.mayReturn else { return }
        step(index, policy, base: cell.ceiling, [.time("restored for", now - since), .ratio("usable", cell.usable)])
    }

    /// The share of its service's traffic a cell has now.
    func share(of index: Int) -> Int {
        let service = services[cells[index].service]
        return service.split[index - service.cells.lowerBound]
    }

    /// The next step of the way back, at most what the cell can carry.
    private mutating func step(_ index: Int, _ policy: FailoverPolicy, base: Int, _ evidence: [Decision.Evidence]) {
        let cell = cells[index]
        let next = policy.steps.first { $0 > cell.ceiling } ?? whole
        let ceiling = min(next, cell.limit(policy))
        guard ceiling > cell.ceiling else { return cells[index].climb = nil }
        guard let warmed = cell.warmed, warmed.ceiling == ceiling else { return warm(index, for: ceiling) }
        guard now - warmed.at >= CellRecord.warmUp else { return }
        cells[index].warmed = nil
        if cell.climb == nil {
            // What requests met before it was left says nothing about its return.
            cells[index].recent.clear()
            cells[index].longer.clear()
        }
        cells[index].ceiling = ceiling
        cells[index].leftFrom = nil
        cells[index].mayReturn = false
        cells[index].cameBackAt = now
        cells[index].climb = CellRecord.Climb(base: base, trial: CellRecord.Trial(since: now))
        needsPlan = true
        decide(subject(index), .ceiling(before: cell.ceiling, after: ceiling), .failbackStep, evidence)
    }

    private mutating func warm(_ index: Int, for ceiling: Int) {
        cells[index].warmed = (ceiling, now)
        let service = services[cells[index].service]
        guard service.mode == .active else { return }
        actions.append(
            .warm(service: cells[index].service, position: index - service.cells.lowerBound, share: ceiling))
    }

    /// Looks at what a step's requests met.
    ///
    /// A step has passed when its soak is over and enough requests were seen; when three soaks are over and the few
    /// there were did not fail; or, where no traffic came because better cells take it all, with the soak.
    private mutating func verify(_ index: Int, _ policy: FailoverPolicy) {
        let cell = cells[index]
        guard let climb = cell.climb else { return }
        let trial = climb.trial
        let counts = trial.counts
        if trial.fails(policy) {
            if mayBeOurOwn(silentSince: cell.silentSince, region: cell.region) { return }
            let evidence = counts.forDecision + [.ratio("elsewhere", trial.others.failureRatio)]
            leave(index, .failbackAborted, evidence)
            put(index, to: climb.base, countsAsFailure: true)
            return decide(
                subject(index), .ceiling(before: cell.ceiling, after: climb.base), .failbackAborted, evidence)
        }
        if counts.ended >= 5, let evidence = isSlowerThanAnother(index) {
            leave(index, .failbackAborted, evidence)
            put(index, to: climb.base, countsAsFailure: true)
            return decide(
                subject(index), .ceiling(before: cell.ceiling, after: climb.base), .failbackAborted, evidence)
        }
        let time = now - trial.since
        guard time >= policy.soak else { return }
        let isOffered = share(of: index) > 0
        let seen = counts.ended
        guard
            seen >= policy.soakRequests || !isOffered
                || time >= policy.soak * 3 && (seen >= 5 && counts.failures == 0)
                || time >= policy.soak * 10 && counts.bad == 0
        else { return }
        let evidence = [Decision.Evidence.time("soaked for", time)] + counts.forDecision
        if cell.ceiling == whole || cell.ceiling >= cell.limit(policy) {
            cells[index].climb = nil
            cells[index].roomSince = nil
            cells[index].impairment = nil
            needsPlan = true
            decide(subject(index), .ceiling(before: climb.base, after: cell.ceiling), .failbackDone, evidence)
        } else {
            step(index, policy, base: climb.base, evidence)
        }
    }

    /// A cell that must carry more than its ceiling, because nothing else can, and does so well, needs no steps.
    private mutating func watchBeyond(_ index: Int, _ policy: FailoverPolicy) {
        let cell = cells[index]
        guard let trial = cell.beyond else { return cells[index].beyond = CellRecord.Trial(since: now) }
        if trial.fails(policy) || cell.healthyShare < policy.downBelow {
            return cells[index].beyond = CellRecord.Trial(since: now)
        }
        guard now - trial.since >= policy.soak, trial.counts.ended >= policy.soakRequests else { return }
        let share = min(share(of: index), cell.limit(policy))
        guard share > cell.ceiling else { return }
        cells[index].ceiling = share
        cells[index].beyond = nil
        cells[index].impairment = nil
        needsPlan = true
        decide(
            subject(index), .ceiling(before: cell.ceiling, after: share), .carriesWell, trial.counts.forDecision)
    }

    func subject(_ index: Int) -> Decision.Subject {
        .cell(service: services[cells[index].service].name, region: regions[cells[index].region].name)
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
    var forDecision: [Decision.Evidence] {
        [
            .count("attempts", Int(attempts)), .count("failures", Int(failures)), .count("overstays", Int(overstays)),
        ]
    }
}
