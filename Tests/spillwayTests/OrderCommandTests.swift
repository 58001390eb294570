import Backends
import Foundation
import Testing

/// Orders, as an operator gives them to a router that runs.
struct OrderCommandTests {
    private static func share(_ region: String) -> String {
        "spillway_split_ratio{service=\"shop\",region=\"\(region)\"}"
    }

    private func order(_ router: RouterUnderTest, _ arguments: String...) throws -> Command.Result {
        try Command(arguments + ["--admin", router.adminAddress]).finish()
    }

    @Test func `a drained region has no traffic, says why, ends, and the last one is refused with figures`() throws {
        let (east, west) = (try Backend(), try Backend())
        let directory = try TemporaryDirectory()
        try directory.write(
            "table.yaml",
            CommandTests.table.replacing("127.0.0.1:1]", with: "127.0.0.1:\(east.port)]")
                .replacing("127.0.0.1:2]", with: "127.0.0.1:\(west.port)]"))
        let router = try RouterUnderTest(directory)
        #expect(eventually { router.metric(Self.share("east")) == 1 })

        let drained = try order(router, "drain", "region", "east", "--for", "30m", "--why", "new kernel")
        #expect(drained.status == 0, "\(drained.errors)")
        #expect(router.metric(Self.share("east")) == 0)
        let before = east.requests.count
        for _ in 0..<10 { #expect(try router.get("/").status == 200) }
        #expect(east.requests.count == before)
        let left = router.metric("spillway_override_seconds_left{subject=\"east\",kind=\"drain\"}")
        #expect(left.map { (1_700...1_800).contains($0) } ?? false)
        let status = try order(router, "status")
        #expect(status.output.contains("ordered: drain of east until "), "\(status.output)")
        #expect(status.output.contains("new kernel"))

        let refused = try order(router, "drain", "region", "west")
        #expect(refused.status == 1)
        #expect(refused.errors.contains("shop would have nowhere to go"), "\(refused.errors)")
        #expect(try order(router, "drain", "region", "eats").errors.contains("there are east, west"))
        #expect(try order(router, "drain", "region", "west", "--for", "73h").status != 0)
        #expect(try order(router, "drain", "regio", "west").status != 0)
        #expect(router.metric(Self.share("west")) == 1)

        #expect(try order(router, "undrain", "region", "east").status == 0)
        #expect(eventually { router.metric(Self.share("east")).map { $0 > 0 } ?? false })
        #expect(router.metric("spillway_decisions_total{rule=\"order-ended\"}") == 1)
    }

    @Test func `an order outlives the router that was given it, and is taken as JSON alone`() throws {
        let (east, west) = (try Backend(), try Backend())
        let directory = try TemporaryDirectory()
        try directory.write(
            "table.yaml",
            CommandTests.table.replacing("127.0.0.1:1]", with: "127.0.0.1:\(east.port)]")
                .replacing("127.0.0.1:2]", with: "127.0.0.1:\(west.port)]"))
        do {
            let router = try RouterUnderTest(directory)
            #expect(try order(router, "weight", "region", "east", "--percent", "30").status == 0)
            #expect(router.metric(Self.share("east")) == 0.3)
            router.signal(SIGKILL)
            _ = router.command.finish()
        }
        let router = try RouterUnderTest(directory)
        #expect(router.metric(Self.share("east")) == 0.3)
        let port = try #require(UInt16(router.adminAddress.split(separator: ":")[1]))
        let long = try order(router, "freeze", "--why", String(repeating: "y", count: 100_000))
        #expect(long.errors.contains("refused: an order has at most 65536 bytes, and each text"), "\(long.errors)")
        for (type, body, status) in [
            ("text/plain", #"{"order": "freeze"}"#, 400), ("application/json", "freeze", 400),
            ("application/json", #"{"order": "thaw", "region": "east"}"#, 400),
            ("application/json", #"{"order": "drain", "region": "east", "seconds": -1}"#, 400),
            ("application/json", #"{"order": "undrain", "region": "west"}"#, 409),
            ("application/json", #"{"order": "freeze", "seconds": 60, "why": "a test"}"#, 200),
            ("application/json", #"{"order": "freeze", "why": "\#(String(repeating: "y", count: 70_000))"}"#, 413),
        ] {
            let connection = try RawConnection(port: port)
            connection.send(
                "POST /api/v1/orders HTTP/1.1\r\nhost: localhost\r\ncontent-type: \(type)\r\n"
                    + "content-length: \(body.utf8.count)\r\nconnection: close\r\n\r\n\(body)")
            #expect(connection.readMessage()?.status == status, "\(body.prefix(100))")
        }
    }
}
