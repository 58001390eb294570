import RouteTable
import Testing

@testable import Failover

/// Explanations: what they say in worlds where it is known what happened.
@Suite struct ExplanationTests {
    private func explain(_ world: World, _ name: String) throws -> Explanation {
        try #require(try world.brain.explanations(of: name, world.decisions).subjects.first)
    }

    private func text(_ explanation: Explanation, _ title: String) -> String {
        let statements = explanation.sections.first { $0.title == title }?.statements ?? []
        return statements.map { ([$0.text] + $0.evidence).joined(separator: "\n  ") }.joined(separator: "\n")
    }

    private func world(_ shape: @escaping (inout Topology) -> Void = { _ in }, rate: Int = 80) -> World {
        var policy = World.quick
        policy.hold = .seconds(30)
        var world = World(rate: rate, policy: policy, shape: shape)
        world.run(.seconds(6))
        return world
    }

    @Test("When all is well it says so, and nothing else")
    func well() throws {
        let world = world()
        let all = world.brain.explanations(world.decisions)
        #expect(all.subjects.isEmpty)
        #expect(all.notes.map(\.text) == ["All is as preferred: 5 services, 3 regions."])
        let one = try explain(world, "service-0")
        #expect(one.isAsPreferred)
        #expect(one.headline.text == "service-0 goes 100 % to east, where it would rather be.")
        #expect(one.headline.evidence.last == "prefers east, then west, then north")
        #expect(one.sections.isEmpty)
    }

