import RouteTable

@testable import Failover

/// Services in regions with requests and probes, told to a brain every tenth of a second, by the workers' own rules:
/// traffic follows the split and avoids endpoints without a share.
struct World {
    enum Fault { case none, refuse, hang, errors(percent: Int), slow }

    let regions: [String]
    let serviceCount: Int
    let endpointsPerCell: Int
    /// Per service, each second.
    var rate: Int
    /// Requests are repeated elsewhere when they hang (GET), or not (POST).
    var hedges = true
    var brain = Brain()
    var now = Instant(nanoseconds: 1_000_000_000_000)
    var decisions: [Decision] = []
    /// By region.
    var faults: [Fault]
    var probesFail: [Bool]
    /// Of a service in a region, in place of its region's.
    var cellFaults: [[Int]: Fault] = [:]
    /// Changes to the topology of equal services.
    var shape: (inout Topology) -> Void = { _ in }
    var isProbed: Bool
    var policy: FailoverPolicy
    private var shares: [Int]
    private var runs: [Int]
    private var stuck: [Int]
    private var owed: [Double]
    private var random: Seeded
    private var nextProbe: Instant
    /// Endpoints whose probe is wanted at once.
    private var asked: [Int] = []
    var answers: [OrderAnswer] = []
    /// Service, cell and share of each call for connections.
    var warmed: [[Int]] = []
    /// What answers of a service in a region take, in microseconds, said once a second where there is traffic.
    var latencies: [[Int]: Int] = [:]
    /// What a service in a region can carry, requests per second: beyond it, overload shows, and what is too much waits.
    var capacities: [[Int]: Int] = [:]
    /// Services in regions that answer everything, but late.
    var lateCells: Set<[Int]> = []

    init(
        regions: [String] = ["east", "west", "north"], services: Int = 5, endpointsPerCell: Int = 2, rate: Int = 80,
        isProbed: Bool = true, policy: FailoverPolicy = World.quick, seed: UInt64 = 1,
        shape: @escaping (inout Topology) -> Void = { _ in }
    ) {
        self.shape = shape
        self.regions = regions
        serviceCount = services
        self.endpointsPerCell = endpointsPerCell
        self.rate = rate
        self.isProbed = isProbed
        self.policy = policy
        faults = regions.map { _ in .none }
        probesFail = regions.map { _ in false }
        let count = services * regions.count * endpointsPerCell
        shares = Array(repeating: whole, count: count)
        runs = Array(repeating: 0, count: count)
        stuck = Array(repeating: 0, count: count)
        owed = Array(repeating: 0, count: count)
        random = Seeded(state: seed)
        nextProbe = now
        tell(.topology(topology))
    }

    /// The default policy with a way back of seconds.
    static var quick: FailoverPolicy {
        var policy = FailoverPolicy()
        policy.ejection = .seconds(3)
        policy.hold = .seconds(2)
        policy.soak = .seconds(1)
        policy.soakRequests = 10
        policy.damping = quickDamping
        return policy
    }

    static var quickDamping: DampingPolicy {
        var damping = DampingPolicy()
        damping.halfLife = .seconds(20)
        damping.limit = .seconds(80)
        return damping
    }

    var topology: Topology {
        var topology = Topology(
            regions: regions.map { Topology.Region(name: $0) },
            services: (0..<serviceCount).map { service in
                Topology.Service(
                    name: "service-\(service)", policy: policy,
                    probe: isProbed ? Topology.ProbeRule(every: .seconds(1), fall: 2, rise: 2) : nil,
                    cells: regions.indices.map { region in
                        Topology.Cell(
                            region: region,
                            endpoints: numbers(service, region).map {
                                Topology.Endpoint(id: EndpointID($0), address: "10.0.\(region).\($0):80", weight: 1)
                            })
                    })
            })
        topology.cascade.damping = World.quickDamping
        shape(&topology)
        return topology
    }

    private func fault(_ service: Int, _ region: Int) -> Fault { cellFaults[[service, region]] ?? faults[region] }

    func numbers(_ service: Int, _ region: Int) -> Range<Int> {
        let first = (service * regions.count + region) * endpointsPerCell
        return first..<(first + endpointsPerCell)
    }

    @discardableResult
    mutating func tell(_ event: Event) -> [Action] {
        let actions = brain.observe(event, at: now)
        for action in actions {
            switch action {
            case .endpoint(let id, let share): shares[id.number] = share
            case .decision(let decision): decisions.append(decision)
            case .split(let service, let shares, let shed):
                precondition(shares.reduce(shed, +) == whole && shares == brain.split(ofService: service))
            case .probe(let id, _, let soon): if soon { asked.append(id.number) }
            case .answer(let answer): answers.append(answer)
            case .warm(let service, let position, let share): warmed.append([service, position, share])
            }
        }
        return actions
    }

