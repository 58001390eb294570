import Testing

@testable import RouteTable

/// The documented order, written down once more as directly as it can be: every route is looked at, and of those that
/// fit the first by specificity is taken.
struct PlainMatcher {
    let table: Table
    let patterns: [PathPattern?]

    init(table: Table) {
        self.table = table
        patterns = table.routes.map { if case .regex(let text) = $0.match.path { try? PathPattern(text) } else { nil } }
    }

    func match(_ request: Request) -> Int? {
        var best: (key: [Int], route: Int)?
        for (number, route) in table.routes.enumerated() where fits(route.match, request, patterns[number]) {
            let key = key(route.match, number)
            if best == nil || key.lexicographicallyPrecedes(best?.key ?? []) { best = (key, number) }
        }
        return best?.route
    }

    private func host(_ request: Request) -> String {
        let host = request.host.lowercased()
        return host.hasSuffix(".") ? String(host.dropLast()) : host
    }

    private func fits(_ match: Match, _ request: Request, _ pattern: PathPattern?) -> Bool {
        if let listener = match.listener, listener != request.listener { return false }
        switch match.host {
        case nil: break
        case .exact(let name): if host(request) != name || name.isEmpty { return false }
        case .wildcard(let name):
            if !host(request).hasSuffix("." + name) || host(request).utf8.count < name.utf8.count + 2 { return false }
        }
        switch match.path {
        case nil, .prefix("/"): break
        case .exact(let path): if request.path != path { return false }
        case .prefix(let path):
            guard request.path.hasPrefix(path) else { return false }
            let rest = request.path.dropFirst(path.count)
            if !path.hasSuffix("/"), !rest.isEmpty, !rest.hasPrefix("/") { return false }
        case .regex: if pattern?.matches(request.path) != true { return false }
        }
        if !match.methods.isEmpty, !match.methods.contains(request.method) { return false }
        return match.headers.allSatisfy { header in
            request.fields.contains { $0.name == header.name && (header.value == nil || $0.value == header.value) }
        }
    }

    private func key(_ match: Match, _ number: Int) -> [Int] {
        let host =
            switch match.host {
            case .exact: [0, 0]
            case .wildcard(let name): [1, -name.count]
            case nil: [2, 0]
            }
        let path =
            switch match.path {
            case .exact: [0, 0]
            case .prefix("/"), nil: [3, 0]
            case .prefix(let path): [1, -path.count]
            case .regex:
                [2, table.routes.firstIndex { $0.match.path == match.path && $0.match.host == match.host } ?? 0]
            }
        let conditions = (match.listener == nil ? 0 : 1) + (match.methods.isEmpty ? 0 : 1) + match.headers.count
        return host + path + [-conditions, number]
    }
}

@Suite("The route matcher and the plain one")
struct RouteMatcherAgreementTests {
    static let hosts = ["a.com", "b.a.com", "c.b.a.com", "xa.com", "d.org", "long-name-of-a-host.b.a.com", ""]
    static let segments = ["", "a", "b", "ab", "checkout", "long-segment-name", "A"]
    static let patterns = ["/a.*", "/[ab]/.*", "/(a|b|checkout)(/.*)?", ".*", "/a/b"]

    static func path(_ random: inout SeededRandom) -> String {
        "/" + (0..<random.below(4)).map { _ in random.pick(segments) }.joined(separator: "/")
    }

    static func match(_ random: inout SeededRandom, headerChance: Int) -> Match {
        var match = Match()
        if random.chance(20) { match.listener = random.below(3) }
        if random.chance(60) {
            let host = random.pick(hosts.filter { !$0.isEmpty })
            match.host = random.chance(50) ? .exact(host) : .wildcard(host)
        }
        switch random.below(10) {
        case 0...1: break
        case 2...5: match.path = .prefix(path(&random))
        case 6...7: match.path = .exact(path(&random))
        default: match.path = .regex(random.pick(patterns))
        }
        if random.chance(30) {
            match.methods = random.pick([["GET"], ["POST"], ["GET", "HEAD"], ["DELETE", "POST", "PUT"]])
        }
        while random.chance(headerChance) {
            match.headers.append(
                HeaderMatch(
                    name: random.pick(["x-a", "x-b"]),
                    value: random.pick([nil, "1", "2", "3", "long value of a field"])))
        }
        return match
    }

    static func request(_ random: inout SeededRandom) -> Request {
        var request = Request(listener: random.below(3), host: random.pick(hosts), path: path(&random))
        if random.chance(20) { request.host = request.host.uppercased() }
        if random.chance(10) { request.host += "." }
        if random.chance(20) { request.host = "z." + request.host }
        if random.chance(3) { request.path = random.pick(["*", "", "x", "//", "/a//b"]) }
        request.method = random.pick(["GET", "POST", "HEAD", "PUT", "get"])
        while random.chance(50) {
            request.fields.append(
                (random.pick(["x-a", "x-b", "x-c"]), random.pick(["", "1", "2", "3", "long value of a field"])))
        }
        return request
    }

    @Test("agree on random tables and requests", arguments: Array(1...40) as [UInt64])
    func agree(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<50 {
            let headerChance = random.pick([5, 40, 70])
            let routes = (0..<(1 + random.below(random.pick([4, 20, 80])))).map { _ in
                Route(
                    match: Self.match(&random, headerChance: headerChance), action: .respond(FixedResponse(status: 200))
                )
            }
            let table = RouteMatcherTests.table(routes, listeners: 3)
            let matcher = RouteMatcher(table)
            let plain = PlainMatcher(table: table)
            for _ in 0..<20 {
                let request = Self.request(&random)
                let found = matcher.match(request)
                let expected = plain.match(request)
                if found != expected {
                    Issue.record(
                        """
                        seed \(seed): \(request): found \(String(describing: found)), expected \
                        \(String(describing: expected)): \(routes.map { table.text(of: $0.match) })
                        """)
                    return
                }
            }
        }
    }
}
