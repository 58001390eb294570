internal import Failover
internal import RouteTable
internal import Telemetry

extension Snapshot {
    var status: RouterStatus {
        // They come in the order of the table: service by service, cell by cell.
        var members = table.services.map { $0.cells.map { _ in [RouterStatus.Endpoint]() } }
        let unhealthy = unhealthyByNumber
        for endpoint in endpoints {
            members[endpoint.service][endpoint.cell].append(Self.status(of: endpoint, unhealthy[endpoint.number]))
        }
        return RouterStatus(
            version: version, uptimeSeconds: Int(uptime / 1_000_000_000),
            workers: self.workers.count, generation: generation, refusedReload: refusedReload,
            servesLastGoodTable: servesLastGoodTable, regions: regions.map(status(of:)), holds: holds,
            overrides: orders.map { order in
                RouterStatus.Override(
                    subject: "\(order.subject)", kind: "\(order.kind)", until: order.until.date, why: order.why)
            },
            listeners: table.listeners.map(status(of:)),
            services: table.services.indices.map { status(ofService: $0, members[$0]) },
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
            name: listener.name, address: listening[listener.identity].map { listener.place($0.address) } ?? "",
            openConnections: registry.listeners[listener.name]?.reduce(0) { $0 + $1.openConnections.level } ?? 0,
            requestsPerSecond: rates[.requests(listener.name)])
    }

    private func status(ofService index: Int, _ members: [[RouterStatus.Endpoint]]) -> RouterStatus.Service {
        let service = table.services[index]
        return RouterStatus.Service(
            name: service.name, importance: "\(service.importance)", shed: splits[index].shed,
            failsOpen: failsOpen[index], isShadow: service.mode == .shadow,
            cells: service.cells.indices.map { status(ofCell: $0, service: index, members[$0]) },
            retriesPerSecond: rates[.retries(service.name)])
    }

    private func status(
        ofCell position: Int, service index: Int, _ members: [RouterStatus.Endpoint]
    ) -> RouterStatus.Cell {
        let service = table.services[index]
        let region = table.regions[service.cells[position].region].name
        let key = Registry.CellKey(service: service.name, region: region)
        let view = cellViews[index][position]
        return RouterStatus.Cell(
            region: region, share: splits[index].shares[position], usable: view.usable, ceiling: view.ceiling,
            state: view.state.rawValue, learnedCapacity: view.learnedCapacity, requestsPerSecond: rates[.attempts(key)],
            failuresPerSecond: rates[.failures(key)],
            endpoints: members)
    }

    private static func status(
        of endpoint: Endpoint, _ unhealthy: Brain.UnhealthyEndpoint?
    ) -> RouterStatus.Endpoint {
        let totals = EndpointTotals(endpoint.counters)
        return RouterStatus.Endpoint(
            address: endpoint.address, weight: endpoint.weight, state: (unhealthy?.state ?? .healthy).rawValue,
            reason: unhealthy?.reason ?? "",
            inFlight: totals.inFlight, requests: totals.attempts, failures: totals.failures)
    }
}
