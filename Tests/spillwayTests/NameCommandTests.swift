import Backends
import Foundation
import Synchronization
import Testing

/// The built command, before name servers that fail.
struct NameCommandTests {
    /// What a name server is to do, as a test goes on.
    private final class Names: Sendable {
        let addresses = Mutex<[String: [UInt8]]>([:])
        let silent = Mutex<Set<String>>([])

        func server() throws -> NameServer {
            try NameServer { question in
                if self.silent.withLock({ $0.contains(question.name) || $0.contains("*") }) { return .silence }
                guard let address = self.addresses.withLock({ $0[question.name] }) else { return .code(3) }
                return .addresses(question.isFour ? [address] : [])
            }
        }
    }

    private func table(_ backend: Backend, more: String = "") -> String {
        """
        listeners: { web: { bind: 127.0.0.1:0 } }
        regions: { home: {} }
        services:
          plain: { endpoints: { home: ["127.0.0.1:\(backend.port)"] } }
          named: { endpoints: { home: ["app.test:\(backend.port)"] }, resolve_every: 1s }
          other: { endpoints: { home: ["other.test:\(backend.port)"] }, resolve_every: 1s }
        routes:
          - { match: { path: /named }, to: named }
          - { match: { path: /other }, to: other }
        \(more)  - { to: plain }
        """
    }

    private func start(_ directory: TemporaryDirectory, _ server: NameServer) throws -> RouterUnderTest {
        let file = try directory.write(
            "names/resolv.conf", "nameserver [127.0.0.1]:\(server.port)\noptions timeout:1\n")
        return try RouterUnderTest(directory, table: "table", settings: ["--resolv-conf", file])
    }

    @Test func `a silent name server delays neither a start, nor a reload, nor what an earlier run knew`() throws {
        let directory = try TemporaryDirectory()
        let backend = try Backend()
        let names = Names()
        let server = try names.server()
        names.addresses.withLock { $0 = ["app.test": [127, 0, 0, 1], "other.test": [127, 0, 0, 1]] }
        try directory.write("table/table.yaml", table(backend))
        do {
            let router = try start(directory, server)
            #expect(eventually { (try? router.get("/named").text) == "ok" })
            #expect(eventually { FileManager.default.fileExists(atPath: directory.path + "/state/names.json") })
        }
        names.silent.withLock { $0 = ["*"] }
        let began = ContinuousClock.now
        let router = try start(directory, server)
        #expect(try router.get("/").text == "ok")
        #expect(try router.get("/named").text == "ok", "the address that is remembered")
        #expect(ContinuousClock.now - began < .seconds(8))
        let edited = ContinuousClock.now
        try directory.write(
            "table/table.yaml",
            table(backend, more: "  - { match: { path: /new }, respond: { status: 200, body: new } }\n"))
        router.signal(SIGHUP)
        #expect(eventually { (try? router.get("/new").text) == "new" })
        #expect(ContinuousClock.now - edited < .seconds(8))
        #expect(eventually { router.metric("spillway_dns_failures_total{name=\"app.test\"}") ?? 0 >= 1 })
        #expect(router.metric("spillway_dns_addresses{name=\"app.test\"}") == 1)
        #expect(eventually { router.command.errorsSoFar.contains("app.test could not be resolved") })
        #expect(eventually { (try? router.admin("/ready").status) == 200 })
        // It answers again, something else.
        names.addresses.withLock { $0["app.test"] = [127, 0, 0, 2] }
        names.silent.withLock { $0 = [] }
        #expect(eventually { router.command.errorsSoFar.contains("app.test is 127.0.0.2") })
    }

    @Test func `a name with a final dot is absolute, and Host has it without`() throws {
        let directory = try TemporaryDirectory()
        let backend = try Backend()
        let server = try NameServer { question in
            switch question.name {
            case "api.example.test": .addresses(question.isFour ? [[127, 0, 0, 1]] : [])
            // A wildcard of a domain that is searched.
            case let name where name.hasSuffix(".wild.test"): .addresses(question.isFour ? [[127, 0, 0, 2]] : [])
            default: .code(3)
            }
        }
        try directory.write(
            "table/table.yaml",
            """
            listeners: { web: { bind: 127.0.0.1:0 } }
            regions: { home: {} }
            services: { api: { endpoints: { home: ["api.example.test.:\(backend.port)"] }, host: endpoint } }
            routes: [ { to: api } ]
            """)
        let file = try directory.write(
            "names/resolv.conf",
            "nameserver [127.0.0.1]:\(server.port)\nsearch wild.test\noptions timeout:1 ndots:5\n")
        let router = try RouterUnderTest(directory, table: "table", settings: ["--resolv-conf", file])
        #expect(eventually { (try? router.get("/").text) == "ok" })
        #expect(Set(server.asked.map(\.name)) == ["api.example.test"])
        let head = try #require(backend.requests.first)
        #expect(head["host"] == "api.example.test:\(backend.port)")
    }

