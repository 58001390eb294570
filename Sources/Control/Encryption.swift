internal import Proxy
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

    init() {}

    /// Reads all that a table names. Gives every problem there is.
    ///
    /// - Parameter libraries: one for each worker, and the prober's.
    init(of table: Table, tickets: TicketKeys, libraries: [TLSLibrary]) throws(UnreadableEncryption) {
        var reader = TLSFileReader()
        var problems: [Problem] = []
        for listener in table.listeners {
            guard var rules = listener.tls else { continue }
            // What passes through a tunnel is nobody's to agree on.
            if listener.transport.isTunnel { rules.protocols = [] }
            do {
                let settings = try reader.server(name: listener.name, rules)
                servers[listener.name] = settings
                workerServers[listener.name] = try libraries.dropLast().map { (library) throws(TLSProblem) in
                    try TLSServer(settings, tickets: tickets, library: library)
                }
            } catch {
                problems.append(Problem(error, of: "listeners.\(listener.name).tls"))
            }
        }
        let ofRequests = table.servicesOfRequests
        for (index, service) in table.services.enumerated() {
            guard let rules = service.encryption else { continue }
            // What a tunnel carries is nobody's to agree on.
            let version = service.protocol == .http2 ? "h2" : "http/1.1"
            let protocols = ofRequests.contains(index) ? [version] : []
            do {
                let settings = try reader.client(rules, protocols: protocols)
                clients[service.name] = settings
                workerClients[service.name] = try libraries.dropLast().map { (library) throws(TLSProblem) in
                    try TLSClient(settings, library: library)
                }
                if service.isProbeEncrypted, let library = libraries.last {
                    let spoken = service.probe?.protocols ?? protocols
                    probers[service.name] = try TLSClient(settings.offering(spoken), library: library)
                }
            } catch {
                problems.append(Problem(error, of: "services.\(service.name).tls"))
            }
        }
        if !problems.isEmpty { throw UnreadableEncryption(problems: Problems(problems), paths: reader.paths) }
        paths = reader.paths
        warnings = reader.warnings
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
        case .name(let name, _): TLSPeerName(host: name)
        case .unix: .none
        }
    }
}
