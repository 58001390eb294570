internal import Picking
internal import RouteTable

/// Open tunnels, and gRPC calls that rest within their answers, are never moved. When their cell's share falls to 0, or their
/// endpoint leaves the table, `on_failover` decides whether they are kept or ended.
extension Worker {
    /// The brain has changed a service's split.
    func splitChanged(of service: WorkerService, from before: [Int]) {
        let after = service.split.shares
        for (index, cell) in service.cells.enumerated() where (before[index] > 0) != (after[index] > 0) {
            let isLost = after[index] == 0
            if isLost { for endpoint in cell.endpoints { endpoint.doubt() } }
            if isLost && service.onFailover == .keep { continue }
            forEachTunnel { tunnel, upstream in
                guard upstream.cell.region == cell.region, upstream.service.name == service.name else { return }
                if isLost {
                    tunnel.lostPlace(service.onFailover)
                } else if table.has(upstream.endpoint) {
                    tunnel.regainedPlace()
                }
            }
        }
    }

    /// Another table is served: its splits begin as published, and endpoints may be gone.
    func tableChanged(from before: WorkerTable) {
        if before.services.allSatisfy({ $0.onFailover == .keep })
            && table.services.allSatisfy({ $0.onFailover == .keep })
        {
            return
        }
        var services: [String: WorkerService] = [:]
        for service in table.services { services[service.name] = service }
        for service in before.services {
            guard let heir = services[service.name] else { continue }
            let shares = heir.cells.map { cell in
                service.cells.firstIndex { $0.region == cell.region }.map { service.split.shares[$0] } ?? 0
            }
            splitChanged(of: heir, from: shares)
        }
        forEachTunnel { tunnel, upstream in
            // A service that is gone had its say before.
            let choice = (services[upstream.service.name] ?? upstream.service).onFailover
            if !table.has(upstream.endpoint) { tunnel.lostPlace(choice) }
        }
    }

    private func forEachTunnel(_ visit: (Exchange, Upstream) -> Void) {
        clients.forEach { client in
            client.forEachTunnel { tunnel in
                if let upstream = tunnel.first?.counted { visit(tunnel, upstream) }
            }
        }
    }
}
