internal import Failover
internal import Names
internal import Proxy
internal import Reactor
internal import RouteTable
internal import Telemetry

/// What the router is doing at one moment, for the pages that are made of it beside the brain: metrics, status.
///
/// It is taken on Control in a moment, however many endpoints there are: tables and registries are shared with it, not copied,
/// and of the brain it has what pages tell. Counters are the workers' own and are read when the page is made.
struct Snapshot: Sendable {
    /// An endpoint that is served.
    struct Endpoint: Sendable {
        let number: Int
        /// Where it stands in the table.
        let service: Int
        let cell: Int
        let region: String
        let address: String
        let weight: Int
        let counters: [EndpointCounters]
    }

    /// Counters by the names of the table.
    struct Counters: Sendable {
        let cells: [Registry.CellKey: [CellCounters]]
        let services: [String: [ServiceCounters]]
        let listeners: [String: [ListenerCounters]]
        let handshakes: [String: [HandshakeCounters]]
    }

    // The router
    let version: String
    /// Since the process started, in nanoseconds.
    let uptime: Int64
    let workers: [WorkerCounters]
    let descriptors: DescriptorBudget
    let droppedReports: Int
    let log: LineOutput?
    let logWriter: AccessLogWriter
    let stateWriter: StateWriter

    // The table
    let table: Table
    let generation: Int
    let servesLastGoodTable: Bool
    let refusedReload: String?
    let reloads: Control.ReloadCounts
    let slowChores: UInt64
    let listening: [ListenerIdentity: ListeningPlace]
    let encryption: Encryption
    let certificateReloads: Control.ReloadCounts
    let certificatesAreRefused: Bool
    let routes: RouteRegistry
    let registry: Counters
    /// In the order of the table.
    let endpoints: [Endpoint]
    let rates: Rates
    /// Of endpoints.
    let names: [Discovery.View]
    /// Names that are being asked for now, or wait to be.
    let lookups: Int

    // The brain
    let now: Instant
    /// How late it was, nanoseconds.
    let lag: Int64
    let holds: Bool
    let regions: [Brain.RegionView]
    let orders: [Override]
    /// Of services and their cells, in the order of the table.
    let splits: [(shares: [Int], shed: Int)]
    let failsOpen: [Bool]
    let cellViews: [[Brain.CellView]]
    /// All other endpoints are healthy.
    let unhealthy: [Brain.UnhealthyEndpoint]
    let latestDecisions: [RouterStatus.Decision]
    let decisionCounts: [String: UInt64]
    let probeCounts: ProbeCounts

    /// By the endpoint's number.
    var unhealthyByNumber: [Int: Brain.UnhealthyEndpoint] {
        Dictionary(unhealthy.map { ($0.id.number, $0) }, uniquingKeysWith: { first, _ in first })
    }
}

extension Control {
    func snapshot() -> Snapshot {
        Snapshot(
            version: configuration.version, uptime: EventLoop.clock() - began, workers: workerCounters,
            descriptors: descriptors, droppedReports: droppedReports, log: log, logWriter: logWriter,
            stateWriter: stateWriter, table: table,
            generation: generation, servesLastGoodTable: servesLastGoodTable, refusedReload: refusedReload,
            reloads: reloads, slowChores: slowChores, listening: listening, encryption: encryption,
            certificateReloads: certificateReloads,
            certificatesAreRefused: certificatesAreRefused, routes: routes,
            registry: Snapshot.Counters(
                cells: registry.cells, services: registry.services, listeners: registry.listeners,
                handshakes: registry.handshakes),
            endpoints: roster, rates: rates, names: discovery.views(now: EventLoop.clock()), lookups: resolver.lookups,
            now: now, lag: lag.latest, holds: brain.holds, regions: brain.regionViews,
            orders: brain.orders, splits: table.services.indices.map { brain.publishedSplit(ofService: $0) },
            failsOpen: table.services.indices.map { brain.failsOpen(service: $0) },
            cellViews: table.services.indices.map { service in
                table.services[service].cells.indices.map { brain.view(ofCell: $0, service: service) }
            },
            unhealthy: brain.unhealthyEndpoints,
            latestDecisions: latestDecisions, decisionCounts: decisionCounts, probeCounts: probeCounts)
    }

    /// The endpoints that are served, in the order of the table.
    func makeRoster() -> [Snapshot.Endpoint] {
        table.services.enumerated().flatMap { service, settings in
            settings.cells.enumerated().flatMap { position, cell in
                let region = table.regions[cell.region].name
                return resolved[service][position].map { endpoint in
                    Snapshot.Endpoint(
                        number: endpoint.entry.number, service: service, cell: position, region: region,
                        address: endpoint.name, weight: endpoint.weight, counters: endpoint.entry.counters)
                }
            }
        }
    }
}
