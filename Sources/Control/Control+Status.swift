internal import Failover
internal import Reactor
internal import RouteTable
internal import Telemetry

extension Control {
    /// What the router is doing now.
    package func status() -> RouterStatus {
        RouterStatus(
            version: configuration.version, uptimeSeconds: Int((EventLoop.clock() - began) / 1_000_000_000),
            workers: mailboxes.count, generation: generation, refusedReload: refusedReload,
            servesLastGoodTable: servesLastGoodTable, regions: brain.regionViews.map(status(of:)), holds: brain.holds,
            overrides: brain.orders.map { order in
                RouterStatus.Override(
                    subject: "\(order.subject)", kind: "\(order.kind)", until: order.until.date, why: order.why)
            },
            listeners: table.listeners.map(status(of:)),
            services: table.services.indices.map(status(ofService:)),
            decisions: latestDecisions.reversed())
    }

    private func status(of region: Brain.RegionView) -> RouterStatus.Region {
        RouterStatus.Region(
            name: region.name, state: region.state.rawValue, reason: region.state == .serving ? "" : region.reason,
            capacity: table.regions.first { $0.name == region.name }?.capacity,
            requestsPerSecond: table.services.reduce(0) {
                $0 + rates[.attempts(Registry.CellKey(service: $1.name, region: region.name))]
            })
    }

    private func status(of listener: Listener) -> RouterStatus.Listener {
        RouterStatus.Listener(
            name: listener.name, address: listening[listener.identity].map { listener.place($0) } ?? "",
            openConnections: registry.listeners[listener.name]?.reduce(0) { $0 + $1.openConnections.level } ?? 0,
            requestsPerSecond: rates[.requests(listener.name)])
    }

    private func status(ofService index: Int) -> RouterStatus.Service {
        let service = table.services[index]
        return RouterStatus.Service(
            name: service.name, importance: "\(service.importance)", shed: split(ofService: index).shed,
            failsOpen: brain.failsOpen(service: index), isShadow: service.mode == .shadow,
            cells: service.cells.indices.map { status(ofCell: $0, service: index) },
            retriesPerSecond: rates[.retries(service.name)])
    }

    private func status(ofCell position: Int, service index: Int) -> RouterStatus.Cell {
        let service = table.services[index]
        let region = table.regions[service.cells[position].region].name
        let key = Registry.CellKey(service: service.name, region: region)
        let view = brain.view(ofCell: position, service: index)
        return RouterStatus.Cell(
            region: region, share: split(ofService: index).shares[position], usable: view.usable, ceiling: view.ceiling,
            state: view.state.rawValue, learnedCapacity: view.learnedCapacity, requestsPerSecond: rates[.attempts(key)],
            failuresPerSecond: rates[.failures(key)],
            endpoints: cellEndpoints[index][position].compactMap(status(ofEndpoint:)))
    }

    private func status(ofEndpoint number: Int) -> RouterStatus.Endpoint? {
        guard let place = endpointPlaces[number], let entry = registry.endpoints[place.key],
            let view = brain.view(of: EndpointID(number))
        else { return nil }
        let totals = EndpointTotals(entry.counters)
        return RouterStatus.Endpoint(
            address: place.key.address, weight: place.weight, state: view.state.rawValue, reason: view.reason,
            inFlight: totals.inFlight, requests: totals.attempts, failures: totals.failures)
    }
}
