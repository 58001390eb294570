/// What the operator asked for: listeners, regions, services and routes, checked and complete.
///
/// A `Table` is a plain value with every default filled in. It exists only if it has no mistakes: whatever
/// reads files (`RouteFiles`) reports every problem and makes no table at all. Names are unique within their
/// kind; everything refers to everything else by index into these arrays, which are sorted as the files
/// named them (listeners, regions, services) or by order of appearance (routes).
package struct Table: Sendable, Equatable {
    package var listeners: [Listener]
    package var regions: [Region]
    package var services: [Service]
    package var routes: [Route]
    package var cascade = CascadePolicy()

    package init(listeners: [Listener] = [], regions: [Region] = [], services: [Service] = [], routes: [Route] = []) {
        self.listeners = listeners
        self.regions = regions
        self.services = services
        self.routes = routes
    }
}

/// A place where clients connect.
package struct Listener: Sendable, Equatable {
    package var name: String
    package var bind: BindAddress
    /// Of a UNIX-domain socket.
    package var socketAccess = SocketAccess()
    package var transport: Transport
    /// Peers whose `X-Forwarded-*` and `Forwarded` fields are believed and appended to; those of others are replaced.
    package var trustedProxies: [AddressBlock]
    package var limits: ListenerLimits
    package var timeouts: ListenerTimeouts
    /// Absent: no access log.
    package var accessLog: AccessLog?
    /// Absent: what is spoken is not encrypted.
    package var tls: ListenerTLS?
    /// Requests are answered with where they are served encrypted, and nothing else is.
    package var redirectsToHTTPS = false

    /// Every connection of `trustedProxies` begins with a PROXY protocol header, which says who the client is.
    package var readsProxyHeader = false

    /// What is spoken on a listener.
    package enum Transport: String, Sendable, Equatable, CaseIterable {
        case http
        /// Bytes, passed on as they come.
        case tcp
        /// TLS that is passed on as it comes, routed by what the ClientHello says in the clear.
        case tlsPassthrough = "tls_passthrough"

        /// Connections are passed on as bytes, without being understood.
        package var isTunnel: Bool { self != .http }
    }

    package init(
        name: String, bind: BindAddress, transport: Transport = .http, trustedProxies: [AddressBlock] = [],
        limits: ListenerLimits = ListenerLimits(), timeouts: ListenerTimeouts = ListenerTimeouts(),
        accessLog: AccessLog? = nil
    ) {
        self.name = name
        self.bind = bind
        self.transport = transport
        self.trustedProxies = trustedProxies
        self.limits = limits
        self.timeouts = timeouts
        self.accessLog = accessLog
    }
}

/// By what a listener is the same one in two tables: where it listens. Several may ask the system for a free port, and these
/// are told apart by their names.
package struct ListenerIdentity: Sendable, Hashable {
    private let bind: BindAddress
    private let name: String?

    init(_ listener: Listener) {
        bind = listener.bind
        name = if case .ip(_, port: 0) = listener.bind { listener.name } else { nil }
    }
}

extension Listener {
    package var identity: ListenerIdentity { ListenerIdentity(self) }
}

/// Where a listener listens.
package enum BindAddress: Sendable, Hashable {
    /// A numeric IPv4 or IPv6 address (without brackets) and a port; port 0 asks the system for a free one.
    case ip(address: String, port: UInt16)
    /// The path of a UNIX-domain stream socket.
    case unix(path: String)
}

/// Who may connect to a UNIX-domain socket: the mode and owner of its file. What is absent is as the system makes it.
package struct SocketAccess: Sendable, Hashable {
    /// Permission bits, up to 0o777.
    package var mode: Int?
    /// A user's name or number.
    package var owner: String?
    /// A group's name or number.
    package var group: String?

    package init(mode: Int? = nil, owner: String? = nil, group: String? = nil) {
        self.mode = mode
        self.owner = owner
        self.group = group
    }

    /// `0660`.
    package var modeText: String? {
        mode.map { "0" + String(repeating: "0", count: max(0, 3 - String($0, radix: 8).count)) + String($0, radix: 8) }
    }
}

