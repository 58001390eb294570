import RouteTable
import Testing

@testable import Failover

/// What must hold in any world, whatever happens in it.
@Suite struct LawTests {
    @Test("In 300 seeded worlds the laws hold at every step", arguments: 0..<300)
    func laws(seed: UInt64) {
        var random = Seeded(state: seed)
        var world = World(
            services: Int.random(in: 1...4, using: &random), endpointsPerCell: Int.random(in: 1...4, using: &random),
            rate: Int.random(in: 0...200, using: &random), isProbed: Bool.random(using: &random), seed: seed)
        world.hedges = Bool.random(using: &random)
        var twin = world
        for _ in 0..<20 {
            world.upset(&random)
            twin.copyFaults(of: world)
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                world.step()
                twin.step()
                check(world, seed)
            }
        }
        #expect(world.decisions == twin.decisions, "the same events give the same decisions; seed \(seed)")
        #expect(
            world.decisions.map(\.sequence)
                == Array(1...UInt64(max(world.decisions.count, 1))).prefix(world.decisions.count).map { $0 })

        world.heal()
        // Without requests and without probes nothing can show that it is well.
        if world.rate >= 20 || world.isProbed {
            #expect(
                world.time(until: { $0.isPreferred }, atMost: .seconds(1_800)) != nil,
                "healed, all goes back; seed \(seed), \(world.split()), \(world.decisions.suffix(5))")
        }
    }

    private func check(_ world: World, _ seed: UInt64) {
        let unhealthy = world.brain.knownEndpoints.filter { world.brain.view(of: $0.id)?.state != .healthy }.map(
            \.id.number)
        #expect(
            world.brain.unhealthyEndpoints.map(\.id.number).sorted() == unhealthy,
            "who is not healthy is watched, once; seed \(seed)")
        for service in 0..<world.serviceCount {
            let split = world.split(service)
            #expect(split.reduce(0, +) == whole, "seed \(seed)")
            #expect(split.allSatisfy { $0 >= 0 }, "seed \(seed)")
            guard !world.brain.failsOpen(service: service) else { continue }
            for cell in split.indices where split[cell] > 0 && world.brain.regionViews[cell].state != .evacuated {
                let view = world.brain.view(ofCell: cell, service: service)
                #expect(
                    view.ceiling > 0 || world.brain.usesLastResort(service: service) && view.usable > 0,
                    "nothing to a cell that is out, unless it works and nothing else does; seed \(seed)")
            }
        }
    }
}

extension World {
    mutating func upset(_ random: inout Seeded) {
        for region in regions.indices {
            switch Int.random(in: 0..<8, using: &random) {
            case 0: faults[region] = .refuse
            case 1: faults[region] = .hang
            case 2: faults[region] = .errors(percent: Int.random(in: 1...100, using: &random))
            case 3: faults[region] = .slow
            case 4...6: faults[region] = .none
            default: break
            }
            probesFail[region] = Int.random(in: 0..<4, using: &random) == 0
        }
    }

    mutating func copyFaults(of other: World) {
        faults = other.faults
        probesFail = other.probesFail
    }

    mutating func heal() {
        for region in regions.indices {
            faults[region] = .none
            probesFail[region] = false
        }
    }
}
