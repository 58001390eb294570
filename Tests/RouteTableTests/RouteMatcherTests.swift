import Testing

@testable import RouteTable

@Suite("The route matcher")
struct RouteMatcherTests {
    /// A route to service 0 with these conditions.
    static func route(
        listener: Int? = nil, host: HostMatch? = nil, path: PathMatch? = nil, methods: [String] = [],
        headers: [HeaderMatch] = []
    ) -> Route {
        Route(
            match: Match(listener: listener, host: host, path: path, methods: methods, headers: headers),
            action: .forward([Destination(service: 0)]))
    }

    static func table(_ routes: [Route], listeners: Int = 2) -> Table {
        Table(
            listeners: (0..<listeners).map {
                Listener(name: "l\($0)", bind: .ip(address: "127.0.0.1", port: UInt16(8_000 + $0)))
            },
            services: [Service(name: "web", cells: [])], routes: routes)
    }

    static let shop: [Route] = [
        route(),
        route(host: .exact("shop.example.com")),
        route(host: .exact("shop.example.com"), path: .prefix("/checkout")),
        route(host: .exact("shop.example.com"), path: .prefix("/checkout/")),
        route(host: .exact("shop.example.com"), path: .exact("/checkout/done")),
        route(host: .exact("shop.example.com"), path: .prefix("/checkout/done/well")),
        route(host: .wildcard("example.com"), path: .prefix("/api")),
        route(host: .wildcard("eu.example.com")),
        route(path: .regex("/v[0-9]+/.*")),
        route(path: .prefix("/v1/special")),
        route(path: .prefix("/m"), methods: ["GET", "HEAD"]),
        route(path: .prefix("/m"), methods: ["POST"], headers: [HeaderMatch(name: "x-canary", value: "1")]),
        route(path: .prefix("/m")),
        route(host: .exact("deep.example.com"), path: .prefix("/a"), methods: ["DELETE"]),
        route(listener: 1, path: .prefix("/m")),
        route(path: .prefix("/h"), headers: [HeaderMatch(name: "x-any")]),
        route(path: .prefix("/h"), headers: [HeaderMatch(name: "x-any", value: "yes")]),
        route(host: .exact("root.example.com"), path: .prefix("/")),
        route(host: .exact("root.example.com"), path: .regex("/[a-z]*")),
        route(path: .exact("/")),
        route(path: .prefix("//x/")),
    ]

    @Test(
        "takes the most specific route that fits",
        arguments: [
            ("", "/nothing", 0),
            ("other.org", "/nothing", 0),
            ("shop.example.com", "/", 1),
            ("SHOP.Example.COM", "/", 1),
            ("shop.example.com.", "/x", 1),
            ("shop.example.com", "/checkout", 2),
            ("shop.example.com", "/checkout/", 3),
            ("shop.example.com", "/checkout/x", 3),
            ("shop.example.com", "/checkouts", 1),
            ("shop.example.com", "/Checkout", 1),
            ("shop.example.com", "/checkout/done", 4),
            ("shop.example.com", "/checkout/done/", 3),
            ("shop.example.com", "/checkout/done/well", 5),
            ("shop.example.com", "/checkout/done/well/x", 5),
            ("shop.example.com", "/checkout/done/welly", 3),
            ("shop.example.com", "/api", 1),
            ("a.example.com", "/api", 6),
            ("a.b.example.com", "/api/x", 6),
            ("a.b.example.com", "/apix", 0),
            ("example.com", "/api", 0),
            (".example.com", "/api", 0),
            ("a.eu.example.com", "/api", 7),
            ("eu.example.com", "/api", 6),
            ("xeu.example.com", "/api", 6),
            ("", "/v2/x", 8),
            ("", "/v1/special/x", 9),
            ("", "/m", 10),
            ("deep.example.com", "/a", 0),
            ("root.example.com", "/abc", 18),
            ("root.example.com", "/ABC", 17),
            ("root.example.com", "*", 17),
            ("", "*", 0),
            ("", "/", 19),
            ("", "", 0),
            ("", "//x/y", 20),
            ("", "//x", 0),
            (".", "/", 19),
        ] as [(String, String, Int)])
    func mostSpecific(host: String, path: String, expected: Int) {
        let matcher = RouteMatcher(Self.table(Self.shop))
        #expect(matcher.match(Request(host: host, path: path)) == expected)
    }

    @Test(
        "goes on to the next route when the conditions of a more specific one do not hold",
        arguments: [
            (Request(path: "/m", method: "GET"), 10),
            (Request(path: "/m", method: "get"), 12),
            (Request(path: "/m", method: "POST"), 12),
            (Request(path: "/m", method: "POST", fields: [("x-canary", "1")]), 11),
            (Request(path: "/m", method: "POST", fields: [("x-canary", "2")]), 12),
            (Request(path: "/m", method: "POST", fields: [("x-canary", "2"), ("x-canary", "1")]), 11),
            (Request(path: "/m", method: "GET", fields: [("x-canary", "1")]), 10),
            (Request(listener: 1, path: "/m", method: "PUT"), 14),
            (Request(listener: 1, path: "/m", method: "GET"), 10),
            (Request(path: "/h"), 0),
            (Request(path: "/h", fields: [("x-any", "")]), 15),
            (Request(path: "/h", fields: [("x-any", "yes")]), 15),
            (Request(host: "deep.example.com", path: "/m/a", method: "DELETE"), 12),
            (Request(host: "deep.example.com", path: "/a/b", method: "DELETE"), 13),
        ] as [(Request, Int)])
    func fallsBack(request: Request, expected: Int) {
        let matcher = RouteMatcher(Self.table(Self.shop))
        #expect(matcher.match(request) == expected)
    }