    @Test("A service that left with its region: the region's reason, what its own health had given, what is waited for")
    func evacuated() throws {
        var world = world()
        for service in 0..<3 { world.cellFaults[[service, 0]] = .refuse }
        world.run(.seconds(4))
        let well = try explain(world, "service-4")
        #expect(well.headline.text == "service-4 goes 100 % to west; it would rather be in east.")
        let why = text(well, "why")
        #expect(why.contains("east is evacuated since "), "\(why)")
        #expect(why.contains("of 5 services with traffic there became impaired together."), "\(why)")
        #expect(why.contains("service-4 in east may have nothing: it left with its region."), "\(why)")
        #expect(
            text(well, "what its own health would give")
                == "Without the evacuation of east it would have east 100 %.", "\(well)")
        #expect(
            text(well, "what it waits for").contains("east: 85 % of its weight must be healthy, now "), "\(well)")
        #expect(text(well, Explanation.decisionsTitle).contains("service-4: east 100 % → 0 %, west 0 % → 100 %"))

        let ill = try explain(world, "service-1")
        #expect(
            text(ill, "why").contains("service-1 in east may have nothing: too little of its weight was healthy."),
            "\(ill)")
        #expect(text(ill, "why").firstMatch(of: /10\.0\.0\.6:80 is (ejected|down) since/) != nil, "\(ill)")
        #expect(text(ill, "what its own health would give").contains("it would have the same: west 100 %"), "\(ill)")
        let waits = text(ill, "what it waits for")
        #expect(waits.contains("at least 25 % of its weight must be healthy, now 0 %"), "\(waits)")
        #expect(waits.contains("10.0.0.6:80: "), "\(waits)")

        let all = world.brain.explanations(world.decisions)
        #expect(all.subjects.map(\.name) == ["east"] + (0..<5).map { "service-\($0)" })
        #expect(
            all.notes.map(\.text) == ["In short; `spillway explain NAME` says more of each.", "Serving: west, north."])
        #expect(all.subjects.allSatisfy { $0.sections.map(\.title) == ["why"] })
        let region = try explain(world, "east")
        #expect(region.headline.text.hasPrefix("east is evacuated since "), "\(region)")
        #expect(text(region, "services there").contains("service-1: 0 % of it, at most 0 %; 0 % of its weight"))
    }

    @Test("On the way back: the hold, then the step, with what it needs and has")
    func returning() throws {
        var world = world()
        world.cellFaults[[1, 0]] = .refuse
        world.run(.seconds(4))
        world.cellFaults = [:]
        world.run(.seconds(20))
        let holding = text(try explain(world, "service-1"), "what it waits for")
        #expect(holding.contains("service-1 in east: it must be able to carry more for 30 s, and it could for "))
        #expect(holding.contains("then it begins with 1 %."), "\(holding)")
        #expect(world.time(until: { $0.split(1)[0] == 500 }, atMost: .seconds(60)) != nil)
        let climbing = try explain(world, "service-1")
        let step = text(climbing, "what it waits for")
        #expect(step.contains("service-1 in east: the step of 5 % must pass, then 10 %."), "\(step)")
        #expect(step.contains("it soaks for 1 s, "), "\(step)")
        #expect(step.contains("it needs 10 requests, "), "\(step)")
        #expect(climbing.headline.text == "service-1 goes 5 % to east and 95 % to west; it would rather be in east.")
        #expect(world.time(until: { $0.isPreferred }, atMost: .seconds(240)) != nil)
        world.run(.seconds(60))
        #expect(try explain(world, "service-1").isAsPreferred)
    }

    @Test("What left too often is damped, and how long that lasts is about right")
    func damped() throws {
        var policy = World.quick
        policy.hold = .milliseconds(500)
        policy.ejection = .milliseconds(500)
        policy.damping = DampingPolicy()
        policy.damping.halfLife = .seconds(100)
        var world = World(services: 1, policy: policy)
        world.run(.seconds(3))
        for _ in 0..<4 {
            world.faults[0] = .refuse
            world.run(.seconds(15))
            world.faults[0] = .none
            world.run(.seconds(15))
        }
        let waits = text(try explain(world, "service-0"), "what it waits for")
        let match = try #require(
            waits.firstMatch(of: /left too often: nothing returns for (\d) min (\d+) s more/), "\(waits)")
        let said = try #require(Int(match.1)) * 60 + (try #require(Int(match.2)))
        let returned = world.time(until: { $0.split()[0] > 0 }, atMost: .seconds(1_000))
        let took = try #require(returned)
        #expect(abs(took.milliseconds / 1_000 - said) <= 3, "\(waits), \(took)")
    }

    @Test("Orders: what they take, until when, and what there would be without")
    func orders() throws {
        var world = world()
        world.tell(
            .order(.override(.region("east"), .weight(3_000), for: .seconds(600), why: "new kernel"), isForced: false))
        world.run(.seconds(1))
        let explanation = try explain(world, "service-2")
        #expect(
            text(explanation, "why").contains(
                "service-2 in east may have at most 30 % of what it would have, by order."))
        #expect(
            text(explanation, "what its own health would give")
                == "Without what is ordered of east it would have east 100 %.")
        let orders = text(explanation, "orders")
        #expect(orders.hasPrefix("weight 30 % of east, for 9 min 59 s more."), "\(orders)")
        #expect(orders.contains(": new kernel"), "\(orders)")
        #expect(text(explanation, "what it waits for").contains("weight 30 % of east ends in 9 min 59 s, or by order."))
        #expect(!(try explain(world, "east").isAsPreferred))
    }

    @Test("A service that left for want of another names it")
    func needs() throws {
        var world = world({ $0.services[1].needs = [0] })
        world.cellFaults[[0, 0]] = .hang
        world.run(.seconds(3))
        let explanation = try explain(world, "service-1")
        let why = text(explanation, "why")
        #expect(
            why.contains("It needs service-0, which may have at most 0 % in east and is better elsewhere."), "\(why)")
        #expect(
            text(explanation, "what its own health would give")
                == "Without its need of service-0 in east it would have east 100 %.")
        #expect(text(explanation, "what it waits for").contains("service-0 must come back to east first."))
    }

    @Test("What a region has no room for, and what is shed, is said with the figures")
    func full() throws {
        var world = world(
            { topology in
                for region in 0..<3 { topology.regions[region].capacity = [1_000, 150, 100][region] }
                topology.services[4].importance = .low
            }, rate: 100)
        world.faults[0] = .refuse
        world.run(.seconds(3))
        let explanation = try explain(world, "service-4")
        #expect(explanation.headline.text.contains(" % is shed, refused at once with 503"), "\(explanation)")
        let why = text(explanation, "why")
        #expect(why.contains("west has no room for more of service-4."), "\(why)")
        #expect(why.contains(" of 150 requests/s; 80 % is used as long as there is room elsewhere, 93 %"), "\(why)")
        #expect(why.contains("What fits nowhere is shed, the least important services first; it is low."), "\(why)")
    }

    @Test("Holding and frozen routers say so first")
    func router() throws {
        var world = world()
        world.faults = [.hang, .hang, .hang]
        world.run(.seconds(5))
        #expect(world.brain.explanations([]).notes.first?.text.hasPrefix("Nothing anywhere shows itself") == true)
        var frozen = self.world()
        frozen.tell(.order(.override(.router, .freeze, for: .seconds(60), why: "the probes lie"), isForced: false))
        let notes = frozen.brain.explanations([]).notes
        #expect(notes.first?.text == "The router is frozen: nothing changes by itself.")
        #expect(notes.first?.evidence.first?.hasSuffix(": the probes lie") == true)
    }

    @Test("Whatever happens, every name is explained, and what is not as preferred has a reason", arguments: 0..<40)
    func always(seed: UInt64) throws {
        var random = Seeded(state: seed)
        var world = World(isProbed: Bool.random(using: &random), seed: seed)
        for _ in 0..<10 {
            world.upset(&random)
            world.run(.milliseconds(Int.random(in: 300...4_000, using: &random)))
            for name in world.regions + (0..<5).map({ "service-\($0)" }) {
                let explanation = try explain(world, name)
                guard !explanation.isAsPreferred, explanation.kind == .service else { continue }
                let isOpen = explanation.headline.text.contains("Nothing is healthy anywhere")
                #expect(isOpen || explanation.sections.contains { $0.title == "why" }, "seed \(seed), \(explanation)")
                #expect(
                    isOpen || explanation.sections.contains { $0.title == "what it waits for" },
                    "seed \(seed), \(explanation)")
            }
        }
    }

    @Test("A name that is not there is refused with what was probably meant")
    func unknown() {
        let world = world()
        #expect { try world.brain.explanations(of: "servce-1", []) } throws: {
            "\($0)".hasSuffix("did you mean \"service-1\"?")
        }
    }
}
