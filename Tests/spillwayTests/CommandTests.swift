import Backends
import Foundation
import Testing

/// The built command, as a person or a supervisor uses it.
struct CommandTests {
    static let table = """
        listeners: { web: { bind: 127.0.0.1:0 } }
        regions: { east: {}, west: {} }
        services:
          shop: { probe: none, endpoints: { east: [127.0.0.1:1], west: [127.0.0.1:2] } }
        routes:
          - { match: { path: /hello }, respond: { status: 200, body: "version one" } }
          - { to: shop }
        """

    @Test func `check is silent about a good table, and names every mistake of a bad one`() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("table.yaml", Self.table)
        let good = try Command("check", directory.path).finish()
        #expect(good.status == 0)
        #expect(good.errors.isEmpty)
        try directory.write(
            "table.yaml", Self.table.replacing("to: shop", with: "to: shpo").replacing("east: {}", with: "eats: {}"))
        let bad = try Command("check", directory.path).finish()
        #expect(bad.status == 1)
        #expect(bad.errors.contains("\(file):7:11: "), "\(bad.errors)")
        #expect(bad.errors.contains("did you mean \"shop\"?"), "\(bad.errors)")
        #expect(bad.errors.contains("did you mean \"eats\"?"), "\(bad.errors)")
    }

    @Test func `check warns of what is hardly meant, and fails for it only when it is to be strict`() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("table.yaml", Self.table + "\n  - { match: { path: / }, to: shop }\n")
        let warned = try Command("check", directory.path).finish()
        #expect(warned.status == 0)
        #expect(warned.errors.hasPrefix("warning: \(file):8:5: routes[2]: never matches: "), "\(warned.errors)")
        #expect(warned.output.hasSuffix("3 routes; 1 warning\n"), "\(warned.output)")
        #expect(try Command("check", "--strict", directory.path).finish().status == 1)
        try directory.write("table.yaml", Self.table)
        #expect(try Command("check", "--strict", directory.path).finish().status == 0)
    }

    @Test func `check reads certificates, unless told not to`() throws {
        let directory = try TemporaryDirectory()
        let good = try TestAuthority.shared.issue("checked", names: ["DNS:a.test"])
        let other = try TestAuthority.shared.issue("not-checked", names: ["DNS:b.test"])
        func table(key: String) -> String {
            let pair = "{ certificate: \(good.certificate), key: \(key) }"
            return Self.table.replacing("127.0.0.1:0 }", with: "127.0.0.1:0, tls: { certificates: \(pair) } }")
        }
        try directory.write("table.yaml", table(key: good.key))
        #expect(try Command("check", directory.path).finish().status == 0)
        try directory.write("table.yaml", table(key: other.key))
        let bad = try Command("check", directory.path).finish()
        #expect(bad.status == 1)
        #expect(bad.errors.contains(other.key), "\(bad.errors)")
        #expect(try Command("check", "--without-certificates", directory.path).finish().status == 0)
    }

    @Test func `what show prints is a table, and the same one`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", Self.table)
        let first = try Command("show", directory.path).finish()
        #expect(first.status == 0)
        try directory.write("table.yaml", first.output)
        #expect(try Command("show", directory.path).finish().output == first.output)
    }

    @Test func `schema is JSON that knows a table's keys`() throws {
        let schema = try Command("schema").finish()
        let object = try #require(JSONSerialization.jsonObject(with: Data(schema.output.utf8)) as? [String: Any])
        let properties = try #require(object["properties"] as? [String: Any])
        #expect(Set(properties.keys) == ["listeners", "regions", "services", "routes", "cascade", "defaults"])
    }

    @Test func `a router serves, reloads, refuses what is wrong, and drains`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", Self.table)
        let router = try RouterUnderTest(directory)
        #expect(try router.get("/hello").text == "version one")
        #expect(try router.get("/other")["x-spillway-error"] == "connect-failed")
        #expect(try router.admin("/ready").status == 200)
        #expect(try router.admin("/live").status == 200)

        try directory.write("table.yaml", Self.table.replacing("version one", with: "version two"))
        router.signal(SIGHUP)
        #expect(eventually { (try? router.get("/hello").text) == "version two" })
        try directory.write("table.yaml", "listeners: [")
        #expect(eventually { router.metric("spillway_reloads_total{outcome=\"refused\"}") ?? 0 >= 1 })
        #expect(try router.get("/hello").text == "version two")

        let kept = try RawConnection(port: router.port)
        kept.send("GET /hello HTTP/1.1\r\nhost: a.example\r\n\r\n")
        #expect(kept.readMessage()?.status == 200)
        router.signal(SIGTERM)
        #expect(kept.readEnd() == .closed)
        #expect(router.command.finish().status == 0)
    }

    @Test func `a probe asks for its endpoint by the name that the table has for it`() throws {
        let directory = try TemporaryDirectory()
        let (byName, byIP) = (try Backend(), try Backend())
        let called = try Backend(connections: { backend, connection in
            // Preface and SETTINGS, then HEADERS, whose fields are written out.
            let head = connection.read(24 + 15 + 9)
            let fields = connection.read(head.count == 48 ? Int(head[40]) << 8 | Int(head[41]) : 0)
            let asked = String(decoding: fields, as: UTF8.self).contains("localhost:\(backend.port)")
            _ = connection.send([0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88])
            let health: UInt8 = asked ? 1 : 2
            _ = connection.send([0, 0, 7, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 2, 8, health])
            _ = connection.readEnd()
        })
        try directory.write(
            "table.yaml",
            """
            listeners: { web: { bind: 127.0.0.1:0 } }
            regions: { home: {} }
            services:
              name: { endpoints: { home: ["LocalHost:\(byName.port)"] }, probe: { http: /up, every: 50ms } }
              other: { endpoints: { home: ["127.0.0.1:\(byName.port)"] }, probe: { http: /port, port: \(byIP.port), every: 50ms } }
              grpc:
                protocol: http2
                endpoints: { home: ["localhost:\(called.port)"] }
                probe: { grpc: "", every: 50ms }
            routes: [ { to: name } ]
            """)
        let router = try RouterUnderTest(directory)
        #expect(eventually { !byName.requests.isEmpty && !byIP.requests.isEmpty })
        #expect(byName.requests.first?["host"]?.lowercased() == "localhost:\(byName.port)")
        #expect(byIP.requests.first?["host"] == "127.0.0.1:\(byIP.port)")
        #expect(
            eventually {
                router.metric(
                    "spillway_probes_total{service=\"grpc\",region=\"home\",endpoint=\"127.0.0.1:\(called.port)\",result=\"passed\"}"
                ) ?? 0 >= 1
            })
    }

    @Test func `status shows regions, shares and the latest decision, in a terminal and as JSON`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", Self.table)
        let router = try RouterUnderTest(directory)
        // Nothing listens in either region: enough requests to notice.
        for _ in 0..<30 { _ = try router.get("/") }
        #expect(eventually { router.metric("spillway_service_fails_open{service=\"shop\"}") == 1 })
        let page = try Command("status", "--admin", router.adminAddress).finish()
        #expect(page.status == 0)
        #expect(page.output.contains("listener web on 127.0.0.1:\(router.port)"), "\(page.output)")
        #expect(page.output.contains("consecutive-failures"), "\(page.output)")
        let json = try Command("status", "--json", "--admin", router.adminAddress).finish()
        let object = try #require(JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
        let regions = try #require(object["regions"] as? [[String: Any]])
        #expect(regions.map { $0["name"] as? String } == ["east", "west"])
        #expect(regions.allSatisfy { $0["state"] as? String == "serving" })
        #expect((object["decisions"] as? [Any])?.isEmpty == false)
    }

    @Test func `status of no router says where it looked`() throws {
        let port = try Backend.refusing().port
        let result = try Command("status", "--admin", "127.0.0.1:\(port)").finish()
        #expect(result.status == 1)
        #expect(result.errors.contains("no router answers on 127.0.0.1:\(port)"), "\(result.errors)")
    }

    @Test func `the last good table is served, loudly, when the given one has mistakes`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", Self.table)
        do { _ = try RouterUnderTest(directory) }
        try directory.write("table.yaml", "routes: 5")
        let router = try RouterUnderTest(directory)
        #expect(try router.get("/hello").text == "version one")
        #expect(router.metric("spillway_table_last_good") == 1)
        #expect(router.command.errorsSoFar.contains("SERVING THE LAST GOOD TABLE"))
        try directory.write("table.yaml", Self.table.replacing("version one", with: "version three"))
        #expect(eventually { (try? router.get("/hello").text) == "version three" })
        #expect(eventually { router.metric("spillway_table_last_good") == 0 })
    }

    @Test func `a router that was killed in the midst of a failover goes on with the same split, and replays it`()
        throws
    {
        let west = try Backend()
        let directory = try TemporaryDirectory()
        try directory.write(
            "table.yaml", Self.table.replacing("127.0.0.1:2]", with: "127.0.0.1:\(west.port)]"))
        let gone = "spillway_split_ratio{service=\"shop\",region=\"east\"}"
        do {
            let router = try RouterUnderTest(directory)
            #expect(eventually { (try? router.get("/").status) == 200 && router.metric(gone) == 0 })
            router.signal(SIGKILL)
            _ = router.command.finish()
        }
        let router = try RouterUnderTest(directory)
        #expect(router.metric(gone) == 0)
        #expect(router.command.errorsSoFar.contains("goes on from evidence-"))
        router.signal(SIGTERM)
        _ = router.command.finish()
        let replay = try Command("replay", directory.path + "/state").finish()
        #expect(replay.status == 0, "\(replay.output)\(replay.errors)")
        #expect(replay.output.contains(" 0 different"))
        try directory.write("state/decisions.jsonl", "")
        #expect(try Command("replay", directory.path + "/state").finish().status == 1, "a journal that says otherwise")
    }

    @Test func `without any table there is nothing to serve, and the mistakes are told`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", "routes: 5")
        let result = try Command("run", directory.path, "--admin", "127.0.0.1:0", "--state", directory.path + "/state")
            .finish()
        #expect(result.status == 1)
        #expect(result.errors.contains("table.yaml:1:9: "), "\(result.errors)")
    }

    @Test func `an admin address in use is told before a connection is taken`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", Self.table)
        let router = try RouterUnderTest(directory)
        let second = try Command(
            "run", directory.path, "--admin", router.adminAddress, "--state", directory.path + "/other"
        ).finish()
        #expect(second.status == 1)
        #expect(second.errors.contains("the admin address \(router.adminAddress) cannot be listened on"))
        #expect(!second.errors.contains("listener web"))
    }

    @Test func `access logs that were moved away are opened anew on SIGHUP`() throws {
        let directory = try TemporaryDirectory()
        let log = directory.path + "/access.log"
        try directory.write(
            "tables/table.yaml",
            Self.table.replacing("127.0.0.1:0", with: "127.0.0.1:0, access_log: { path: \(log) }"))
        let router = try RouterUnderTest(directory, table: "tables")
        _ = try router.get("/hello?earlier")
        #expect(eventually { directory.read("access.log").contains("earlier") })
        try FileManager.default.moveItem(atPath: log, toPath: log + ".1")
        router.signal(SIGHUP)
        #expect(eventually { FileManager.default.fileExists(atPath: log) })
        _ = try router.get("/hello?later")
        #expect(eventually { directory.read("access.log").contains("later") })
        #expect(!directory.read("access.log.1").contains("later"))
    }

    @Test func `every metric is documented, and nothing else`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", Self.table)
        let router = try RouterUnderTest(directory)
        let served = Set(
            try router.admin("/metrics").text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }.map {
                String($0.split(separator: " ")[2])
            })
        let page = try String(
            contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("../../docs/metrics.md"), encoding: .utf8)
        let documented = Set(page.matches(of: /\| `((?:spillway|process)_[a-z_]+)/).map { String($0.1) })
        #expect(documented.subtracting(served) == [])
        #expect(served.subtracting(documented) == [])
    }
}
