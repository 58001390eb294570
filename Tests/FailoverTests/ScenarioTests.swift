import RouteTable
import Testing

@testable import Failover

@Suite struct ScenarioTests {
    @Test(
        "The first region is left within half a second, and taken again when it is well",
        arguments: [
            (World.Fault.refuse, true, 300), (.hang, true, 300), (.hang, false, 300), (.errors(percent: 30), true, 700),
            (.errors(percent: 100), true, 300), (.slow, true, 400),
        ])
    func leavesAndReturns(fault: World.Fault, hedges: Bool, milliseconds: Int) throws {
        var world = World()
        world.hedges = hedges
        world.run(.seconds(3))
        #expect(world.isPreferred)
        #expect(world.decisions.isEmpty)

        world.faults[0] = fault
        let left = world.time(until: { $0.hasLeftFirst }, atMost: .seconds(5))
        #expect(try #require(left) <= .milliseconds(milliseconds))
        #expect(world.split() == [0, whole, 0])
        world.run(.seconds(15))
        #expect(world.split()[0] <= 500, "at most a first step of a way back meanwhile")

        world.faults[0] = .none
        let back = world.time(until: { $0.isPreferred }, atMost: .seconds(240))
        #expect(try #require(back) > .seconds(5), "in steps")
        world.run(.seconds(30))
        let count = world.decisions.count
        world.run(.seconds(60))
        #expect(world.decisions.count == count, "and then there is peace")
    }

    @Test("A region that fails without requests is left by its probes alone")
    func probesAloneMoveIdleServices() {
        var world = World(rate: 0)
        world.run(.seconds(2))
        world.probesFail[0] = true
        world.run(.seconds(3))
        #expect(world.hasLeftFirst)
    }

    @Test("Probes that fail everywhere move nothing while requests succeed")
    func requestsOutrankProbes() {
        var world = World(endpointsPerCell: 4)
        world.run(.seconds(2))
        world.probesFail = [true, true, true]
        for _ in 0..<1_800 {
            world.step()
            #expect(world.isPreferred)
        }
        #expect(world.decisions.contains { $0.rule == .requestsOutrankProbes })
        #expect(world.decisions.contains { $0.rule == .probeFallWithinLimit })
    }

    @Test("Probes alone take out at most their part of a region's capacity in each window of time")
    func velocityIsLimited() {
        var world = World(endpointsPerCell: 4)
        world.run(.seconds(2))
        world.probesFail[0] = true
        var removed: [Instant] = []
        for _ in 0..<3_000 {
            let seen = world.decisions.count
            world.step()
            removed += world.decisions[seen...].filter { $0.rule == .probeFallWithinLimit }.map(\.time)
        }
        // 20 endpoints of weight 1: 5 in any 60 s.
        for time in removed {
            #expect(removed.count { $0 >= time && $0 < time + .seconds(60) } <= 5)
        }
        #expect(removed.count == 15, "and the last of each cell stays")
    }

    @Test("An endpoint whose probe fails while it answers leaves, and its region keeps the traffic")
    func oneEndpointLeavesInPeace() {
        var world = World(services: 1)
        world.run(.seconds(2))
        world.tell(.probe(EndpointID(0), .failed("503", answered: true)))
        world.tell(.probe(EndpointID(0), .failed("503", answered: true)))
        // A quarter of two endpoints is none; of ten services' endpoints it is some.
        #expect(world.brain.view(of: EndpointID(0))?.state == .healthy)
        var larger = World(services: 5)
        larger.run(.seconds(2))
        larger.tell(.probe(EndpointID(0), .failed("503", answered: true)))
        larger.tell(.probe(EndpointID(0), .failed("503", answered: true)))
        #expect(larger.brain.view(of: EndpointID(0))?.state == .down)
        #expect(larger.isPreferred)
    }

