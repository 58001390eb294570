import Backends
import Foundation
import Reactor
import Testing

/// Where a router listens, and what is there before.
struct ListenerCommandTests {
    private static func table(_ bind: String) -> String {
        CommandTests.table.replacing("bind: 127.0.0.1:0 }", with: "bind: 127.0.0.1:0 }, sock: { bind: \(bind) }")
    }

    private static func run(_ directory: TemporaryDirectory, _ state: String) throws -> Command {
        try Command(
            "run", directory.path + "/tables", "--admin", "127.0.0.1:0", "--workers", "1", "--state",
            directory.path + "/" + state)
    }

    private static func mode(_ path: String) -> Int? {
        (try? FileManager.default.attributesOfItem(atPath: path))?[.posixPermissions] as? Int
    }

    @Test func `what is at a Unix listener's path is not deleted unless it is a socket that nobody listens on`() throws
    {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/s"
        try directory.write("tables/table.yaml", Self.table("\"unix:\(path)\""))
        let sentence = "listener sock cannot listen on unix:\(path): "
        try directory.write("s", "precious")
        let refused = try Self.run(directory, "one").finish()
        #expect(refused.status == 1)
        #expect(refused.errors.contains(sentence + "something is there that is no socket"), "\(refused.errors)")
        #expect(directory.read("s") == "precious")

        try FileManager.default.removeItem(atPath: path)
        let first = try Self.run(directory, "one")
        #expect(eventually { first.errorsSoFar.contains("listener sock on unix:\(path)\n") })
        let second = try Self.run(directory, "two").finish()
        #expect(second.status == 1)
        #expect(second.errors.contains(sentence + "another process listens there"), "\(second.errors)")

        // Left behind by one that could not take it away.
        first.signal(SIGKILL)
        _ = first.finish()
        let third = try Self.run(directory, "one")
        #expect(eventually { third.errorsSoFar.contains("listener sock on unix:\(path)\n") }, "\(third.errorsSoFar)")
        third.signal(SIGKILL)
        _ = third.finish()
    }

    @Test func `a Unix listener's file has the mode and owner that the table says, also after a reload`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/s"
        func write(_ rest: String) throws {
            try directory.write("tables/table.yaml", Self.table("{ unix: \(path)\(rest) }"))
        }
        try write(", mode: 0666, owner: \(getuid()), group: \(getgid())")
        let router = try RouterUnderTest(directory, table: "tables")
        #expect(Self.mode(path) == 0o666)
        try write(", mode: 600")
        router.signal(SIGHUP)
        #expect(eventually { Self.mode(path) == 0o600 })
        #expect(eventually { router.command.errorsSoFar.contains("listener sock: bind.mode 0666 → 0600") })
        try write(", owner: nobody-of-this-name")
        router.signal(SIGHUP)
        #expect(eventually { router.command.errorsSoFar.contains("there is no user \"nobody-of-this-name\"") })
        #expect(Self.mode(path) == 0o600)
        let page = try Command("status", "--admin", router.adminAddress).finish()
        #expect(page.output.contains("listener sock on unix:\(path)"), "\(page.output)")
    }

    @Test func `a Unix socket whose file was removed is made again`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/s"
        try directory.write("tables/table.yaml", Self.table("{ unix: \(path), mode: 0600 }"))
        let router = try RouterUnderTest(directory, table: "tables")
        func isServed() -> Bool { (try? UnixSocketFile.state(of: path)) == .inUse && Self.mode(path) == 0o600 }
        #expect(isServed())
        try FileManager.default.removeItem(atPath: path)
        router.signal(SIGHUP)
        #expect(eventually(isServed), "\(router.command.errorsSoFar)")
        let told = "warning the file of listener sock's socket was removed or replaced: it listens anew\n"
        #expect(eventually { router.command.errorsSoFar.contains(told) })
        // Nobody has to say so.
        try FileManager.default.removeItem(atPath: path)
        #expect(eventually(isServed) || eventually(isServed), "\(router.command.errorsSoFar)")
        #expect(router.metric("spillway_listener_accepting_workers{listener=\"sock\"}") == 2)
    }

    @Test(arguments: [true, false])
    func `what somebody else has put in a Unix socket's place is left as it is`(isLink: Bool) throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/s"
        try directory.write("tables/table.yaml", Self.table("{ unix: \(path) }"))
        let router = try RouterUnderTest(directory, table: "tables")
        let precious = try directory.write("precious", "precious")
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: precious)
        try FileManager.default.removeItem(atPath: path)
        if isLink {
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: precious)
        } else {
            try FileManager.default.linkItem(atPath: precious, toPath: path)
        }
        try directory.write("tables/table.yaml", Self.table("{ unix: \(path), mode: 0666 }"))
        router.signal(SIGHUP)
        let refused =
            "refused, the running table stays: listener sock cannot listen on unix:\(path): something is there"
        #expect(eventually { router.command.errorsSoFar.contains(refused) }, "\(router.command.errorsSoFar)")
        #expect(Self.mode(precious) == 0o600)
    }

    @Test func `a table that is refused leaves no socket behind, and nothing is said to listen`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/s"
        let table = Self.table("\"unix:\(path)\" }, bad: { bind: \"unix:/proc/none\"")
        try directory.write("tables/table.yaml", CommandTests.table)
        let router = try RouterUnderTest(directory, table: "tables")
        try directory.write("tables/table.yaml", table)
        router.signal(SIGHUP)
        #expect(
            eventually { router.command.errorsSoFar.contains("listener bad cannot listen on unix:/proc/none: ") },
            "\(router.command.errorsSoFar)")
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(!router.command.errorsSoFar.contains("listener sock on "))
        // Nor does a start that fails.
        let start = try Self.run(directory, "other").finish()
        #expect(start.status == 1)
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(!start.errors.contains("listener sock on "), "\(start.errors)")
    }

    @Test func `a table that was refused for a port that is taken is taken on once the port is free`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        let router = try RouterUnderTest(directory, table: "tables")
        let other = try Backend()
        try directory.write("tables/table.yaml", Self.table("127.0.0.1:\(other.port)"))
        router.signal(SIGHUP)
        let refused = "listener sock cannot listen on 127.0.0.1:\(other.port): Address already in use"
        // By the signal, and by the watcher of files.
        #expect(
            eventually { router.command.errorsSoFar.components(separatedBy: refused).count == 3 },
            "\(router.command.errorsSoFar)")
        other.stop()
        func isServed() -> Bool { (try? RouterUnderTest.ask(other.port, "/hello", host: "a").status) == 200 }
        #expect(eventually(isServed) || eventually(isServed), "\(router.command.errorsSoFar)")
        #expect(eventually { router.metric("spillway_table_refused") == 0 })
        #expect(router.command.errorsSoFar.contains("notice reload (tried again): "), "\(router.command.errorsSoFar)")
    }

    @Test func `a router that shares a port with another says so`() throws {
        let directory = try TemporaryDirectory()
        let port = try Backend.refusing().port
        try directory.write("tables/table.yaml", Self.table("127.0.0.1:\(port)"))
        let first = try Self.run(directory, "one")
        #expect(eventually { first.errorsSoFar.contains("listener sock on 127.0.0.1:\(port)\n") })
        #expect(!first.errorsSoFar.contains("another process listens"))
        let second = try Self.run(directory, "two")
        #expect(eventually { second.errorsSoFar.contains("listener sock on 127.0.0.1:\(port)\n") })
        #expect(second.errorsSoFar.contains("warning another process listens on 127.0.0.1:\(port), too"))
        for command in [first, second] {
            command.signal(SIGKILL)
            _ = command.finish()
        }
    }
}
