import Testing

@testable import RouteTable

@Suite("The difference between two tables")
struct TableDifferenceTests {
    static let table: Table = {
        func ip(_ last: Int) -> Endpoint { Endpoint(host: .ip(address: "10.0.1.\(last)", port: 8080)) }
        var checkout = Service(
            name: "checkout",
            cells: [
                Cell(region: 0, endpoints: [ip(10), ip(11)]), Cell(region: 1, endpoints: [ip(20)], capacity: 800),
            ], probe: Probe(kind: .http(HTTPProbe(path: "/healthz"))))
        checkout.needs = [1]
        return Table(
            listeners: [Listener(name: "web", bind: .ip(address: "0.0.0.0", port: 8080))],
            regions: [Region(name: "us-east-1"), Region(name: "us-west-2", capacity: 4_000)],
            services: [checkout, Service(name: "inventory", cells: [Cell(region: 0, endpoints: [ip(30)])])],
            routes: [
                Route(
                    match: Match(host: .exact("shop.example.com"), path: .prefix("/checkout")),
                    action: .forward([Destination(service: 0)])),
                Route(match: Match(), action: .respond(FixedResponse(status: 404))),
            ])
    }()

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let edit: @Sendable (inout Table) -> Void
        let sentences: [String]
        var summary: String?
    }

    static let cases: [Case] = [
        Case(testDescription: "nothing", edit: { _ in }, sentences: [], summary: "nothing changed"),
        Case(
            testDescription: "an endpoint more",
            edit: { $0.services[0].cells[0].endpoints.append(Endpoint(host: .ip(address: "10.0.1.12", port: 8080))) },
            sentences: ["service checkout: endpoint 10.0.1.12:8080 added in us-east-1"],
            summary: "1 endpoint added"),
        Case(
            testDescription: "an endpoint less, another weight",
            edit: {
                $0.services[0].cells[0].endpoints.remove(at: 0)
                $0.services[0].cells[1].endpoints[0].weight = 5
            },
            sentences: [
                "service checkout: endpoint 10.0.1.20:8080 in us-west-2: weight 1 → 5",
                "service checkout: endpoint 10.0.1.10:8080 removed from us-east-1",
            ], summary: "1 endpoint removed, 1 endpoint changed"),
        Case(
            testDescription: "another host to be told",
            edit: {
                $0.services[0].toldHost = .named("a.example")
                $0.services[0].cells[0].endpoints[0].toldHost = .keep
                $0.services[0].cells[0].endpoints[0].weight = 3
            },
            sentences: [
                "service checkout: host keep → a.example",
                "service checkout: endpoint 10.0.1.10:8080 in us-east-1: weight 1 → 3, host as its service → keep",
            ], summary: "1 service changed, 1 endpoint changed"),
        Case(
            testDescription: "settings of a service",
            edit: {
                $0.services[0].timeouts.connect = .milliseconds(1_500)
                $0.services[0].retry.budget = 50
                $0.services[0].probe?.every = .seconds(1)
                $0.services[0].cells[1].capacity = nil
                $0.services[0].needs = []
                $0.services[0].failover.steps = [100, 10_000]
                $0.services[0].importance = .high
                $0.services[0].proxyHeader = .v2
                $0.services[0].onFailover = .closeAfter(.seconds(30))
                $0.services[0].cells.swapAt(0, 1)
            },
            sentences: [
                """
                service checkout: prefer us-east-1, us-west-2 → us-west-2, us-east-1, capacity.us-west-2 800 → none, \
                probe.every 2s → 1s, timeouts.connect 1s → 1500ms, retry.budget 20% → 0.5%, importance normal → high, \
                needs inventory → nothing, failover.steps 1% 5% 10% 25% 50% 100% → 1% 100%, proxy_protocol none → v2, \
                on_failover keep → close after 30s
                """
            ], summary: "1 service changed"),
        Case(
            testDescription: "listeners and regions",
            edit: {
                $0.listeners[0].limits.headBytes = 65_536
                $0.listeners[0].transport = .tlsPassthrough
                $0.listeners[0].readsProxyHeader = true
                $0.listeners[0].timeouts.tunnel = .seconds(60)
                $0.listeners.append(Listener(name: "local", bind: .unix(path: "/run/s")))
                $0.regions[1].capacity = 5_000
            },
            sentences: [
                "listener web: protocol http → tls_passthrough, proxy_protocol false → true, limits.head 32KiB → 64KiB, timeouts.tunnel 1h → 1m",
                "listener local: added",
                "region us-west-2: capacity 4000 → 5000",
            ], summary: "1 listener added, 1 listener changed, 1 region changed"),
        Case(
            testDescription: "a service removed and its routes",
            edit: {
                $0.services.remove(at: 1)
                $0.services[0].needs = []
                $0.routes[0].action = .redirect(Redirect(status: 301, scheme: "https"))
                $0.routes[1].action = .respond(FixedResponse(status: 404, body: "gone"))
                $0.routes.append(
                    Route(match: Match(listener: 0, methods: ["PUT"]), action: .respond(FixedResponse(status: 405))))
            },
            sentences: [
                "service checkout: needs inventory → nothing", "service inventory: removed",
                "route host shop.example.com, path /checkout: to checkout → redirect 301 to https://",
                "route all requests: respond changed", "route listener web, method PUT: added",
            ], summary: "1 service removed, 1 service changed, 1 endpoint removed, 1 route added, 2 routes changed"),
        Case(
            testDescription: "a route like another one",
            edit: {
                $0.routes.append(Route(match: Match(), action: .respond(FixedResponse(status: 410, body: "gone"))))
            }, sentences: ["route all requests (2): added"], summary: "1 route added"),
        Case(
            testDescription: "another fixed answer",
            edit: { $0.routes[1].action = .respond(FixedResponse(status: 410, body: "gone")) },
            sentences: ["route all requests: to respond 404 → respond 410"], summary: "1 route changed"),
        Case(
            testDescription: "the order of routes", edit: { $0.routes.swapAt(0, 1) },
            sentences: ["routes: another order"], summary: "only the order of routes changed"),
        Case(
            testDescription: "the numbers of regions alone",
            edit: {
                $0.regions.swapAt(0, 1)
                for service in $0.services.indices {
                    for cell in $0.services[service].cells.indices { $0.services[service].cells[cell].region ^= 1 }
                }
            }, sentences: [], summary: "nothing changed"),
    ]

    @Test func `of tables with routes alike tells each with its own`() {
        var old = Self.table
        old.routes.append(Route(match: Match(), action: .forward([Destination(service: 0)])))
        var new = old
        new.regions[1].capacity = nil
        #expect(new.changes(from: old).sentences == ["region us-west-2: capacity 4000 → none"])
        new.routes[2].action = .forward([Destination(service: 1)])
        #expect(new.changes(from: old).sentences.last == "route all requests (2): to checkout → inventory")
        new.routes.removeLast()
        #expect(new.changes(from: old).sentences.last == "route all requests (2): removed")
    }

    @Test func `says whether it closes every listener`() {
        let moved = BindAddress.ip(address: "0.0.0.0", port: 8081)
        let edits: [(closes: Bool, edit: (inout Table) -> Void)] = [
            (false, { $0.regions[1].capacity = nil }),
            // It keeps its name, or its address.
            (false, { $0.listeners[0].bind = moved }),
            (false, { $0.listeners[0].name = "other" }),
            (true, { $0.listeners.removeAll() }),
            (true, { $0.listeners = [Listener(name: "other", bind: moved)] }),
        ]
        for (index, example) in edits.enumerated() {
            var new = Self.table
            example.edit(&new)
            #expect(new.changes(from: Self.table).closesEveryListener == example.closes, "\(index)")
        }
        #expect(!Self.table.changes(from: Table()).closesEveryListener, "there was none")
    }

    @Test func `says whether it removes every service`() {
        var new = Self.table
        new.services[0].name = "one"
        #expect(!new.changes(from: Self.table).removesEveryService)
        new.services[1].name = "other"
        #expect(new.changes(from: Self.table).removesEveryService)
        #expect(!Self.table.changes(from: Table()).removesEveryService)
    }

    @Test("is told in sentences and numbers", arguments: cases)
    func told(example: Case) {
        var new = Self.table
        example.edit(&new)
        let difference = new.changes(from: Self.table)
        #expect(difference.sentences == example.sentences)
        if let summary = example.summary { #expect(difference.summary == summary) }
        #expect(difference.isEmpty == example.sentences.isEmpty)
    }
}