    @Test("A service whose answers always take long outranks its probes, too")
    func slowRequestsOutrankProbes() {
        var world = World(services: 1, rate: 0)
        // One request after the other, each answered after 1.5 s.
        for tenth in 0..<300 {
            world.step()
            var report = EndpointTraffic(endpoint: EndpointID(0))
            if tenth % 16 == 0 { report.attempts = 1 }
            if tenth % 16 == 15 { report.successes = 1 }
            report.inFlight = tenth % 16 == 15 ? 0 : 1
            world.tell(.traffic(Traffic([report])))
            if tenth == 100 { world.probesFail[0] = true }
        }
        #expect(world.brain.view(of: EndpointID(0))?.state == .healthy)
        #expect(world.decisions.contains { $0.rule == .requestsOutrankProbes })
    }

    @Test("A prober that lags takes nothing out")
    func laggingProberHasNoSay() {
        var world = World(rate: 0)
        world.run(.seconds(2))
        world.probesFail = [true, true, true]
        world.tell(.proberLag(.seconds(2)))
        world.run(.seconds(10))
        #expect(world.decisions.isEmpty)
    }

    @Test("A prober that is late by less than half a second keeps its say, however often it probes")
    func somewhatLateProberHasItsSay() {
        var world = World(services: 1, rate: 0) { topology in
            topology.services[0].probe = Topology.ProbeRule(every: .milliseconds(20), fall: 2, rise: 2)
        }
        world.run(.seconds(2))
        world.probesFail[0] = true
        world.tell(.proberLag(.milliseconds(400)))
        world.run(.seconds(4))
        #expect(world.split()[0] == 0)
    }

    /// What the addresses of a cell are like, and whether its region keeps all traffic although one kind cannot be reached.
    static let kinds: [(what: String, addresses: [String], name: String?, stays: Bool)] = [
        ("IPv6 beside IPv4", ["10.0.0.1:80", "[2001:db8::1]:80"], "app.test", true),
        (
            "more IPv6 than IPv4", ["10.0.0.1:80", "[2001:db8::1]:80", "[2001:db8::2]:80", "[2001:db8::3]:80"],
            "app.test", true
        ),
        ("addresses in the table itself", ["10.0.0.1:80", "[2001:db8::1]:80"], nil, false),
    ]

    @Test(
        "A kind of addresses that cannot be reached is not held against a region whose name has another",
        arguments: kinds, [true, false])
    func unreachableKind(_ kind: (what: String, addresses: [String], name: String?, stays: Bool), isProbed: Bool) {
        var brain = Brain()
        let endpoint = { number, address, name in
            Topology.Endpoint(id: EndpointID(number), address: address, weight: 1, name: name)
        }
        let count = kind.addresses.count
        _ = brain.observe(
            .topology(
                Topology(
                    regions: [.init(name: "a"), .init(name: "b")],
                    services: [
                        .init(
                            name: "shop", policy: FailoverPolicy(),
                            probe: isProbed ? .init(every: .seconds(1), fall: 2, rise: 2) : nil,
                            cells: [
                                .init(
                                    region: 0,
                                    endpoints: kind.addresses.enumerated().map { endpoint($0, $1, kind.name) }),
                                .init(region: 1, endpoints: [endpoint(count, "10.0.1.1:80", nil)]),
                            ])
                    ])), at: Instant(nanoseconds: 0))
        var ceilings: [Decision] = []
        for tenth in 1...300 as ClosedRange<Int64> {
            let now = Instant(nanoseconds: 1_000_000_000 + tenth * 100_000_000)
            var reports: [EndpointTraffic] = []
            for number in 0..<count where number == 0 || brain.view(of: EndpointID(number))?.share ?? 0 > 0 {
                var report = EndpointTraffic(endpoint: EndpointID(number))
                report.attempts = 3
                if number == 0 {
                    report.successes = 3
                } else {
                    report.failureRun = Int(tenth) * 3
                    switch tenth % 4 {
                    case 0: report.unreachables = 3
                    case 3: report.unconnected = 3
                    case 1: report.connectTimeouts = 3
                    default: report.connectFailures = 3
                    }
                }
                reports.append(report)
                guard isProbed, tenth % 10 == 0 else { continue }
                let outcome: ProbeOutcome = number == 0 ? .passed : .failed("connect", answered: tenth % 20 == 0)
                _ = brain.observe(.probe(EndpointID(number), outcome), at: now)
            }
            for action in brain.observe(.traffic(Traffic(reports)), at: now) + brain.observe(.tick, at: now) {
                if case .decision(let decision) = action, case .ceiling = decision.change { ceilings.append(decision) }
            }
        }
        #expect(brain.view(of: EndpointID(1))?.share == 0, "it is not used any more")
        #expect(ceilings.isEmpty == kind.stays, "\(ceilings)")
        #expect((brain.split(ofService: 0) == [whole, 0]) == kind.stays)
    }

