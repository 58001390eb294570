internal import RouteTable

/// A service while it is read: its settings, and what refers to regions.
struct ServiceDraft: Sendable {
    var settings = ServiceSettings()
    var prefer: [Placed<Int>]?
    var endpoints: [PlacedPair<Int, [Placed<Endpoint>]>] = []
    var capacity: [PlacedPair<Int, Int>] = []
}

/// What a service can have from `defaults`.
struct ServiceSettings: Sendable {
    /// Without cells; its probe is in `probe`.
    var service = Service(name: "", cells: [])
    var probe = ProbeDraft()
}

extension Shapes {
    /// The settings a service has, and `defaults` for all services.
    static let settings = Shape<ServiceSettings>(
        "settings", ServiceSettings(),
        [
            probeField,
            Field(
                "protocol", \.service.protocol, .words(["http1": .http1, "http2": .http2]),
                "What the endpoints speak: HTTP/1.1, or HTTP/2, whose connections requests share."),
            Field(
                "balance", \.service.balance, Forms.balance,
                "Which endpoint of a region gets a request. `hash`: requests alike in the client's address, the path, a field or a cookie "
                    + "go to the same region as long as the split lets them, and there to the same endpoint as long as it can be "
                    + "used."),
            Field(nested: "timeouts", \.service.timeouts, serviceTimeouts, "How long the service is waited for."),
            Field(nested: "retry", \.service.retry, retry, "Which requests are tried again, and how often."),
            Field(nested: "limits", \.service.limits, serviceLimits, "What the service gets at once, at most."),
            Field(
                "importance", \.service.importance,
                .words(["critical": .critical, "high": .high, "normal": .normal, "low": .low]),
                "Who is served first when not everything fits."),
            Field(
                "moves", \.service.moves,
                .words(["with_region": .withRegion, "alone": .alone]),
                "Whether it leaves a region that is impaired as a whole although it looks well there itself."),
            Field(
                "mode", \.service.mode, .words(["active": .active, "shadow": .shadow]),
                "`shadow`: what would be done is decided and recorded, not done."),
            Field(nested: "failover", \.service.failover, failover, "How traffic leaves a region and comes back."),
            Field(
                "resolve_every", \.service.resolveEvery,
                Form<Duration>.duration(.milliseconds(100) ... .seconds(86_400)).or("ttl"),
                "How often names of endpoints are resolved again; `ttl`: as their answers say."),
            Field(
                "resolve_family", \.service.addressFamilies,
                .words(["any": .any, "ipv4": .ipv4, "ipv6": .ipv6]),
                "Which addresses of names are used. `any`: those that this host has a route to."),
            Field(
                "proxy_protocol", \.service.proxyHeader,
                .words(["v1": .v1, "v2": .v2, "none": nil]),
                "The version of the PROXY protocol in which endpoints are told who the client is, before everything else. "
                    + "Not with `protocol: http2`, whose connections serve many clients."
            ),
            Field(
                "host", \.service.toldHost, Forms.toldHost,
                "What endpoints are told in Host (`:authority`): `keep`, what the client said; `endpoint`, each its own name as "
                    + "the table has it; or a name, which is also the one they are asked for by TLS, unless `tls` has a `name`."
            ),
            Field(
                "on_failover", \.service.onFailover, Forms.onFailover,
                "What becomes of open tunnels (`tcp`, `tls_passthrough`, WebSocket), and of gRPC calls within their answers, when "
                    + "their region gets nothing any more, or their endpoint is no longer in the table: `keep`, `close`, or "
                    + "`{ close_after: 30s }`. Tunnels are reset on both sides; callers are told 14 (UNAVAILABLE)."),
            Field(
                "tls", \.service.tls, serviceTLS.form.or("none"),
                "How endpoints are spoken to encrypted; `{}`: with every default. `none`: they are not."),
        ])

