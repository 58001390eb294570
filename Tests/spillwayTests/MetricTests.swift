import Backends
import Foundation
import Testing

/// What the metrics page tells, and what it leaves out.
struct MetricTests {
    /// Answers with the status that is the path's last part; `broken` breaks off within an answer.
    private static let backend: Backend.Script = { request, connection in
        if request.target.hasSuffix("broken") {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
            return false
        }
        let status = request.target.split(separator: "/").last.flatMap { Int($0) } ?? 200
        connection.send("HTTP/1.1 \(status) Whatever\r\ncontent-length: 0\r\n\r\n")
        return true
    }

    private static func table(_ ports: UInt16...) -> String {
        let endpoints = ports.map { "\"127.0.0.1:\($0)\"" }.joined(separator: ", ")
        return """
            listeners: { web: { bind: 127.0.0.1:0 } }
            regions: { one: {} }
            services:
              shop: { probe: none, retry: { attempts: 0 }, endpoints: { one: [\(endpoints)] } }
            routes:
              - { match: { path: /shop, method: [GET, POST] }, to: shop }
              - { match: { path: /own, header: { x-odd: 'a "quote" and a \\' } }, respond: { status: 204 } }
              - { match: { path: /ill }, respond: { status: 503 } }
              - { match: { path: /never }, to: shop }

            """
    }

    /// Lines of the page that are not comments and have this in them.
    private static func lines(_ router: RouterUnderTest, _ part: String) throws -> [String] {
        try router.admin("/metrics").text.split(separator: "\n").map(String.init).filter {
            !$0.hasPrefix("#") && $0.contains(part)
        }
    }