/// A range of addresses in CIDR form: the first `prefixBits` bits of `bytes` (4 or 16 of them).
package struct AddressBlock: Sendable, Hashable {
    package var bytes: [UInt8]
    package var prefixBits: Int

    package init(bytes: [UInt8], prefixBits: Int) {
        self.bytes = bytes
        self.prefixBits = prefixBits
    }

    /// IPv4 addresses that were written as IPv6 ones (RFC 4291, 2.5.5.2), as themselves: a peer's address is known as IPv4.
    package var unmapped: AddressBlock {
        guard bytes.count == 16, prefixBits >= 96, bytes[..<10].allSatisfy({ $0 == 0 }),
            bytes[10] == 0xff, bytes[11] == 0xff
        else { return self }
        return AddressBlock(bytes: Array(bytes[12...]), prefixBits: prefixBits - 96)
    }
}

/// What a listener accepts of one client, at most.
package struct ListenerLimits: Sendable, Equatable {
    /// Bytes of a request head, request line and fields together; more is answered 431.
    package var headBytes: Int = 32_768
    /// Bytes of a request target; more is answered 414.
    package var targetBytes: Int = 16_384
    /// Field lines in a request head; more is answered 431.
    package var headerCount: Int = 200
    /// Bytes of a request body; more is answered 413. Absent: no limit.
    package var bodyBytes: Int?
    /// Client connections open at once on this listener, all workers together; further ones wait in the backlog.
    package var connections: Int = 65_536

    package init() {}
}

/// How long a listener waits for a client.
package struct ListenerTimeouts: Sendable, Equatable {
    /// From the first byte of a request (or from accept) to the end of its head; then 408.
    package var head: Duration = .seconds(10)
    /// Between requests on a kept-alive connection.
    package var idle: Duration = .seconds(60)
    /// Without progress while a body is sent by, or an answer to, the client.
    package var body: Duration = .seconds(30)
    /// Without a byte either way on a connection that is passed on as it comes. An hour as with Envoy, and as HAProxy's
    /// `timeout tunnel` is set in its own examples: such connections rest on purpose.
    package var tunnel: Duration = .seconds(3_600)
    /// For a whole TLS handshake.
    package var handshake: Duration = .seconds(10)

    package init() {}
}

/// The access log of a listener.
package struct AccessLog: Sendable, Equatable {
    package enum Format: String, Sendable, Equatable, CaseIterable { case json, text }
    package var format: Format
    /// A file to append to; `-` is standard output.
    package var path: String

    package init(format: Format = .json, path: String = "-") {
        self.format = format
        self.path = path
    }
}

/// A failure domain: a place where services run, and that fails as a whole.
package struct Region: Sendable, Equatable {
    package var name: String
    /// Requests per second the region can take in all services together. Absent: unknown.
    package var capacity: Int?
    /// How much of the capacity is used as long as there is room elsewhere, in ten-thousandths.
    package var target: Int

    package init(name: String, capacity: Int? = nil, target: Int = 8_000) {
        self.name = name
        self.capacity = capacity
        self.target = target
    }
}

