import Backends
import Glibc
import Proxy
import Reactor
import RouteTable
import Synchronization
import TLS
import Telemetry

/// One worker on a port of its own, before backends of a test.
final class ProxyUnderTest {
    let port: UInt16
    let listenerCounters = ListenerCounters()
    let serviceCounters = ServiceCounters()
    let handshakes = HandshakeCounters()
    let counters = WorkerCounters()
    let log = AccessLogRing()
    private var logText = ""
    private let mailbox: Mailbox<WorkerMessage>
    private let reports = Reports()
    private var generation = 0
    private(set) var table: Table
    private var cells: [Publication.Cell]
    private var isDraining = false
    private var otherListeners: [String: ListenerCounters] = [:]
    private let backends: [[Backend]]
    private var server: TLSServer?
    private var client: TLSClient?

    /// - Parameters:
    ///   - regions: each region's endpoints, regions in order of preference.
    ///   - change: of the table with one listener, one service and one route.
    ///   - server: how its clients speak to it.
    ///   - client: how it speaks to the endpoints, by that name.
    ///   - firstStream: of HTTP/2 connections to the endpoints.
    init(
        _ regions: [[Backend]], server: TLSServer? = nil, client: TLSClient? = nil, expecting peer: TLSPeerName = .none,
        room: ConnectionRoom = ConnectionRoom(), firstStream: Int = 1,
        change: (inout Table) -> Void = { _ in }
    ) throws {
        self.server = server
        self.client = client
        var table = Table(
            listeners: [Listener(name: "web", bind: .ip(address: "127.0.0.1", port: 0))],
            regions: regions.indices.map { Region(name: "r\($0)") },
            services: [
                Service(
                    name: "service",
                    cells: regions.enumerated().map { index, backends in
                        Cell(
                            region: index,
                            endpoints: backends.map { Endpoint(host: .ip(address: "127.0.0.1", port: $0.port)) })
                    })
            ],
            routes: [Route(match: Match(), action: .forward([Destination(service: 0)]))])
        change(&table)
        self.table = table
        backends = regions
        cells = regions.enumerated().map { region, backends in
            Publication.Cell(
                counters: CellCounters(), responseTime: SharedEstimate(),
                endpoints: backends.enumerated().compactMap { index, backend in
                    SocketAddress(ip: "127.0.0.1", port: backend.port).map {
                        Publication.Endpoint(
                            number: region * 100 + index, address: $0, name: "127.0.0.1:\(backend.port)",
                            weight: table.services.first?.cells[region].endpoints[index].weight ?? 1, share: 10_000,
                            counters: EndpointCounters(), peerName: peer,
                            toldHost: table.services.first.flatMap {
                                $0.toldHost(of: $0.cells[region].endpoints[index])
                            })
                    }
                })
        }
        guard let address = SocketAddress(ip: "127.0.0.1", port: 0) else { throw Failure(what: "no address") }
        let socket = try ListeningSocket(at: address)
        port = socket.address.port
        mailbox = try Mailbox<WorkerMessage>()
        try Worker.start(
            name: "worker", publication: .empty(workers: 1), seed: 1, mailbox: mailbox, room: room,
            counters: counters, firstStream: firstStream, reports: reports)
        publish([ListeningSocketBox(listener: 0, socket: socket)])
    }

    deinit {
        if !isDraining { mailbox.post(.drain) }
    }

    /// Those of the first listener are `listenerCounters`.
    func counters(ofListener name: String) -> ListenerCounters {
        if name == "web" { return listenerCounters }
        if let known = otherListeners[name] { return known }
        let made = ListenerCounters()
        otherListeners[name] = made
        return made
    }

    private func publish(_ sockets: [ListeningSocketBox]) {
        generation += 1
        let services =
            table.services.isEmpty
            ? []
            : [
                Publication.Service(
                    counters: serviceCounters, cells: cells,
                    split: cells.indices.map { $0 == 0 ? 10_000 : 0 }, tls: client, handshakes: handshakes)
            ]
        mailbox.post(
            .publish(
                Publication(
                    CompiledTable(table), services: services,
                    listeners: table.listeners.map { counters(ofListener: $0.name) },
                    accessLogs: table.listeners.map { $0.accessLog == nil ? nil : log },
                    tlsServers: table.listeners.map { _ in server }, generation: generation,
                    workers: 1), sockets: sockets))
    }

    /// Puts another table in force, and waits until it is.
    func publish(_ change: (inout Table) -> Void) -> Bool {
        change(&table)
        publish([])
        return eventually { reports.generation.load(ordering: .acquiring) == generation }
    }

    /// A region has no endpoints in the tables that come.
    func dropEndpoints(ofRegion region: Int) {
        cells[region] = Publication.Cell(
            counters: cells[region].counters, responseTime: cells[region].responseTime, endpoints: [])
    }

    /// Adds a listener with routes of its own to the front of the table, and opens it.
    /// - Returns: its port.
    func open(_ name: String, _ action: Route.Action) throws -> UInt16 {
        guard let address = SocketAddress(ip: "127.0.0.1", port: 0) else { throw Failure(what: "no address") }
        let socket = try ListeningSocket(at: address)
        let port = socket.address.port
        insert(Listener(name: name, bind: .ip(address: "127.0.0.1", port: port)), action, socket)
        return port
    }

