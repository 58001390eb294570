import Backends
import Foundation
import Testing

/// The host that endpoints are told, by requests, by probes and by TLS.
struct HostCommandTests {
    private static func table(_ backend: Backend, _ service: String, endpoint: String = "") -> String {
        """
        listeners: { web: { bind: 127.0.0.1:0 } }
        regions: { east: {} }
        services:
          shop:
            endpoints: { east: [ { address: 127.0.0.1:\(backend.port)\(endpoint) } ] }
            probe: { http: /probe, every: 100ms, every_used: 100ms }
            \(service)
        routes: [ { to: shop } ]
        """
    }

    private static func hosts(_ backend: Backend, _ path: String) -> Set<String> {
        Set(backend.requests.filter { $0.target == path }.map { $0["host"] ?? "none" })
    }

    @Test func `a name is told to endpoints by requests and probes, and another one after a reload`() throws {
        let backend = try Backend()
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", Self.table(backend, "host: bucket.example"))
        let router = try RouterUnderTest(directory, table: "tables")
        #expect(try router.get("/asked").status == 200)
        #expect(eventually { !Self.hosts(backend, "/probe").isEmpty })
        #expect(Self.hosts(backend, "/asked") == ["bucket.example"])
        #expect(Self.hosts(backend, "/probe") == ["bucket.example"])
        try directory.write("tables/table.yaml", Self.table(backend, "", endpoint: ", host: endpoint"))
        router.signal(SIGHUP)
        let own = "127.0.0.1:\(backend.port)"
        #expect(eventually { (try? router.get("/later").status) == 200 && Self.hosts(backend, "/later").contains(own) })
        #expect(eventually { Self.hosts(backend, "/probe").contains(own) })
    }

    @Test func `a name is the one that TLS asks for`() throws {
        let files = try TestAuthority.shared.issue("told-host", names: ["DNS:bucket.example"])
        let backend = try Backend(tls: makeServer([files]))
        let directory = try TemporaryDirectory()
        func write(_ host: String) throws {
            let tls = "tls: { ca: \(TestAuthority.shared.certificate) }"
            try directory.write("tables/table.yaml", Self.table(backend, "host: \(host)\n    \(tls)"))
        }
        // As the client said it: the endpoint is called by its address, which the certificate has not.
        try write("keep")
        let router = try RouterUnderTest(directory, table: "tables")
        #expect(try router.get("/").status == 502)
        try write("bucket.example:8443")
        router.signal(SIGHUP)
        #expect(eventually { (try? router.get("/").status) == 200 })
        #expect(Self.hosts(backend, "/") == ["bucket.example:8443"])
        #expect(eventually { Self.hosts(backend, "/probe") == ["bucket.example:8443"] })
    }
}
