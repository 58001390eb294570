package import RouteTable

extension Topology {
    /// What a table says, with the endpoints that its names stand for.
    ///
    /// - Parameter endpoints: those of a cell, by the indices of service and cell in the table.
    package init(_ table: Table, endpoints: (_ service: Int, _ cell: Int) -> [Endpoint]) {
        self.init(
            regions: table.regions.map { Region(name: $0.name, capacity: $0.capacity, target: $0.target) },
            services: table.services.enumerated().map { index, service in
                var described = Service(
                    name: service.name, policy: service.failover,
                    probe: service.probe.map { ProbeRule(every: $0.every, fall: $0.fall, rise: $0.rise) },
                    cells: service.cells.enumerated().map { position, cell in
                        Cell(region: cell.region, capacity: cell.capacity, endpoints: endpoints(index, position))
                    })
                described.importance = service.importance
                described.needs = service.needs
                described.moves = service.moves
                described.mode = service.mode
                return described
            })
        cascade = table.cascade
    }

    /// The same regions, services and endpoints, under what another table says of them: policies, capacities,
    /// importance, needs. What that table does not name stays as it is.
    package func under(_ table: Table) -> Topology {
        var result = self
        let other = Topology(table) { _, _ in [] }
        result.cascade = other.cascade
        for (index, region) in regions.enumerated() {
            guard let changed = other.regions.first(where: { $0.name == region.name }) else { continue }
            result.regions[index] = changed
        }
        for (index, service) in services.enumerated() {
            guard var changed = other.services.first(where: { $0.name == service.name }) else { continue }
            changed.needs = changed.needs.compactMap { need in
                services.firstIndex { $0.name == other.services[need].name }
            }
            let capacities = changed.cells
            changed.cells = service.cells
            for position in changed.cells.indices {
                let name = regions[changed.cells[position].region].name
                changed.cells[position].capacity =
                    capacities.first { other.regions[$0.region].name == name }?.capacity
            }
            result.services[index] = changed
        }
        return result
    }
}

extension Brain {
    /// What it was last told there is. Needs are all that a service needs, also through others.
    package var topology: Topology {
        var topology = Topology(
            regions: regions.map { .init(name: $0.name, capacity: $0.capacity.map { $0 / 1_000 }, target: $0.target) },
            services: services.map { service in
                var described = Topology.Service(
                    name: service.name, policy: service.policy, probe: service.probe,
                    cells: service.cells.map { index in
                        Topology.Cell(
                            region: cells[index].region, capacity: cells[index].capacity.map { $0 / 1_000 },
                            endpoints: cells[index].endpoints.compactMap { number in
                                endpoints[number].map {
                                    .init(id: $0.id, address: $0.address, weight: $0.weight, name: $0.name)
                                }
                            })
                    })
                described.importance = service.importance
                described.needs = service.needs
                described.moves = service.moves
                described.mode = service.mode
                return described
            })
        topology.cascade = cascade
        return topology
    }
}