    @Test("finds nothing in a table without routes")
    func empty() {
        #expect(RouteMatcher(Table()).match(Request(host: "a", path: "/")) == nil)
        let other = Self.table([Self.route(listener: 1)])
        #expect(RouteMatcher(other).match(Request(listener: 0)) == nil)
        #expect(RouteMatcher(other).match(Request(listener: 1)) == 0)
    }

    @Test(
        "finds a tunnel's route among those that name its listener, by server name and protocols",
        arguments: [
            (0, "a.example", ["h2"], nil),
            (1, "", [], 1), (1, "other", ["h2"], 1), (1, "A.example.", [], 2), (1, "b.a.example", ["x"], 3),
            (1, "a.example", ["http/1.1", "h2"], 4), (1, "a.example", ["h3"], 4), (1, "a.example", ["H2"], 2),
            (2, "", [], nil), (2, "", ["acme-tls/1"], 5),
        ] as [(Int, String, [String], Int?)])
    func tunnels(listener: Int, name: String, offered: [String], expected: Int?) {
        var routes = [
            Self.route(), Self.route(listener: 1), Self.route(listener: 1, host: .exact("a.example")),
            Self.route(listener: 1, host: .wildcard("a.example")),
            Self.route(listener: 1, host: .exact("a.example")), Self.route(listener: 2),
        ]
        routes[4].match.alpn = ["h2", "h3"]
        routes[5].match.alpn = ["acme-tls/1"]
        let matcher = RouteMatcher(Self.table(routes, listeners: 3))
        let bytes = Array(name.utf8)
        let span = bytes.span
        let found = matcher.matchTunnel(listener: listener, serverName: unsafe span.bytes) { _, matches in
            offered.contains { name in
                let bytes = Array(name.utf8)
                let span = bytes.span
                return matches(unsafe span.bytes)
            }
        }
        #expect(found == expected)
    }

    @Test("looks a thousand routes up by the value of a header")
    func headerValues() {
        var routes = (0..<1_000).map {
            Self.route(path: .prefix("/t"), headers: [HeaderMatch(name: "x-tenant", value: "t\($0)")])
        }
        routes.append(Self.route(path: .prefix("/t")))
        routes.append(
            Self.route(
                path: .prefix("/t"), methods: ["PUT"], headers: [HeaderMatch(name: "x-tenant", value: "t7")]))
        let matcher = RouteMatcher(Self.table(routes))
        #expect(matcher.match(Request(path: "/t/x", fields: [("X-Tenant", "t512")])) == 512)
        #expect(matcher.match(Request(path: "/t/x", fields: [("x-tenant", "t1000")])) == 1_000)
        #expect(matcher.match(Request(path: "/t/x")) == 1_000)
        #expect(matcher.match(Request(path: "/t", method: "PUT", fields: [("x-tenant", "t7")])) == 1_001)
        #expect(matcher.match(Request(path: "/t", fields: [("x-tenant", "t9"), ("x-tenant", "t3")])) == 3)
        var asked = 0
        _ = matcher.match(Request(path: "/t", fields: [("x-tenant", "t999")])) { asked += 1 }
        #expect(asked <= 3)
    }

    @Test("asks for fields only when a route that fits has conditions on them")
    func asksLittle() {
        let matcher = RouteMatcher(Self.table(Self.shop))
        var asked = 0
        _ = matcher.match(Request(host: "shop.example.com", path: "/checkout", fields: [("x-any", "1")])) { asked += 1 }
        #expect(asked == 0)
    }

    @Test("lowers capitals and nothing else", arguments: UInt8.min...UInt8.max)
    func lowersCapitals(byte: UInt8) {
        let word = UInt64(byte) * 0x0101_0101_0101_0101
        let expected = (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
        #expect(ByteHash.lowercased(word) == UInt64(expected) * 0x0101_0101_0101_0101)
    }
}

/// A request as the matcher sees it.
struct Request: Sendable, CustomStringConvertible {
    var listener = 0
    var host = ""
    var path = "/"
    var method = "GET"
    var fields: [(name: String, value: String)] = []

    var description: String { "\(listener) \(method) \(host) \(path) \(fields)" }
}

extension RouteMatcher {
    func match(_ request: Request, onAsked: () -> Void = {}) -> Int? {
        let host = Array(request.host.utf8), path = Array(request.path.utf8), method = Array(request.method.utf8)
        let hostSpan = host.span, pathSpan = path.span, methodSpan = method.span
        return match(
            listener: request.listener, host: unsafe hostSpan.bytes, path: unsafe pathSpan.bytes,
            method: unsafe methodSpan.bytes
        ) { name, matches in
            onAsked()
            let wanted = String(name)
            for field in request.fields where field.name.lowercased() == wanted {
                let value = Array(field.value.utf8)
                let span = value.span
                if matches(unsafe span.bytes) { return true }
            }
            return false
        }
    }
}

extension String {
    init(_ bytes: RawSpan) {
        self = String(
            decoding: bytes.byteOffsets.map { unsafe bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) },
            as: UTF8.self)
    }
}
