package import Reactor
package import RouteTable
package import TLS
package import Telemetry
private import Synchronization

/// Everything a worker needs to serve a table: handed over whole, one for each worker, and the worker's own from
/// then on.
///
/// Endpoints have numbers that stay theirs as long as they are known, over every reload: by them a worker finds
/// its pooled connections again, and its counters.
package final class Publication: Sendable {
    package let compiled: CompiledTable
    package var table: Table { compiled.table }
    package let services: [Service]
    /// One for each of the table's listeners.
    package let listeners: [ListenerCounters]
    /// One for each of the table's listeners; nil where it has no access log.
    package let accessLogs: [AccessLogRing?]
    /// One for each of the table's listeners; nil where nothing is encrypted.
    package let tlsServers: [TLSServer?]
    /// Rises with every publication.
    package let generation: Int
    /// How many workers share each limit.
    package let workers: Int

    package struct Service: Sendable {
        package let counters: ServiceCounters
        /// In order of preference, as in the table.
        package let cells: [Cell]
        /// Of each cell, in ten-thousandths; sums to 10,000 with `shed`.
        package let split: [Int]
        /// What is refused at once, in ten-thousandths.
        package let shed: Int
        /// How its endpoints are spoken to; nil: without encryption.
        package let tls: TLSClient?
        /// Only where there is `tls`.
        package let handshakes: HandshakeCounters?

        package init(
            counters: ServiceCounters, cells: [Cell], split: [Int], shed: Int = 0, tls: TLSClient? = nil,
            handshakes: HandshakeCounters? = nil
        ) {
            self.tls = tls
            self.handshakes = handshakes
            self.counters = counters
            self.cells = cells
            self.split = split
            self.shed = shed
        }
    }

    package struct Cell: Sendable {
        package let counters: CellCounters
        /// The 99th percentile of the cell's response time, which workers share: nanoseconds.
        package let responseTime: SharedEstimate
        package let endpoints: [Endpoint]

        package init(counters: CellCounters, responseTime: SharedEstimate, endpoints: [Endpoint]) {
            self.counters = counters
            self.responseTime = responseTime
            self.endpoints = endpoints
        }
    }

    package struct Endpoint: Sendable {
        package let number: Int
        package let address: SocketAddress
        /// As the table or the resolver names it, for logs.
        package let name: String
        package let weight: Int
        /// As the brain has it now, in ten-thousandths.
        package let share: Int
        package let counters: EndpointCounters
        /// What it is called where it is spoken to encrypted.
        package let peerName: TLSPeerName
        /// What it is told in Host; nil: what the client said.
        package let toldHost: String?

        package init(
            number: Int, address: SocketAddress, name: String, weight: Int, share: Int, counters: EndpointCounters,
            peerName: TLSPeerName = .none, toldHost: String? = nil
        ) {
            self.peerName = peerName
            self.toldHost = toldHost
            self.number = number
            self.address = address
            self.name = name
            self.weight = weight
            self.share = share
            self.counters = counters
        }
    }

    package init(
        _ compiled: CompiledTable, services: [Service], listeners: [ListenerCounters],
        accessLogs: [AccessLogRing?], tlsServers: [TLSServer?]? = nil, generation: Int, workers: Int
    ) {
        self.tlsServers = tlsServers ?? compiled.table.listeners.map { _ in nil }
        self.compiled = compiled
        self.services = services
        self.listeners = listeners
        self.accessLogs = accessLogs
        self.generation = generation
        self.workers = workers
    }
}

/// What of a table takes long to make: the matcher and the routes, made before a worker is told, on whatever thread, one
/// for each worker. It stays the same when only addresses change.
package final class CompiledTable: Sendable {
    package let table: Table
    let matcher: RouteMatcher
    let routes: [WorkerRoute]

    /// - Parameter counters: of each route; nil: ones that nobody else reads.
    package init(_ table: Table, counters: [RouteCounters]? = nil) {
        self.table = table
        matcher = RouteMatcher(table)
        let identityFields = table.listeners.compactMap { $0.tls?.client?.header }
        routes = table.routes.enumerated().map { index, route in
            WorkerRoute(route, identityFields: identityFields, counters: counters?[index] ?? RouteCounters())
        }
    }
}

/// What a worker is told.
package enum WorkerMessage: Sendable {
    case publish(Publication, sockets: [ListeningSocketBox])
    /// Shares of a service's cells and what is refused at once, in ten-thousandths.
    case split(service: Int, shares: [Int], shed: Int, generation: Int)
    /// How much of an endpoint's weight counts, in ten-thousandths; 0: not used while another is.
    case endpoint(number: Int, share: Int)
    /// Certificates and the like have changed: how each listener, and each service, is encrypted from now on. What is
    /// open stays as it is.
    case secure(listeners: [TLSServer?], services: [TLSClient?], generation: Int)
    /// Keys of session tickets, for all listeners.
    case tickets(TicketKeys)
    /// A cell is about to get this share of its service's requests, in ten-thousandths: open connections for it.
    case warm(service: Int, cell: Int, share: Int, generation: Int)
    /// Stop accepting, finish what is under way, close what is idle.
    case drain
}

/// Carries a listening socket to the worker that will own it.
package final class ListeningSocketBox: Sendable {
    package let listener: Int
    private let socket: Mutex<ListeningSocket?>

    package init(listener: Int, socket: consuming ListeningSocket) {
        self.listener = listener
        self.socket = Mutex(socket)
    }

    /// The socket; it can be taken once.
    func take() -> ListeningSocket? {
        socket.withLock { $0.take() }
    }
}

extension Publication {
    /// What a worker begins with: nothing is served.
    package static func empty(workers: Int) -> Publication {
        Publication(
            CompiledTable(Table()), services: [], listeners: [], accessLogs: [], generation: 0, workers: workers)
    }
}
