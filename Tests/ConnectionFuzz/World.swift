import CPeers
import Proxy
import Reactor
import RouteTable
import TLS
import Telemetry
import Wire

/// What is the same for every input: tables, with certificates and the rules for encryption.
@safe final class World: @unchecked Sendable {
    static let shared = World()

    /// What an answer of the listener `inner` says, and nobody else may: made by chance, so that no input has it.
    let secret = World.word()
    /// What the clean client's requests have, and no other's.
    let pass = World.word()
    let tables: [Table]
    let compiled: [CompiledTable]
    let server: TLSServer
    let clients: [TLSClient?]
    let log = AccessLogRing()

    private static func word() -> String {
        var random = SystemRandomNumberGenerator()
        return String(random.next() | 1 << 63, radix: 16)
    }

    private init() {
        let secret = self.secret
        let pass = self.pass
        tables = (0..<Self.variants).map { Self.table($0, secret: secret, pass: pass) }
        compiled = tables.map { CompiledTable($0) }
        do {
            let certificate = unsafe Array(String(cString: cpeers_certificate()).utf8)
            let key = unsafe Array(String(cString: cpeers_key()).utf8)
            let rules = ListenerTLS(certificates: [.pair(certificate: "own", key: "own", ocsp: nil)])
            let settings = try TLSServerSettings(
                name: "tls", rules: rules,
                certificates: [ServerCertificate(file: "own", chain: certificate, keyFile: "own", key: key)],
                clientCA: [])
            let library = TLSLibrary()
            server = try TLSServer(settings, tickets: TicketKeys(), library: library)
            var toServices = ServiceTLS()
            toServices.ca = "own"
            func client(_ protocols: [String]) throws -> TLSClient {
                try TLSClient(
                    TLSClientSettings(rules: toServices, ca: certificate, certificate: nil, protocols: protocols),
                    library: library)
            }
            let one = try client(["http/1.1"])
            let two = try client(["h2"])
            let none = try client([])
            clients = Self.services.map { $0.isSecure ? ($0.isHTTP2 ? two : $0.isTunnel ? none : one) : nil }
        } catch {
            fatalError("certificates of our own making: \(error)")
        }
    }

    // Listeners

    struct Place {
        let name: String
        let port: UInt16
        var transport = Listener.Transport.http
        var isSecure = false
        var isProxied = false
        var headBytes = 32_768
    }

    static let places = [
        Place(name: "web", port: 8001),
        Place(name: "inner", port: 8002),
        Place(name: "large", port: 8003, headBytes: 1 << 20),
        Place(name: "tls", port: 8004, isSecure: true, headBytes: 1 << 20),
        Place(name: "proxied", port: 8005, isProxied: true),
        Place(name: "tcp", port: 8006, transport: .tcp),
        Place(name: "stcp", port: 8007, transport: .tcp, isSecure: true),
        Place(name: "pass", port: 8008, transport: .tlsPassthrough),
        Place(name: "ptcp", port: 8009, transport: .tcp, isProxied: true),
    ]

    static func place(_ name: String) -> Place { places.first { $0.name == name } ?? places[0] }

    // Services

    struct Kind {
        let name: String
        var isHTTP2 = false
        var isSecure = false
        var isTunnel = false
        var proxyHeader: ProxyHeaderVersion?
        /// Endpoints in each region; the first byte of an endpoint's place is the service's number.
        var endpoints = [1]
    }

    static let services = [
        Kind(name: "one", endpoints: [2, 1]),
        Kind(name: "two", isHTTP2: true, endpoints: [1, 1]),
        Kind(name: "sone", isSecure: true, endpoints: [1, 1]),
        Kind(name: "stwo", isHTTP2: true, isSecure: true),
        Kind(name: "tunnel", isTunnel: true, endpoints: [1, 1]),
        Kind(name: "stunnel", isSecure: true, isTunnel: true),
        Kind(name: "told", proxyHeader: .v2),
        Kind(name: "tunneltold", isTunnel: true, proxyHeader: .v1),
        Kind(name: "narrow", endpoints: [1, 1]),
        Kind(name: "clean"),
        Kind(name: "sclean", isSecure: true),
    ]
    static let secureHTTP1 = 2
    static let secureHTTP2 = 3
    /// Those that the clean client's requests go to.
    static let firstClean = 9

    /// The place of an endpoint: the last two bytes of its address.
    static func place(service: Int, region: Int, index: Int) -> UInt16 { UInt16(service << 8 | region << 4 | index) }
    /// Whose endpoint is there.
    static func service(at place: UInt16) -> Int { Int(place >> 8) }

    // Tables

