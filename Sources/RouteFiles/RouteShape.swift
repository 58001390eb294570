internal import RouteTable

/// A route while it is read: which of its actions there will be shows at the end.
struct RouteDraft: Sendable {
    var match = Match()
    var to: [Placed<Destination>]?
    var redirect: Redirect?
    var respond: FixedResponse?
    var rewrite: RewriteDraft?
    var requestHeaders = HeaderEdits()
    var responseHeaders = HeaderEdits()
}

struct RewriteDraft: Sendable {
    var prefix = "/"
}

extension RouteDraft {
    init(_ route: Route) {
        match = route.match
        switch route.action {
        case .forward(let destinations):
            to = destinations.map { Placed(value: $0, position: Position(file: 0, line: 0, column: 0)) }
        case .redirect(let redirect): self.redirect = redirect
        case .respond(let response): respond = response
        }
        rewrite = route.rewritePrefix.map { RewriteDraft(prefix: $0) }
        requestHeaders = route.requestHeaders
        responseHeaders = route.responseHeaders
    }

    /// Whether anything about the headers is to be printed.
    fileprivate var requestEdits: HeaderEdits? {
        get { requestHeaders.isEmpty ? nil : requestHeaders }
        set { requestHeaders = newValue ?? HeaderEdits() }
    }

    fileprivate var responseEdits: HeaderEdits? {
        get { responseHeaders.isEmpty ? nil : responseHeaders }
        set { responseHeaders = newValue ?? HeaderEdits() }
    }
}

extension Shapes {
    static let route = Shape<RouteDraft>(
        "route", RouteDraft(),
        [
            Field("match", \.match, match.form, "Which requests the route is for. Absent or empty: all."),
            Field(
                optional: "to", \.to, Forms.destinations,
                "The service that gets them, or several with weights. Each route has one of `to`, `redirect` and `respond`."
            ),
            Field(optional: "redirect", \.redirect, redirect.form, "An answer that sends the client elsewhere."),
            Field(optional: "respond", \.respond, respond.form, "An answer of the router's own."),
            Field(
                optional: "rewrite", \.rewrite, rewrite.form,
                "What the service sees instead of the matched path prefix."),
            Field(
                optional: "request_headers", \.requestEdits, requestHeaders.form,
                "Changes to a request before it is sent on."),
            Field(
                optional: "response_headers", \.responseEdits, responseHeaders.form,
                "Changes to a response before it is sent back."),
        ])
}

extension Shapes {
    static let match = Shape<Match>(
        "match", Match(),
        [
            Field(
                optional: "listener", \.listener, .reference(.listener),
                "Requests that came in there. A route for a listener of `tcp` or `tls_passthrough` must name it; one that "
                    + "names none is for requests of all `http` listeners."),
            Field(
                optional: "host", \.host, Forms.host,
                "Requests for this host, in small or capital letters; of `tls_passthrough`, connections for this server "
                    + "name. `*.example.com` is any number of labels before example.com, at least one."),
            Field(
                optional: "path", \.path, Forms.path, "Requests for this path, as sent: without its query, not decoded."
            ),
            Field(
                optional: "method", \.optionalMethods, Forms.method.oneOrMany(of: "methods"),
                "Requests with this method."),
            Field(
                optional: "header", \.optionalHeaders, Forms.headerMatches,
                "Requests that have all of these fields with these values."),
            Field(
                optional: "alpn", \.optionalALPN, Forms.protocolName.oneOrMany(of: "protocols"),
                "Connections of `tls_passthrough` whose client offers one of these protocols, such as h2."),
        ])
}

extension Match {
    fileprivate var optionalMethods: [String]? {
        get { methods.isEmpty ? nil : methods }
        // In one order, each once, so that two tables that mean the same are equal.
        set { methods = Set(newValue ?? []).sorted() }
    }

    fileprivate var optionalALPN: [String]? {
        get { alpn.isEmpty ? nil : alpn }
        set { alpn = Set(newValue ?? []).sorted() }
    }

