import RouteTable
import Testing

@testable import Failover

/// Orders: within what is safe, always for a time, and kept by whatever the evidence says.
@Suite struct OrderTests {
    private func world(rate: Int = 100, _ shape: @escaping (inout Topology) -> Void = { _ in }) -> World {
        var world = World(rate: rate, shape: shape)
        world.run(.seconds(6))
        return world
    }

    private func give(
        _ world: inout World, _ subject: Order.Subject, _ kind: Override.Kind, for length: Duration = .seconds(30),
        isForced: Bool = false
    ) -> OrderAnswer {
        world.answers = []
        world.tell(.order(.override(subject, kind, for: length, why: "maintenance"), isForced: isForced))
        return world.answers[0]
    }

    @Test("A drained region has no traffic until the order ends, by itself, and is taken again in steps at once")
    func drain() {
        var world = world()
        #expect(give(&world, .region("east"), .drain) == .accepted)
        #expect(world.hasLeftFirst)
        world.run(.seconds(29))
        #expect(world.hasLeftFirst)
        #expect(world.brain.orders.map(\.why) == ["maintenance"])
        world.run(.seconds(2))
        #expect(world.brain.orders.isEmpty)
        #expect(world.split()[0] > 0 && world.split()[0] < whole, "in steps")
        #expect(world.time(until: { $0.isPreferred }, atMost: .seconds(30)) != nil)
        #expect(world.decisions.contains { $0.rule == .orderExpired })
    }

    @Test("The last region is not drained, unless it is forced")
    func lastRegion() {
        var world = world()
        #expect(give(&world, .region("west"), .drain) == .accepted)
        #expect(give(&world, .region("north"), .drain) == .accepted)
        guard case .refused(let reason) = give(&world, .region("east"), .drain) else {
            Issue.record("it was drained")
            return
        }
        #expect(reason.contains("nowhere to go"), "\(reason)")
        #expect(world.isPreferred)
        #expect(give(&world, .region("east"), .drain, isForced: true) == .accepted)
    }

    @Test("A region is not drained beyond what the others can carry; the refusal names the figures")
    func capacity() {
        var world = world { topology in
            topology.regions[1].capacity = 200
            topology.regions[2].capacity = 200
        }
        guard case .refused(let reason) = give(&world, .region("east"), .drain) else {
            Issue.record("it was drained")
            return
        }
        #expect(reason.contains("of 200 requests/s"), "\(reason)")
        #expect(reason.contains("would be shed"), "\(reason)")
        #expect(world.isPreferred)
    }

    @Test("A cell and an endpoint are drained alone; never a cell's last healthy endpoint")
    func smaller() {
        var world = world()
        #expect(give(&world, .cell(service: "service-1", region: "east"), .drain) == .accepted)
        #expect(world.split(1)[0] == 0 && world.split(0)[0] == whole)
        let first = Order.Subject.endpoint(service: "service-0", region: "east", address: "10.0.0.0:80")
        let second = Order.Subject.endpoint(service: "service-0", region: "east", address: "10.0.0.1:80")
        #expect(give(&world, first, .drain) == .accepted)
        #expect(world.brain.view(of: EndpointID(0))?.share == 0)
        #expect(give(&world, second, .drain) == .refused("it is the last healthy endpoint of service-0 in east"))
        world.answers = []
        world.tell(.order(.end(first, why: "done"), isForced: false))
        #expect(world.brain.view(of: EndpointID(0))?.share == whole)
    }

    @Test("A weight limits a region's share")
    func weight() {
        var world = world()
        #expect(give(&world, .region("east"), .weight(3_000)) == .accepted)
        #expect(world.split() == [3_000, 7_000, 0])
    }

    @Test("Freezing takes back what probes took out, and then nothing changes by itself")
    func freeze() {
        var world = World(rate: 0)
        world.run(.seconds(3))
        world.probesFail[0] = true
        world.run(.seconds(5))
        #expect(world.hasLeftFirst)
        #expect(give(&world, .router, .freeze) == .accepted)
        #expect(world.isPreferred)
        world.rate = 100
        world.faults[0] = .refuse
        world.run(.seconds(20))
        #expect(world.isPreferred, "whatever happens")
        world.run(.seconds(15))
        #expect(world.hasLeftFirst, "until the order ends")
    }

    @Test("What is not there, or makes no sense, is refused with what there is")
    func refusals() {
        var world = world()
        #expect(
            give(&world, .region("eats"), .drain) == .refused("there is no region eats; there are east, west, north"))
        #expect(give(&world, .router, .drain) == .refused("the router as a whole can only be frozen"))
        #expect(
            give(&world, .region("east"), .drain, for: .seconds(300_000))
                == .refused("an override lasts at most 72 hours"))
        world.answers = []
        world.tell(.order(.end(.region("east"), why: ""), isForced: false))
        #expect(world.answers == [.refused("nothing was ordered of east")])
    }

    @Test("A region is left and taken again by order, verified as always")
    func failOverAndBack() {
        var world = world()
        world.tell(.order(.failOver(region: "east", why: "it smells"), isForced: false))
        #expect(world.hasLeftFirst)
        world.tell(.order(.failBack(region: "east", why: "it does not"), isForced: false))
        world.run(.milliseconds(600))
        #expect(world.split()[0] == world.policy.steps[0])
        #expect(world.time(until: { $0.isPreferred }, atMost: .seconds(20)) != nil)
    }

    @Test("A drill leaves in steps, and ends at once when it hurts")
    func drill() {
        var world = world()
        #expect(give(&world, .region("east"), .drill) == .accepted)
        world.step()
        #expect(world.split()[0] == 7_500)
        world.run(.seconds(21))
        #expect(world.hasLeftFirst)
        world.run(.seconds(12))
        #expect(world.brain.orders.isEmpty)
        #expect(world.time(until: { $0.isPreferred }, atMost: .seconds(30)) != nil)

        #expect(give(&world, .region("east"), .drill) == .accepted)
        world.run(.seconds(8))
        world.faults[1] = .errors(percent: 20)
        world.run(.seconds(1))
        #expect(world.decisions.contains { $0.rule == .drillAborted })
        #expect(world.split()[0] == whole)
    }

    @Test("A drill ends at once when answers have become slow where its traffic went")
    func slowDrill() {
        var world = world()
        world.run(.seconds(10))
        // The second region's past is known from an earlier drill.
        #expect(give(&world, .region("east"), .drill) == .accepted)
        world.run(.seconds(40))
        #expect(world.time(until: { $0.isPreferred }, atMost: .seconds(30)) != nil)
        #expect(give(&world, .region("east"), .drill, for: .seconds(60)) == .accepted)
        world.run(.seconds(8))
        for service in 0..<5 { world.latencies[[service, 1]] = 80_000 }
        world.run(.seconds(3))
        #expect(world.decisions.contains { $0.rule == .drillAborted && "\($0)".contains("median 80 ms") })
    }
}