    /// The same with a socket that no loop can watch as long as `meanwhile` runs: another kind of file is in its place.
    func openUnwatchable(_ name: String, _ action: Route.Action, meanwhile: () -> Void) throws -> UInt16 {
        guard let address = SocketAddress(ip: "127.0.0.1", port: 0) else { throw Failure(what: "no address") }
        let socket = try ListeningSocket(at: address)
        let port = socket.address.port
        guard let number = descriptor(listeningAt: port) else { throw Failure(what: "no descriptor") }
        let kept = dup(number)
        let other = unsafe Glibc.open("/dev/null", O_RDONLY)
        dup2(other, number)
        Glibc.close(other)
        insert(Listener(name: name, bind: .ip(address: "127.0.0.1", port: port)), action, socket)
        meanwhile()
        dup2(kept, number)
        Glibc.close(kept)
        return port
    }

    private func insert(_ listener: Listener, _ action: Route.Action, _ socket: consuming ListeningSocket) {
        table.listeners.insert(listener, at: 0)
        for index in table.routes.indices {
            table.routes[index].match.listener = table.routes[index].match.listener.map { $0 + 1 } ?? 1
        }
        table.routes.insert(Route(match: Match(listener: 0), action: action), at: 0)
        publish([ListeningSocketBox(listener: 0, socket: socket)])
    }

    /// What the access log says so far.
    var logged: String {
        unsafe log.drain { logText += unsafe String(decoding: $0, as: UTF8.self) }
        return logText
    }

    /// Puts other certificates in force.
    func secure(_ server: TLSServer) {
        mailbox.post(.secure(listeners: [server], services: [client], generation: generation))
    }

    /// Puts a table in force whose clients speak in another way, and waits until it is.
    func encrypt(with server: TLSServer) -> Bool {
        self.server = server
        return publish { _ in }
    }

    /// Puts a table in force whose endpoints are spoken to in another way, and waits until it is.
    func encrypt(with client: TLSClient?) -> Bool {
        self.client = client
        return publish { _ in }
    }

    /// Puts other keys of tickets in force.
    func setTickets(_ keys: TicketKeys) {
        mailbox.post(.tickets(keys))
    }

    /// Gives a cell's traffic to another, in ten-thousandths.
    func split(_ shares: [Int]) {
        mailbox.post(.split(service: 0, shares: shares, shed: 10_000 - shares.reduce(0, +), generation: generation))
    }

    /// Opens connections to a cell's endpoints, ahead of requests.
    func warm(_ cell: Int) {
        mailbox.post(.warm(service: 0, cell: cell, share: 10_000, generation: generation))
    }

    func drain() {
        isDraining = true
        mailbox.post(.drain)
    }

    /// How many listeners the worker could not serve, as it has told.
    var failedListeners: Int { reports.failedListeners.load(ordering: .acquiring) }

    /// What has run out, as the worker has told.
    var exhausted: [Exhaustion] { reports.exhausted.withLock { $0 } }

    /// Whether the worker has finished.
    var hasEnded: Bool { reports.hasEnded.load(ordering: .acquiring) }

    func endpointCounters(_ cell: Int, _ endpoint: Int) -> EndpointCounters { cells[cell].endpoints[endpoint].counters }
    func cellCounters(_ cell: Int) -> CellCounters { cells[cell].counters }

    func connect(receiveBuffer: Int32? = nil) throws -> RawConnection {
        try RawConnection(port: port, receiveBuffer: receiveBuffer)
    }

    /// One request on a connection of its own.
    func ask(_ request: String, hasBody: Bool = true) throws -> Message {
        let connection = try connect()
        connection.send(request)
        guard let answer = connection.readMessage(hasBody: hasBody) else {
            throw Failure(what: "no answer: \(String(describing: connection.end))")
        }
        return answer
    }

    private final class Reports: WorkerReports {
        let generation = Atomic<Int>(0)
        let hasEnded = Atomic<Bool>(false)
        let failedListeners = Atomic<Int>(0)

        func urgent(endpoint: Int, failures: Int, overstaying: Bool) {}
        func overloaded() {}
        func published(generation: Int) { self.generation.store(generation, ordering: .releasing) }
        func listenerFailed(_ name: String, _ error: SystemError) { failedListeners.add(1, ordering: .releasing) }
        func exhausted(_ what: Exhaustion) { exhausted.withLock { $0.append(what) } }
        let exhausted = Mutex<[Exhaustion]>([])
        func workerEnded() { hasEnded.store(true, ordering: .releasing) }
    }
}

extension Table {
    /// The one service of a test.
    var service: Service {
        get { services[0] }
        set { services[0] = newValue }
    }

    /// The one listener of a test.
    var listener: Listener {
        get { listeners[0] }
        set { listeners[0] = newValue }
    }
}

let get = "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n"
let post = "POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 4\r\n\r\nbody"
