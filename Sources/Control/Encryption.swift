internal import Proxy
internal import Reactor
package import RouteFiles
package import RouteTable
internal import TLS

/// What a table's TLS is made of: read from its files, checked, and made anew for each thread that uses it.
package struct Encryption: Sendable {
    /// What was read, by the names of listeners and services.
    private(set) var servers: [String: TLSServerSettings] = [:]
    private(set) var clients: [String: TLSClientSettings] = [:]
    /// The files and directories it came from.
    private(set) var paths: [String] = []
    /// Not wrong, and yet to be told.
    private(set) var warnings: [TLSProblem] = []

    /// One for each worker.
    private(set) var workerServers: [String: [TLSServer]] = [:]
    /// One for each worker.
    private(set) var workerClients: [String: [TLSClient]] = [:]
    /// The prober's, by service: a probe agrees on what it speaks itself.
    private var probers: [String: TLSClient] = [:]

    /// What the table said.
    private var rules = Rules(Table())
    /// The files as they were when they had been read.
    private var look: FileLook?
    /// When their reading began, nanoseconds since 1970.
    private var readAt: Int64 = 0

    /// All that a table says about it.
    private struct Rules: Equatable, Sendable {
        struct OfListener: Equatable, Sendable {
            let name: String
            let tls: ListenerTLS
        }

        struct OfService: Equatable, Sendable {
            let name: String
            let tls: ServiceTLS
            /// To offer (ALPN).
            let protocols: [String]
            /// The same for its probes; nil where those are not encrypted.
            let probeProtocols: [String]?
        }

        let listeners: [OfListener]
        let services: [OfService]

        init(_ table: Table) {
            listeners = table.listeners.compactMap { listener in
                guard var tls = listener.tls else { return nil }
                // What passes through a tunnel is nobody's to agree on.
                if listener.transport.isTunnel { tls.protocols = [] }
                return OfListener(name: listener.name, tls: tls)
            }
            let ofRequests = table.servicesOfRequests
            services = table.services.enumerated().compactMap { index, service in
                guard let tls = service.encryption else { return nil }
                // What a tunnel carries is nobody's to agree on.
                let version = service.protocol == .http2 ? "h2" : "http/1.1"
                let protocols = ofRequests.contains(index) ? [version] : []
                return OfService(
                    name: service.name, tls: tls, protocols: protocols,
                    probeProtocols: service.isProbeEncrypted ? service.probe?.protocols ?? protocols : nil)
            }
        }
    }

    init() {}

    /// Reads all that a table names. Gives every problem there is.
    ///
    /// - Parameter libraries: one for each worker, and the prober's.
    init(of table: Table, tickets: TicketKeys, libraries: [TLSLibrary]) throws(UnreadableEncryption) {
        rules = Rules(table)
        readAt = EventLoop.wallClock()
        var reader = TLSFileReader()
        var problems: [Problem] = []
        for listener in rules.listeners {
            do {
                let settings = try reader.server(name: listener.name, listener.tls)
                servers[listener.name] = settings
                workerServers[listener.name] = try libraries.dropLast().map { (library) throws(TLSProblem) in
                    try TLSServer(settings, tickets: tickets, library: library)
                }
            } catch {
                problems.append(Problem(error, of: "listeners.\(listener.name).tls"))
            }
        }
        for service in rules.services {
            do {
                let settings = try reader.client(service.tls, protocols: service.protocols)
                clients[service.name] = settings
                workerClients[service.name] = try libraries.dropLast().map { (library) throws(TLSProblem) in
                    try TLSClient(settings, library: library)
                }
                if let spoken = service.probeProtocols, let library = libraries.last {
                    probers[service.name] = try TLSClient(settings.offering(spoken), library: library)
                }
            } catch {
                problems.append(Problem(error, of: "services.\(service.name).tls"))
            }
        }
        if !problems.isEmpty { throw UnreadableEncryption(problems: Problems(problems), paths: reader.paths) }
        paths = reader.paths
        warnings = reader.warnings
        look = FileLook(paths, isRead: Self.isRead)
    }

    /// Which files of a directory count.
    static func isRead(_ name: String) -> Bool { !name.hasPrefix(".") }

    /// It trusts the system's authorities, whose files nobody looks at.
    var trustsSystem: Bool { rules.services.contains { $0.tls.verify && $0.tls.ca == nil } }

    /// Whether reading all of it again for a table would give the same: the table says the same about it, and no file was
    /// changed since before it was read.
    func isGood(for table: Table) -> Bool {
        guard let look, rules == Rules(table), look.latestChange < readAt - FileWatcher.tick else { return false }
        return FileLook(paths, isRead: Self.isRead) == look
    }

    /// Looks for what is wrong with the files that a table names.
    /// - Returns: what is worth telling about those that are good.
    package static func check(_ table: Table) throws(Problems) -> [String] {
        do {
            let encryption = try Encryption(
                of: table, tickets: TicketKeys(), libraries: [TLSLibrary(), TLSLibrary()])
            return encryption.warnings.map(\.description)
        } catch {
            throw error.problems
        }
    }

    func servers(of table: Table, worker: Int) -> [TLSServer?] {
        table.listeners.map { workerServers[$0.name]?[worker] }
    }

    /// Only of services whose requests are encrypted.
    func clients(of table: Table, worker: Int) -> [TLSClient?] {
        table.services.map { $0.tls == nil ? nil : workerClients[$0.name]?[worker] }
    }

    /// The prober's, if a probe of the service is encrypted.
    func prober(of service: Service) -> TLSClient? {
        probers[service.name]
    }
}

/// Why what a table's TLS names cannot be used, and which files and directories that is.
struct UnreadableEncryption: Error, CustomStringConvertible {
    let problems: Problems
    let paths: [String]

    var description: String { problems.description }
}

extension Problem {
    fileprivate init(_ problem: TLSProblem, of path: String) {
        self.init(file: problem.file, path: path, found: problem.found, expected: problem.expected)
    }
}

extension Table {
    /// Where in `services` those are that routes of requests lead to; the others carry tunnels, or nothing.
    fileprivate var servicesOfRequests: Set<Int> {
        var found: Set<Int> = []
        for route in routes {
            guard case .forward(let destinations) = route.action else { continue }
            if let listener = route.match.listener, listeners[listener].transport.isTunnel { continue }
            found.formUnion(destinations.map(\.service))
        }
        return found
    }
}

extension Probe {
    /// What it speaks, to agree on (ALPN); nil: nothing of its own.
    fileprivate var protocols: [String]? {
        switch kind {
        case .http: ["http/1.1"]
        case .grpc: ["h2"]
        case .tcp: nil
        }
    }
}

extension Service {
    /// Of its requests, or of its probes alone.
    fileprivate var encryption: ServiceTLS? { tls ?? (isProbeEncrypted ? ServiceTLS() : nil) }

    var isProbeEncrypted: Bool {
        guard let probe else { return false }
        if case .tcp = probe.kind { return probe.tls ?? false }
        return probe.tls ?? (tls != nil)
    }

    /// What an endpoint is called where it is spoken to encrypted.
    func peerName(of endpoint: Endpoint) -> TLSPeerName {
        if let name = tls?.name { return TLSPeerName(host: name) }
        if let name = toldName(of: endpoint) {
            return IPAddress(name) == nil ? TLSPeerName(host: name) : TLSPeerName(ip: name)
        }
        return switch endpoint.host {
        case .ip(let address, _): TLSPeerName(ip: address)
        case .name(let name, _): TLSPeerName(host: name.withoutFinalDot)
        case .unix: .none
        }
    }
}
