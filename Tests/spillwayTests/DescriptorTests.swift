import Backends
import Foundation
import Testing

/// A router with few descriptors: clients wait, and nothing that lacks one is held against an endpoint.
struct DescriptorTests {
    @Test func `out of descriptors clients wait, endpoints stay as they are, and the log says why`() throws {
        let directory = try TemporaryDirectory()
        let backend = try Backend()
        try directory.write(
            "tables/table.yaml",
            """
            listeners: { web: { bind: 127.0.0.1:0 } }
            regions: { one: {}, two: {} }
            services:
              s:
                prefer: [one, two]
                endpoints: { one: [127.0.0.1:\(backend.port)], two: [127.0.0.1:\(backend.port)] }
            routes: [{ to: s }]
            """)
        let router = try RouterUnderTest(directory, table: "tables", openFiles: 192)
        let limit = try #require(router.metric("spillway_client_connections_limit"))
        #expect(limit > 0 && limit < 96)
        // More than there is room for, in one worker's queue or in both.
        let resting = try (0..<Int(limit) + 8).map { _ in try RawConnection(port: router.port) }
        for client in resting { client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n") }
        #expect(eventually { router.command.errorsSoFar.contains("as many clients are connected as") })
        let waiting = try (0..<20).map { _ in try RawConnection(port: router.port) }
        for client in waiting { client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n") }
        #expect(try router.admin("/ready").status == 200)
        resting.forEach { $0.close() }
        for client in waiting { #expect(client.readMessage()?.status == 200) }
        for outcome in ["connect-failed", "reset", "connect-timeout", "unreachable"] {
            for region in ["one", "two"] {
                let labels = "service=\"s\",region=\"\(region)\",endpoint=\"127.0.0.1:\(backend.port)\""
                let sample = "spillway_endpoint_outcomes_total{\(labels),outcome=\"\(outcome)\"}"
                #expect((router.metric(sample) ?? 0) == 0, "\(outcome)")
            }
        }
        #expect(!router.command.errorsSoFar.contains("notice decision"))
    }

    private static let limit = 192

    /// Who takes as many connections as he gets.
    enum Taker: CaseIterable {
        case clients, admin, probes
    }

    /// Libraries open a file now and then, and some end the process when they cannot.
    @Test(arguments: Taker.allCases)
    func `nobody uses up the descriptors that the process itself needs`(_ taker: Taker) throws {
        // Probes wait here for answers that never come.
        let backend = try Backend(taker == .probes ? Backend.hangs : Backend.ok)
        let directory = try TemporaryDirectory()
        let port = try RouterUnderTest.freePort()
        let probe = taker == .probes ? "{ http: /, every: 1s, timeout: 900ms }" : "none"
        let services = (0..<(taker == .probes ? 200 : 1)).map {
            "  s\($0): { endpoints: { east: [\"127.0.0.1:\(backend.port)\"] }, probe: \(probe) }\n"
        }
        try directory.write(
            "table.yaml",
            """
            listeners: { web: { bind: "127.0.0.1:\(port)" } }
            regions: { east: {} }
            services:
            \(services.joined())routes: [ { match: { path: /own }, respond: { status: 200, body: own } }, { to: s0 } ]
            """)
        let router = try RouterUnderTest(directory, port: port, openFiles: Self.limit)
        #expect(router.metric("process_max_fds") == Double(Self.limit))
        // One that is served all the while, and far more than there are descriptors for.
        let served = try RawConnection(port: port)
        let taking = taker == .clients ? port : router.adminPort
        let takers = taker == .probes ? [] : try (0..<Self.limit).map { _ in try RawConnection(port: taking) }
        var most = 0
        for _ in 0..<100 {
            pause(milliseconds: 10)
            most = max(most, router.command.openDescriptors)
        }
        #expect(most > 0 && most <= Self.limit - 10, "of \(Self.limit)")
        served.send("GET /own HTTP/1.1\r\nhost: a.example\r\n\r\n")
        #expect(served.readMessage()?.text == "own")
        // Files can still be opened: the table's, for one.
        router.signal(SIGHUP)
        #expect(eventually { router.command.errorsSoFar.contains("reload (SIGHUP): ") })
        for taker in takers { taker.close() }
        #expect(eventually { (try? router.admin("/ready").status) == 200 })
    }

    @Test func `too few descriptors to begin with are told in a sentence`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", CommandTests.table)
        let result = try Command(
            ["run", directory.path, "--admin", "127.0.0.1:0", "--workers", "2", "--state", directory.path + "/state"],
            openFiles: 20
        ).finish()
        #expect(result.status == 1)
        #expect(result.errors.contains("only 20 files may be open, and a router of 2 workers needs at least 48"))
    }

    @Test func `what the kernel says of the process is among the metrics, under the usual names`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", CommandTests.table)
        let router = try RouterUnderTest(directory)
        let connections = try (0..<10).map { _ in try RawConnection(port: router.port) }
        // It accepts them by and by.
        #expect(
            eventually {
                let told = router.metric("process_open_fds") ?? 0
                return abs(told - Double(router.command.openDescriptors)) <= 5 && told > 20
            })
        let start = try #require(router.metric("process_start_time_seconds"))
        #expect((0...60).contains(Date.now.timeIntervalSince1970 - start))
        #expect(router.metric("process_cpu_seconds_total") ?? 0 > 0)
        let resident = try #require(router.metric("process_resident_memory_bytes"))
        let mapped = try #require(router.metric("process_virtual_memory_bytes"))
        #expect(resident > 1_000_000 && resident < mapped)
        #expect(router.metric("process_threads") ?? 0 > 5)
        for connection in connections { connection.close() }
    }
}