    @Test("One of several servers behind a name that cannot be reached is lost capacity")
    func unreachableServer() {
        var world = World(services: 1, endpointsPerCell: 4, rate: 0) { topology in
            for index in topology.services[0].cells[0].endpoints.indices {
                topology.services[0].cells[0].endpoints[index].name = "app.test"
            }
        }
        world.run(.seconds(2))
        for number in 0..<3 {
            var report = EndpointTraffic(endpoint: EndpointID(number))
            report.attempts = 5
            report.unreachables = 5
            report.failureRun = 5
            world.tell(.traffic(Traffic([report])))
        }
        world.run(.seconds(1))
        #expect(world.split()[0] < whole)
    }

    @Test("A cell whose names are being resolved keeps its share for ten seconds, and has all of it at once afterwards")
    func unresolved() {
        func brain(resolvedAfter seconds: Int64) -> Brain {
            var brain = Brain()
            let topology = { (endpoints: [Topology.Endpoint]) in
                Topology(
                    regions: [.init(name: "a"), .init(name: "b")],
                    services: [
                        .init(
                            name: "shop", policy: FailoverPolicy(), probe: nil,
                            cells: [
                                .init(region: 0, endpoints: endpoints),
                                .init(
                                    region: 1,
                                    endpoints: [.init(id: EndpointID(1), address: "10.0.1.1:80", weight: 1)]),
                            ])
                    ])
            }
            let start: Int64 = 1_000_000_000_000
            _ = brain.observe(.topology(topology([])), at: Instant(nanoseconds: start))
            var tenths: Int64 = 0
            while tenths < seconds * 10 {
                tenths += 1
                _ = brain.observe(.tick, at: Instant(nanoseconds: start + tenths * 100_000_000))
            }
            let split = brain.split(ofService: 0)
            #expect(split == (seconds < 10 ? [whole, 0] : [0, whole]))
            let resolved = topology([.init(id: EndpointID(0), address: "10.0.0.1:80", weight: 1)])
            _ = brain.observe(.topology(resolved), at: Instant(nanoseconds: start + tenths * 100_000_000))
            _ = brain.observe(.tick, at: Instant(nanoseconds: start + (tenths + 1) * 100_000_000))
            return brain
        }
        #expect(brain(resolvedAfter: 9).split(ofService: 0) == [whole, 0])
        #expect(brain(resolvedAfter: 11).split(ofService: 0) == [0, whole], "the way back is in steps")
    }

