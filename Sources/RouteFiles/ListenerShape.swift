internal import RouteTable

extension Shapes {
    static let listener = Shape<Listener>(
        "listener", Listener(name: "", bind: .ip(address: "0.0.0.0", port: 0)),
        [
            Field(
                "bind", \.place, listenerPlace, isRequired: true,
                "Where to listen. Port 0 asks the system for a free one. At a Unix socket's path there may be nothing, or a "
                    + "socket on which nobody listens any more, which is replaced."),
            Field(
                "protocol", \.transport, .words(["http": .http, "tcp": .tcp, "tls_passthrough": .tlsPassthrough]),
                "What is spoken. `http`: HTTP/1.1, and HTTP/2, by ALPN or with prior knowledge. `tcp`: bytes, passed on as they come. `tls_passthrough`: TLS, passed on "
                    + "as it comes, and routed by the server name and the protocols (ALPN) that the client says first."),
            Field(
                "trusted_proxies", \.trustedProxies, Forms.block.list(0...1_000, of: "addresses and ranges"),
                "Peers whose `X-Forwarded-*` and `Forwarded` fields are believed and appended to; those of others are "
                    + "replaced."),
            Field(
                "proxy_protocol", \.readsProxyHeader, .words(["true": true, "false": false], schema: booleans),
                "Connections of `trusted_proxies` begin with a PROXY protocol header, of version 1 or 2, which says who "
                    + "the client is; one without is closed. Others are clients themselves."),
            Field(nested: "limits", \.limits, Shapes.listenerLimits, "What is accepted of one client, at most."),
            Field(nested: "timeouts", \.timeouts, Shapes.listenerTimeouts, "How long a client is waited for."),
            Field(
                "access_log", \.accessLog, accessLog.form.or("none"), "Where each request, or tunnel, is logged."),
            Field(
                optional: "tls", \.tls, listenerTLS.form, "How clients speak to it encrypted. Absent: they do not."),
            Field(
                "redirect", \.redirectsToHTTPS, .words(["https": true, "none": false]),
                "`https`: every request is answered 308 with the same place on https, and none is routed."),
        ]
    ) { listener in
        var breaches: [Breach] = []
        if listener.readsProxyHeader && listener.trustedProxies.isEmpty {
            breaches.append(
                Breach(
                    key: "proxy_protocol", found: "a header that anybody could send",
                    expected: "`trusted_proxies` beside it: those who send it"))
        }
        if listener.transport == .tlsPassthrough, listener.tls != nil {
            breaches.append(
                Breach(
                    key: "tls", found: "certificates for what is passed on as it comes", expected: "`http` or `tcp`"))
        }
        if listener.redirectsToHTTPS && (listener.tls != nil || listener.transport.isTunnel) {
            breaches.append(
                Breach(
                    key: "redirect",
                    found: listener.tls == nil
                        ? "a redirect of no requests" : "a redirect to where the request already is",
                    expected: listener.tls == nil ? "a listener of `http`" : "no `tls` beside it"))
        }
        return breaches
    }

    private static let booleans = JSONValue.object(["type": "boolean"])
}

extension Shapes {
    static let listenerLimits = Shape<ListenerLimits>(
        "listener limits", ListenerLimits(),
        [
            Field(
                "head", \.headBytes, .size(1_024...1_048_576),
                "Bytes of a request head, request line and fields together; more is answered 431."),
            Field("target", \.targetBytes, .size(64...65_536), "Bytes of a request target; more is answered 414."),
            Field(
                "headers", \.headerCount, .integer(1...1_000), "Field lines in a request head; more is answered 431."),
            Field(
                "body", \.bodyBytes, Form<Int>.size(0...(1 << 40)).or("none"),
                "Bytes of a request body; more is answered 413."),
            Field(
                "connections", \.connections, .integer(1...1_000_000),
                "Client connections open at once, all workers together; further ones wait to be accepted."),
        ]
    ) { limits in
        limits.targetBytes <= limits.headBytes
            ? []
            : [
                Breach(
                    key: "target", found: "a target of \(limits.targetBytes.sizeText)",
                    expected: "no more than a head may have, \(limits.headBytes.sizeText)")
            ]
    }
}