/// Something requests are sent to, present in one or more regions.
package struct Service: Sendable, Equatable {
    package var name: String
    /// Regions in order of preference (indices into `Table.regions`), each with the service's endpoints there.
    package var cells: [Cell]
    /// Absent: no active probes; requests alone tell.
    package var probe: Probe?
    /// What its endpoints are spoken to in.
    package var `protocol`: Protocol
    package var balance: Balance
    package var timeouts: ServiceTimeouts
    package var retry: RetryPolicy
    package var limits: ServiceLimits
    package var importance: Importance
    /// Services this one calls in the same region (indices into `Table.services`).
    package var needs: [Int]
    /// Whether it leaves a region that is impaired as a whole although it still looks well there.
    package var moves: Moves
    package var mode: FailoverMode
    package var failover: FailoverPolicy
    /// How often endpoint names are resolved again. Absent: by the answer's TTL.
    package var resolveEvery: Duration?
    /// Which of the addresses that names of endpoints stand for are used.
    package var addressFamilies = AddressFamilies.any
    /// The header by which endpoints are told who the client is, before everything else. Absent: none.
    package var proxyHeader: ProxyHeaderVersion?
    package var onFailover = OnFailover.keep
    /// What its endpoints are told in Host.
    package var toldHost = ToldHost.keep

    package enum `Protocol`: String, Sendable, Equatable, CaseIterable {
        case http1
        /// Without TLS with prior knowledge.
        case http2
    }
    /// Absent: endpoints are spoken to without encryption.
    package var tls: ServiceTLS?

    package init(
        name: String, cells: [Cell], probe: Probe? = nil, protocol: Protocol = .http1,
        balance: Balance = .leastRequests,
        timeouts: ServiceTimeouts = ServiceTimeouts(), retry: RetryPolicy = RetryPolicy(),
        limits: ServiceLimits = ServiceLimits(), importance: Importance = .normal, needs: [Int] = [],
        moves: Moves = .withRegion, mode: FailoverMode = .active, failover: FailoverPolicy = FailoverPolicy(),
        resolveEvery: Duration? = nil
    ) {
        self.name = name
        self.cells = cells
        self.probe = probe
        self.protocol = `protocol`
        self.balance = balance
        self.timeouts = timeouts
        self.retry = retry
        self.limits = limits
        self.importance = importance
        self.needs = needs
        self.moves = moves
        self.mode = mode
        self.failover = failover
        self.resolveEvery = resolveEvery
    }
}

/// What an endpoint is told in Host, or `:authority`.
package enum ToldHost: Sendable, Hashable {
    /// What the client said.
    case keep
    /// The endpoint's own name, as the table has it.
    case endpoint
    /// A name, perhaps with a port.
    case named(String)
}

/// The versions of the PROXY protocol.
package enum ProxyHeaderVersion: String, Sendable, Equatable, CaseIterable {
    case v1, v2
}

/// What becomes of open tunnels whose region gets nothing any more, or whose endpoint is no longer in the table.
package enum OnFailover: Sendable, Equatable {
    /// They go on.
    case keep
    case close
    case closeAfter(Duration)
}

/// Kinds of addresses that a name may stand for.
package enum AddressFamilies: String, Sendable, Hashable, CaseIterable {
    case any, ipv4, ipv6

    package func contains(_ address: IPAddress) -> Bool {
        switch self {
        case .any: true
        case .ipv4: address.isFour
        case .ipv6: !address.isFour
        }
    }
}

/// A service in one region.
package struct Cell: Sendable, Equatable {
    /// Index into `Table.regions`.
    package var region: Int
    package var endpoints: [Endpoint]
    /// Requests per second this service can take in this region. Absent: unknown.
    package var capacity: Int?

    package init(region: Int, endpoints: [Endpoint], capacity: Int? = nil) {
        self.region = region
        self.endpoints = endpoints
        self.capacity = capacity
    }
}

/// One backend as the table names it; a host name may stand for several addresses.
package struct Endpoint: Sendable, Hashable {
    package var host: EndpointHost
    /// Relative share among the endpoints of its cell, 1 to 1,000.
    package var weight: Int
    /// Absent: as its service says.
    package var toldHost: ToldHost?

    package init(host: EndpointHost, weight: Int = 1, toldHost: ToldHost? = nil) {
        self.host = host
        self.weight = weight
        self.toldHost = toldHost
    }
}

package enum EndpointHost: Sendable, Hashable {
    /// A numeric IPv4 or IPv6 address (without brackets) and a port.
    case ip(address: String, port: UInt16)
    /// A name to resolve, and a port. One that ends in a dot is absolute: no domain is searched for it. Host and SNI are
    /// without the dot.
    case name(String, port: UInt16)
    /// The path of a UNIX-domain stream socket.
    case unix(path: String)
}

extension String {
    /// A host name as Host and SNI have it (RFC 6066, 3).
    package var withoutFinalDot: String { hasSuffix(".") ? String(dropLast()) : self }
}

extension EndpointHost {
    /// What it is called where it is asked for over HTTP (the Host field, `:authority`): as the table names it, with a port
    /// that is not the scheme's own (RFC 9110, 7.2).
    ///
    /// - Parameter port: another one than the endpoint's own that is asked.
    package func authority(port: UInt16? = nil, isEncrypted: Bool) -> String {
        func text(_ host: String, _ own: UInt16) -> String {
            let port = port ?? own
            return port == (isEncrypted ? 443 : 80) ? host : "\(host):\(port)"
        }
        return switch self {
        case .ip(let address, let own): text(address.contains(":") ? "[\(address)]" : address, own)
        case .name(let name, let own): text(name.withoutFinalDot, own)
        case .unix: "localhost"
        }
    }
}