@Suite("Values of a table")
struct TableTextTests {
    @Test(
        "print durations with the largest whole unit",
        arguments: [
            (.milliseconds(1_500), "1500ms"), (.seconds(2), "2s"), (.seconds(90), "90s"), (.seconds(120), "2m"),
            (.seconds(7_200), "2h"), (.microseconds(250), "250us"), (.zero, "0s"), (.milliseconds(60_001), "60001ms"),
        ] as [(Duration, String)])
    func durations(duration: Duration, text: String) {
        #expect(duration.tableText == text)
    }

    @Test(
        "print shares as percentages",
        arguments: [(2_000, "20%"), (50, "0.5%"), (1, "0.01%"), (10_000, "100%"), (1_234, "12.34%"), (0, "0%")])
    func shares(share: Int, text: String) {
        #expect(share.percentText == text)
    }

    @Test(
        "print sizes with binary units",
        arguments: [(32_768, "32KiB"), (1_048_576, "1MiB"), (1_000, "1000"), (0, "0"), (3 << 30, "3GiB")])
    func sizes(size: Int, text: String) {
        #expect(size.sizeText == text)
    }

    @Test("print addresses as they are written in files")
    func addresses() {
        #expect("\(EndpointHost.ip(address: "::1", port: 80))" == "[::1]:80")
        #expect("\(BindAddress.unix(path: "/run/s"))" == "unix:/run/s")
        #expect("\(AddressBlock(bytes: [10, 0, 0, 0], prefixBits: 8))" == "10.0.0.0/8")
        #expect(
            "\(AddressBlock(bytes: [0x20, 1] + [UInt8](repeating: 0, count: 14), prefixBits: 32))"
                == "2001::/32")
    }
}