    /// `probe: none`, or a mapping that changes what there is by default.
    private static let probeField = Field<ServiceSettings>(
        "probe",
        FormType(
            name: "\(probe.type.name), or `none`",
            expectation: "\(probe.type.expectation), or none",
            schema: .object([
                "anyOf": .array([probe.type.schema, .object(["const": "none"])])
            ]), shapes: probe.type.shapes), isNested: false,
        "How endpoints are asked whether they are well; `none`: requests alone tell."
    ) { node, settings, reading in
        if node.text == "none" {
            settings.probe.kind = .none
            return
        }
        guard probe.read(node, into: &settings.probe, &reading), let entries = node.entries else { return }
        if let kind = entries.first(where: { otherProbeKinds.contains($0.key) }),
            let other = entries.first(where: {
                $0.key != kind.key && (otherProbeKinds.contains($0.key) || httpProbeKeys.contains($0.key))
            })
        {
            let alternative = otherProbeKinds.contains(other.key) ? "a `\(other.key)`" : "an `http`"
            reading.at(kind.key) {
                $0.report(
                    kind.position, "`\(kind.key)` beside `\(other.key)`",
                    expected: "`\(kind.key)` alone, or \(alternative) probe")
            }
        } else if otherProbeKinds.contains(settings.probe.kind.rawValue),
            let other = entries.first(where: { httpProbeKeys.contains($0.key) })
        {
            reading.at(other.key) {
                $0.report(
                    other.position, "`\(other.key)` of a \(settings.probe.kind.rawValue) probe of `defaults`",
                    expected: "`http` beside it, with a path")
            }
        }
    } write: { settings, writing in
        settings.probe.kind == .none ? .word("none") : probe.write(settings.probe, writing)
    }
}

extension Shapes {
    static let service = Shape<ServiceDraft>(
        "service", ServiceDraft(),
        [
            Field(
                optional: "prefer", \.prefer, Form<Int>.reference(.region).placedList(1...64, of: "regions"),
                "Regions in order of preference; each must have endpoints. Absent: as `endpoints` names them."),
            Field(
                "endpoints", \.endpoints,
                Forms.endpoint.placedList(1...10_000, of: "endpoints")
                    .map(
                        by: .reference(.region), "mapping of regions to lists of endpoints", of: "regions and endpoints"
                    ),
                isRequired: true, "Where the service is, region by region. See [endpoints](#endpoints)."),
            Field(
                optional: "capacity", \.optionalCapacity,
                Form<Int>.integer(1...1_000_000_000)
                    .map(
                        by: .reference(.region), "mapping of regions to integers", of: "regions and requests per second"
                    ),
                "Requests per second the service can take in a region. Absent: unknown."),
            Field(
                "needs", \.settings.service.needs, Form<Int>.reference(.service).list(0...1_000, of: "services"),
                "Services it calls in the same region. They may need each other."),
        ] + settings.fields.map { $0.lifted(to: \ServiceDraft.settings) })
}

extension ServiceDraft {
    fileprivate var optionalCapacity: [PlacedPair<Int, Int>]? {
        get { capacity.isEmpty ? nil : capacity }
        set { capacity = newValue ?? [] }
    }
}

extension Forms {
    private static let weightedEndpoint = Shape<Endpoint>(
        "endpoint", Endpoint(host: .name("", port: 0)),
        [
            Field("address", \.host, address, isRequired: true, "Host and port."),
            Field("weight", \.weight, .integer(1...1_000), "Its share of requests beside the others of its region."),
            Field(
                optional: "host", \.toldHost, toldHost, "What it is told in Host, in place of what its service says."),
        ])

    /// A word, or a host with or without a port.
    static let toldHost = Form<ToldHost>.parsed(
        FormType(
            name: "`keep`, `endpoint`, or host",
            expectation: "keep, endpoint, or a host such as shop.example.com or shop.example.com:8443",
            schema: .object(["type": "string"]))
    ) { text in
        switch text {
        case "keep": return .value(.keep)
        case "endpoint": return .value(.endpoint)
        default: break
        }
        if text.contains("://") || text.contains("/") {
            let bare = text.split(separator: "://").last?.prefix { $0 != "/" } ?? ""
            return .nothing(suggestion: AddressText.authority(bare))
        }
        return AddressText.authority(text).map { .value(.named($0)) }
            ?? .nothing(suggestion: NearName.of(text, among: ["keep", "endpoint"]))
    } write: {
        .text("\($0)")
    }

