internal import Failover
internal import RouteTable

/// Worlds nobody thought of.
extension Scenario {
    /// A small world, and what befalls it, from a seed: everything in it is undone by `length`. Ways back take seconds
    /// where the defaults take minutes.
    package init(seed: UInt64) {
        var maker = RandomScenario(seed: seed)
        self = maker.make()
    }
}

private struct RandomScenario {
    private let seed: UInt64
    private var chance: Chance
    private var table = Table()
    private var rates: [Int] = []

    init(seed: UInt64) {
        self.seed = seed
        // Neighboring seeds are to have nothing in common.
        chance = Chance(seed: seed &* 0x9e37_79b9_7f4a_7c15 ^ 0x5c11_1e55)
    }

    mutating func make() -> Scenario {
        let regionCount = chance.below(16) == 0 ? 1 : chance.from(2...4)
        table.regions = ["east", "west", "north", "south"].prefix(regionCount).map { Region(name: $0) }
        let serviceCount = chance.from(1...4)
        table.services = (0..<serviceCount).map { service($0, regionCount) }
        for index in table.services.indices.dropFirst() where chance.hits(3_000) {
            table.services[index].needs = [chance.below(index)]
        }
        table.cascade.damping = quickDamping
        rates = table.services.map { _ in rate() }
        var scenario = Scenario(name: "seed \(seed)", table: table)
        scenario.seed = seed
        scenario.workers = chance.from(1...3)
        scenario.loads = rates.enumerated().map { load($0, $1) }
        capacities(&scenario)
        scenario.backends.distance = table.regions.indices.map {
            .init(region: $0, value: .milliseconds($0 == 0 ? 2 : chance.from(5...60)))
        }
        scenario.backends.work = .milliseconds(chance.from(2...12))
        scenario.backends.withoutNeeds = .milliseconds(chance.from(200...6_000))
        if serviceCount > 1, chance.hits(2_000) {
            scenario.dependencies = [
                Dependency(
                    name: "shared",
                    users: table.services.indices.map {
                        .init(service: $0, after: .milliseconds(chance.from(0...5_000)))
                    })
            ]
        }
        scenario.length = .seconds(chance.from(40...110))
        misfortunes(&scenario)
        return scenario
    }

    // What there is

    private var quickDamping: DampingPolicy {
        var damping = DampingPolicy()
        damping.halfLife = .seconds(30)
        damping.limit = .seconds(90)
        return damping
    }

    private mutating func service(_ index: Int, _ regions: Int) -> Service {
        var order = Array(0..<regions)
        if chance.hits(2_000) { order.shuffle(using: &chance) }
        if regions > 2, chance.hits(2_000) { order.removeLast() }
        var service = Service(
            name: "service-\(index)",
            cells: order.map { region in
                let count = chance.from(1...4)
                return Cell(
                    region: region,
                    endpoints: (1...count).map { number in
                        let host: EndpointHost =
                            number == 1 && index == 0
                            ? .name("name-\(region)", port: 80)
                            : .ip(address: "10.\(index).\(region).\(number)", port: 80)
                        return Endpoint(host: host, weight: chance.hits(8_000) ? 1 : chance.from(1...5))
                    })
            })
        if chance.hits(8_500) {
            var probe = Probe(kind: .http(HTTPProbe(path: "/healthz")))
            probe.every = .seconds(1)
            probe.timeout = .milliseconds(500)
            probe.everyDown = .seconds(1)
            service.probe = probe
        }
        service.timeouts.response = .seconds(3)
        service.importance = chance.of(Importance.allCases)
        if chance.hits(1_500) { service.moves = .alone }
        if chance.hits(400) { service.mode = .shadow }
        service.balance = chance.of([.leastRequests, .leastRequests, .roundRobin, .random, .hash(.path)])
        if chance.hits(5_000) { service.retry.on.append(.status(500)) }
        service.failover.ejection = .seconds(3)
        service.failover.ejectionLimit = .seconds(9)
        service.failover.hold = .milliseconds(chance.from(500...3_000))
        service.failover.soak = .seconds(1)
        service.failover.soakRequests = 10
        service.failover.slowStart = .seconds(2)
        service.failover.removalWindow = .seconds(30)
        service.failover.damping = quickDamping
        return service
    }

    private mutating func rate() -> Int {
        switch chance.below(10) {
        case 0: 0
        case 1: chance.from(1...5)
        default: chance.from(20...70)
        }
    }

    private mutating func load(_ service: Int, _ rate: Int) -> Load {
        var load = Load(service: service, perSecond: rate)
        load.writes = chance.hits(5_000) ? chance.from(0...6_000) : 0
        load.retries = chance.hits(5_000) ? chance.from(1...3) : 0
        load.patience = .seconds(chance.from(2...8))
        return load
    }

    /// Capacities that are known, and true or nearly so; or that nobody has said; or none.
    private mutating func capacities(_ scenario: inout Scenario) {
        let all = rates.reduce(0, +)
        // What is very small is exceeded by chance.
        guard all >= 80 else { return }
        switch chance.below(10) {
        case 0..<5:
            for region in table.regions.indices {
                let capacity = all * (region == 0 ? chance.from(130...250) : chance.from(50...120)) / 100
                scenario.table.regions[region].capacity = capacity
                let truth = chance.hits(8_500) ? chance.from(110...140) : chance.from(70...100)
                scenario.backends.regions.append(.init(region: region, value: capacity * truth / 100))
            }
        case 5, 6:
            for region in table.regions.indices {
                let capacity = all * (region == 0 ? chance.from(150...250) : chance.from(40...150)) / 100
                scenario.backends.regions.append(.init(region: region, value: capacity))
            }
        default: return
        }
        // What stays in its first region whatever happens may have too much to do there for good.
        for index in scenario.table.services.indices { scenario.table.services[index].mode = .active }
        // Clients that ask again can keep down for good what has too little capacity: that is another matter.
        for load in scenario.loads.indices { scenario.loads[load].retries = 0 }
    }

