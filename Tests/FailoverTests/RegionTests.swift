import RouteTable
import Testing

@testable import Failover

/// Decisions about regions: cascades, dependencies, capacity, and whose fault it is.
@Suite struct RegionTests {
    private func rules(_ world: World) -> [Decision.Rule] { world.decisions.map(\.rule) }

    /// Each service needs the one before it.
    private static func chain(_ topology: inout Topology) {
        for index in topology.services.indices.dropFirst() { topology.services[index].needs = [index - 1] }
    }

    @Test(
        "Services that fail one by one take their region with them once they are half of it, and not before",
        arguments: [World.Fault.refuse, .hang, .errors(percent: 50), .slow])
    func cascade(fault: World.Fault) {
        var policy = World.quick
        policy.hold = .seconds(20)
        var world = World(policy: policy)
        world.run(.seconds(3))
        for service in 0..<3 {
            #expect(world.brain.regionViews[0].state == .serving)
            world.cellFaults[[service, 0]] = fault
            world.run(.seconds(4))
            #expect(world.split(service)[0] == 0)
        }
        #expect(world.brain.regionViews[0].state != .serving)
        for service in 3..<5 { #expect(world.split(service) == [0, whole, 0], "it still looked well") }
        #expect(rules(world).count { $0 == .cascade } == 1)

        world.cellFaults = [:]
        #expect(world.time(until: { $0.isPreferred }, atMost: .seconds(240)) != nil)
        world.run(.seconds(2))
        #expect(world.brain.regionViews[0].state == .serving)
        #expect(rules(world).count { $0 == .regionBack } == 1)
    }

    @Test("One service that fails moves alone")
    func alone() {
        var world = World()
        world.run(.seconds(3))
        world.cellFaults[[2, 0]] = .hang
        world.run(.seconds(10))
        #expect((0..<5).map { world.split($0)[0] } == [whole, whole, 0, whole, whole])
        #expect(!rules(world).contains(.cascade))
    }

    @Test("Services that fail far apart in time move alone, each")
    func apart() {
        var world = World()
        world.run(.seconds(3))
        for service in 0..<2 {
            world.cellFaults[[service, 0]] = .refuse
            world.run(.seconds(40))
        }
        #expect(!rules(world).contains(.cascade))
        #expect(world.split(2)[0] == whole)
    }

    @Test("A service that moves alone stays in an evacuated region as long as it is well")
    func movesAlone() {
        var world = World { $0.services[4].moves = .alone }
        world.run(.seconds(3))
        for service in 0..<3 { world.cellFaults[[service, 0]] = .hang }
        world.run(.seconds(5))
        #expect(world.brain.regionViews[0].state == .evacuated)
        #expect(world.split(3)[0] == 0)
        #expect(world.split(4)[0] == whole)
    }

    @Test("What fails wherever it is says nothing of a region")
    func faultsOfServices() {
        var world = World()
        world.run(.seconds(3))
        for service in 0..<3 {
            for region in 0..<3 { world.cellFaults[[service, region]] = .refuse }
        }
        world.run(.seconds(20))
        #expect(world.split(4)[0] == whole)
        #expect(world.brain.regionViews.allSatisfy { $0.state == .serving })
    }

    @Test("Services that need an impaired one leave with it, before they fail, and come back with it")
    func needs() {
        var world = World(shape: Self.chain)
        world.run(.seconds(3))
        world.cellFaults[[1, 0]] = .hang
        #expect(world.time(until: { $0.split(1)[0] == 0 }, atMost: .seconds(1)) != nil)
        #expect((0..<5).map { world.split($0)[0] } == [whole, 0, 0, 0, 0], "all that need it, at once")
        #expect(rules(world).count { $0 == .followsNeeds } == 3)
        #expect(!rules(world).contains(.cascade), "they do not look impaired for that")
        world.cellFaults = [:]
        #expect(world.time(until: { $0.isPreferred }, atMost: .seconds(240)) != nil)
    }

    @Test("Nobody leaves for want of something that is no better elsewhere")
    func needsNoBetterElsewhere() {
        var world = World(shape: Self.chain)
        world.run(.seconds(3))
        for region in 0..<3 { world.cellFaults[[0, region]] = .refuse }
        world.run(.seconds(20))
        for service in 1..<5 { #expect(world.split(service)[0] == whole) }
    }

    @Test("Services may need each other in a circle")
    func circle() {
        var world = World(services: 3) { topology in
            for index in 0..<3 { topology.services[index].needs = [(index + 1) % 3] }
        }
        world.run(.seconds(3))
        world.cellFaults[[1, 0]] = .refuse
        world.run(.seconds(1))
        #expect((0..<3).allSatisfy { world.split($0)[0] == 0 })
        world.cellFaults = [:]
        #expect(world.time(until: { $0.isPreferred }, atMost: .seconds(240)) != nil)
    }

    @Test("When everything falls silent at once the fault is held to be our own, and nothing moves")
    func ownNetwork() {
        var world = World()
        world.run(.seconds(3))
        world.faults = [.hang, .hang, .hang]
        world.run(.seconds(30))
        #expect(world.isPreferred)
        #expect(world.brain.holds)
        #expect(rules(world).filter { $0 != .everythingSilent } == [])
        world.faults = [.none, .none, .none]
        world.run(.seconds(30))
        #expect(world.isPreferred)
        #expect(!world.brain.holds)
        #expect(rules(world) == [.everythingSilent, .signsAgain])
        world.faults[0] = .hang
        #expect(world.time(until: { $0.hasLeftFirst }, atMost: .seconds(1)) != nil, "and is awake again")
    }

    @Test("A router that stood still itself blames nobody for what ran out meanwhile")
    func stall() {
        var world = World()
        world.run(.seconds(3))
        world.now = world.now + .seconds(5)
        var reports: [EndpointTraffic] = []
        for service in 0..<5 {
            for number in world.numbers(service, 0) {
                var report = EndpointTraffic(endpoint: EndpointID(number))
                report.attempts = 20
                report.overstays = 20
                report.overstaying = 20
                report.failureRun = 20
                reports.append(report)
            }
        }
        world.tell(.tick)
        world.tell(.traffic(Traffic(reports)))
        for number in 0..<10 { world.tell(.probe(EndpointID(number), .failed("timeout", answered: false))) }
        world.run(.seconds(10))
        #expect(world.isPreferred)
        #expect(rules(world) == [.stalled])
    }

    @Test("A region's capacity is never exceeded while there is room elsewhere; the least important is shed")
    func capacity() {
        var world = World(rate: 100) { topology in
            topology.regions[1].capacity = 150
            topology.regions[2].capacity = 150
            for (index, importance) in [Importance.critical, .high, .normal, .low, .low].enumerated() {
                topology.services[index].importance = importance
            }
        }
        world.run(.seconds(6))
        #expect(world.isPreferred)
        world.faults[0] = .refuse
        world.run(.seconds(2))
        let load = (1...2).map { region in (0..<5).reduce(0) { $0 + world.split($1)[region] * 100 / whole } }
        #expect(load.allSatisfy { (135...150).contains($0) }, "\(load)")
        #expect((0..<2).allSatisfy { world.brain.shed(ofService: $0) == 0 })
        #expect(world.brain.shed(ofService: 2) <= 3_000)
        #expect((3..<5).allSatisfy { world.brain.shed(ofService: $0) == whole })
        #expect(rules(world).contains(.shed))
        world.faults[0] = .none
        #expect(world.time(until: { $0.isPreferred }, atMost: .seconds(240)) != nil)
    }

    @Test("Returning too often is damped; leaving never is")
    func damping() throws {
        var policy = World.quick
        policy.hold = .milliseconds(500)
        policy.ejection = .milliseconds(500)
        policy.damping = DampingPolicy()
        var world = World(services: 1, policy: policy)
        world.run(.seconds(3))
        for _ in 0..<20 {
            world.faults[0] = .refuse
            #expect(world.time(until: { $0.hasLeftFirst }, atMost: .seconds(1)) != nil)
            world.run(.seconds(15))
            world.faults[0] = .none
            world.run(.seconds(15))
        }
        let returns = world.decisions.count {
            if case .ceiling(before: 0, after: 1...) = $0.change { true } else { false }
        }
        #expect(returns <= 3)
        #expect(world.time(until: { $0.isPreferred }, atMost: .seconds(3_600)) != nil, "in the end it may")
    }
}
