internal import RouteTable

/// A probe while it is read: what its kind will be may be told by `defaults`, by the service, or by neither.
struct ProbeDraft: Sendable {
    enum Kind: String, Sendable { case none, tcp, http, grpc }

    var kind = Kind.none
    var http = HTTPProbe(path: "/")
    /// The service whose health a gRPC probe asks for.
    var grpc = ""
    /// Times, counts and the port; its own kind says nothing.
    var common = Probe(kind: .tcp)

    init() {}

    init(_ probe: Probe?) {
        guard let probe else { return }
        common = probe
        switch probe.kind {
        case .tcp: kind = .tcp
        case .http(let http):
            kind = .http
            self.http = http
        case .grpc(let service):
            kind = .grpc
            grpc = service
        }
    }

    /// The probe, if there is to be one.
    var probe: Probe? {
        var probe = common
        switch kind {
        case .none: return nil
        case .tcp: probe.kind = .tcp
        case .http: probe.kind = .http(http)
        case .grpc: probe.kind = .grpc(service: grpc)
        }
        return probe
    }
}

extension Shapes {
    private static let probeTime = Duration.milliseconds(10) ... .seconds(3_600)

    static let probe = Shape<ProbeDraft>(
        "probe", ProbeDraft(),
        [
            Field("http", Forms.pathAndQuery.type, "The path to ask for. A probe is one of `http`, `tcp` and `grpc`.") {
                node, draft, reading in
                guard let path = Forms.pathAndQuery.read(node, &reading) else { return }
                draft.kind = .http
                draft.http.path = path
            } write: { draft, _ in
                draft.kind == .http ? .text(draft.http.path) : nil
            },
            Field("tcp", Forms.yes.type, "A connection that is accepted passes.") { node, draft, reading in
                guard Forms.yes.read(node, &reading) != nil else { return }
                draft.kind = .tcp
                draft.http = HTTPProbe(path: "/")
            } write: { draft, _ in
                draft.kind == .tcp ? .word("true") : nil
            },
            Field(
                "grpc", grpcService.type,
                "Passes if `grpc.health.v1.Health/Check` says that this service is SERVING, over HTTP/2; empty: the server as a whole."
            ) { node, draft, reading in
                guard let service = grpcService.read(node, &reading) else { return }
                draft.kind = .grpc
                draft.grpc = service
                draft.http = HTTPProbe(path: "/")
            } write: { draft, _ in
                draft.kind == .grpc ? .text(draft.grpc) : nil
            },
            onlyHTTP(Field(nested: "expect", \.http, probeExpectation, "What an answer must be like to pass.")),
            onlyHTTP(
                Field(
                    optional: "host", \.http.host,
                    .text("host", expectation: "a value for the Host field, such as shop.example.com") { text in
                        let isHost =
                            !text.isEmpty && text.utf8.count <= 261 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
                        return isHost ? .value(text) : .nothing(suggestion: nil)
                    }, "The Host field of the request. Absent: the endpoint's own host.")),
            onlyHTTP(Field("method", \.http.method, Forms.method, "The method of the request.")),
            Field(optional: "port", \.common.port, .port(), "Another port to probe than the endpoint's own."),
            Field(
                optional: "tls", \.common.tls,
                .words(["true": true, "false": false], schema: .object(["type": "boolean"])),
                "Whether it is encrypted, in the way of the service's `tls`. Absent: an `http` or `grpc` probe is if the service "
                    + "has `tls`. A `tcp` probe that is passes when the handshake is done."),
            Field("every", \.common.every, .duration(probeTime), "Interval, with 10 % of jitter."),
            Field(
                "timeout", \.common.timeout, .duration(.milliseconds(1) ... .seconds(60)),
                "After this a probe has failed."),
            Field(
                "every_suspect", \.common.everySuspect, .duration(probeTime), "Interval while the endpoint is suspect."),
            Field(
                optional: "every_used", \.common.everyUsed, .duration(probeTime),
                "Interval while requests succeed and none fails. Absent: `every`."),
            Field("every_down", \.common.everyDown, .duration(probeTime), "Interval while the endpoint is down."),
            Field("fall", \.common.fall, .integer(1...100), "Failures in a row that take an endpoint out."),
            Field("rise", \.common.rise, .integer(1...100), "Passes in a row that bring it back."),
        ])

    /// A field that is printed of HTTP probes alone.
    private static func onlyHTTP(_ field: Field<ProbeDraft>) -> Field<ProbeDraft> {
        Field(field.name, field.type, isNested: field.isNested, field.meaning, read: field.read) { draft, writing in
            draft.kind == .tcp || draft.kind == .grpc ? nil : field.write(draft, writing)
        }
    }

    private static let grpcService = Form<String>.text(
        "service", expectation: "a gRPC service such as my.Service, or an empty text"
    ) { text in
        let isName = text.utf8.count <= 255 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        return isName ? .value(text) : .nothing(suggestion: nil)
    }

    /// Keys that say something about HTTP probes alone.
    static let httpProbeKeys: Set<String> = ["http", "expect", "host", "method"]
    /// Keys that are a kind of probe by themselves.
    static let otherProbeKinds: Set<String> = ["tcp", "grpc"]
}

extension Shapes {
    static let probeExpectation = Shape<HTTPProbe>(
        "probe expectation", HTTPProbe(path: "/"),
        [
            Field("status", \.expectStatus, Forms.statusRange.oneOrMany(of: "statuses"), "Statuses that pass."),
            Field("header", \.expectHeaders, Forms.headerMatches, "Fields an answer must have, with these values."),
            Field(
                optional: "body", \.expectBody, .text(length: 1...4_096, linesAllowed: true),
                "A text that must occur in the first 64KiB of the body."),
        ])
}

extension Forms {
    /// A key that is there or not.
    static let yes = Form<Bool>.words(["true": true], schema: .object(["const": .bool(true)]))

    /// `200` or `200-299`.
    static let statusRange = Form<ClosedRange<Int>>.parsed(
        FormType(
            name: "status or range", expectation: "a status such as 200, or a range such as 200-299",
            schema: .object([
                "type": .array(["integer", "string"]), "minimum": .number(100), "maximum": .number(599),
                "pattern": #"^[1-5][0-9]{2}(-[1-5][0-9]{2})?$|\$\{"#,
            ]))
    ) { text in
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map {
            NumberText.integer($0) ?? 0
        }
        guard let first = parts.first, let last = parts.last, parts.allSatisfy({ (100...599).contains($0) }),
            first <= last
        else { return .nothing(suggestion: nil) }
        return .value(first...last)
    } write: {
        .word($0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)")
    }
}
