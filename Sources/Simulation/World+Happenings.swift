internal import Failover
internal import RouteTable

/// What befalls the world, as the scenario says.
extension World {
    func happen(_ index: Int) {
        let happening = scenario.timeline[index]
        // A router that stands still learns of nothing.
        if case .resolves = happening.what, now < standsUntil { return queue.put(.happening(index), at: standsUntil) }
        if let length = happening.length { queue.put(.undo(index), at: now + length.nanoseconds) }
        note(happening.text(in: scenario))
        switch happening.what {
        case .fault(let scope, let fault): set(fault, on: scope)
        case .heal(let scope):
            endFlaps(within: scope)
            faults.heal(scope, &backends)
            refreshFaults()
        case .flap: toggle(index, true)
        case .probesLie(let scope, let lie): set(lie, on: scope)
        case .dependencyFault(let dependency, let region, let fault):
            faults.set(fault, onDependency: dependency, region: region, at: now)
            refreshFaults()
        case .capacity(let scope, let from, let to, let over):
            changeCapacity(of: scope) { $0.change(from: from, to: to, over: over.nanoseconds, at: self.now) }
        case .proberLags(let lag): prober.lag = lag.nanoseconds
        case .proberStalls: prober.standsUntil = now + (happening.length ?? .seconds(10)).nanoseconds
        case .routerStalls: standStill(until: now + (happening.length ?? .seconds(5)).nanoseconds)
        case .ownNetworkIsCut:
            isCut = true
            lastCut = now
        case .routerRestarts:
            record.restarts.append(.init(at: now, before: splits, after: []))
            stopRouter()
            if happening.length == nil { queue.put(.undo(index), at: now) }
        case .resolves(let name, let addresses): resolve(name, addresses)
        case .load(let service, let perSecond, let over):
            for load in scenario.loads.indices where scenario.loads[load].service == service {
                rates[load].change(to: perSecond, over: over.nanoseconds, at: now)
            }
        case .order(let order, let isForced):
            orders.append((order, isForced))
            lookSoon()
        case .imagine(let region): imagine(losing: region)
        }
    }

    func undo(_ index: Int) {
        undone[index] = true
        let happening = scenario.timeline[index]
        if let text = happening.undoneText(in: scenario) { note(text) }
        switch happening.what {
        case .fault(let scope, _), .flap(let scope, _, _): set(Fault?.none, on: scope)
        case .probesLie(let scope, _): set(ProbeLie?.none, on: scope)
        case .dependencyFault(let dependency, let region, _):
            faults.set(nil, onDependency: dependency, region: region, at: now)
            refreshFaults()
        case .capacity(let scope, _, _, _):
            changeCapacity(of: scope) { $0.change(from: nil, to: whole, over: 0, at: self.now) }
        case .ownNetworkIsCut:
            isCut = false
            lastCut = now
        case .routerRestarts:
            brain = restored(brain)
            laws.lastRestart = now
            startRouter(isFirst: false)
            record.restarts[record.restarts.count - 1].after = splits
        case .load(let service, _, let over):
            for load in scenario.loads.indices where scenario.loads[load].service == service {
                rates[load].change(to: scenario.loads[load].perSecond, over: over.nanoseconds, at: now)
            }
        case .proberLags:
            laws.lastLag = now
            prober.lag = 0
        case .heal, .proberStalls, .routerStalls, .resolves, .order, .imagine: break
        }
    }

    /// A flapping thing fails, or is well, for a while.
    func toggle(_ index: Int, _ fails: Bool) {
        guard !undone[index], case .flap(let scope, let fault, let every) = scenario.timeline[index].what else {
            return
        }
        set(fails ? fault : nil, on: scope)
        queue.put(.toggle(index, isOn: !fails), at: now + every.nanoseconds)
    }

    private func endFlaps(within healed: Happening.Scope) {
        for (index, happening) in scenario.timeline.enumerated() {
            guard case .flap(let scope, _, _) = happening.what, happening.at.nanoseconds <= now else { continue }
            if healed.contains(scope) { undone[index] = true }
        }
    }

    private func set(_ fault: Fault?, on scope: Happening.Scope) {
        faults.set(fault, on: scope, &backends)
        refreshFaults()
    }

    private func set(_ lie: ProbeLie?, on scope: Happening.Scope) {
        faults.set(lie, on: scope, &backends)
        refreshFaults()
    }

    /// Brings backends up to date with all that ails them; what hung and hangs no more is answered.
    func refreshFaults() {
        let before = backends.map(\.fault)
        if let next = faults.reach(&backends, at: now) { queue.put(.refresh, at: next) }
        for number in backends.indices {
            let backend = backends[number]
            laws.noteFault(of: &backends[number], before: before[number], at: now)
            guard before[number] == .hangs, backend.fault != .hangs, !backend.held.isEmpty else { continue }
            backends[number].held = []
            for held in backend.held {
                queue.put(
                    .attempt(request: held.request, generation: held.generation, attempt: held.attempt),
                    at: now + distance(to: backend.region) + chance.below(work))
            }
        }
    }

    private func changeCapacity(of scope: Happening.Scope, _ change: (inout CollapsingQueue) -> Void) {
        if scope.service == nil && scope.address == nil {
            for region in regionQueues.indices where scope.region ?? region == region { change(&regionQueues[region]) }
        }
        for number in backends.indices
        where scope.service ?? backends[number].service == backends[number].service
            && scope.region ?? backends[number].region == backends[number].region
            && scope.address ?? backends[number].address == backends[number].address
        {
            change(&backends[number].queue)
        }
    }

    /// The whole process stands still. When it wakes it first sees what has come, then what has run out.
    private func standStill(until time: Int64) {
        standsUntil = time
        prober.standsUntil = max(prober.standsUntil, time)
        queue.putOff(until: time, where: \.isOfTheRouter, isLate: \.comesLast)
    }

    /// The split of every service, with what is shed at the end.
    var splits: [[Int]] {
        table.services.indices.map { brain.split(ofService: $0) + [brain.shed(ofService: $0)] }
    }

    /// What the loss of a region would do, by the brain's own what-if.
    private func imagine(losing region: String) {
        guard let whatIf = try? brain.whatIf(losing: [region]) else { return }
        let shares = whatIf.services.map { $0.cells.map(\.shareThen) + [$0.shedThen] }
        record.imaginations.append(.init(at: now, region: region, shares: shares))
    }

    private func note(_ text: String) {
        record.events.append((now, text))
    }
}
