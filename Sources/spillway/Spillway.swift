internal import ArgumentParser

/// The command. Everything else is a library; here it is wired together.
struct Spillway: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spillway",
        abstract: "A multi-region failover router.",
        discussion: """
            Spillway stands in front of services as an HTTP reverse proxy, sends each service's traffic to its \
            preferred region, moves it to the next regions when that one fails, and brings it back step by step.
            """,
        version: Version.current,
        subcommands: [
            Run.self, Check.self, Show.self, Schema.self, Status.self, Drain.self, Undrain.self, Weight.self,
            Freeze.self, Unfreeze.self, FailOver.self, FailBack.self, Drill.self, ExplainCommand.self,
            HistoryCommand.self, WhatIfCommand.self, ReplayCommand.self, Simulate.self, Demo.self,
        ])
}

@main
enum Main {
    static func main() async {
        StandardStreams.open()
        await Spillway.main()
        StandardStreams.finish()
    }
}

enum Version {
    static let current = "0.1.0"
}