    /// A tenth of a second of traffic and time.
    mutating func step() {
        now = now + .milliseconds(100)
        if isProbed {
            let asked = self.asked
            self.asked = []
            for number in asked { probe(number) }
        }
        var reports: [EndpointTraffic] = []
        var services: [ServiceTraffic] = []
        for service in 0..<serviceCount {
            let split = brain.split(ofService: service)
            if rate >= 10 { services.append(ServiceTraffic(service: service, requests: rate / 10)) }
            for region in regions.indices {
                reports += traffic(service, region, requests: Double(rate) / 10 * Double(split[region]) / Double(whole))
            }
        }
        tell(.traffic(Traffic(reports, services: services, cells: cellReports())))
        if isProbed && now >= nextProbe {
            nextProbe = now + .seconds(1)
            for number in shares.indices { probe(number) }
        }
        tell(.tick)
    }

    private func cellReports() -> [CellTraffic] {
        var cells: [CellTraffic] = []
        for service in 0..<serviceCount {
            let split = brain.split(ofService: service)
            for region in regions.indices where split[region] > 0 && rate > 0 {
                var report = CellTraffic(service: service, position: region)
                let load = rate * split[region] / whole
                if let capacity = capacities[[service, region]], load > capacity { report.overloads = 1 }
                if lateCells.contains([service, region]) { report.overloads = 1 }
                if now.nanoseconds / 100_000_000 % 10 == 0, load >= 10 {
                    report.answers = load
                    report.median = latencies[[service, region]] ?? 1_000
                    report.tail = 2 * report.median
                }
                if report.overloads > 0 || report.answers > 0 { cells.append(report) }
            }
        }
        return cells
    }

    private mutating func probe(_ number: Int) {
        let region = number / endpointsPerCell % regions.count
        let outcome: ProbeOutcome =
            switch fault(number / endpointsPerCell / regions.count, region) {
            case .refuse: .failed("refused", answered: true)
            case .hang: .failed("timeout", answered: false)
            case .none, .errors, .slow: probesFail[region] ? .failed("503", answered: true) : .passed
            }
        tell(.probe(EndpointID(number), outcome))
    }

    private mutating func traffic(_ service: Int, _ region: Int, requests: Double) -> [EndpointTraffic] {
        let all = Array(numbers(service, region))
        var used = all.filter { shares[$0] > 0 }
        if used.isEmpty { used = all }
        var reports: [EndpointTraffic] = []
        for number in all {
            var report = EndpointTraffic(endpoint: EndpointID(number))
            if used.contains(number) { owed[number] += requests / Double(used.count) }
            let count = Int(owed[number])
            owed[number] -= Double(count)
            meet(fault(service, region), count: count, number, &report)
            let load = rate * brain.split(ofService: service)[region] / whole
            if let capacity = capacities[[service, region]], load > capacity {
                report.successes = report.successes * capacity / load
            }
            report.failureRun = runs[number]
            report.overstaying = stuck[number]
            if report != EndpointTraffic(endpoint: report.endpoint) { reports.append(report) }
        }
        return reports
    }

    private mutating func meet(_ fault: Fault, count: Int, _ number: Int, _ report: inout EndpointTraffic) {
        report.attempts = count
        if case .hang = fault {
        } else if stuck[number] > 0 {
            report.successes += stuck[number]
            stuck[number] = 0
            runs[number] = 0
        }
        for _ in 0..<count {
            switch fault {
            case .none:
                report.successes += 1
                runs[number] = 0
            case .refuse:
                report.connectFailures += 1
                runs[number] += 1
            case .hang:
                report.overstays += 1
                runs[number] += 1
                if !hedges { stuck[number] += 1 }
            case .slow:
                report.overstays += 1
                runs[number] += 1
            case .errors(let percent):
                if random.next() % 100 < UInt64(percent) {
                    report.serverErrors += 1
                } else {
                    report.successes += 1
                    runs[number] = 0
                }
            }
        }
        report.inFlight = stuck[number]
    }

    mutating func run(_ duration: Duration) {
        let end = now + duration
        while now < end { step() }
    }

    /// How long it takes, at most a limit, until something is so; nil if it does not become so.
    mutating func time(until condition: (World) -> Bool, atMost limit: Duration) -> Duration? {
        let began = now
        while now - began < limit {
            if condition(self) { return now - began }
            step()
        }
        return nil
    }

    func split(_ service: Int = 0) -> [Int] { brain.split(ofService: service) }

    var hasLeftFirst: Bool { (0..<serviceCount).allSatisfy { split($0)[0] == 0 } }

    var isPreferred: Bool { (0..<serviceCount).allSatisfy { split($0)[0] == whole } }
}

/// SplitMix64: small, seeded, good enough to scatter faults.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
