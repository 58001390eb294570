internal import Failover
internal import RouteTable

/// Holds the router against the laws.
extension World {
    // At each decision

    func check(_ decision: Decision) {
        if decision.evidence.isEmpty || decision.evidence.contains(where: { $0.name.isEmpty }) {
            breach(.decisionsHaveEvidence, "\(decision)")
        }
        if decision.sequence != laws.lastSequence + 1 {
            breach(.decisionsHaveEvidence, "decision \(decision.sequence) after \(laws.lastSequence)")
        }
        laws.lastSequence = decision.sequence
        switch (decision.subject, decision.change) {
        case (.endpoint(let service, let region, let address), .state(let before, let after)):
            guard
                let number = backends.firstIndex(where: {
                    table.services[$0.service].name == service && table.regions[$0.region].name == region
                        && $0.address == address
                })
            else { return breach(.decisionsHaveEvidence, "about nobody: \(decision)") }
            check(decision, of: number, from: before, to: after)
        case (.cell(let service, let region), .ceiling(let before, let after)):
            guard let (service, position) = cell(service, region) else {
                return breach(.decisionsHaveEvidence, "about nobody: \(decision)")
            }
            check(decision, of: service, position, from: before, to: after)
            laws.metAtStep[service][position] = laws.met[service]
            laws.stepBegan[service][position] = now
        case (.region(let name), .region(_, let after)):
            guard let region = table.regions.firstIndex(where: { $0.name == name }) else { return }
            if after == .evacuated, decision.rule == .cascade, isInnocent(region: region, longer: table.cascade.within)
            {
                breach(isBlind ? .lateIsNotDown : .innocentStay, "\(decision)")
            }
            if after == .evacuated, decision.rule == .cascade { laws.regionPenalties[region].leave(at: now) }
            if decision.rule == .regionRestored { checkReturn(laws.regionPenalties[region], decision) }
        // What is being watched is watched anew from here.
        case (.router, .holds): laws.lastHold = now
        default: break
        }
    }

    private func cell(_ service: String, _ region: String) -> (service: Int, position: Int)? {
        guard let index = table.services.firstIndex(where: { $0.name == service }),
            let position = table.services[index].cells.firstIndex(where: { table.regions[$0.region].name == region })
        else { return nil }
        return (index, position)
    }

    private func check(_ decision: Decision, of number: Int, from before: EndpointState, to after: EndpointState) {
        let backend = backends[number]
        switch after {
        case .ejected, .hanging, .down:
            if isInnocent(backend) { breach(isBlind ? .lateIsNotDown : .innocentStay, "\(decision)") }
            if after == .down { checkRemoval(backend, decision) }
        case .healthy where before != .healthy && backend.isNew:
            let service = table.services[backend.service]
            if let probe = service.probe,
                backend.probePasses < max(service.failover.probationPasses, probe.rise), decision.rule != .frozen
            {
                breach(.newMustShow, "after \(backend.probePasses) passes: \(decision)")
            }
            backends[number].isNew = false
        default: break
        }
    }

    /// Probes have taken an endpoint out; by themselves, if its requests were answered.
    private func checkRemoval(_ backend: Backend, _ decision: Decision) {
        let policy = table.services[backend.service].failover
        let window = policy.ratioWindow.nanoseconds
        guard backend.fault == nil,
            now - max(backend.lastRequestGuilt, laws.lastOverload[backend.region]) > window + 2_000_000_000, !isBlind,
            backend.hasAnsweredOften(since: now - window * 8 / 10), backend.toldRun == 0
        else { return }
        let hasOther = backends.contains {
            $0.service == backend.service && $0.cell == backend.cell && $0.isMember
                && brain.view(of: EndpointID($0.number))?.state == .healthy
        }
        if !hasOther { breach(.lastEndpointStays, "\(decision)") }
        laws.removals[backend.region].append((now, backend.weight))
        let weight = backends.reduce(0) { $0 + ($1.region == backend.region && $1.isMember ? $1.weight : 0) }
        let removed = laws.removals[backend.region].reduce(0) {
            $0 + ($1.at > now - policy.removalWindow.nanoseconds ? $1.weight : 0)
        }
        if removed > weight * policy.probeRemoval / whole {
            breach(
                .velocityLimited,
                "\(removed) of \(weight) in \(table.regions[backend.region].name) within \(timeText(policy.removalWindow)): "
                    + "\(decision)")
        }
    }

