/// The parts a `RouteMatcher` is made of: plain numbers that refer to each other by index; -1 is none.
struct CompiledRoutes: ~Copyable, Sendable {
    /// All names the rest refers to, end to end.
    var arena: [UInt8] = []
    /// Hosts, path segments and header values.
    var names = NameIndex([], arena: [])
    /// Routes without a listener condition, then those of each listener.
    var realms: [Realm] = []
    var hosts: [HostRoutes] = []
    var nodes: [PathNode] = []
    var patterns: [PatternRoutes] = []
    /// Path patterns, and the arrays they lie in.
    var automata: [PatternAutomaton] = []
    var patternWords: [UInt64] = []
    var patternClasses: [UInt8] = []
    var groups: [RouteGroup] = []
    var headerKeys: [HeaderKey] = []
    var candidates: [Candidate] = []
    var methods: [ArenaRange] = []
    var conditions: [HeaderCondition] = []
    /// Names of protocols (ALPN).
    var protocols: [ArenaRange] = []
}

/// The routes of one listener, or those for all.
struct Realm: Sendable {
    var isUsed = false
    /// Owners, in the index of names, of this realm's exact and wildcard hosts.
    var exactHosts: Int32
    var wildcardHosts: Int32
    /// Bytes of the longest exact host and of the longest name after `*.`; 0: there is none.
    var hostLimit: Int32 = 0
    var wildcardLimit: Int32 = 0
    /// Routes without a host condition.
    var anyHost: Int32 = -1
}

/// The routes of one host condition, by path.
struct HostRoutes: Sendable {
    /// The root of the tree of path segments.
    var root: Int32 = -1
    var firstPattern: Int32 = 0
    var patternCount: Int32 = 0
    /// The group without a path condition.
    var anyPath: Int32 = -1
}

/// A place in the tree of path segments: the segments from the root to here, each after a `/`.
struct PathNode: Sendable {
    var parent: Int32
    var hasChildren = false
    /// Groups of the path that ends here, of the prefix that ends here, and of that prefix with a `/` after it.
    var exact: Int32 = -1
    var prefix: Int32 = -1
    var prefixWithSlash: Int32 = -1
}

struct PatternRoutes: Sendable {
    var pattern: Int32
    var group: Int32
}

/// Routes with the same host and path conditions: candidates in order of rank, and more of them by header value.
struct RouteGroup: Sendable {
    var first: Int32
    var count: Int32
    var firstHeaderKey: Int32 = 0
    var headerKeyCount: Int32 = 0
}

/// A header by whose value routes of a group are looked up.
struct HeaderKey: Sendable {
    var name: ArenaRange
    /// Owner, in the index of names, of the values; they lead to groups of their own.
    var owner: Int32
}

/// A route that fits when its method and header conditions hold.
struct Candidate: Sendable {
    /// Index into `Table.routes`.
    var route: Int32
    /// Its place in the order of specificity among all routes.
    var rank: Int32
    var firstMethod: Int32
    var methodCount: Int32
    var firstCondition: Int32
    var conditionCount: Int32
    var firstProtocol: Int32
    var protocolCount: Int32

    var isUnconditional: Bool { methodCount | conditionCount | protocolCount == 0 }
}

struct HeaderCondition: Sendable {
    var name: ArenaRange
    var value: ArenaRange
    var hasValue: Bool
}
