/// Makes a matcher's tables from routes, which it takes from the most specific to the least.
struct RouteCompiler: ~Copyable {
    /// Routes that share host and path are tried one by one up to this many; beyond, those with a header value are
    /// looked up by it.
    static let linearLimit = 8

    private let table: Table
    private var result = CompiledRoutes()
    private var entries: [NameIndex.Entry] = []
    private var interned: [String: ArenaRange] = [:]
    /// Owners of names: a node, by its number, owns its children's segments; all others count down from -1.
    private var nextOwner: Int32 = -1

    private var hostNumbers: [HostKey: Int] = [:]
    private var nodeNumbers: [NodeKey: Int32] = [:]
    private var groupNumbers: [GroupKey: Int] = [:]
    private var patternNumbers: [String: Int32] = [:]
    /// Routes of each group, the most specific first.
    private var members: [[Int32]] = []
    /// Patterns of each host, in order.
    private var hostPatterns: [[PatternRoutes]] = []
    private var ranks: [Int32] = []

    private struct HostKey: Hashable {
        let realm: Int
        let host: HostMatch?
    }

    private struct NodeKey: Hashable {
        let parent: Int32
        let segment: String
    }

    private struct GroupKey: Hashable {
        let host: Int
        let path: PathMatch?
    }

    init(_ table: Table) {
        self.table = table
    }

    consuming func compile() -> CompiledRoutes {
        for _ in 0...table.listeners.count {
            result.realms.append(Realm(exactHosts: newOwner(), wildcardHosts: newOwner()))
        }
        let order = RouteOrder(table).mostSpecificFirst
        ranks = [Int32](repeating: 0, count: order.count)
        for (rank, route) in order.enumerated() { ranks[route] = Int32(rank) }
        for route in order { add(route) }
        for host in result.hosts.indices {
            result.hosts[host].firstPattern = Int32(result.patterns.count)
            result.hosts[host].patternCount = Int32(hostPatterns[host].count)
            result.patterns += hostPatterns[host]
        }
        // Buckets by header value become groups after these.
        for group in members.indices { lay(members[group], asGroup: group) }
        result.names = NameIndex(entries, arena: result.arena)
        return result
    }

    private mutating func newOwner() -> Int32 {
        defer { nextOwner -= 1 }
        return nextOwner
    }

    private mutating func intern(_ text: String) -> ArenaRange {
        if let known = interned[text] { return known }
        let range = ArenaRange(start: Int32(result.arena.count), count: Int32(text.utf8.count))
        result.arena += text.utf8
        interned[text] = range
        return range
    }

    private mutating func add(_ route: Int) {
        let match = table.routes[route].match
        let realm = match.listener.map { $0 + 1 } ?? 0
        result.realms[realm].isUsed = true
        let host = host(HostKey(realm: realm, host: match.host))
        // The prefix `/` fits every path and is as good as none.
        let path = match.path == .prefix("/") ? nil : match.path
        let key = GroupKey(host: host, path: path)
        if let group = groupNumbers[key] {
            members[group].append(Int32(route))
            return
        }
        let group = Int32(members.count)
        groupNumbers[key] = members.count
        members.append([Int32(route)])
        result.groups.append(RouteGroup(first: 0, count: 0))
        switch path {
        case nil: result.hosts[host].anyPath = group
        case .exact(let text): result.nodes[Int(node(text, of: host))].exact = group
        case .prefix(let text):
            if text.hasSuffix("/") {
                result.nodes[Int(node(String(text.dropLast()), of: host))].prefixWithSlash = group
            } else {
                result.nodes[Int(node(text, of: host))].prefix = group
            }
        case .regex(let text): hostPatterns[host].append(PatternRoutes(pattern: pattern(text, of: route), group: group))
        }
    }

    private mutating func host(_ key: HostKey) -> Int {
        if let known = hostNumbers[key] { return known }
        let number = result.hosts.count
        hostNumbers[key] = number
        result.hosts.append(HostRoutes())
        hostPatterns.append([])
        switch key.host {
        case nil: result.realms[key.realm].anyHost = Int32(number)
        case .exact(let name):
            let range = intern(name)
            let owner = result.realms[key.realm].exactHosts
            entries.append(NameIndex.Entry(owner: owner, name: range, value: Int32(number)))
            result.realms[key.realm].hostLimit = max(result.realms[key.realm].hostLimit, range.count)
        case .wildcard(let name):
            let range = intern(name)
            let owner = result.realms[key.realm].wildcardHosts
            entries.append(NameIndex.Entry(owner: owner, name: range, value: Int32(number)))
            result.realms[key.realm].wildcardLimit = max(result.realms[key.realm].wildcardLimit, range.count)
        }
        return number
    }

