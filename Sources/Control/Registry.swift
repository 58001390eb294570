internal import Failover
internal import Proxy
internal import Reactor
internal import RouteTable
internal import Telemetry

/// Numbers and counters of everything a table names, kept over reloads by name, so that a reload neither resets a
/// metric nor forgets what an endpoint has shown.
struct Registry {
    struct EndpointKey: Hashable {
        var service: String
        var region: String
        /// As logs and metrics show it: `10.0.1.10:8080`.
        var address: String
    }

    struct CellKey: Hashable {
        var service: String
        var region: String
    }

    final class EndpointEntry {
        let number: Int
        let counters: [EndpointCounters]
        /// What was last read of the counters, summed over workers.
        var seen = EndpointTotals()
        /// Nothing had changed when that was read, and nothing was under way: only a new attempt changes anything.
        var isQuiet = false
        /// Attempts begun, of all workers together.
        var attempts: UInt64 { counters.reduce(0) { $0 &+ $1.attempts.count } }

        init(number: Int, workers: Int) {
            self.number = number
            counters = (0..<workers).map { _ in EndpointCounters() }
        }
    }

    let workers: Int
    private(set) var endpoints: [EndpointKey: EndpointEntry] = [:]
    private(set) var cells: [CellKey: [CellCounters]] = [:]
    /// The 99th percentile of a cell's response time, as some worker has learned it: for those that have not.
    private var estimates: [CellKey: SharedEstimate] = [:]
    private(set) var services: [String: [ServiceCounters]] = [:]
    private(set) var listeners: [String: [ListenerCounters]] = [:]
    /// Of services that are spoken to encrypted.
    private(set) var handshakes: [String: [HandshakeCounters]] = [:]
    private var freeNumbers: [Int] = []
    private var nextNumber = 0

    init(workers: Int) {
        self.workers = workers
    }

    /// Gives endpoints the numbers they had in an earlier run.
    mutating func reserve(_ known: [Brain.KnownEndpoint]) {
        for endpoint in known {
            let key = EndpointKey(service: endpoint.service, region: endpoint.region, address: endpoint.address)
            endpoints[key] = EndpointEntry(number: endpoint.id.number, workers: workers)
            nextNumber = max(nextNumber, endpoint.id.number + 1)
        }
        let taken = Set(known.map(\.id.number))
        freeNumbers = (0..<nextNumber).filter { !taken.contains($0) }
    }

    mutating func endpoint(_ key: EndpointKey) -> EndpointEntry {
        if let known = endpoints[key] { return known }
        let number = freeNumbers.popLast() ?? nextNumber
        if number == nextNumber { nextNumber += 1 }
        let entry = EndpointEntry(number: number, workers: workers)
        endpoints[key] = entry
        return entry
    }

    mutating func cell(_ key: CellKey) -> [CellCounters] {
        if let known = cells[key] { return known }
        let made = (0..<workers).map { _ in CellCounters() }
        cells[key] = made
        return made
    }

    mutating func estimate(_ key: CellKey) -> SharedEstimate {
        if let known = estimates[key] { return known }
        let made = SharedEstimate()
        estimates[key] = made
        return made
    }

    mutating func service(_ name: String) -> [ServiceCounters] {
        if let known = services[name] { return known }
        let made = (0..<workers).map { _ in ServiceCounters() }
        services[name] = made
        return made
    }

    mutating func handshakes(_ service: String) -> [HandshakeCounters] {
        if let known = handshakes[service] { return known }
        let made = (0..<workers).map { _ in HandshakeCounters() }
        handshakes[service] = made
        return made
    }

    /// Ever asked of a service, of all workers together.
    func requests(of service: String) -> UInt64 {
        (services[service] ?? []).reduce(0) { $0 &+ $1.requests.count }
    }

    mutating func listener(_ name: String) -> [ListenerCounters] {
        if let known = listeners[name] { return known }
        let made = (0..<workers).map { _ in ListenerCounters() }
        listeners[name] = made
        return made
    }

    /// Forgets what the served table no longer names. Numbers given back are used again from the next table on.
    mutating func keep(endpoints live: Set<EndpointKey>, cells liveCells: Set<CellKey>, table: Table) {
        for (key, entry) in endpoints where !live.contains(key) {
            freeNumbers.append(entry.number)
            endpoints[key] = nil
        }
        cells = cells.filter { liveCells.contains($0.key) }
        estimates = estimates.filter { liveCells.contains($0.key) }
        let serviceNames = Set(table.services.map(\.name))
        services = services.filter { serviceNames.contains($0.key) }
        handshakes = handshakes.filter { serviceNames.contains($0.key) }
        let listenerNames = Set(table.listeners.map(\.name))
        listeners = listeners.filter { listenerNames.contains($0.key) }
    }
}

/// An endpoint's counters, summed over workers.
struct EndpointTotals: Equatable {
    var attempts: UInt64 = 0
    var successes: UInt64 = 0
    var connectFailures: UInt64 = 0
    var unreachables: UInt64 = 0
    var connectTimeouts: UInt64 = 0
    var unconnected: UInt64 = 0
    var cellDark: UInt64 = 0
    var resets: UInt64 = 0
    var truncations: UInt64 = 0
    var lateBreaks: UInt64 = 0
    var responseTimeouts: UInt64 = 0
    var gatewayErrors: UInt64 = 0
    var serverErrors: UInt64 = 0
    var abandoned: UInt64 = 0
    var exhausted: UInt64 = 0
    var overstays: UInt64 = 0
    var connectionsOpened: UInt64 = 0
    var inFlight = 0
    var overstaying = 0
    /// Of all workers together.
    var failureRun = 0
    var openConnections = 0

    init() {}

    init(_ counters: [EndpointCounters]) {
        for one in counters {
            attempts &+= one.attempts.count
            successes &+= one.successes.count
            connectFailures &+= one.connectFailures.count
            unreachables &+= one.unreachables.count
            connectTimeouts &+= one.connectTimeouts.count
            unconnected &+= one.unconnected.count
            cellDark &+= one.cellDark.count
            resets &+= one.resets.count
            truncations &+= one.truncations.count
            lateBreaks &+= one.lateBreaks.count
            responseTimeouts &+= one.responseTimeouts.count
            gatewayErrors &+= one.gatewayErrors.count
            serverErrors &+= one.serverErrors.count
            abandoned &+= one.abandoned.count
            exhausted &+= one.exhausted.count
            overstays &+= one.overstays.count
            connectionsOpened &+= one.connectionsOpened.count
            inFlight += one.inFlight.level
            overstaying += one.overstaying.level
            failureRun += one.failureRun.level
            openConnections += one.openConnections.level
        }
    }
}