extension Shapes {
    static let listenerTimeouts = Shape<ListenerTimeouts>(
        "listener timeouts", ListenerTimeouts(),
        [
            Field(
                "head", \.head, .duration(.milliseconds(100) ... .seconds(600)),
                "From the first byte of a request, or from the connection's beginning, to the end of its head; then 408. "
                    + "The same for a ClientHello that is passed on and for a PROXY protocol header; then it is closed."
            ),
            Field(
                "idle", \.idle, .duration(.milliseconds(100) ... .seconds(86_400)),
                "Between requests on a kept connection; then it is closed."),
            Field(
                "body", \.body, .duration(.milliseconds(100) ... .seconds(3_600)),
                "Without progress while a body comes from the client or an answer goes to it. Of a gRPC call to a "
                    + "service of `http2`, which may rest on purpose, `tunnel` bounds what comes."),
            Field(
                "tunnel", \.tunnel, .duration(.milliseconds(100) ... .seconds(604_800)),
                "Without a byte either way on a connection that is passed on as it comes, or in a gRPC call; then it is "
                    + "closed."),
            Field(
                "handshake", \.handshake, .duration(.milliseconds(100) ... .seconds(600)),
                "For a TLS handshake; then the connection is closed."),
        ])
}

extension Shapes {
    static let accessLog = Shape<AccessLog>(
        "access log", AccessLog(),
        [
            Field(
                "format", \.format, .words(["json": .json, "text": .text]), "One JSON object a line, or a line of text."
            ),
            Field(
                "path", \.path, .text("file", length: 1...4_096), "A file to append to; `-` is standard output."),
        ])
}

/// Where a listener listens, and who may connect there.
struct ListenerPlace: Sendable {
    var bind: BindAddress
    var access = SocketAccess()
}

extension Listener {
    fileprivate var place: ListenerPlace {
        get { ListenerPlace(bind: bind, access: socketAccess) }
        set { (bind, socketAccess) = (newValue.bind, newValue.access) }
    }
}

extension Shapes {
    private static let unixSocket = Shape<ListenerPlace>(
        "unix socket", ListenerPlace(bind: .unix(path: "/")),
        [
            Field(
                "unix", \.bind, Forms.socketPath, isRequired: true, "The path of the socket."),
            Field(
                optional: "mode", \.access.mode, Forms.fileMode,
                "Who may connect, as the permissions of the socket's file: write is what counts. Absent: by the umask."),
            Field(
                optional: "owner", \.access.owner, Forms.account("user"),
                "The user who owns the socket's file, by name or number. Absent: the router's."),
            Field(
                optional: "group", \.access.group, Forms.account("group"),
                "The group that owns it, by name or number. Absent: the router's."),
        ])

    /// An address, or a Unix socket with its mode and owner.
    fileprivate static let listenerPlace = Form<ListenerPlace>(
        FormType(
            name: "\(Forms.bind.type.name), or mapping, see unix socket",
            expectation: "\(Forms.bind.type.expectation), or { unix: /path, mode: 0660 }",
            schema: .object(["anyOf": .array([Forms.bind.type.schema, unixSocket.type.schema])]),
            shapes: unixSocket.type.shapes)
    ) { node, reading in
        if case .mapping = node.content { return unixSocket.form.read(node, &reading) }
        return Forms.bind.read(node, &reading).map { ListenerPlace(bind: $0) }
    } write: { place, writing in
        place.access == SocketAccess()
            ? Forms.bind.write(place.bind, writing) : unixSocket.form.write(place, writing)
    }
}

extension Forms {
    fileprivate static let socketPath = Form<BindAddress>.parsed(
        FormType(
            name: "path", expectation: "an absolute path of up to \(AddressText.socketPathLimit) bytes",
            schema: .object(["type": "string"]))
    ) { text in
        guard case .unix(let path)? = AddressText.parts("unix:" + text) else {
            return .nothing(suggestion: text.hasPrefix("unix:/") ? String(text.dropFirst(5)) : nil)
        }
        return .value(.unix(path: path))
    } write: { bind in
        if case .unix(let path) = bind { .text(path) } else { .text("") }
    }

    fileprivate static let fileMode = Form<Int>.parsed(
        FormType(
            name: "permissions", expectation: "permissions in octal digits, such as 0660",
            schema: .object(["type": .array(["string", "integer"]), "pattern": "^0?[0-7]{3}$"]))
    ) { text in
        let digits = text.count == 4 && text.hasPrefix("0") ? text.dropFirst() : text[...]
        guard digits.utf8.count == 3, digits.utf8.allSatisfy({ (0x30...0x37).contains($0) }) else {
            return .nothing(suggestion: nil)
        }
        return Int(digits, radix: 8).map { .value($0) } ?? .nothing(suggestion: nil)
    } write: { mode in
        .word(SocketAccess(mode: mode).modeText ?? "")
    }

    fileprivate static func account(_ kind: String) -> Form<String> {
        .text(kind, expectation: "the name or number of a \(kind)", pattern: "^[^:/ ]+$") { text in
            let isName =
                (1...64).contains(text.utf8.count)
                && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3A && $0 != 0x2F }
            return isName ? .value(text) : .nothing(suggestion: nil)
        }
    }
}