    private func check(_ decision: Decision, of service: Int, _ position: Int, from before: Int, to after: Int) {
        let policy = table.services[service].failover
        switch decision.rule {
        case .cellDown, .cellFailures, .capacityLost, .failbackAborted:
            let members = backends.filter { $0.service == service && $0.cell == position && $0.isMember }
            if !members.isEmpty, members.allSatisfy({ isInnocent($0) }) {
                breach(isBlind ? .lateIsNotDown : .innocentStay, "\(decision)")
            }
            if after == 0 || decision.rule == .failbackAborted { laws.penalties[service][position].leave(at: now) }
        case .failbackStep, .failbackDone:
            if decision.evidence.first?.name == "soaked for" { checkStep(decision, service, position, policy) }
            if before == 0, decision.rule == .failbackStep { checkReturn(laws.penalties[service][position], decision) }
        default: break
        }
    }

    /// The requests of the step before must have been answered.
    private func checkStep(_ decision: Decision, _ service: Int, _ position: Int, _ policy: FailoverPolicy) {
        let trial = laws.sinceStep(service, position, others: false)
        // What was under way in a silence of its own runs out long after it, and is forgiven.
        guard trial.ended >= 20, !isBlind, laws.stepBegan[service][position] - laws.lastHold > laws.memory else {
            return
        }
        let others = laws.sinceStep(service, position, others: true)
        let elsewhere = others.ended == 0 ? 0 : others.failures * whole / others.ended
        // What a step's first look saw may have been told just before or after: half as much again is luck.
        if trial.failures >= 3, trial.failures * whole / trial.ended > max(policy.abortRatio, 2 * elsewhere) * 3 / 2 {
            breach(.stepsAreVerified, "\(trial.failures) of \(trial.ended) failed: \(decision)")
        }
    }

    /// What has flapped too much stays away.
    private func checkReturn(_ penalty: Penalty, _ decision: Decision) {
        // Operators may let it return.
        guard !laws.hasOrders, let objection = penalty.objection(at: now) else { return }
        breach(.fewReturns, "\(objection): \(decision)")
    }

    // Guilt

    /// It has not failed, been late, had lying health checks or too much to do for so long that nothing of it lingers.
    func isInnocent(_ backend: Backend, longer: Int64 = 0) -> Bool {
        // With nothing else to look at, a cut of our own looks like its fault.
        if laws.hasFreeze || now - laws.lastRestart < laws.memory
            || isBlind && (!canAskElsewhere(than: backend.region) || laws.hasOrders)
        {
            return false
        }
        return backend.fault == nil && backend.lie != .fails
            && now - max(backend.lastGuilt, laws.lastOverload[backend.region]) > laws.memory + longer
    }

    private var isCutRecent: Bool { isCut || now - lastCut < laws.memory }

    /// Something that was well when the router went blind is probed in another region than a backend's.
    private func canAskElsewhere(than region: Int) -> Bool {
        // Not when the prober stood still or lagged at the time.
        if isCutRecent && max(prober.standsUntil, laws.lastLag, prober.lag > 0 ? now : 0) > lastCut - 15_000_000_000 {
            return false
        }
        return backends.contains {
            $0.region != region && $0.isMember && table.services[$0.service].probe != nil && $0.fault == nil
                && $0.lastRequestGuilt < lastCut - 5_000_000_000
        }
    }

    /// - Parameter longer: how much longer its backends are remembered than by themselves.
    func isInnocent(region: Int, longer: Duration = .zero) -> Bool {
        backends.allSatisfy { $0.region != region || !$0.isMember || isInnocent($0, longer: longer.nanoseconds) }
    }

