import RouteTable
import Testing

@testable import Failover

/// What nobody has declared: capacity that overload shows, and answers that come more slowly than they did.
@Suite struct CapacityTests {
    private func overloaded(_ capacity: Int = 80) -> World {
        var world = World(rate: 100)
        world.run(.seconds(10))
        for service in 0..<5 { world.capacities[[service, 1]] = capacity }
        world.faults[0] = .refuse
        return world
    }

    @Test("A second region that takes over and shows overload gets what it can carry, and the third the rest")
    func overload() throws {
        var world = overloaded()
        let left = world.time(
            until: { world in (0..<5).allSatisfy { world.split($0)[1] <= 8_000 } }, atMost: .seconds(5))
        let time = try #require(left)
        #expect(time <= .seconds(4))
        world.run(.seconds(20))
        for service in 0..<5 {
            #expect((6_500...8_400).contains(world.split(service)[1]), "\(world.split(service))")
            #expect(world.split(service)[2] == whole - world.split(service)[1])
        }
        let learned = try #require(world.decisions.first { $0.rule == .capacityLearned })
        #expect("\(learned)".contains("requests a second"))
        #expect(!world.decisions.contains { $0.rule == .cascade && $0.subject == .region("west") })
    }

    @Test("A little more is tried now and then, more seldom each time it was too much")
    func trials() {
        var world = overloaded()
        world.run(.seconds(120))
        let trials = world.decisions.filter {
            $0.rule == .capacityTried && $0.subject == .cell(service: "service-0", region: "west")
        }
        #expect((2...12).contains(trials.count), "\(trials.count)")
        for (one, next) in zip(trials, trials.dropFirst()).dropFirst(3) { #expect(next.time - one.time >= .seconds(5)) }
    }

    @Test("What was learned is forgotten when it has not been needed for a minute")
    func forgotten() {
        var world = overloaded()
        world.run(.seconds(10))
        #expect(world.brain.view(ofCell: 1, service: 0).learnedCapacity != nil)
        world.rate = 20
        world.run(.seconds(90))
        #expect(world.brain.view(ofCell: 1, service: 0).learnedCapacity == nil)
    }

    @Test(
        "A region that shows overload under the load it has always carried is not limited, but judged by its failures")
    func steady() {
        var world = World(rate: 100)
        world.run(.seconds(20))
        world.capacities[[0, 0]] = 50
        world.run(.seconds(10))
        #expect(!world.decisions.contains { $0.rule == .capacityLearned })
        #expect(world.isPreferred)
    }

    @Test("A slow moment, or one now and then, is no overload, however little a region has carried before")
    func moments() {
        var world = World(services: 1, rate: 100)
        for _ in 0..<10 {
            world.capacities[[0, 0]] = 1
            world.run(.milliseconds(200))
            world.capacities[[0, 0]] = nil
            world.run(.milliseconds(600))
        }
        #expect(!world.decisions.contains { $0.rule == .capacityLearned })
        world.capacities[[0, 0]] = 1
        world.run(.milliseconds(300))
        #expect(world.decisions.contains { $0.rule == .capacityLearned })
    }

    @Test("Bursts that are answered, however late, teach no capacity by which what follows is refused")
    func bursts() {
        var world = World(regions: ["east"], services: 1, rate: 240)
        world.run(.seconds(40))
        for _ in 0..<4 {
            world.rate = 14_000
            // Late, as the first answers of new connections are.
            world.lateCells = [[0, 0]]
            world.run(.milliseconds(500))
            world.lateCells = []
            world.run(.milliseconds(300))
            world.rate = 240
            world.run(.seconds(2))
        }
        world.rate = 24_000
        var worst = 0
        for _ in 0..<300 {
            world.step()
            worst = max(worst, world.brain.shed(ofService: 0))
        }
        #expect(worst == 0, "ten-thousandths that were refused")
        #expect(!world.decisions.contains { $0.rule == .capacityLearned })
    }

    @Test("A capacity that was learned is tried soon where it has requests refused, and forgotten once more is carried")
    func contradicted() throws {
        var world = World(regions: ["east"], services: 1, rate: 100)
        world.run(.seconds(10))
        world.capacities[[0, 0]] = 100
        world.rate = 200
        #expect(world.time(until: { $0.brain.shed(ofService: 0) > 3_000 }, atMost: .seconds(5)) != nil)
        world.capacities = [:]
        #expect(world.time(until: { $0.brain.shed(ofService: 0) == 0 }, atMost: .seconds(10)) != nil)
    }

    @Test("Declared capacity is believed")
    func declared() {
        var world = World(rate: 100) { topology in
            for region in topology.regions.indices { topology.regions[region].capacity = 10_000 }
        }
        world.run(.seconds(10))
        for service in 0..<5 { world.capacities[[service, 1]] = 80 }
        world.faults[0] = .refuse
        world.run(.seconds(10))
        #expect(!world.decisions.contains { $0.rule == .capacityLearned })
    }

    @Test("A region whose answers are far slower than they were, and than elsewhere, is left by quarters")
    func slow() throws {
        var world = World(services: 1, rate: 100)
        world.run(.seconds(20))
        world.latencies[[0, 0]] = 40_000
        let left = world.time(until: { $0.split()[0] < whole }, atMost: .seconds(5))
        let first = try #require(left)
        #expect(first <= .milliseconds(2_500))
        #expect(world.split() == [7_500, 2_500, 0])
        #expect(world.time(until: { $0.hasLeftFirst }, atMost: .seconds(6)) != nil)
        let decision = try #require(world.decisions.first { $0.rule == .slow })
        #expect("\(decision)".contains("median 40 ms, before 1 ms"), "\(decision)")
        world.latencies[[0, 0]] = nil
        #expect(world.time(until: { $0.isPreferred }, atMost: .seconds(60)) != nil)
    }

    @Test("A region that is no faster than the next stays, however slow it has become")
    func slowEverywhere() {
        var world = World(services: 1, rate: 100)
        world.run(.seconds(20))
        world.latencies = [[0, 0]: 40_000, [0, 1]: 40_000, [0, 2]: 40_000]
        world.run(.seconds(30))
        #expect(world.split()[0] >= 5_000, "\(world.split())")
    }

    @Test("A way back on which answers are slow is broken off")
    func slowReturn() {
        var world = World(services: 1, rate: 2_000)
        world.run(.seconds(20))
        world.faults[0] = .refuse
        world.run(.seconds(5))
        world.latencies[[0, 0]] = 100_000
        world.faults[0] = .none
        #expect(world.time(until: { $0.split()[0] > 0 }, atMost: .seconds(60)) != nil)
        #expect(
            world.time(
                until: { $0.decisions.contains { $0.rule == .failbackAborted && "\($0)".contains("median") } },
                atMost: .seconds(10)) != nil)
    }

    @Test("Before each step of the way back connections are asked for, for that step's share")
    func warm() {
        var world = World(services: 1, rate: 200)
        world.run(.seconds(5))
        world.faults[0] = .refuse
        world.run(.seconds(5))
        world.faults[0] = .none
        #expect(world.time(until: { $0.isPreferred }, atMost: .seconds(120)) != nil)
        #expect(world.warmed == world.policy.steps.map { [0, 0, $0] })
    }

    @Test("When a region is left as a whole, what is impaired there goes first where there is no room for all")
    func harm() {
        var world = World(regions: ["east", "west"], services: 3, rate: 100) { topology in
            topology.regions[1].capacity = 220
        }
        world.run(.seconds(10))
        for service in 0..<2 { world.cellFaults[[service, 0]] = .refuse }
        world.run(.seconds(3))
        #expect(world.decisions.contains { $0.rule == .cascade })
        #expect(world.split(0)[1] > 9_000 && world.split(1)[1] > 9_000, "\(world.split(0))")
        #expect(world.split(2)[0] > 9_000, "what still works stays: \(world.split(2))")
    }
}
