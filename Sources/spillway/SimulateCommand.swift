internal import ArgumentParser
internal import Failover
internal import FoundationEssentials
internal import RouteFiles
internal import Simulation

struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Play a scenario in a simulated world, and hold the router against what is expected of it.",
        discussion: """
            Prints what happened, what the router decided, and how requests fared, then a verdict with figures; exit 1 \
            when an expectation or a law was broken. With --table another table is tried: other policies, capacities, \
            needs. routes/scenarios has scenarios; docs/simulation.md says what is simulated and what is real.
            """)

    @Argument(help: ArgumentHelp("Scenarios: YAML files.", valueName: "scenario"))
    var scenarios: [String]

    @Option(help: ArgumentHelp("A table in place of the scenario's own.", valueName: "dir"))
    var table: String?

    @Option(help: ArgumentHelp("Another seed than the scenario's.", valueName: "number"))
    var seed: UInt64?

    @Flag(help: "Print the verdict alone.")
    var quiet = false

    func run() throws {
        var isKept = true
        for path in scenarios { isKept = try play(path) && isKept }
        if !isKept { throw ExitCode(1) }
    }

    private func play(_ path: String) throws -> Bool {
        var scenario: Scenario
        switch ScenarioReader(environment: ProcessInfo.processInfo.environment).read(path: path, table: table) {
        case .success(let read): scenario = read
        case .failure(let problems):
            StandardStreams.tell("\(problems)")
            throw ExitCode(1)
        }
        if let seed { scenario.seed = seed }
        let world = World(scenario) { Self.restored($0) }
        world.run()
        if !quiet {
            if !scenario.about.isEmpty { print(scenario.about + "\n") }
            for line in Timeline(world.record, of: scenario).lines { print(line) }
            print()
        }
        let verdict = Verdict(world.record, of: scenario)
        let word = verdict.isKept ? "kept" : "BROKEN"
        print("\(scenario.name), seed \(scenario.seed), \(timeText(scenario.length)): \(word)")
        for line in verdict.lines { print("  " + line) }
        return verdict.isKept
    }

    /// A router that starts again reads its brain from disk, as JSON.
    private static func restored(_ brain: Brain) -> Brain {
        guard let data = try? JSONEncoder().encode(brain), let read = try? JSONDecoder().decode(Brain.self, from: data)
        else { return Brain() }
        return read
    }
}
