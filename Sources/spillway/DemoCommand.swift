internal import ArgumentParser
internal import Control
internal import Demo
internal import Files
internal import Foundation
internal import Logging
internal import Reactor
internal import RouteFiles
internal import RouteTable
internal import ServiceLifecycle
internal import Store

struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch a failover: three regions, five services, the router and load, in this terminal.",
        discussion: """
            Leave it running and, in another terminal, break a region and heal it again:

              spillway demo break us-east-1 --how hang
              spillway demo heal us-east-1
            """,
        subcommands: [Start.self, Break.self, Heal.self], defaultSubcommand: Start.self)

    struct Start: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Start the demo (the default).")

        @Option(help: ArgumentHelp("The table to serve; its endpoints are played here.", valueName: "dir"))
        var table = "routes/three-regions"

        @Option(help: ArgumentHelp("GETs a second, over all services.", valueName: "n"))
        var rate = 200

        @Option(help: ArgumentHelp("End by itself after so many seconds.", valueName: "s"))
        var seconds: Int?

        @OptionGroup var options: SettingsOptions

        func run() async throws {
            try await DemoRun(tablePath: table, rate: rate, seconds: seconds, settings: options.resolve()).run()
        }
    }

    struct Break: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Break a region of the running demo.")

        @Argument(help: "The region's name.")
        var region: String

        @Option(help: "refuse, hang, errors or slow.")
        var how: DemoMode = .hang

        func run() throws {
            guard how != .healthy else { throw ValidationError("to heal a region: spillway demo heal \(region)") }
            try DemoOrders().give(region, how)
            print("\(region): \(how.rawValue)")
        }
    }

    struct Heal: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Heal a region of the running demo.")

        @Argument(help: "The region's name.")
        var region: String

        func run() throws {
            try DemoOrders().give(region, .healthy)
            print("\(region): healthy")
        }
    }
}

extension DemoMode: ExpressibleByArgument {}

/// How `break` and `heal` reach the running demo: one small file a region, in a directory of this user's.
struct DemoOrders {
    let directory = URL(fileURLWithPath: NSTemporaryDirectory()).appendingPathComponent("spillway-demo-\(getuid())")

    private var regions: URL { directory.appendingPathComponent("regions") }
    private var process: URL { directory.appendingPathComponent("pid") }

    /// Begins a demo: all regions healthy.
    func open(_ names: [String]) throws {
        if let text = Self.text(process), let number = Int32(text), kill(number, 0) == 0 {
            throw Failure("a demo runs already, as process \(number)")
        }
        try? FileManager.default.removeItem(at: directory)
        try StateFiles.makeDirectory(regions.path)
        try StateFiles.replace(process.path, with: Array("\(getpid())".utf8))
        for name in names { try write(name, .healthy) }
    }

    private static func text(_ file: URL) -> String? {
        (try? RegularFile.read(file.path, atMost: 1_000)).map { String(decoding: $0, as: UTF8.self) }
    }

    func close() {
        try? FileManager.default.removeItem(at: directory)
    }

    func give(_ region: String, _ mode: DemoMode) throws {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: regions.path) else {
            throw Failure("no demo is running; start one with: spillway demo")
        }
        guard names.contains(region) else {
            throw Failure(
                "no region \(region) in the running demo; there are \(names.sorted().joined(separator: ", "))")
        }
        try write(region, mode)
    }

    func mode(of region: String) -> DemoMode? {
        Self.text(regions.appendingPathComponent(region)).flatMap { DemoMode(rawValue: $0) }
    }

    private func write(_ region: String, _ mode: DemoMode) throws {
        try StateFiles.replace(regions.appendingPathComponent(region).path, with: Array(mode.rawValue.utf8))
    }
}
