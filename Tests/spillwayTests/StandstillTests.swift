import Backends
import Foundation
import Testing

/// A router some of whose files or askers stand still: it serves, says so, and ends when it is told to.
struct StandstillTests {
    private static let settings = ["--drain", "1"]

    /// Told to end, a router that drains for a second ends within two.
    private func ends(_ router: RouterUnderTest) -> Bool {
        let began = ContinuousClock.now
        router.signal(SIGTERM)
        let result = router.command.finish()
        return result.status == 0 && ContinuousClock.now - began < .milliseconds(2_000)
    }

    @Test func `an order that never comes whole does not keep the router`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        let router = try RouterUnderTest(directory, table: "tables", settings: Self.settings)
        let connections = try (0..<3).map { _ in
            let connection = try RawConnection(port: router.adminPort)
            connection.send(
                "POST /api/v1/orders HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                    + "content-length: 100\r\n\r\n{")
            return connection
        }
        // By now they have been taken in: what came later is answered.
        #expect(try router.admin("/live").status == 200)
        #expect(ends(router), "\(router.command.errorsSoFar)")
        for connection in connections { connection.close() }
    }

    @Test(arguments: [
        "GET /live HTTP/1.1\r\nhost:",
        "POST /api/v1/orders HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    ])
    func `askers who never come to an end do not keep others from the admin address`(_ beginning: String) throws {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        let router = try RouterUnderTest(directory, table: "tables", settings: Self.settings)
        let connections = try (0..<80).map { _ in
            let connection = try RawConnection(port: router.adminPort)
            connection.send(beginning)
            return connection
        }
        for _ in 0..<3 {
            #expect(try router.admin("/live").status == 200)
            #expect(try router.admin("/ready").status == 200)
        }
        #expect(ends(router), "\(router.command.errorsSoFar)")
        for connection in connections { connection.close() }
    }

    @Test func `a certificate that is a named pipe refuses its table, and holds up neither a reload nor the end`()
        throws
    {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        let pipe = try directory.pipe("site.pem")
        let pair = "{ certificate: \(pipe), key: \(pipe) }"
        let router = try RouterUnderTest(directory, table: "tables", settings: Self.settings)
        try directory.write(
            "tables/table.yaml",
            CommandTests.table.replacing(
                "127.0.0.1:0 }",
                with: "127.0.0.1:0 }, safe: { bind: 127.0.0.1:0, tls: { certificates: \(pair) } }"))
        router.signal(SIGHUP)
        #expect(eventually { router.metric("spillway_table_refused") == 1 }, "\(router.command.errorsSoFar)")
        #expect(router.command.errorsSoFar.contains("site.pem: "), "\(router.command.errorsSoFar)")
        #expect(router.command.errorsSoFar.contains("a pipe, not a regular file"), "\(router.command.errorsSoFar)")
        try directory.write("tables/table.yaml", CommandTests.table.replacing("version one", with: "version two"))
        router.signal(SIGHUP)
        #expect(eventually { (try? router.get("/hello").text) == "version two" })
        #expect(ends(router), "\(router.command.errorsSoFar)")
    }

    /// A table of so many routes takes a debug build far longer than the drain's time.
    @Test func `a reload that is under way does not keep the router`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        let router = try RouterUnderTest(directory, table: "tables", settings: Self.settings)
        let routes = (0..<40_000).map { "  - { match: { path: /\($0)/* }, respond: { status: 200, body: other } }" }
        try directory.write("tables/more.yaml", "routes:\n" + routes.joined(separator: "\n"))
        router.signal(SIGHUP)
        #expect(try router.admin("/live").status == 200)
        #expect(ends(router), "\(router.command.errorsSoFar)")
    }

    @Test func `check says of a table that is no file what it is`() throws {
        let directory = try TemporaryDirectory()
        for path in [try directory.pipe("table.yaml"), "/dev/zero"] {
            let result = try Command("check", path).finish()
            #expect(result.status == 1)
            let kind = path.hasSuffix(".yaml") ? "a pipe" : "a device"
            #expect(result.errors.contains("\(path): \(kind); expected a regular file"), "\(result.errors)")
        }
    }

    @Test func `a start with few open files says how many it keeps`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        let router = try RouterUnderTest(directory, table: "tables", settings: Self.settings, openFiles: 60)
        let line = try #require(
            router.command.errorsSoFar.firstMatch(
                of: /open files: at most (\d+), (\d+) of them kept, so at most (\d+) clients at once/))
        let numbers = [line.1, line.2, line.3].compactMap { Int($0) }
        #expect(numbers[0] == 60)
        // Each client may have a connection to an endpoint.
        #expect(numbers[1] + 2 * numbers[2] <= numbers[0], "\(numbers)")
    }
}
