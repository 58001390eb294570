import Testing

@testable import RouteTable

@Suite("A route that never matches")
struct RouteShadowsTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let routes: [Match]
        /// Route and the one before it, each.
        let shadows: [(Int, Int)]
    }

    private static func with(
        _ path: PathMatch?, host: HostMatch? = nil, listener: Int? = nil, methods: [String] = [],
        headers: [HeaderMatch] = []
    ) -> Match {
        Match(listener: listener, host: host, path: path, methods: methods, headers: headers)
    }

    static let cases: [Case] = [
        Case(testDescription: "two alike", routes: [with(.prefix("/a")), with(.prefix("/a"))], shadows: [(1, 0)]),
        Case(testDescription: "no path and the prefix /", routes: [with(nil), with(.prefix("/"))], shadows: [(1, 0)]),
        Case(
            testDescription: "a narrower one is looked at before", routes: [with(.prefix("/")), with(.prefix("/a"))],
            shadows: []),
        Case(
            testDescription: "as many conditions, wider ones first",
            routes: [
                with(nil, headers: [HeaderMatch(name: "x")]), with(nil, headers: [HeaderMatch(name: "x", value: "1")]),
                with(nil, methods: ["GET", "POST"]), with(nil, methods: ["GET"]), with(nil, methods: ["PUT"]),
            ], shadows: [(1, 0), (3, 2)]),
        Case(
            testDescription: "more conditions come first",
            routes: [with(nil), with(nil, methods: ["GET"]), with(nil, listener: 0)], shadows: []),
        Case(
            testDescription: "an expression below a prefix",
            routes: [
                with(.regex("/api/v[0-9]+/.*")), with(.prefix("/api")), with(.regex("/ap.*")), with(.regex("/api|/x")),
                with(.regex("/api(/x)?")),
            ], shadows: [(0, 1), (4, 1)]),
        Case(
            testDescription: "an expression that another says as well",
            routes: [with(.regex("/[ab]+")), with(.regex("/(a|b)*a")), with(.regex("/a*")), with(.regex("/[ab]+"))],
            shadows: [(1, 0), (3, 0)]),
        Case(
            testDescription: "nothing is left by an expression for every path",
            routes: [with(.regex(".*")), with(nil), with(.prefix("/")), with(.prefix("/a"))], shadows: [(1, 0), (2, 1)]),
        Case(
            testDescription: "other hosts, and other listeners",
            routes: [
                with(nil, host: .exact("a")), with(nil, host: .wildcard("a")), with(nil, host: .exact("a")),
                with(nil, host: .exact("b"), listener: 0), with(nil, host: .exact("b"), listener: 1),
            ], shadows: [(2, 0)]),
    ]

    private static func table(_ matches: [Match]) -> Table {
        RouteMatcherTests.table(
            matches.map { Route(match: $0, action: .respond(FixedResponse(status: 200))) }, listeners: 3)
    }

    @Test("is found with the one that takes its requests", arguments: cases)
    func isFound(example: Case) {
        let found = RouteShadows(Self.table(example.routes)).all
        #expect(found == example.shadows.map { RouteShadows.Shadow(route: $0.0, by: $0.1) })
    }

    @Test func `of requests is not hidden by a route of tunnels, nor the other way round`() {
        var table = Self.table([with(nil), with(nil, listener: 1), with(nil, listener: 1)])
        table.listeners[1].transport = .tlsPassthrough
        table.routes[1].match.alpn = ["h2", "http/1.1"]
        table.routes[2].match.alpn = ["h2"]
        #expect(RouteShadows(table).all == [RouteShadows.Shadow(route: 2, by: 1)])
    }

    private func with(_ path: PathMatch?, listener: Int? = nil) -> Match { Self.with(path, listener: listener) }

    @Test("is never matched by any request", arguments: Array(1...20) as [UInt64])
    func isNeverMatched(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var found = 0
        for _ in 0..<30 {
            let headerChance = random.pick([5, 40, 70])
            let table = Self.table(
                (0..<(2 + random.below(30))).map { _ in
                    RouteMatcherAgreementTests.match(&random, headerChance: headerChance)
                })
            let shadows = RouteShadows(table).all
            found += shadows.count
            let hidden = Set(shadows.map(\.route))
            let matcher = RouteMatcher(table)
            for _ in 0..<40 {
                let request = RouteMatcherAgreementTests.request(&random)
                guard let match = matcher.match(request), hidden.contains(match) else { continue }
                Issue.record("seed \(seed): \(table.routes[match].match) matches \(request)")
            }
        }
        #expect(found > 0)
    }

    @Test func `is found among thousands of one host`() {
        let routes = (0..<3_000).map { Self.with(.prefix("/\($0 % 2_990)"), methods: $0 % 2 == 0 ? ["GET"] : []) }
        #expect(RouteShadows(Self.table(routes)).all.count == 10)
    }
}
