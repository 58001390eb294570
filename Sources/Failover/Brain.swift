internal import RouteTable

/// Decides where each service's traffic goes, from what requests and probes met.
///
/// One value, no clock and no chance of its own: the same events at the same times give the same actions, so that
/// what happened can be replayed and a changed policy tried on it. docs/life-of-a-failover.md tells its rules.
package struct Brain: Sendable {
    var regions: [String] = []
    var services: [ServiceRecord] = []
    /// By number; nil where none is known.
    var endpoints: [EndpointRecord?] = []
    /// Endpoints that are not plainly healthy: only these can change by time alone.
    var watched: [Int] = []
    /// Per region.
    var removals: [ProbeRemovals] = []
    var proberLag = Duration.zero
    private var sequence: UInt64 = 0

    // Of the event that is being observed
    var now = Instant(nanoseconds: 0)
    var actions: [Action] = []

    package init() {}

    /// - Returns: what is to be done, in order.
    package mutating func observe(_ event: Event, at now: Instant) -> [Action] {
        precondition(now >= self.now, "time goes forward")
        self.now = now
        switch event {
        case .topology(let topology): take(topology)
        case .traffic(let reports): for report in reports { observe(report) }
        case .probe(let id, let outcome): observe(outcome, of: id)
        case .proberLag(let lag): proberLag = lag
        case .tick: passTime()
        }
        for index in services.indices where !services[index].isAtRest { look(at: index) }
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

    // Topology

    private mutating func take(_ topology: Topology) {
        var known: [String: Int] = [:]
        for (index, service) in services.enumerated() { known[service.name] = index }
        let oldServices = services
        let oldEndpoints = endpoints
        let oldRegions = regions
        let oldRemovals = removals

        regions = topology.regions
        removals = regions.map { region in oldRegions.firstIndex(of: region).map { oldRemovals[$0] } ?? ProbeRemovals()
        }
        let highest = topology.services.lazy.flatMap(\.cells).flatMap(\.endpoints).map(\.id.number).max() ?? -1
        endpoints = Array(repeating: nil, count: highest + 1)
        services = topology.services.enumerated().map { index, service in
            let old = known[service.name].map { oldServices[$0] }
            return record(service, index: index, old: old, oldRegions: oldRegions, oldEndpoints: oldEndpoints)
        }
        watched = endpoints.indices.filter { endpoints[$0].map { $0.state != .healthy } ?? false }
    }

    private mutating func record(
        _ service: Topology.Service, index: Int, old: ServiceRecord?, oldRegions: [String],
        oldEndpoints: [EndpointRecord?]
    ) -> ServiceRecord {
        var held: [Int] = []
        var cells: [CellRecord] = []
        for (position, cell) in service.cells.enumerated() {
            let place = old?.cells.firstIndex { oldRegions[$0.region] == regions[cell.region] }
            var record = CellRecord(region: cell.region, ratioWindow: service.policy.ratioWindow)
            if let old, let place {
                record = record.continuing(old.cells[place])
                held.append(old.split[place])
            } else {
                held.append(0)
            }
            // A set that is replaced as a whole is assumed to be well, as at the start.
            let joins = place != nil && cell.endpoints.contains { oldEndpoints.at($0.id.number) != nil }
            for endpoint in cell.endpoints {
                let number = endpoint.id.number
                precondition(endpoints[number] == nil, "an endpoint is in one cell")
                record.endpoints.append(number)
                if var known = oldEndpoints.at(number) {
                    known.service = index
                    known.cell = position
                    known.weight = endpoint.weight
                    known.address = endpoint.address
                    endpoints[number] = known
                } else {
                    // At first all is assumed to be well; what joins a service that runs must show it.
                    endpoints[number] = EndpointRecord(
                        endpoint, service: index, cell: position, isNew: joins,
                        ratioWindow: service.policy.ratioWindow, at: now)
                }
            }
            cells.append(record)
        }
        // What gone regions had goes to the first that is left, until the look that follows.
        if let first = held.indices.first {
            let sum = held.reduce(0, +)
            if old == nil { held[first] = whole } else { held[first] += whole - sum }
        }
        return ServiceRecord(
            name: service.name, policy: service.policy, probe: service.probe, cells: cells, split: held,
            failsOpen: old?.failsOpen ?? false)
    }
}

extension [EndpointRecord?] {
    /// The endpoint of a number, if there is one.
    func at(_ number: Int) -> EndpointRecord? {
        indices.contains(number) ? self[number] : nil
    }
}

extension CellRecord {
    /// This cell of a new table, with what was known of the same cell in the old.
    fileprivate func continuing(_ old: CellRecord) -> CellRecord {
        var cell = self
        cell.ceiling = old.ceiling
        cell.roomSince = old.roomSince
        cell.holds = old.holds
        cell.climb = old.climb
        cell.loweredAt = old.loweredAt
        cell.recent = old.recent
        return cell
    }
}
