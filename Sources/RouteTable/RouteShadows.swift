/// Routes that can never match, because an earlier one in the order of `RouteOrder` matches everything they do.
package struct RouteShadows {
    /// A route and the one that takes all its requests, indices into `Table.routes`.
    package struct Shadow: Equatable, Sendable {
        package let route: Int
        package let by: Int
    }

    /// Pairs of routes that are compared; what else there may be is not looked for.
    private static let comparisonLimit = 1_000_000
    /// The same of regular expressions with what comes before them.
    private static let patternLimit = 2_000

    private let table: Table
    /// By the index of the route.
    package private(set) var all: [Shadow] = []
    private var comparisons = 0
    private var patternComparisons = 0
    private var patterns: [PathMatch: PathPattern?] = [:]

    /// Routes that share host and path.
    private struct Group: Hashable {
        let host: HostMatch?
        let path: PathMatch?
    }

    package init(_ table: Table) {
        self.table = table
        var sharing: [Group: [Int]] = [:]
        // Paths of each host that are looked at before regular expressions: prefixes, and expressions before them.
        var wide: [HostMatch?: [PathMatch]] = [:]
        for route in RouteOrder(table).mostSpecificFirst {
            let match = table.routes[route].match
            let group = Group(host: match.host, path: Self.normal(match.path))
            let other = firstCover(of: route, among: sharing[group] ?? []) ?? wideCover(of: route, group, wide, sharing)
            if let other { all.append(Shadow(route: route, by: other)) }
            if sharing[group] == nil, let path = group.path, path.isWide { wide[match.host, default: []].append(path) }
            sharing[group, default: []].append(route)
        }
        all.sort { $0.route < $1.route }
    }

    /// The prefix `/` fits every path and is as good as none.
    private static func normal(_ path: PathMatch?) -> PathMatch? { path == .prefix("/") ? nil : path }

    private mutating func firstCover(of route: Int, among others: [Int]) -> Int? {
        for other in others {
            comparisons += 1
            if comparisons > Self.comparisonLimit { return nil }
            if conditions(of: other, cover: route) { return other }
        }
        return nil
    }

    /// A prefix comes before every regular expression, and expressions come before what has no path.
    private mutating func wideCover(
        of route: Int, _ group: Group, _ wide: [HostMatch?: [PathMatch]], _ sharing: [Group: [Int]]
    ) -> Int? {
        switch group.path {
        case .regex, nil: break
        case .exact, .prefix: return nil
        }
        for path in wide[group.host] ?? [] where path != group.path {
            if group.path == nil, case .prefix = path { continue }
            guard let others = sharing[Group(host: group.host, path: path)],
                let other = firstCover(of: route, among: others)
            else { continue }
            patternComparisons += 1
            if patternComparisons > Self.patternLimit { return nil }
            guard let own = pattern(group.path ?? .regex(".*")), let outer = pattern(path) else { continue }
            if own.isWithin(outer) { return other }
        }
        return nil
    }

    private mutating func pattern(_ path: PathMatch) -> PathPattern? {
        if let known = patterns[path] { return known }
        let made: PathPattern? =
            switch path {
            case .regex(let text): try? PathPattern(text)
            case .prefix(let prefix): .below(prefix: prefix)
            case .exact: nil
            }
        patterns[path] = .some(made)
        return made
    }

    /// Whether every request of one route, paths and hosts aside, is one of the other's.
    private func conditions(of other: Int, cover route: Int) -> Bool {
        let (outer, inner) = (table.routes[other].match, table.routes[route].match)
        if let listener = outer.listener {
            if listener != inner.listener { return false }
        } else if let listener = inner.listener, table.listeners[listener].transport.isTunnel {
            return false
        }
        guard Self.covers(outer.methods, inner.methods), Self.covers(outer.alpn, inner.alpn) else { return false }
        return outer.headers.allSatisfy { wanted in
            inner.headers.contains { $0.name == wanted.name && (wanted.value == nil || wanted.value == $0.value) }
        }
    }

    /// Of lists of which one must fit; empty: anything does.
    private static func covers(_ outer: [String], _ inner: [String]) -> Bool {
        outer.isEmpty || !inner.isEmpty && inner.allSatisfy { outer.contains($0) }
    }
}

extension PathMatch {
    /// Not of one path alone.
    fileprivate var isWide: Bool { if case .exact = self { false } else { true } }
}