/// An active health check.
package struct Probe: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// A connection that is accepted passes.
        case tcp
        case http(HTTPProbe)
        /// `grpc.health.v1.Health/Check` of a service; empty: of the server as a whole.
        case grpc(service: String)
    }

    package var kind: Kind
    package var every: Duration = .seconds(2)
    package var timeout: Duration = .seconds(1)
    /// Interval while an endpoint is suspect.
    package var everySuspect: Duration = .milliseconds(250)
    /// Interval while an endpoint is down.
    package var everyDown: Duration = .seconds(5)
    /// Interval while requests to an endpoint succeed and none fails: they show what a probe would. Absent: `every`.
    package var everyUsed: Duration?
    /// Failures in a row that take an endpoint out.
    package var fall: Int = 2
    /// Passes in a row that bring it back.
    package var rise: Int = 2
    /// Another port to probe than the endpoint's own.
    package var port: UInt16?
    /// Whether it is encrypted. Absent: an HTTP probe is if its service's requests are.
    package var tls: Bool?

    package init(kind: Kind) {
        self.kind = kind
    }
}

package struct HTTPProbe: Sendable, Equatable {
    package var path: String
    package var method: String = "GET"
    /// Value of the Host field. Absent: the endpoint's host.
    package var host: String?
    /// Statuses that pass.
    package var expectStatus: [ClosedRange<Int>] = [200...399]
    /// Fields that must be present with these values (name in lower case).
    package var expectHeaders: [HeaderMatch] = []
    /// Text that must occur in the first 64 KiB of the body.
    package var expectBody: String?

    package init(path: String) {
        self.path = path
    }
}

package enum Balance: Sendable, Equatable {
    /// Two endpoints at random, the one with fewer requests in flight for its weight.
    case leastRequests
    case roundRobin
    case random
    /// The same key goes to the same endpoint as long as it is usable.
    case hash(HashKey)
}

package enum HashKey: Sendable, Equatable {
    case header(String)
    case cookie(String)
    case source
    case path
}

package struct ServiceTimeouts: Sendable, Equatable {
    package var connect: Duration = .seconds(1)
    /// From all of the request having arrived to the end of the response head; before that, without progress while the
    /// endpoint takes the request.
    package var response: Duration = .seconds(15)
    /// Of an idle pooled connection, and without progress within a response body, or of the request behind its head.
    package var idle: Duration = .seconds(60)
    /// A whole exchange, retries included. Absent: no limit.
    package var request: Duration?
    /// Without a word of an HTTP/2 endpoint while requests are under way; then it is asked whether it is there.
    package var ping: Duration = .seconds(300)

    package init() {}
}

package struct RetryPolicy: Sendable, Equatable {
    package enum Condition: Sendable, Hashable {
        case connect, reset, timeout
        case status(Int)
    }

    /// Attempts beyond the first.
    package var attempts: Int = 2
    /// Retries and hedges together, in ten-thousandths of the requests of the last 10 s.
    package var budget: Int = 2_000
    /// What is tried again, sorted.
    package var on: [Condition] = [.connect, .reset, .timeout, .status(502), .status(503), .status(504)]
    package var hedge: Hedge = .learned(atLeast: .milliseconds(50))

    package enum Hedge: Sendable, Equatable {
        case off
        /// After twice the 99th percentile of the time to a response head, but at least this.
        case learned(atLeast: Duration)
        case after(Duration)
    }

    package init() {}
}

package struct ServiceLimits: Sendable, Equatable {
    /// Connections to the service's endpoints in one region.
    package var connections: Int = 1_024
    /// Requests waiting for a connection.
    package var pending: Int = 1_024
    /// Requests in flight.
    package var requests: Int = 4_096

    package init() {}
}

