import Failover
import Foundation
import Simulation

/// Runs random worlds and holds them against the laws. Usage: properties [worlds [first seed]]; `properties seed N`
/// runs one and tells everything of it. Exits 1 when a law was broken.
let arguments = CommandLine.arguments.dropFirst().map { $0 }

/// What a router that starts again reads back.
@Sendable func restored(_ brain: Brain) -> Brain {
    do {
        return try JSONDecoder().decode(Brain.self, from: try JSONEncoder().encode(brain))
    } catch {
        fatalError("a brain cannot be kept: \(error)")
    }
}

if arguments.first == "seed", let seed = arguments.dropFirst().first.flatMap({ UInt64($0) }) {
    exit(tell(seed) ? 0 : 1)
}
let count = arguments.first.flatMap { UInt64($0) } ?? 2_000
let first = arguments.dropFirst().first.flatMap { UInt64($0) } ?? 1
exit(await run(first..<(first + count)) ? 0 : 1)

func run(_ seeds: Range<UInt64>) async -> Bool {
    let began = ContinuousClock.now
    var broken: [Properties] = []
    var (length, requests, decisions) = (Int64(0), 0, 0)
    await withTaskGroup(of: Properties.self) { group in
        var next = seeds.lowerBound
        for _ in 0..<min(ProcessInfo.processInfo.activeProcessorCount, seeds.count) {
            group.addTask { [next] in Properties(seed: next, restored: restored) }
            next += 1
        }
        for await done in group {
            length += done.length
            requests += done.requests
            decisions += done.decisions
            if !done.breaches.isEmpty { broken.append(done) }
            guard next < seeds.upperBound else { continue }
            group.addTask { [next] in Properties(seed: next, restored: restored) }
            next += 1
        }
    }
    broken.sort { $0.seed < $1.seed }
    for world in broken.prefix(10) {
        for breach in world.breaches.prefix(3) { print("seed \(world.seed): \(breach)") }
    }
    let time = ContinuousClock.now - began
    print(
        "seeds \(seeds.lowerBound) to \(seeds.upperBound - 1): \(broken.count) of \(seeds.count) worlds broke a law; "
            + "\(length / 3_600_000_000_000) simulated hours, \(requests) requests, \(decisions) decisions in \(time.components.seconds) s"
    )
    var laws: [String: Int] = [:]
    for world in broken { for law in Set(world.breaches.map(\.law.rawValue)) { laws[law, default: 0] += 1 } }
    for (law, count) in laws.sorted(by: { $0.key < $1.key }) { print("  \(law): \(count) worlds") }
    if let first = broken.first {
        print("see one world with: \(CommandLine.arguments[0]) seed \(first.seed)")
    }
    return broken.isEmpty
}

func tell(_ seed: UInt64) -> Bool {
    let scenario = Scenario(seed: seed)
    let world = World(scenario, keepsEvents: true, restored: restored)
    world.runUntilConverged(atMost: 600_000_000_000)
    for line in Timeline(world.record, of: scenario).lines { print(line) }
    for breach in world.record.breaches { print(breach) }
    return world.record.breaches.isEmpty
}