    // What happens

    private mutating func misfortunes(_ scenario: inout Scenario) {
        let end = Int(scenario.length.components.seconds) - 1
        // A calm stretch comes first: nothing may be decided without a cause.
        let begin = 12
        for _ in 0..<chance.from(2...8) {
            let at = chance.from(begin...(end - 3))
            let length = Duration.milliseconds(min(chance.from(500...25_000), (end - at) * 1_000))
            let what = misfortune(scenario, length)
            // Nobody can tell a cut that is over in a moment from a slow backend.
            let least = what == .ownNetworkIsCut ? Duration.seconds(2) : .zero
            scenario.timeline.append(Happening(at: .seconds(at), what, for: max(length, least)))
        }
        if chance.hits(1_500) {
            let every = Duration.milliseconds(chance.from(1_500...8_000))
            scenario.length = .seconds(150)
            scenario.timeline.append(
                Happening(at: .seconds(begin), .flap(scope(0), fault(), every: every), for: .seconds(130)))
        }
        if chance.hits(1_500) { joins(&scenario, begin) }
        if chance.hits(1_000) {
            scenario.timeline.append(
                Happening(at: .seconds(chance.from(begin...end)), .order(order(), isForced: false)))
        }
    }

    private mutating func misfortune(_ scenario: Scenario, _ length: Duration) -> Happening.What {
        switch chance.below(24) {
        case 0..<10: return .fault(scope(chance.below(3)), fault())
        case 10, 11: return .fault(scope(0), .errs(share: chance.from(50...4_000), status: chance.of([500, 503])))
        case 12, 13: return .probesLie(scope(chance.below(2)), chance.hits(7_000) ? .fails : .passes)
        case 14: return .probesLie(.init(), .fails)
        case 15, 16: return .flap(scope(chance.below(3)), fault(), every: .milliseconds(chance.from(500...6_000)))
        case 17: return .capacity(scope(0), from: chance.from(500...5_000), to: whole, over: length)
        case 18: return .proberStalls
        // Late enough to see nothing in time; not so late that the brain ignores it altogether.
        case 19: return .proberLags(by: .milliseconds(chance.from(760...1_100)))
        case 20: return .ownNetworkIsCut
        case 21: return chance.hits(5_000) ? .routerStalls : .routerRestarts
        case 22 where !scenario.dependencies.isEmpty:
            return .dependencyFault(0, region: chance.below(table.regions.count), fault())
        default:
            let load = chance.below(rates.count)
            return .load(
                service: load, perSecond: rates[load] * chance.from(20...180) / 100, over: .seconds(chance.below(10)))
        }
    }

    private mutating func fault() -> Fault {
        switch chance.below(12) {
        case 0, 1: .refuses
        case 2, 3: .hangs
        case 4: .drops
        case 5: .resets
        case 6: .truncates
        case 7: .slows(by: .milliseconds(chance.from(30...2_500)))
        case 8: .loses(share: chance.from(100...3_000))
        default: .errs(share: chance.of([1_500, 3_000, 6_000, 10_000]), status: chance.of([500, 503]))
        }
    }

    /// 0: a region; 1: a cell; 2: an endpoint.
    private mutating func scope(_ kind: Int) -> Happening.Scope {
        let region = chance.hits(6_000) ? 0 : chance.below(table.regions.count)
        if kind == 0 { return .init(region: region) }
        let service = chance.below(table.services.count)
        let cell = chance.of(table.services[service].cells)
        if kind == 1 { return .init(region: cell.region, service: service) }
        let address =
            switch chance.of(cell.endpoints).host {
            case .ip(let address, let port): "\(address):\(port)"
            case .name(let name, let port): "\(name):\(port)"
            case .unix(let path): path
            }
        return .init(region: cell.region, service: service, address: address)
    }

    /// A name comes to stand for more, for less, for nothing; what is new may be no good.
    private mutating func joins(_ scenario: inout Scenario, _ begin: Int) {
        guard let cell = table.services[0].cells.first, cell.endpoints.count > 1 || chance.hits(5_000) else { return }
        let name = "name-\(cell.region)"
        scenario.resolutions = [Resolution(name: name, addresses: ["10.9.0.1"])]
        for turn in 0..<3 {
            let addresses = [["10.9.0.1", "10.9.0.2"], [], ["10.9.0.1", "10.9.0.3", "10.9.0.2"], ["10.9.0.2"]]
            let at = Duration.seconds(begin + 8 * turn + chance.below(5))
            scenario.timeline.append(Happening(at: at, .resolves(name, chance.of(addresses))))
        }
        guard chance.hits(5_000) else { return }
        let what = Happening.What.flap(
            .init(address: "10.9.0.2:80"), fault(), every: .milliseconds(chance.from(500...4_000)))
        scenario.timeline.append(Happening(at: .seconds(begin), what, for: .seconds(25)))
    }

    private mutating func order() -> Order {
        let region = chance.of(table.regions).name
        let length = Duration.seconds(chance.from(5...30))
        return switch chance.below(6) {
        case 0: .override(.router, .freeze, for: length, why: "a drill of the law")
        case 1: .failOver(region: region, why: "a drill of the law")
        case 2: .override(.region(region), .weight(chance.from(0...10_000)), for: length, why: "a drill of the law")
        case 3: .override(.region(region), .drill, for: length, why: "a drill of the law")
        default: .override(.region(region), .drain, for: length, why: "a drill of the law")
        }
    }
}
