internal import RouteTable

/// Decides where each service's traffic goes, from what requests and probes met.
///
/// One value, no clock and no chance of its own: the same events at the same times give the same actions, so that
/// what happened can be replayed and a changed policy tried on it. docs/life-of-a-failover.md tells its rules.
package struct Brain: Sendable, Codable {
    var regions: [RegionRecord] = []
    var services: [ServiceRecord] = []
    /// Those of a service lie together, in its order of preference.
    var cells: [CellRecord] = []
    /// By number; nil where none is known.
    var endpoints: [EndpointRecord?] = []
    var cascade = CascadePolicy()
    /// Endpoints that are not plainly healthy: only these can change by time alone.
    var watched: [Int] = []
    var proberLag = Duration.zero
    var own = OwnNetwork()
    /// What operators have ordered, and has not ended.
    var overrides: [Override] = []
    /// A capacity is known somewhere: demand matters.
    var hasCapacities = false
    var capacitiesLookedAt = Instant(nanoseconds: 0)
    private var sequence: UInt64 = 0
    var now = Instant(nanoseconds: 0)

    // Of the event that is being observed
    var actions: [Action] = []
    /// Traffic had to leave a cell: is it the region?
    var needsCorrelation = false
    /// Something changed that the splits depend on.
    var needsPlan = false
    /// Nothing but demand has changed; an order was given or has ended.
    var isPlanForDemand = false
    var isPlanForOrder = false
    /// Services whose evidence has changed.
    var toLookAt: [Int] = []

    package init() {}

    private enum CodingKeys: CodingKey {
        case regions, services, cells, endpoints, cascade, watched, proberLag, own, overrides, hasCapacities,
            capacitiesLookedAt, toLookAt, needsCorrelation, needsPlan, isPlanForDemand, isPlanForOrder, sequence,
            now
    }

    /// - Returns: what is to be done, in order.
    package mutating func observe(_ event: Event, at now: Instant) -> [Action] {
        precondition(now >= self.now, "time goes forward")
        let last = self.now
        self.now = now
        let isTime = if case .tick = event { true } else { false }
        if now - last > OwnNetwork.stall && last.nanoseconds > 0 { stalled(for: now - last) }
        switch event {
        case .topology(let topology): take(topology)
        case .traffic(let traffic): observe(traffic)
        case .probe(let id, let outcome): observe(outcome, of: id)
        case .order(let order, let isForced): take(order, isForced: isForced)
        case .proberLag(let lag): proberLag = lag
        case .tick:
            passTime()
            passTimeOfOrders()
            if now - capacitiesLookedAt >= .seconds(1) { passTimeOfCapacities() }
            watchDemand()
        }
        // Probes come by the thousand; what they have changed is looked at with the traffic that follows.
        if case .probe = event { return takeActions() }
        if !isFrozen {
            lookWhereNeeded(isTime: isTime)
            if needsCorrelation { correlate() }
        }
        if needsPlan { plan() }
        return takeActions()
    }

    private mutating func takeActions() -> [Action] {
        defer { actions.removeAll(keepingCapacity: true) }
        return actions
    }

    mutating func decide(
        _ subject: Decision.Subject, _ change: Decision.Change, _ rule: Decision.Rule, _ evidence: [Decision.Evidence]
    ) {
        precondition(!evidence.isEmpty, "no decision without evidence")
        sequence += 1
        actions.append(
            .decision(
                Decision(
                    sequence: sequence, time: now, subject: subject, change: change, rule: rule, evidence: evidence)))
    }

    private mutating func observe(_ traffic: Traffic) {
        for report in traffic.services where services.indices.contains(report.service) {
            services[report.service].demand.add(report.requests, at: now)
        }
        for report in traffic.endpoints { observe(report) }
        for report in traffic.cells { observe(report) }
    }

    // Topology

    private mutating func take(_ topology: Topology) {
        let old = self
        regions = topology.regions.map { region in
            var record =
                old.regions.first { $0.name == region.name }
                ?? RegionRecord(
                    name: region.name, target: region.target, since: now)
            record.capacity = region.capacity.map { $0 * 1_000 }
            record.target = region.target
            return record
        }
        cascade = topology.cascade
        let highest = topology.services.lazy.flatMap(\.cells).flatMap(\.endpoints).map(\.id.number).max() ?? -1
        endpoints = Array(repeating: nil, count: highest + 1)
        cells = []
        var known: [String: Int] = [:]
        for (index, service) in old.services.enumerated() { known[service.name] = index }
        services = topology.services.enumerated().map { index, service in
            take(service, index: index, known: known[service.name], old: old)
        }
        for index in services.indices { services[index].needs = closure(of: index, topology) }
        for index in cells.indices { weigh(index) }
        for number in endpoints.indices {
            if let record = endpoints[number], services[record.service].mode == .active {
                endpoints[number]!.toldShare = share(of: record)
            }
        }
        watched = endpoints.indices.filter { endpoints[$0].map { !isPlain($0) } ?? false }
        for number in endpoints.indices { endpoints[number]?.isWatched = false }
        for number in watched { endpoints[number]!.isWatched = true }
        hasCapacities =
            regions.contains { $0.capacity != nil } || cells.contains { $0.capacity != nil || $0.learned != nil }
        needsPlan = true
        toLookAt = Array(services.indices)
    }

    private mutating func take(
        _ service: Topology.Service, index: Int, known: Int?, old: Brain
    ) -> ServiceRecord {
        let before = known.map { old.services[$0] }
        let first = cells.count
        var held: [Int] = []
        for cell in service.cells {
            let place = before?.cells.first { old.regions[old.cells[$0].region].name == regions[cell.region].name }
            var record = CellRecord(service: index, region: cell.region, ratioWindow: service.policy.ratioWindow)
            if let before, let place {
                record.continue(old.cells[place])
                held.append(before.split[place - before.cells.lowerBound])
            } else {
                held.append(0)
            }
            record.capacity = cell.capacity.map { $0 * 1_000 }
            if cell.endpoints.isEmpty { record.bareSince = place.map { old.cells[$0].bareSince } ?? now }
            // A set that is replaced as a whole is assumed to be well, as at the start.
            let joins = place != nil && cell.endpoints.contains { old.endpoints.at($0.id.number) != nil }
            for endpoint in cell.endpoints {
                record.endpoints.append(endpoint.id.number)
                take(endpoint, of: service, index: index, joins: joins, old: old)
            }
            // None is left that could show anything: they are assumed to be well, as at the start.
            if service.probe == nil && record.endpoints.allSatisfy({ endpoints[$0]!.isNew }) {
                for number in record.endpoints {
                    endpoints[number]!.isNew = false
                    if endpoints[number]!.state == .probation { endpoints[number]!.enter(.healthy, at: now) }
                }
            }
            if place == nil && service.moves == .withRegion && !regions[cell.region].isOpen { record.ceiling = 0 }
            cells.append(record)
        }
        // What gone regions had goes to the first that is left, until the plan that follows.
        if let first = held.indices.first {
            if before == nil { held[first] = whole } else { held[first] += whole - held.reduce(before?.shed ?? 0, +) }
        }
        return ServiceRecord(
            name: service.name, policy: service.policy, probe: service.probe, importance: service.importance,
            moves: service.moves, mode: service.mode, cells: first..<cells.count, split: held,
            shed: held.isEmpty ? 0 : before?.shed ?? 0, failsOpen: before?.failsOpen ?? false,
            usesLastResort: before?.usesLastResort ?? false,
            demand: before?.demand ?? Demand(at: now))
    }

    private mutating func take(
        _ endpoint: Topology.Endpoint, of service: Topology.Service, index: Int, joins: Bool, old: Brain
    ) {
        let number = endpoint.id.number
        precondition(endpoints[number] == nil, "an endpoint is in one cell")
        if var known = old.endpoints.at(number) {
            known.service = index
            known.cell = cells.count
            known.weight = endpoint.weight
            known.address = endpoint.address
            known.name = endpoint.name
            endpoints[number] = known
        } else {
            // At first all is assumed to be well; what joins a service that runs must show it.
            endpoints[number] = EndpointRecord(
                endpoint, service: index, cell: cells.count, isNew: joins, ratioWindow: service.policy.ratioWindow,
                at: now)
        }
        // Nothing will tell of its recovery any more: requests must.
        if service.probe == nil, endpoints[number]!.state == .down { endpoints[number]!.enter(.probation, at: now) }
        endpoints[number]!.toldShare = whole
    }

    /// All that a service needs, directly or through others, but not itself.
    private func closure(of index: Int, _ topology: Topology) -> [Int] {
        var found: [Int] = []
        var waiting = topology.services[index].needs
        while let next = waiting.popLast() {
            if next == index || found.contains(next) { continue }
            found.append(next)
            waiting += topology.services[next].needs
        }
        return found.sorted()
    }
}

extension [EndpointRecord?] {
    /// The endpoint of a number, if there is one.
    func at(_ number: Int) -> EndpointRecord? {
        indices.contains(number) ? self[number] : nil
    }
}

extension CellRecord {
    /// Takes over what was known of the same cell of an older table.
    fileprivate mutating func `continue`(_ old: CellRecord) {
        ceiling = old.ceiling
        roomSince = old.roomSince
        holds = old.holds
        climb = old.climb
        loweredAt = old.loweredAt
        cameBackAt = old.cameBackAt
        impairment = old.impairment
        damping = old.damping
        leftFrom = old.leftFrom
        warmed = old.warmed
        mayReturn = old.mayReturn
        latency = old.latency
        learned = old.learned
        proven = old.proven
        lastOverload = old.lastOverload
        overloadRun = old.overloadRun
        lastTraffic = old.lastTraffic
        silentSince = old.silentSince
        recent = old.recent
        beyond = old.beyond
    }
}