/// Order in which services are served when not everything fits.
package enum Importance: Int, Sendable, Equatable, Comparable, CaseIterable, Codable {
    case low, normal, high, critical

    package static func < (a: Importance, b: Importance) -> Bool { a.rawValue < b.rawValue }
}

/// A rule that says where requests go.
package struct Route: Sendable, Equatable {
    package var match: Match
    package var action: Action
    /// Replaces the matched path prefix. Only with a path prefix, or none (which stands for `/`).
    package var rewritePrefix: String?
    package var requestHeaders: HeaderEdits
    package var responseHeaders: HeaderEdits

    package enum Action: Sendable, Equatable {
        /// At least one; weights of 0 to 1,000,000, not all 0.
        case forward([Destination])
        case redirect(Redirect)
        case respond(FixedResponse)
    }

    package init(
        match: Match, action: Action, rewritePrefix: String? = nil, requestHeaders: HeaderEdits = HeaderEdits(),
        responseHeaders: HeaderEdits = HeaderEdits()
    ) {
        self.match = match
        self.action = action
        self.rewritePrefix = rewritePrefix
        self.requestHeaders = requestHeaders
        self.responseHeaders = responseHeaders
    }
}

package struct Destination: Sendable, Equatable {
    /// Index into `Table.services`.
    package var service: Int
    package var weight: Int

    package init(service: Int, weight: Int = 1) {
        self.service = service
        self.weight = weight
    }
}

package struct Redirect: Sendable, Equatable {
    /// 301, 302, 303, 307 or 308.
    package var status: Int
    /// Absent parts are the request's own.
    package var scheme: String?
    package var host: String?
    package var port: UInt16?
    /// Replaces the whole path and query.
    package var path: String?

    package init(
        status: Int = 302, scheme: String? = nil, host: String? = nil, port: UInt16? = nil, path: String? = nil
    ) {
        self.status = status
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path
    }
}

package struct FixedResponse: Sendable, Equatable {
    /// 200 to 599.
    package var status: Int
    package var body: String
    package var contentType: String

    package init(status: Int, body: String = "", contentType: String = "text/plain; charset=utf-8") {
        self.status = status
        self.body = body
        self.contentType = contentType
    }
}

/// Which requests a route is for. Absent conditions match everything.
package struct Match: Sendable, Hashable {
    /// Index into `Table.listeners`.
    package var listener: Int?
    package var host: HostMatch?
    package var path: PathMatch?
    /// Upper case, as methods are case-sensitive; empty: all.
    package var methods: [String]
    package var headers: [HeaderMatch]
    /// Protocols (ALPN) of which the client offers at least one; empty: any, or none.
    package var alpn: [String] = []

    package init(
        listener: Int? = nil, host: HostMatch? = nil, path: PathMatch? = nil, methods: [String] = [],
        headers: [HeaderMatch] = []
    ) {
        self.listener = listener
        self.host = host
        self.path = path
        self.methods = methods
        self.headers = headers
    }
}

/// Host names in lower case, without a port.
package enum HostMatch: Sendable, Hashable {
    case exact(String)
    /// `*.example.com` is `wildcard("example.com")`: one or more labels before it.
    case wildcard(String)
}

package enum PathMatch: Sendable, Hashable {
    /// Whole segments: `/a` matches `/a`, `/a/` and `/a/b`, not `/ab`.
    case prefix(String)
    case exact(String)
    /// Matches the whole path; linear time.
    case regex(String)
}

package struct HeaderMatch: Sendable, Hashable {
    /// In lower case.
    package var name: String
    /// Absent: present with any value.
    package var value: String?

    package init(name: String, value: String? = nil) {
        self.name = name
        self.value = value
    }
}

/// Changes to a message's fields: removed first, then set, then added. Names in lower case.
package struct HeaderEdits: Sendable, Equatable {
    package var remove: [String]
    package var set: [HeaderValue]
    package var add: [HeaderValue]

    package var isEmpty: Bool { remove.isEmpty && set.isEmpty && add.isEmpty }

    package init(remove: [String] = [], set: [HeaderValue] = [], add: [HeaderValue] = []) {
        self.remove = remove
        self.set = set
        self.add = add
    }
}

package struct HeaderValue: Sendable, Hashable {
    package var name: String
    package var value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}