    /// The router, or its prober, stood still or was cut off a moment ago.
    var isBlind: Bool {
        isCutRecent || now - laws.lastRestart < laws.memory || now < standsUntil + laws.memory && standsUntil > 0
            || now < prober.standsUntil + laws.memory && prober.standsUntil > 0
            || prober.lag > 0 || now - laws.lastLag < laws.memory
    }

    private func breach(_ law: Law, _ text: String) {
        laws.report(law, at: now, text)
    }

    // At each look

    func checkLaws() {
        for index in table.services.indices {
            let split = brain.split(ofService: index)
            if split.reduce(brain.shed(ofService: index), +) != whole || split.contains(where: { $0 < 0 }) {
                breach(.sharesAddUp, "\(table.services[index].name): \(split), shed \(brain.shed(ofService: index))")
            }
        }
        for backend in backends where backend.isNew && backend.isMember {
            let service = table.services[backend.service]
            guard service.mode == .active, let probe = service.probe,
                backend.probePasses < max(service.failover.probationPasses, probe.rise),
                let view = brain.view(of: EndpointID(backend.number)), view.share > 0
            else { continue }
            breach(.newMustShow, "\(backend.address) has \(percent(view.share)) after \(backend.probePasses) passes")
        }
        checkTrials()
        if isFrozen { return }
        checkCapacity()
        checkImportance()
        if !isBlind && brain.orders.isEmpty { checkDead() }
    }

    /// The second failure ends a trial; what overstays may be counted twice.
    private static let failuresOfTrial = 6
    /// Many may end before the brain looks again, where everything is sent to what is on trial.
    private static let lookOfTrial: Int64 = 300_000_000

    /// What was under way in a silence of everything may run out for so long, and counts for nothing.
    private static let aftermath: Int64 = 5_000_000_000

    private func checkTrials() {
        if brain.holds { laws.lastHeld = now }
        let isExcused = isBlind || isFrozen || now < laws.lastHeld + Self.aftermath || isCompletelyDead
        for number in backends.indices {
            let backend = backends[number]
            let isOnTrial =
                backend.isMember && table.services[backend.service].probe == nil
                && brain.view(of: EndpointID(number))?.state == .probation
            if !isOnTrial || isExcused {
                backends[number].failsInTrial = 0
                backends[number].failsInTrialSince = nil
            } else if backend.failsInTrial <= Self.failuresOfTrial {
                backends[number].failsInTrialSince = nil
            } else if now - (backend.failsInTrialSince ?? now) < Self.lookOfTrial {
                backends[number].failsInTrialSince = backend.failsInTrialSince ?? now
            } else {
                breach(
                    .deadIsTriedLess,
                    "\(backend.address) is on trial, where \(backend.failsInTrial) more requests failed than were answered"
                )
            }
        }
    }

    /// Nothing answers anywhere: whose fault that is nobody can tell.
    private var isCompletelyDead: Bool { backends.allSatisfy { !$0.isMember || $0.deadSince != nil } }

    private var isFrozen: Bool { brain.orders.contains { $0.kind == .freeze } }

    private func planned(_ service: Int, _ position: Int) -> Int {
        brain.plannedDemand(ofService: service) * brain.split(ofService: service)[position] / whole
    }

    /// What is planned for regions, against what they can take by their healthy weight.
    private func checkCapacity() {
        for (region, known) in table.regions.enumerated() {
            guard let capacity = known.capacity else { continue }
            var load = 0
            var weight = 0
            var able = 0
            for (index, service) in table.services.enumerated() {
                for (position, cell) in service.cells.enumerated() where cell.region == region {
                    if brain.failsOpen(service: index) { return }
                    if service.mode == .active { load += planned(index, position) }
                    let own = backends.reduce(0) {
                        $0 + ($1.service == index && $1.cell == position && $1.isMember ? $1.weight : 0)
                    }
                    let healthy = brain.view(ofCell: position, service: index).healthyShare
                    weight += own
                    able += own * min(whole, healthy * service.failover.overprovisioning / whole) / whole
                }
            }
            let usable = weight == 0 ? 0 : capacity * 1_000 * able / weight
            if load > usable + 1_000 {
                breach(
                    .withinCapacity,
                    "\(known.name) is planned to have \(load / 1_000) requests/s of a usable \(usable / 1_000)")
            }
        }
    }

