internal import Reactor
internal import RouteTable
internal import Telemetry
internal import Wire

/// The table one worker serves from: the matcher, and everything it leads to, compiled.
final class WorkerTable {
    let publication: Publication
    let services: [WorkerService]
    /// By endpoint number; those of earlier tables that still have connections are not here.
    let endpoints: [Int: (WorkerEndpoint, WorkerCell)]
    /// Exchanges that use what is in it.
    var uses = 0

    /// Compiles a table; endpoints and services known from `previous` go on with what they have learned.
    ///
    /// - Parameter former: tables that requests still use: what is under way of a service counts as one, even if the service
    ///   was gone meanwhile.
    init(_ publication: Publication, loop: EventLoop, previous: WorkerTable?, former: [WorkerTable] = []) {
        self.publication = publication
        var endpoints: [Int: (WorkerEndpoint, WorkerCell)] = [:]
        var services: [WorkerService] = []
        var known: [String: WorkerService] = [:]
        for table in former { for service in table.services { known[service.name] = service } }
        for service in previous?.services ?? [] { known[service.name] = service }
        for (index, service) in publication.table.services.enumerated() {
            let published = publication.services[index]
            let heir = known[service.name]
            var cells: [WorkerCell] = []
            for (position, cell) in service.cells.enumerated() {
                let members = published.cells[position].endpoints.map { endpoint in
                    let member = previous?.endpoints[endpoint.number]?.0 ?? WorkerEndpoint(endpoint)
                    member.update(endpoint)
                    member.idleTimeout = service.timeouts.idle.nanoseconds
                    member.pingInterval = service.timeouts.ping.nanoseconds
                    return member
                }
                let made = WorkerCell(
                    region: publication.table.regions[cell.region].name, published.cells[position],
                    endpoints: members, balance: service.balance,
                    connectionLimit: (service.limits.connections + publication.workers - 1) / publication.workers,
                    heir: heir?.cell(in: publication.table.regions[cell.region].name))
                for member in members { endpoints[member.number] = (member, made) }
                cells.append(made)
            }
            services.append(
                WorkerService(service, published, cells: cells, workers: publication.workers, loop: loop, heir: heir))
        }
        self.services = services
        self.endpoints = endpoints
        previous?.retireEndpoints(notIn: endpoints)
    }

    /// Numbers of endpoints that are gone are used again: it must be this one.
    func has(_ endpoint: WorkerEndpoint) -> Bool { endpoints[endpoint.number]?.0 === endpoint }

    func service(at index: Int) -> Uncounted<WorkerService> { Uncounted(services[index]) }

    /// The service of this name.
    func service(named name: String) -> WorkerService? { services.first { $0.name == name } }

    private func retireEndpoints(notIn remaining: [Int: (WorkerEndpoint, WorkerCell)]) {
        for (number, (endpoint, _)) in endpoints where remaining[number] == nil {
            endpoint.isRetired = true
            endpoint.doubt()
            endpoint.closeIdle(unusedSince: .max)
        }
    }

    /// The route for a connection that is passed on as it comes, or nil.
    func tunnelRoute(
        serverName: RawSpan, listener: WorkerListener, protocols: RouteMatcher.FieldLookup
    ) -> Uncounted<WorkerRoute>? {
        publication.compiled.matcher.matchTunnel(
            listener: listener.index, serverName: serverName, protocols: protocols
        ).map { Uncounted(publication.compiled.routes[$0]) }
    }

    /// The route for a request, or nil.
    func route(_ head: borrowing RequestHead, _ bytes: RawSpan, listener: WorkerListener) -> Uncounted<WorkerRoute>? {
        let compiled = Uncounted(publication.compiled)
        let index = compiled.lend { compiled in
            compiled.matcher.match(
                listener: listener.index, host: bytes.extracting(head.host.bounds),
                path: bytes.extracting(head.path.bounds), method: bytes.extracting(head.methodRange.bounds)
            ) { name, holds in
                var index = head.nextField(named: name, from: 0, in: bytes)
                while let i = index {
                    if holds(bytes.extracting(head.field(i).value.bounds)) { return true }
                    index = head.nextField(named: name, from: i + 1, in: bytes)
                }
                return false
            }
        }
        return index.map { index in compiled.lend { Uncounted($0.routes[index]) } }
    }
}
