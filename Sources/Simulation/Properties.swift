package import Failover
internal import RouteTable

/// Runs a random world and holds everything against the laws.
package struct Properties: Sendable {
    package let seed: UInt64
    package let breaches: [Breach]
    /// Simulated, nanoseconds.
    package let length: Int64
    package let requests: Int
    package let decisions: Int

    /// When a way back must have come to its end, after all faults have: holds, damping, steps and soaks together.
    private static let patience: Int64 = 600_000_000_000

    /// - Parameter restored: what a router that starts again has of a brain.
    package init(seed: UInt64, restored: @escaping (Brain) -> Brain = { $0 }) {
        let scenario = Scenario(seed: seed)
        let world = World(scenario, keepsEvents: true, restored: restored)
        world.runUntilConverged(atMost: Self.patience)
        var breaches = world.record.breaches
        let replayed = world.decisionsAgain()
        if replayed != world.record.decisions.map(\.decision) {
            breaches.append(Breach(law: .replaysEqual, at: world.now, text: "the events give other decisions"))
        }
        if seed % 8 == 0 {
            let twin = World(scenario, restored: restored)
            twin.runUntilConverged(atMost: Self.patience)
            if twin.record.decisions != world.record.decisions || twin.record.seconds != world.record.seconds {
                breaches.append(Breach(law: .replaysEqual, at: world.now, text: "the seed gives another world"))
            }
        }
        self.seed = seed
        self.breaches = breaches
        length = world.now
        requests = world.record.seconds.reduce(0) { $0 + $1.services.reduce(0) { $0 + $1.requests } }
        decisions = world.record.decisions.count
    }
}

extension World {
    /// Runs to the end of the scenario, when all faults have ended, and on until everything is where it belongs; it
    /// must be so in time, and stay so.
    package func runUntilConverged(atMost patience: Int64) {
        let end = scenario.length.nanoseconds + 1_000_000_000
        run(until: end)
        var since: Int64?
        while now < end + patience {
            run(until: now + 1_000_000_000)
            guard isWhereItBelongs else {
                since = nil
                continue
            }
            since = since ?? now
            if now - (since ?? now) >= 5_000_000_000 { break }
        }
        if since == nil, canShow, !isKeptDown {
            laws.report(.convergesWhenHealed, at: now, whatIsAmiss)
        }
        finish()
    }

    /// A region that serves a third of what it could and is asked for more than that does not recover by itself.
    private var isKeptDown: Bool { regionQueues.contains { $0.backlog(at: now) > 500_000_000 } }

    /// Without requests and without probes nothing can show that it is well.
    private var canShow: Bool {
        knowsCapacities
            && table.services.indices.allSatisfy { index in
                table.services[index].probe != nil
                    || scenario.loads.contains { load in
                        load.service == index
                            && rates[scenario.loads.firstIndex { $0.service == index } ?? 0].value(at: now) >= 20
                    }
            }
    }

    /// What has less capacity than its table says, or a capacity that the table does not know, may stay overloaded by
    /// its own clients for good.
    private var knowsCapacities: Bool {
        scenario.backends.regions.allSatisfy { $0.value >= table.regions[$0.region].capacity ?? .max }
    }

    private var isWhereItBelongs: Bool { amiss == nil }

    private var whatIsAmiss: String { amiss ?? "it does not stay" }

    /// The first thing that is not as it should be when nothing ails anything.
    private var amiss: String? {
        if brain.holds { return "the router holds what it decided last" }
        if !brain.orders.isEmpty { return "an order is in force" }
        for region in brain.regionViews where region.state != .serving { return "\(region.name) is \(region.state)" }
        for backend in backends where backend.isMember && !isWell(backend) {
            let view = brain.view(of: EndpointID(backend.number))
            return "\(backend.address) is \(view?.state.rawValue ?? "unknown"), used to \(percent(view?.share ?? 0))"
        }
        for (index, service) in table.services.enumerated() {
            if brain.failsOpen(service: index) { return "\(service.name) fails open" }
            for position in service.cells.indices {
                let view = brain.view(ofCell: position, service: index)
                if view.state != .serving {
                    return "\(service.name) in \(table.regions[service.cells[position].region].name) is \(view.state)"
                }
            }
        }
        return misplaced
    }

    private func isWell(_ backend: Backend) -> Bool {
        guard let view = brain.view(of: EndpointID(backend.number)) else { return false }
        // Where nothing probes, and no request comes, nothing can show itself.
        if table.services[backend.service].probe == nil && view.state == .probation { return true }
        return view.state == .healthy && (view.share == whole || table.services[backend.service].mode == .shadow)
    }

    /// Shares against those a router would have that has seen nothing but today's demand.
    private var misplaced: String? {
        var calm = Brain()
        var at = instant
        _ = calm.observe(.topology(topology), at: at)
        for _ in 0..<60 {
            at = at + .milliseconds(100)
            let demand = table.services.indices.map { index in
                ServiceTraffic(service: index, requests: (brain.plannedDemand(ofService: index) + 5_000) / 10_000)
            }
            _ = calm.observe(.traffic(Traffic([], services: demand)), at: at)
            _ = calm.observe(.tick, at: at)
        }
        for (index, service) in table.services.enumerated() {
            let (has, should) = (brain.split(ofService: index), calm.split(ofService: index))
            let difference = zip(has, should).reduce(0) { max($0, abs($1.0 - $1.1)) }
            // Demand is never known exactly: where capacity decides, shares may differ by as much.
            if difference > (table.regions.contains { $0.capacity != nil } ? 2_500 : 0) {
                return "\(service.name) has \(has), would have \(should)"
            }
        }
        return nil
    }

    /// What a brain decides that is told the same again.
    func decisionsAgain() -> [Decision] {
        var brain = Brain()
        var decisions: [Decision] = []
        for (event, time) in told ?? [] {
            for case .decision(let decision) in brain.observe(event, at: time) { decisions.append(decision) }
        }
        return decisions
    }
}