    fileprivate var optionalHeaders: [HeaderMatch]? {
        get { headers.isEmpty ? nil : headers }
        set { headers = newValue ?? [] }
    }
}

extension Forms {
    private static let pathExpectation = "a path prefix such as /api, { exact: /api/v1 } or { regex: \"/v[0-9]+/.*\" }"

    /// A prefix, or a mapping that says how the text is meant.
    static let path: Form<PathMatch> = Form<PathMatch>(
        FormType(
            name: "path prefix, `{ exact: … }` or `{ regex: … }`", expectation: pathExpectation,
            schema: .object([
                "anyOf": .array([
                    plainPath.type.schema,
                    .object([
                        "type": "object",
                        "properties": .object([
                            "prefix": plainPath.type.schema, "exact": plainPath.type.schema,
                            "regex": .object(["type": "string"]),
                        ]), "minProperties": .number(1), "maxProperties": .number(1),
                        "additionalProperties": .bool(false),
                    ]),
                ])
            ]))
    ) { node, reading in
        guard case .mapping(let entries) = node.content else {
            guard node.text != nil else {
                reading.report(node, expected: pathExpectation)
                return nil
            }
            return plainPath.read(node, &reading).map { .prefix($0) }
        }
        guard entries.count == 1 else {
            reading.report(node, expected: pathExpectation)
            return nil
        }
        return reading.at(entries[0].key) { path(entries[0], &$0) }
    } write: { path, _ in
        switch path {
        case .prefix(let text): .text(text)
        case .exact(let text): .mapping([OutputEntry(key: "exact", value: .text(text))])
        case .regex(let text): .mapping([OutputEntry(key: "regex", value: .text(text))])
        }
    }

    private static func path(_ entry: SourceEntry, _ reading: inout Reading) -> PathMatch? {
        let node = entry.value
        switch entry.key {
        case "prefix": return plainPath.read(node, &reading).map { .prefix($0) }
        case "exact": return plainPath.read(node, &reading).map { .exact($0) }
        case "regex":
            guard let text = node.text else {
                reading.report(node, expected: "a pattern such as \"/v[0-9]+/.*\"")
                return nil
            }
            do {
                _ = try PathPattern(text)
                return .regex(text)
            } catch {
                reading.report(
                    node.position,
                    "the pattern \(text.quotedForPeople) is wrong at its character \(error.column): \(error.reason)")
                return nil
            }
        default:
            reading.report(
                entry.position, "unknown key \(entry.key.quotedForPeople)", expected: "prefix, exact or regex",
                suggestion: NearName.of(entry.key, among: ["prefix", "exact", "regex"]))
            return nil
        }
    }
}

extension Forms {
    private static let weightedService = Shape<Destination>(
        "destination", Destination(service: 0),
        [
            Field("service", \.service, .reference(.service), isRequired: true, "The service."),
            Field(
                "weight", \.weight, .integer(0...1_000_000),
                "Its share of requests beside the others of the list. 0: none; not all may be 0."),
        ])

    /// A service, or a list of services, or of services with weights.
    static let destinations = Form<[Placed<Destination>]>(
        FormType(
            name: "name of a service, or list of names or mappings, see destination",
            expectation: "a service, or a list of { service, weight }",
            schema: .object([
                "anyOf": .array([.object(["type": "string"]), destinationList.type.schema])
            ]), shapes: weightedService.type.shapes)
    ) { node, reading in
        switch node.content {
        case .text:
            return Form<Int>.reference(.service).read(node, &reading)
                .map { [Placed(value: Destination(service: $0), position: node.position)] }
        case .sequence: return destinationList.read(node, &reading)
        default:
            reading.report(node, expected: "a service, or a list of { service, weight }")
            return nil
        }
    } write: { destinations, writing in
        guard destinations.count == 1, destinations[0].value.weight == 1 else {
            return destinationList.write(destinations, writing)
        }
        return .text(writing.name(.service, destinations[0].value.service))
    }

