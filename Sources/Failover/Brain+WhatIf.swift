package import RouteTable

/// Imagining: nothing here changes what is decided.
extension Brain {
    /// A brain that has been told of a table and nothing else: all is well in it, and nothing is asked for.
    ///
    /// Names are not resolved: each endpoint of the table is one.
    package init(imagining table: Table) {
        self.init()
        var next = 0
        let topology = Topology(table) { service, cell in
            table.services[service].cells[cell].endpoints.map { endpoint in
                defer { next += 1 }
                return .init(id: EndpointID(next), address: "\(endpoint.host)", weight: endpoint.weight)
            }
        }
        _ = observe(.topology(topology), at: now)
    }

    package var serviceNames: [String] { services.map(\.name) }

    /// The same, if so much were asked of services; of those not named as much as now.
    ///
    /// - Parameter demand: thousandths of a request per second.
    package func imagining(
        demand: [(service: String, perSecond: Int)]
    ) throws(UnknownName) -> Brain {
        var imagined = self
        for (name, rate) in demand {
            guard let index = services.firstIndex(where: { $0.name == name }) else {
                throw UnknownName(name, "service", among: serviceNames)
            }
            imagined.services[index].demand.imagined = rate
        }
        // Where it is now follows from what is asked.
        if !demand.isEmpty { imagined.plan() }
        imagined.actions = []
        return imagined
    }

    /// What would become of traffic if regions were lost, with all that is in them: the shares the plan arrives at once
    /// they have been left, with today's demand and health elsewhere.
    package func whatIf(losing lost: [String]) throws(UnknownName) -> WhatIf {
        for name in lost where !regions.contains(where: { $0.name == name }) {
            throw UnknownName(name, "region", among: regions.map(\.name))
        }
        var imagined = self
        for index in imagined.cells.indices where lost.contains(regions[cells[index].region].name) {
            imagined.lose(index)
        }
        let shares = published(isFrozen ? presentShares : imagined.imaginedShares(at: now))
        let present = published(presentShares)
        return WhatIf(
            isFrozen: isFrozen, lost: regions.map(\.name).filter { lost.contains($0) },
            regions: regions.indices.map { region in
                WhatIf.Region(
                    name: regions[region].name, isLost: lost.contains(regions[region].name),
                    load: Double(load(of: region, present)) / 1_000,
                    loadThen: Double(load(of: region, shares)) / 1_000,
                    capacity: regions[region].capacity.map { Double($0) / 1_000 })
            },
            services: services.indices.map { index in
                outcome(index, from: present[index], to: shares[index], imagined.request(index, at: now), lost)
            })
    }

    /// What is carried out of shares: services in shadow stay in their first region.
    private func published(_ shares: [Plan.Share]) -> [Plan.Share] {
        zip(services, shares).map { service, share in
            if service.mode == .active || share.shares.isEmpty { return share }
            return Plan.Share(shares: [whole] + Array(repeating: 0, count: share.shares.count - 1))
        }
    }

    /// Nothing is left of a cell.
    private mutating func lose(_ index: Int) {
        for number in cells[index].endpoints { endpoints[number]?.state = .ejected }
        cells[index].healthyShare = 0
        cells[index].usable = 0
        cells[index].climb = nil
        cells[index].ceiling = 0
    }

    private func outcome(
        _ index: Int, from present: Plan.Share, to share: Plan.Share, _ request: Plan.Request, _ lost: [String]
    ) -> WhatIf.Service {
        let service = services[index]
        var measured = service.demand
        let demand = measured.rate(at: now)
        let names = service.cells.map { regions[cells[$0].region].name }
        return WhatIf.Service(
            name: service.name, importance: "\(service.importance)", demand: Double(demand) / 1_000,
            cells: names.indices.map { position in
                WhatIf.Cell(
                    region: names[position], share: present.shares[position], shareThen: share.shares[position],
                    loadThen: Double(demand * share.shares[position] / whole) / 1_000,
                    capacityThen: request.offers[position].capacity.map { Double($0) / 1_000 })
            },
            shed: present.shed, shedThen: share.shed,
            strandedThen: names.isEmpty
                ? whole : names.indices.reduce(0) { $0 + (lost.contains(names[$1]) ? share.shares[$1] : 0) },
            isShadow: service.mode == .shadow)
    }
}
