import Foundation
import RouteFiles
import Testing

@testable import Simulation

private let scenarios = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../routes/scenarios").standardizedFileURL.path

/// `make test` plays all scenarios with the built command; here are those that are quick.
@Suite("A scenario")
struct ScenarioTests {
    private func read(_ name: String) throws -> Scenario {
        try ScenarioReader(environment: [:]).read(path: "\(scenarios)/\(name).yaml").get()
    }

    @Test(
        "is kept",
        arguments: [
            "01-empty-discovery", "03-prober-stalls", "04-own-network-cut", "10-restart-in-mid-failover",
            "15-slow-service", "16-hangs-from-the-start", "17-slower-region", "18-dead-without-probes",
        ])
    func isKept(name: String) throws {
        let scenario = try read(name)
        let world = World(scenario)
        world.run()
        let verdict = Verdict(world.record, of: scenario)
        #expect(verdict.isKept, "\(verdict.lines.joined(separator: "\n"))")
        #expect(verdict.findings.count == scenario.expectations.count)
    }

    @Test func `that expects what does not come is broken, with the figure that was found`() throws {
        var scenario = try read("01-empty-discovery")
        scenario.length = .seconds(5)
        scenario.expectations = [Expectation(.decisions(rule: nil, about: nil), atLeast: .count(1))]
        let world = World(scenario)
        world.run()
        let verdict = Verdict(world.record, of: scenario)
        #expect(!verdict.isKept)
        #expect(verdict.lines[0] == "BROKEN  decisions: at least 1; found 0")
    }

    @Test func `reads as a timeline: what happened, what was decided, how requests fared`() throws {
        var scenario = try read("11-shared-dependency")
        scenario.length = .seconds(30)
        let world = World(scenario)
        world.run()
        let lines = Timeline(world.record, of: scenario).lines
        #expect(lines.contains { $0.contains("! leases in us-east-1 is lost") })
        #expect(lines.contains { $0.contains("serving → evacuated (cascade") })
        #expect(lines.contains { $0.contains("requests; sent: us-east-1 ") && $0.contains("p99") })
    }
}
