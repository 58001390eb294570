internal import RouteTable

extension Shapes {
    static let listener = Shape<Listener>(
        "listener", Listener(name: "", bind: .ip(address: "0.0.0.0", port: 0)),
        [
            Field(
                "bind", \.bind, Forms.bind, isRequired: true, "Where to listen. Port 0 asks the system for a free one."),
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
