import Backends
import Foundation
import Testing

/// Signals and edits that come as soon as something listens, when the router is far from having started.
struct SignalTests {
    /// A table that takes a while to be compiled.
    private static func table(_ body: String) -> String {
        let routes = (0..<2_000).map { "  - { match: { path: /\($0)/* }, respond: { status: 200, body: other } }\n" }
        return """
            listeners: { web: { bind: 127.0.0.1:0 } }
            regions: { east: {} }
            services: {}
            routes:
            \(routes.joined())  - { match: { path: /hello }, respond: { status: 200, body: \(body) } }

            """
    }

    /// The command as soon as it says that it listens.
    private static func listening(_ directory: TemporaryDirectory) throws -> Command {
        let command = try Command(
            "run", directory.path, "--admin", "127.0.0.1:0", "--state", directory.path + "/state", "--drain", "2")
        guard eventually({ command.errorsSoFar.contains("listener web on ") }) else {
            throw Failure(what: "no start: \(command.errorsSoFar)")
        }
        return command
    }

    @Test(arguments: [
        (SIGHUP, "reload (SIGHUP): nothing changed"), (SIGUSR1, "admin address "), (SIGUSR2, "SIGUSR2 has no meaning"),
    ])
    func `a signal that comes during the start neither ends the router nor is lost`(
        _ number: Int32, _ told: String
    ) throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", Self.table("one"))
        let command = try Self.listening(directory)
        command.signal(number)
        #expect(eventually { command.errorsSoFar.contains("admin address ") }, "\(command.errorsSoFar)")
        #expect(eventually { command.errorsSoFar.contains(told) }, "\(command.errorsSoFar)")
        command.signal(SIGTERM)
        #expect(command.finish().status == 0)
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func `a router that is told to end during its start drains`(_ number: Int32) throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", Self.table("one"))
        let command = try Self.listening(directory)
        command.signal(number)
        let result = command.finish()
        #expect(result.status == 0)
        #expect(
            result.errors.contains("draining: ") || result.errors.contains("told to end before"), "\(result.errors)")
    }

    @Test func `an edit during the start is taken on`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", Self.table("one"))
        let command = try Self.listening(directory)
        try directory.write("table.yaml", Self.table("two"))
        #expect(eventually { command.errorsSoFar.contains("reload (files changed): ") }, "\(command.errorsSoFar)")
        command.signal(SIGTERM)
        #expect(command.finish().status == 0)
    }

    @Test func `access logs that were moved away are opened anew on SIGUSR1`() throws {
        let directory = try TemporaryDirectory()
        let log = directory.path + "/access.log"
        try directory.write(
            "tables/table.yaml",
            CommandTests.table.replacing("127.0.0.1:0", with: "127.0.0.1:0, access_log: { path: \(log) }"))
        let router = try RouterUnderTest(directory, table: "tables")
        _ = try router.get("/hello?earlier")
        #expect(eventually { directory.read("access.log").contains("earlier") })
        try FileManager.default.moveItem(atPath: log, toPath: log + ".1")
        router.signal(SIGUSR1)
        #expect(eventually { FileManager.default.fileExists(atPath: log) })
        _ = try router.get("/hello?later")
        #expect(eventually { directory.read("access.log").contains("later") })
        #expect(!router.command.errorsSoFar.contains("reload"))
    }
}