    @Test("When all regions fail the service fails open, stays where it is, and says so")
    func failsOpen() {
        var world = World()
        world.run(.seconds(2))
        world.faults = [.refuse, .refuse, .refuse]
        world.run(.seconds(10))
        for service in 0..<world.serviceCount { #expect(world.split(service).contains(whole)) }
        #expect(world.decisions.contains { $0.rule == .failOpen })
        world.faults = [.none, .none, .none]
        #expect(world.time(until: { $0.isPreferred }, atMost: .seconds(240)) != nil)
    }

    @Test("A service that fails alike everywhere goes back to where it is preferred")
    func faultOfTheServiceItself() {
        var world = World(services: 1)
        world.run(.seconds(2))
        world.faults = [.errors(percent: 30), .errors(percent: 30), .errors(percent: 30)]
        world.run(.seconds(60))
        let splits = world.decisions.count { if case .split = $0.change { true } else { false } }
        #expect(splits < 40, "\(splits) changes of the split in a minute")
    }

    @Test("A way back into a region that still fails is broken off, and the next one waits longer")
    func abortsAndWaitsLonger() throws {
        var world = World(services: 1)
        world.run(.seconds(2))
        world.faults[0] = .errors(percent: 30)
        world.run(.seconds(90))
        let climbs = world.decisions.filter { $0.rule == .failbackAborted || $0.rule == .failbackStep }
        var waits: [Duration] = []
        for (one, next) in zip(climbs, climbs.dropFirst()) where one.rule == .failbackAborted {
            waits.append(next.time - one.time)
        }
        try #require(waits.count >= 2)
        for (index, wait) in waits.enumerated() { #expect(wait >= world.policy.hold * (index + 2)) }
        #expect(
            !world.decisions.contains {
                $0.rule == .failbackDone && $0.subject == .cell(service: "service-0", region: "east")
            })
    }

    @Test("Without probes an ejected endpoint comes back by a trial of requests")
    func trialWithoutProbes() {
        var world = World(services: 1, isProbed: false)
        world.run(.seconds(2))
        world.faults[0] = .refuse
        world.run(.seconds(2))
        #expect(world.hasLeftFirst)
        world.faults[0] = .none
        #expect(world.time(until: { $0.isPreferred }, atMost: .seconds(240)) != nil)
        #expect(world.decisions.contains { $0.rule == .trialPassed })
    }

    @Test("A pause of one endpoint is no ejection")
    func pauseIsNotEjected() {
        var world = World(services: 1)
        world.run(.seconds(2))
        var report = EndpointTraffic(endpoint: EndpointID(0))
        report.attempts = 8
        report.overstays = 8
        report.overstaying = 8
        report.failureRun = 8
        world.tell(.traffic(Traffic([report])))
        #expect(world.brain.view(of: EndpointID(0))?.state == .healthy, "nobody has shown yet that it is not us")
        world.now = world.now + .milliseconds(50)
        world.tell(.probe(EndpointID(2), .passed))
        world.tell(.tick)
        #expect(world.brain.view(of: EndpointID(0))?.state == .hanging)
        report = EndpointTraffic(endpoint: EndpointID(0))
        report.successes = 8
        world.tell(.traffic(Traffic([report])))
        #expect(world.brain.view(of: EndpointID(0))?.state == .healthy)
    }

    @Test("A new endpoint gets nothing before it has passed, and its failures are not its cell's")
    func newEndpointsAreOnProbation() {
        var world = World(services: 1)
        world.run(.seconds(2))
        var topology = world.topology
        topology.services[0].cells[0].endpoints.append(
            Topology.Endpoint(id: EndpointID(50), address: "10.0.0.50:80", weight: 100))
        world.brain = world.brain.told(.topology(topology), at: world.now)
        #expect(world.brain.view(of: EndpointID(50)) == .init(state: .probation, reason: "", share: 0))
        world.brain = world.brain.told(.probe(EndpointID(50), .failed("refused", answered: true)), at: world.now)
        world.brain = world.brain.told(.tick, at: world.now)
        #expect(world.split() == [whole, 0, 0])
        for _ in 0..<2 { world.brain = world.brain.told(.probe(EndpointID(50), .passed), at: world.now) }
        #expect(world.brain.view(of: EndpointID(50))?.state == .probation, "three passes in a row")
        world.brain = world.brain.told(.probe(EndpointID(50), .passed), at: world.now)
        #expect(world.brain.view(of: EndpointID(50))?.state == .healthy)
    }

    @Test("A reload keeps what is known")
    func reloadKeepsState() {
        var world = World()
        world.run(.seconds(2))
        world.faults[0] = .refuse
        world.run(.seconds(1))
        #expect(world.hasLeftFirst)
        world.tell(.topology(world.topology))
        #expect(world.hasLeftFirst)
        #expect(world.brain.view(of: EndpointID(0))?.state != .healthy)
    }
}

extension Brain {
    func told(_ event: Event, at now: Instant) -> Brain {
        var copy = self
        _ = copy.observe(event, at: now)
        return copy
    }
}