    private static let destinationList = Form<Destination>(
        FormType(
            name: "name of a service, or mapping", expectation: "a service, or { service, weight }",
            schema: .object(["anyOf": .array([.object(["type": "string"]), weightedService.type.schema])]),
            shapes: weightedService.type.shapes)
    ) { node, reading in
        if case .mapping = node.content { return weightedService.form.read(node, &reading) }
        return Form<Int>.reference(.service).read(node, &reading).map { Destination(service: $0) }
    } write: { destination, writing in
        weightedService.write(destination, writing)
    }.placedList(1...1_000, of: "services")
}

extension Shapes {
    static let redirect = Shape<Redirect>(
        "redirect", Redirect(),
        [
            Field(
                "status", \.status, Forms.redirectStatus,
                "301 and 308 are for good, and browsers remember them; 307 and 308 keep the method."),
            Field(optional: "scheme", \.scheme, Forms.scheme, "Absent parts are the request's own."),
            Field(
                optional: "host", \.host,
                Forms.host.mapped {
                    "\($0)"
                } _: {
                    .exact($0)
                }, "Without a port."),
            Field(
                optional: "port", \.port, .port(), "Absent: none when there is a scheme or a host, else the request's."),
            Field(
                optional: "path", \.path, Forms.pathAndQuery,
                "Replaces the whole path and query, as it is: there are no captures and no variables."),
        ]
    ) { redirect in
        if redirect.host?.hasPrefix("*") == true {
            return [Breach(key: "host", found: "a wildcard", expected: "one host")]
        }
        if let breach = unfilled("path", redirect.path) { return [breach] }
        if redirect.scheme == nil, redirect.host == nil, redirect.port == nil, redirect.path == nil {
            return [
                Breach(
                    key: "status", found: "a redirect to where the request already is",
                    expected: "a scheme, host, port or path")
            ]
        }
        return []
    }
}

extension Forms {
    fileprivate static let scheme = Form<String>.words(["http": "http", "https": "https"])

    fileprivate static let redirectStatus = Form<Int>.words(
        ["301": 301, "302": 302, "303": 303, "307": 307, "308": 308],
        schema: .object(["enum": .array([301, 302, 303, 307, 308].flatMap { [.number($0), .string("\($0)")] })]))
}

extension Shapes {
    static let respond = Shape<FixedResponse>(
        "respond", FixedResponse(status: 200),
        [
            Field("status", \.status, .integer(200...599), isRequired: true, "The status of the answer."),
            Field("body", \.body, .text(length: 0...65_536, linesAllowed: true), "Its body."),
            Field("content_type", \.contentType, Forms.fieldValue, "Its Content-Type, if there is a body."),
        ]
    ) { response in
        [204, 205, 304].contains(response.status) && !response.body.isEmpty
            ? [
                Breach(
                    key: "body", found: "a body with status \(response.status)", expected: "none: it cannot have one")
            ] : []
    }
}

extension Shapes {
    static let rewrite = Shape<RewriteDraft>(
        "rewrite", RewriteDraft(),
        [
            Field(
                "prefix", \.prefix, Forms.plainPath, isRequired: true,
                "Put in place of the matched path prefix; `/` takes it away. Only for routes with a path prefix, or without a "
                    + "path.")
        ]
    ) { rewrite in
        [unfilled("prefix", rewrite.prefix)].compactMap { $0 }
    }

    /// A path with what other routers would fill in: here it would be sent as it is.
    private static func unfilled(_ key: String, _ path: String?) -> Breach? {
        guard let reference = path.flatMap(OthersVariables.first(in:)) else { return nil }
        return Breach(
            key: key, found: "\(reference.quotedForPeople), which would be sent as it is",
            expected: "a path as it is to be: nothing of the request is filled in; `%24` stands for a `$`")
    }
}