    /// The place of a path in the tree of a host, made if it is new.
    private mutating func node(_ path: String, of host: Int) -> Int32 {
        precondition(path.utf8.first == UInt8(ascii: "/"), "a path of a checked table begins with /")
        if result.hosts[host].root < 0 {
            result.hosts[host].root = Int32(result.nodes.count)
            result.nodes.append(PathNode(parent: -1))
        }
        var node = result.hosts[host].root
        for segment in path.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            node = child(String(decoding: segment, as: UTF8.self), of: node)
        }
        return node
    }

    private mutating func child(_ segment: String, of parent: Int32) -> Int32 {
        let key = NodeKey(parent: parent, segment: segment)
        if let known = nodeNumbers[key] { return known }
        let node = Int32(result.nodes.count)
        nodeNumbers[key] = node
        result.nodes.append(PathNode(parent: parent))
        result.nodes[Int(parent)].hasChildren = true
        entries.append(NameIndex.Entry(owner: parent, name: intern(segment), value: node))
        return node
    }

    private mutating func pattern(_ text: String, of route: Int) -> Int32 {
        if let known = patternNumbers[text] { return known }
        let number = Int32(result.automata.count)
        do {
            let pattern = try PathPattern(text)
            result.automata.append(
                pattern.append(toWords: &result.patternWords, classes: &result.patternClasses))
        } catch {
            preconditionFailure("routes[\(route)]: the pattern of a checked table is malformed: \(error.reason)")
        }
        patternNumbers[text] = number
        return number
    }

    /// Lays the routes of a group out as candidates.
    private mutating func lay(_ routes: [Int32], asGroup group: Int) {
        guard routes.count > Self.linearLimit else {
            appendCandidates(routes, asGroup: group)
            return
        }
        // By the first header with a value; names in order of appearance.
        var plain: [Int32] = []
        var headers: [String] = []
        var buckets: [String: [(value: String, routes: [Int32])]] = [:]
        var places: [HeaderMatch: Int] = [:]
        for route in routes {
            guard let header = table.routes[Int(route)].match.headers.first(where: { $0.value != nil }) else {
                plain.append(route)
                continue
            }
            if let place = places[header] {
                buckets[header.name]?[place].routes.append(route)
                continue
            }
            if buckets[header.name] == nil { headers.append(header.name) }
            places[header] = buckets[header.name]?.count ?? 0
            buckets[header.name, default: []].append((header.value ?? "", [route]))
        }
        appendCandidates(plain, asGroup: group)
        result.groups[group].firstHeaderKey = Int32(result.headerKeys.count)
        result.groups[group].headerKeyCount = Int32(headers.count)
        for header in headers {
            let owner = newOwner()
            result.headerKeys.append(HeaderKey(name: intern(header), owner: owner))
            for (value, routes) in buckets[header] ?? [] {
                let bucket = result.groups.count
                result.groups.append(RouteGroup(first: 0, count: 0))
                appendCandidates(routes, asGroup: bucket)
                entries.append(NameIndex.Entry(owner: owner, name: intern(value), value: Int32(bucket)))
            }
        }
    }

    private mutating func appendCandidates(_ routes: [Int32], asGroup group: Int) {
        result.groups[group].first = Int32(result.candidates.count)
        result.groups[group].count = Int32(routes.count)
        for route in routes {
            let match = table.routes[Int(route)].match
            result.candidates.append(
                Candidate(
                    route: route, rank: ranks[Int(route)], firstMethod: Int32(result.methods.count),
                    methodCount: Int32(match.methods.count), firstCondition: Int32(result.conditions.count),
                    conditionCount: Int32(match.headers.count), firstProtocol: Int32(result.protocols.count),
                    protocolCount: Int32(match.alpn.count)))
            for name in match.alpn { result.protocols.append(intern(name)) }
            for method in match.methods { result.methods.append(intern(method)) }
            for header in match.headers {
                result.conditions.append(
                    HeaderCondition(
                        name: intern(header.name), value: intern(header.value ?? ""), hasValue: header.value != nil))
            }
        }
    }
}