    @Test func `answers are counted by status and requests by route, and what never occurred is not there`() throws {
        let directory = try TemporaryDirectory()
        let backend = try Backend(Self.backend)
        try directory.write("table.yaml", Self.table(backend.port))
        let router = try RouterUnderTest(directory)
        #expect(try Self.lines(router, "spillway_route_").isEmpty)
        #expect(try Self.lines(router, "spillway_service_responses_total").isEmpty)
        for path in ["/shop", "/shop", "/shop/404", "/shop/418", "/shop/500", "/ill", "/elsewhere"] {
            _ = try router.get(path)
        }
        _ = try? router.get("/shop/broken")
        _ = try RouterUnderTest.ask(router.port, "/own", host: "a", ["x-odd: a \"quote\" and a \\"])
        let codes = "spillway_service_responses_total{service=\"shop\",code="
        #expect(eventually { router.metric(codes + "\"200\"}") == 3 })
        #expect(
            try Self.lines(router, "spillway_service_responses_total") == [
                codes + "\"200\"} 3", codes + "\"404\"} 1", codes + "\"418\"} 1", codes + "\"500\"} 1",
            ])
        let shop = "{route=\"path /shop, method GET or POST\"}"
        let own = "{route=\"path /own, header x-odd: a \\\"quote\\\" and a \\\\\"}"
        let ill = "{route=\"path /ill\"}"
        // The one with 500 and the one that broke off.
        #expect(eventually { router.metric("spillway_route_failures_total" + shop) == 2 })
        #expect(
            try Self.lines(router, "spillway_route_") == [
                "spillway_route_requests_total\(shop) 6", "spillway_route_requests_total\(own) 1",
                "spillway_route_requests_total\(ill) 1", "spillway_route_failures_total\(shop) 2",
                "spillway_route_failures_total\(own) 0", "spillway_route_failures_total\(ill) 1",
            ])
        // A route goes on counting as long as it matches the same.
        try directory.write("table.yaml", Self.table(backend.port).replacing("path: /ill", with: "path: /sick"))
        router.signal(SIGHUP)
        #expect(eventually { (try? router.get("/sick").status) == 503 })
        #expect(try Self.lines(router, "path /ill").isEmpty)
        #expect(router.metric("spillway_route_requests_total" + shop) == 6)
        #expect(router.metric("spillway_route_failures_total{route=\"path /sick\"}") ?? 0 >= 1)
    }

    @Test func `answers of the router's own count by status, too`() throws {
        let directory = try TemporaryDirectory()
        let hanging = try Backend(Backend.hangs)
        try directory.write(
            "table.yaml",
            Self.table(hanging.port).replacing("probe: none", with: "probe: none, limits: { requests: 1 }"))
        let router = try RouterUnderTest(directory, settings: ["--workers", "1"])
        let waiting = try RawConnection(port: router.port)
        waiting.send("GET /shop HTTP/1.1\r\nhost: a\r\n\r\n")
        #expect(eventually { !hanging.requests.isEmpty })
        #expect(try router.get("/shop")["x-spillway-error"] == "overflow")
        #expect(router.metric("spillway_service_responses_total{service=\"shop\",code=\"503\"}") == 1)
        #expect(router.metric("spillway_service_failures_total{service=\"shop\"}") == 1)
        #expect(router.metric("spillway_service_requests_in_flight{service=\"shop\"}") == 1)
    }

    @Test func `an endpoint that nobody has asked has two lines, and what it has had once it keeps`() throws {
        let directory = try TemporaryDirectory()
        let backend = try Backend(Self.backend)
        try directory.write("table.yaml", Self.table(backend.port))
        let router = try RouterUnderTest(directory)
        let labels = "{service=\"shop\",region=\"one\",endpoint=\"127.0.0.1:\(backend.port)\""
        let one = "endpoint=\"127.0.0.1:\(backend.port)\""
        #expect(
            try Self.lines(router, one) == [
                "spillway_endpoint_attempts_total\(labels)} 0", "spillway_endpoint_state\(labels),state=\"healthy\"} 1",
            ])
        _ = try router.get("/shop")
        #expect(eventually { router.metric("spillway_endpoint_outcomes_total\(labels),outcome=\"success\"}") == 1 })
        // The connection rests, and is closed by and by: that there is none then is told.
        #expect(router.metric("spillway_endpoint_open_connections\(labels)}") == 1)
        #expect(router.metric("spillway_endpoint_requests_in_flight\(labels)}") == 0)
        backend.connections.forEach { $0.close() }
        #expect(eventually { router.metric("spillway_endpoint_open_connections\(labels)}") == 0 })
        #expect(try Self.lines(router, one).count == 6)
    }

    @Test func `what is refused now can be seen, until it is mended`() throws {
        let directory = try TemporaryDirectory()
        let authority = try TestAuthority.shared.issue("refused", names: ["DNS:a.test"])
        let key = try String(contentsOfFile: authority.key, encoding: .utf8)
        try directory.write("own.key", key)
        let pair = "{ certificate: \(authority.certificate), key: \(directory.path)/own.key }"
        func table(_ more: String) -> String {
            """
            listeners:
              web: { bind: 127.0.0.1:0 }
              secure: { bind: 127.0.0.1:0, tls: { certificates: \(pair) } }
            regions: {}
            services: {}
            routes: [ { respond: { status: 200 } } ]
            \(more)

            """
        }
        try directory.write("tables/table.yaml", table(""))
        let router = try RouterUnderTest(directory, table: "tables")
        func refused() -> [Double?] {
            [router.metric("spillway_table_refused"), router.metric("spillway_certificates_refused")]
        }
        #expect(refused() == [0, 0])
        try directory.write("own.key", "nothing")
        router.signal(SIGHUP)
        #expect(eventually { refused() == [0, 1] })
        try directory.write("own.key", key)
        router.signal(SIGHUP)
        #expect(eventually { refused() == [0, 0] })
        try directory.write("tables/table.yaml", table("more: 1"))
        router.signal(SIGHUP)
        #expect(eventually { refused() == [1, 0] })
        try directory.write("tables/table.yaml", table(""))
        router.signal(SIGHUP)
        #expect(eventually { refused() == [0, 0] })
    }
}