    @Test func `a reload that replaces an address by a name loses no request meanwhile, and obeys once it has failed`()
        throws
    {
        let directory = try TemporaryDirectory()
        let backend = try Backend()
        let names = Names()
        let server = try names.server()
        names.silent.withLock { $0 = ["*"] }
        func table(_ endpoint: String) -> String {
            """
            listeners: { web: { bind: 127.0.0.1:0 } }
            regions: { home: {} }
            services: { plain: { endpoints: { home: ["\(endpoint):\(backend.port)"] }, resolve_every: 1s } }
            routes: [ { to: plain } ]
            """
        }
        try directory.write("table/table.yaml", table("127.0.0.1"))
        let router = try start(directory, server)
        #expect(try router.get("/").text == "ok")
        try directory.write("table/table.yaml", table("app.test"))
        router.signal(SIGHUP)
        #expect(eventually { router.command.errorsSoFar.contains("reload (") })
        for _ in 0..<20 { #expect(try router.get("/").text == "ok") }
        // There is no such name: the table is obeyed.
        names.silent.withLock { $0 = [] }
        #expect(eventually { (try? router.get("/"))?["x-spillway-error"] == "no-endpoint" })
        names.addresses.withLock { $0["app.test"] = [127, 0, 0, 1] }
        #expect(eventually { (try? router.get("/").text) == "ok" })
    }

    @Test func `a region that is given by a name is not left because that is resolved after the start`() throws {
        let directory = try TemporaryDirectory()
        let (near, far) = (try Backend(), try Backend())
        let names = Names()
        let server = try names.server()
        names.addresses.withLock { $0 = ["app.test": [127, 0, 0, 1]] }
        names.silent.withLock { $0 = ["*"] }
        try directory.write(
            "table/table.yaml",
            """
            listeners: { web: { bind: 127.0.0.1:0 } }
            regions: { near: {}, far: {} }
            services:
              shop:
                prefer: [near, far]
                endpoints: { near: ["app.test:\(near.port)"], far: ["127.0.0.1:\(far.port)"] }
            routes: [ { to: shop } ]
            """)
        let router = try start(directory, server)
        #expect(try router.get("/").text == "ok", "the other region has it as long as there is no address")
        names.silent.withLock { $0 = [] }
        #expect(eventually { router.command.errorsSoFar.contains("app.test is 127.0.0.1\n") })
        #expect(eventually { (try? router.get("/")) != nil && !near.requests.isEmpty })
        let before = far.requests.count
        for _ in 0..<20 { #expect(try router.get("/").text == "ok") }
        #expect(far.requests.count == before)
    }

    @Test func `IPv6 addresses that lead nowhere cost no request, and their region nothing`() throws {
        let directory = try TemporaryDirectory()
        let (near, far) = (try Backend(), try Backend())
        // Documentation addresses (RFC 3849): without a route, or into the void.
        let nowhere = (1...3 as ClosedRange<UInt8>).map {
            [0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 0, count: 11) + [$0]
        }
        let server = try NameServer { .addresses($0.isFour ? [[127, 0, 0, 1]] : nowhere) }
        try directory.write(
            "table/table.yaml",
            """
            listeners: { web: { bind: 127.0.0.1:0 } }
            regions: { near: {}, far: {} }
            services:
              shop:
                prefer: [near, far]
                endpoints: { near: ["app.test:\(near.port)"], far: ["127.0.0.1:\(far.port)"] }
                timeouts: { connect: 100ms }
                probe: { tcp: true, every: 100ms }
            routes: [ { to: shop } ]
            """)
        let router = try start(directory, server)
        #expect(eventually { (try? router.admin("/ready").status) == 200 })
        for _ in 0..<200 { #expect(try router.get("/").text == "ok") }
        // Probes have had their say meanwhile.
        let probes =
            "spillway_probes_total{service=\"shop\",region=\"far\",endpoint=\"127.0.0.1:\(far.port)\",result=\"passed\"}"
        let first = router.metric(probes) ?? 0
        #expect(eventually { router.metric(probes) ?? 0 > first + 10 })
        for _ in 0..<100 { #expect(try router.get("/").text == "ok") }
        #expect(!router.command.errorsSoFar.contains("near: at most"), "\(router.command.errorsSoFar)")
    }

    @Test func `a name that is not answered delays no other`() throws {
        let directory = try TemporaryDirectory()
        let backend = try Backend()
        let names = Names()
        let server = try names.server()
        names.addresses.withLock { $0 = ["app.test": [127, 0, 0, 1], "other.test": [127, 0, 0, 1]] }
        names.silent.withLock { $0 = ["other.test"] }
        try directory.write("table/table.yaml", table(backend))
        let router = try start(directory, server)
        #expect(eventually { (try? router.get("/named").text) == "ok" })
        #expect(try router.get("/other")["x-spillway-error"] == "no-endpoint")
        // The question for the other one is out all the time.
        for turn in 2...4 as ClosedRange<UInt8> {
            let began = ContinuousClock.now
            names.addresses.withLock { $0["app.test"] = [127, 0, 0, turn] }
            #expect(eventually { router.command.errorsSoFar.contains("app.test is 127.0.0.\(turn)\n") })
            #expect(ContinuousClock.now - began < .seconds(8))
        }
    }
}
