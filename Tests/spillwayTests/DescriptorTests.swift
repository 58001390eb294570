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
}