    /// An address, or a mapping of address and weight.
    static let endpoint = Form<Endpoint>(
        FormType(
            name: "address, or mapping, see endpoint",
            expectation: "\(address.type.expectation), or { address, weight, host }",
            schema: .object(["anyOf": .array([address.type.schema, weightedEndpoint.type.schema])]),
            shapes: weightedEndpoint.type.shapes)
    ) { node, reading in
        if case .mapping = node.content { return weightedEndpoint.form.read(node, &reading) }
        return address.read(node, &reading).map { Endpoint(host: $0) }
    } write: { endpoint, writing in
        endpoint.weight == 1 && endpoint.toldHost == nil
            ? address.write(endpoint.host, writing) : weightedEndpoint.form.write(endpoint, writing)
    }
}

extension Forms {
    private static let simpleBalance = Form<Balance>.words([
        "least_requests": .leastRequests, "round_robin": .roundRobin, "random": .random,
    ])

    /// A word, or `hash` and what is hashed.
    static let balance: Form<Balance> = Form<Balance>(
        FormType(
            name: "\(simpleBalance.type.name), `{ hash: source }`, `{ hash: path }`, `{ hash: { header: NAME } }` or "
                + "`{ hash: { cookie: NAME } }`",
            expectation: "least_requests, round_robin, random, or { hash: source }, { hash: path }, "
                + "{ hash: { header: NAME } } or { hash: { cookie: NAME } }",
            schema: .object([
                "anyOf": .array([
                    simpleBalance.type.schema,
                    .object([
                        "type": "object", "properties": .object(["hash": hashSchema]), "required": .array(["hash"]),
                        "additionalProperties": .bool(false),
                    ]),
                ])
            ]))
    ) { node, reading in
        guard case .mapping(let entries) = node.content else {
            if node.text == "hash" {
                reading.report(node, expected: balance.type.expectation)
                return nil
            }
            return simpleBalance.read(node, &reading)
        }
        guard entries.count == 1, entries[0].key == "hash" else {
            reading.report(
                node, expected: balance.type.expectation,
                suggestion: entries.first.flatMap { NearName.of($0.key, among: ["hash"]) })
            return nil
        }
        return reading.at("hash") { hashKey(entries[0].value, &$0) }.map { .hash($0) }
    } write: { balance, writing in
        guard case .hash(let key) = balance else { return simpleBalance.write(balance, writing) }
        let value: OutputNode =
            switch key {
            case .source: .word("source")
            case .path: .word("path")
            case .header(let name): .mapping([OutputEntry(key: "header", value: .text(name))])
            case .cookie(let name): .mapping([OutputEntry(key: "cookie", value: .text(name))])
            }
        return .mapping([OutputEntry(key: "hash", value: value)])
    }

    private static let hashSchema = JSONValue.object([
        "anyOf": .array([
            .object(["enum": .array(["source", "path"])]),
            .object([
                "type": "object",
                "properties": .object([
                    "header": .object(["type": "string"]), "cookie": .object(["type": "string"]),
                    "source": .object(["const": .bool(true)]), "path": .object(["const": .bool(true)]),
                ]), "minProperties": .number(1), "maxProperties": .number(1), "additionalProperties": .bool(false),
            ]),
        ])
    ])

    private static func hashKey(_ node: SourceNode, _ reading: inout Reading) -> HashKey? {
        let expected = "source, path, { header: NAME } or { cookie: NAME }"
        switch node.text {
        case "source": return .source
        case "path": return .path
        default: break
        }
        guard case .mapping(let entries) = node.content, entries.count == 1 else {
            reading.report(node, expected: expected)
            return nil
        }
        let value = entries[0].value
        return reading.at(entries[0].key) { reading in
            switch entries[0].key {
            case "header": return fieldName.read(value, &reading).map { .header($0) }
            case "cookie":
                guard let name = value.text, AddressText.isToken(name) else {
                    reading.report(value, expected: "the name of a cookie")
                    return nil
                }
                return .cookie(name)
            case "source": return yes.read(value, &reading).map { _ in .source }
            case "path": return yes.read(value, &reading).map { _ in .path }
            default:
                reading.report(
                    entries[0].position, "unknown key \(entries[0].key.quotedForPeople)", expected: expected,
                    suggestion: NearName.of(entries[0].key, among: ["header", "cookie", "source", "path"]))
                return nil
            }
        }
    }
}