    /// Where something is shed, nothing less important has what the other could have had.
    private func checkImportance() {
        guard brain.orders.isEmpty else { return }
        for (index, service) in table.services.enumerated() where brain.shed(ofService: index) > 100 {
            guard service.needs.isEmpty, service.mode == .active else { continue }
            for (position, cell) in service.cells.enumerated() {
                let view = brain.view(ofCell: position, service: index)
                let isOpen = brain.regionViews[cell.region].state != .evacuated || service.moves == .alone
                guard isOpen, cell.capacity == nil, view.learnedCapacity == nil,
                    let capacity = table.regions[cell.region].capacity,
                    brain.split(ofService: index)[position] < view.ceiling - 100
                else { continue }
                checkLess(important: index, cell.region, capacity)
            }
        }
    }

    private func checkLess(important index: Int, _ region: Int, _ capacity: Int) {
        for (other, service) in table.services.enumerated()
        where service.importance < table.services[index].importance && !brain.failsOpen(service: other) {
            guard let position = service.cells.firstIndex(where: { $0.region == region }) else { continue }
            let has = planned(other, position)
            if has > capacity * 20 + 2_000 {
                breach(
                    .leastImportantFirst,
                    "\(percent(brain.shed(ofService: index))) of \(table.services[index].name) is shed while "
                        + "\(service.name) has \(has / 1_000) requests/s in \(table.regions[region].name)")
            }
        }
    }

    /// After so long what is dead must have been left. Of what has answered nothing since the router's start nobody knows
    /// how long it takes: as long as the table allows, in addition.
    private static let patience: Int64 = 8_000_000_000

    private func checkDead() {
        for (index, service) in table.services.enumerated()
        where service.mode == .active && !brain.failsOpen(service: index) {
            let split = brain.split(ofService: index)
            let asked = scenario.loads.indices.reduce(0) {
                $0 + (scenario.loads[$1].service == index ? rates[$1].value(at: now) : 0)
            }
            for position in service.cells.indices {
                guard asked * split[position] / whole >= 20 else {
                    laws.lastLittle[index][position] = now
                    continue
                }
                let members = backends.filter { $0.service == index && $0.cell == position && $0.isMember }
                let since = members.map { $0.deadSince ?? .max }.max() ?? .max
                let isKnown = workers.contains { $0.services[index].cells[position].hasAnswers }
                let patience = Self.patience + (isKnown ? 0 : service.timeouts.response.nanoseconds)
                guard max(since, laws.lastLittle[index][position]) < now - patience,
                    hasWellElsewhere(service, index, than: position)
                else { continue }
                breach(
                    .deadIsLeft,
                    "\(service.name) has \(percent(split[position])) in \(table.regions[service.cells[position].region].name)"
                        + ", dead for \(seconds(now - since))")
            }
        }
    }

    private func hasWellElsewhere(_ service: Service, _ index: Int, than position: Int) -> Bool {
        service.cells.indices.contains { other in
            let region = service.cells[other].region
            return other != position && isInnocent(region: region)
                && brain.regionViews[region].state == .serving
                && table.services.indices.allSatisfy { one in
                    guard let place = table.services[one].cells.firstIndex(where: { $0.region == region }) else {
                        return true
                    }
                    return brain.view(ofCell: place, service: one).state == .serving
                }
        }
    }

    // At the end

    func checkAttempts() {
        for (index, service) in table.services.enumerated() {
            let requests = record.seconds.reduce(0) { $0 + $1.services[index].requests - $1.services[index].shed }
            let sent = backends.reduce(0) { $0 + ($1.service == index ? $1.sent : 0) }
            // Each worker may always repeat three a second.
            let floor = scenario.workers * 30 * (Int(now / 10_000_000_000) + 2)
            if sent > requests * (whole + service.retry.budget * 11 / 10) / whole + floor {
                breach(.attemptsAreBounded, "\(sent) sent for \(requests) of \(service.name)")
            }
        }
    }
}