    /// 0: all; 1: without `web`'s neighbors, `inner` in their place; 2: other endpoints, other order of listeners;
    /// 3: only `web` and `inner`; 4: HTTP/2 and encryption off; 5: no endpoints of `one`, small limits.
    static let variants = 6

    private static func table(_ variant: Int, secret: String, pass: String) -> Table {
        var places = places
        switch variant {
        case 1: places.removeAll { ["large", "tcp", "proxied"].contains($0.name) }
        case 2: places.reverse()
        case 3: places.removeAll { !["inner", "tls"].contains($0.name) }
        default: break
        }
        let listeners = places.map { listener($0, variant) }
        let services = services.enumerated().map { service($0.offset, $0.element, variant) }
        var table = Table(
            listeners: listeners, regions: [Region(name: "near"), Region(name: "far")], services: services)
        for (index, place) in places.enumerated() { table.routes += routes(place, index, secret: secret, pass: pass) }
        return table
    }

    private static func listener(_ place: Place, _ variant: Int) -> Listener {
        var listener = Listener(
            name: place.name, bind: .ip(address: "10.0.0.1", port: place.port), transport: place.transport,
            accessLog: AccessLog())
        listener.limits.headBytes = place.headBytes
        listener.limits.bodyBytes = 200_000
        listener.limits.connections = variant == 5 ? 6 : 64
        listener.timeouts.tunnel = .seconds(120)
        listener.readsProxyHeader = place.isProxied
        if place.isProxied { listener.trustedProxies = [AddressBlock(bytes: [10, 1, 0, 0], prefixBits: 16)] }
        return listener
    }

    private static func service(_ number: Int, _ kind: Kind, _ variant: Int) -> Service {
        let cells = kind.endpoints.enumerated().map { region, count in
            Cell(
                region: region,
                endpoints: (0..<count).filter { !(variant == 2 && $0 == 1) && !(variant == 5 && number == 0) }.map {
                    Endpoint(host: .ip(address: address(place(service: number, region: region, index: $0)), port: 80))
                })
        }
        var service = Service(name: kind.name, cells: cells, protocol: kind.isHTTP2 && variant != 4 ? .http2 : .http1)
        service.timeouts.response = .seconds(5)
        service.timeouts.idle = .seconds(10)
        service.retry.hedge = .after(.milliseconds(100))
        service.retry.budget = 10_000
        service.retry.on.append(.status(404))
        service.proxyHeader = kind.proxyHeader
        service.onFailover = kind.isTunnel ? .closeAfter(.seconds(1)) : .keep
        if kind.name == "narrow" || variant == 5 {
            service.limits.connections = 1
            service.limits.pending = 2
            service.limits.requests = 4
            service.timeouts.request = .seconds(8)
        }
        if kind.isSecure && variant != 4 { service.tls = ServiceTLS() }
        if number >= firstClean {
            service.limits = ServiceLimits()
            service.timeouts = ServiceTimeouts()
            service.protocol = .http1
            service.tls = kind.isSecure ? ServiceTLS() : nil
        }
        return service
    }

    static func address(_ place: UInt16) -> String { "10.0.\(place >> 8).\(place & 255)" }

    private static func routes(_ place: Place, _ listener: Int, secret: String, pass: String) -> [Route] {
        func to(_ service: Int) -> Route.Action { .forward([Destination(service: service)]) }
        switch place.name {
        case "inner":
            return [
                Route(match: Match(listener: listener), action: .respond(FixedResponse(status: 200, body: secret)))
            ]
        case "tcp": return [Route(match: Match(listener: listener), action: to(4))]
        case "stcp": return [Route(match: Match(listener: listener), action: to(5))]
        case "ptcp": return [Route(match: Match(listener: listener), action: to(7))]
        case "pass": return [Route(match: Match(listener: listener), action: to(4))]
        default: break
        }
        func route(_ prefix: String, _ action: Route.Action, _ headers: [HeaderMatch] = []) -> Route {
            Route(match: Match(listener: listener, path: .prefix(prefix), headers: headers), action: action)
        }
        var routes = services.enumerated().filter { !$0.element.isTunnel && $0.offset < firstClean }.map {
            route("/\($0.element.name)", to($0.offset))
        }
        routes += [
            route("/clean", to(firstClean), [HeaderMatch(name: "x-pass", value: pass)]),
            route("/sclean", to(firstClean + 1), [HeaderMatch(name: "x-pass", value: pass)]),
            route("/own", .respond(FixedResponse(status: 200, body: place.name))),
            route("/redirect", .redirect(Redirect(status: 308, host: "b.test"))),
            route(
                "/both", .forward([Destination(service: 0, weight: 1), Destination(service: 1, weight: 1)])),
        ]
        return routes
    }
}
