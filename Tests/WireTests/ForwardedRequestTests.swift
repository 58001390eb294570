import Testing

@testable import Wire

@Suite("A request, forwarded,")
struct ForwardedRequestTests {
    static let own =
        "x-forwarded-proto: http\r\nforwarded: for=unknown;proto=http;host=a\r\nx-forwarded-host: a\r\nvia: 1.1 spillway\r\n\r\n"

    @Test("keeps what it said and gains what we say")
    func keepsAndGains() throws {
        let text = try forwarded("GET /a?b HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n", client: client("192.0.2.7"))
        #expect(
            text
                == "GET /a?b HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nx-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: http\r\n"
                + "forwarded: for=192.0.2.7;proto=http;host=a\r\nx-forwarded-host: a\r\nvia: 1.1 spillway\r\n\r\n")
    }

    @Test(
        "loses what is meant for us alone",
        arguments: [
            ("Connection: close\r\n", ""),
            ("Connection: x-a, X-B\r\nX-A: 1\r\nx-b: 2\r\nX-C: 3\r\n", "X-C: 3\r\n"),
            ("Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nUpgrade: h2c\r\n", ""),
            ("HTTP2-Settings: AAAA\r\n", ""),
            ("Connection: host, content-type\r\nContent-Type: text/plain\r\n", "Content-Type: text/plain\r\n"),
            ("X-Forwarded-For: 1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n", ""),
            ("X-Forwarded-Client-Cert: x\r\nX-Forwarded-Port: 1\r\n", ""),
            ("Content_Length: 5\r\nTransfer_Encoding: chunked\r\nX_Forwarded_For: 1\r\n", ""),
            ("X_Custom: 1\r\n", "X_Custom: 1\r\n"),
            ("Proxy-Authorization: Basic eA==\r\n", "Proxy-Authorization: Basic eA==\r\n"),
        ] as [(String, String)])
    func loses(fields: String, kept: String) throws {
        #expect(
            try forwarded("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
                == "GET / HTTP/1.1\r\nHost: a\r\n\(kept)\(Self.own)")
    }

    @Test(
        "says in our words how its body is framed",
        arguments: [
            ("Content-Length: 5\r\n", "Content-Length: 5\r\n"),
            ("Content-Length: 005\r\n", "content-length: 5\r\n"),
            ("Transfer-Encoding:\tCHUNKED\r\n", "transfer-encoding: chunked\r\n"),
            ("Transfer-Encoding: ,chunked,\r\n", "transfer-encoding: chunked\r\n"),
            ("Expect: 100-Continue\r\nContent-Length: 5\r\n", "Content-Length: 5\r\nexpect: 100-continue\r\n"),
        ] as [(String, String)])
    func framesItself(fields: String, kept: String) throws {
        #expect(
            try forwarded("POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
                == "POST / HTTP/1.1\r\nHost: a\r\n\(kept)\(Self.own)")
    }

    @Test("loses fields that are removed however they are spelled")
    func losesAlike() throws {
        let edits = CompiledEdits(removeAlike: ["X-Client-Cert_Info"])
        let others = "x-client-cert: 1\r\nxx-client-cert-info: 1\r\nx.client-cert-info: 1\r\n"
        let spelled = ["x-client-cert-info", "X_CLIENT_CERT_INFO", "x_client-cert_info"]
        let text = try forwarded(
            "GET / HTTP/1.1\r\nHost: a\r\n\(others)\(spelled.map { "\($0): 1\r\n" }.joined())\r\n", edits: edits)
        #expect(text == "GET / HTTP/1.1\r\nHost: a\r\n\(others)\(Self.own)")
        let many = CompiledEdits(removeAlike: ["x" + String(repeating: "-a", count: 120)])
        let field = "x" + String(repeating: "_a", count: 120)
        #expect(
            try forwarded("GET / HTTP/1.1\r\nHost: a\r\n\(field): 1\r\n\r\n", edits: many)
                == "GET / HTTP/1.1\r\nHost: a\r\n\(Self.own)")
    }

    @Test(
        "has the Host that its endpoint is to be told, once, and tells of the client's",
        arguments: [
            ("GET /p?q HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n", "GET /p?q HTTP/1.1\r\nhost: b.example\r\nX-A: 1\r\n"),
            (
                "GET /p HTTP/1.1\r\nX-A: 1\r\nHOST: a\r\nX-B: 2\r\n\r\n",
                "GET /p HTTP/1.1\r\nhost: b.example\r\nX-A: 1\r\nX-B: 2\r\n"
            ),
            ("GET http://a/p HTTP/1.1\r\nHost: c\r\n\r\n", "GET /p HTTP/1.1\r\nhost: b.example\r\n"),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nhost: b.example\r\n"),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nConnection: host\r\nContent-Length: 5\r\n\r\n",
                "POST / HTTP/1.1\r\nhost: b.example\r\nContent-Length: 5\r\n"
            ),
        ])
    func tellsHost(request: String, expected: String) throws {
        #expect(try forwarded(request, host: "b.example") == expected + Self.own)
    }

    @Test("of a client that named no host has its endpoint's")
    func tellsHostForNone() throws {
        let text = try forwarded("GET / HTTP/1.0\r\n\r\n", host: "b.example")
        #expect(text.hasPrefix("GET / HTTP/1.1\r\nhost: b.example\r\nx-forwarded-proto: http\r\n"))
        #expect(!text.contains("x-forwarded-host"))
    }

    @Test(
        "is always HTTP/1.1 in origin form with one Host",
        arguments: [
            ("GET http://b.example:81/p?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET /p?q HTTP/1.1\r\nhost: b.example:81\r\n"),
            ("GET http://b.example HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nhost: b.example\r\n"),
            ("OPTIONS http://b.example HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nhost: b.example\r\n"),
            ("GET ftp://b.example/p HTTP/1.1\r\nHost: a\r\n\r\n", "GET /p HTTP/1.1\r\nhost: b.example\r\n"),
            ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nhost: \r\n"),
            ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n"),
            ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n"),
        ] as [(String, String)])
    func hasOriginForm(text: String, begin: String) throws {
        let sent = try forwarded(text)
        #expect(sent.hasPrefix(begin), "\(sent)")
    }

    @Test("continues what a trusted proxy said")
    func continuesForwarding() throws {
        let text =
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\n"
            + "X-Forwarded-Proto: https\r\nForwarded: for=1.2.3.4\r\n\r\n"
        let trusted = try forwarded(text, client: client("192.0.2.7", isTrusted: true))
        #expect(trusted.contains("x-forwarded-for: 1.2.3.4, 5.6.7.8, 192.0.2.7\r\n"))
        #expect(trusted.contains("X-Forwarded-Proto: https\r\n"))
        #expect(!trusted.contains("x-forwarded-proto: http\r\n"))
        #expect(trusted.contains("forwarded: for=1.2.3.4, for=192.0.2.7;proto=http;host=\"a\"\r\n"))
        let stranger = try forwarded(text, client: client("192.0.2.7"))
        #expect(!stranger.contains("1.2.3.4"))
        #expect(stranger.contains("x-forwarded-for: 192.0.2.7\r\n"))
    }

    @Test("quotes what Forwarded may not say bare")
    func quotesForwarded() throws {
        let text = try forwarded("GET / HTTP/1.1\r\nHost: a:80\r\n\r\n", client: client("2001:db8::1"))
        #expect(text.contains("forwarded: for=\"[2001:db8::1]\";proto=http;host=\"a:80\"\r\n"))
    }

    @Test("counts down Max-Forwards of TRACE and OPTIONS only")
    func countsDown() throws {
        #expect(
            try forwarded("OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n").contains("max-forwards: 2\r\n"))
        #expect(try forwarded("GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n").contains("Max-Forwards: 3\r\n"))
    }

    @Test("keeps an upgrade only when it is asked to")
    func keepsUpgrade() throws {
        let text = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        #expect(
            try forwarded(text, keepsUpgrade: true).contains("connection: upgrade\r\nupgrade: websocket\r\n"))
        #expect(try !forwarded(text).lowercased().contains("upgrade"))
    }

    @Test(
        "has its prefix rewritten",
        arguments: [
            ("/api", "/", "/api/x", "/x"),
            ("/api", "/", "/api", "/"),
            ("/api", "/v2", "/api/x?q", "/v2/x?q"),
            ("/api", "/v2/", "/api/x", "/v2/x"),
            ("/api/", "/v2", "/api/x", "/v2/x"),
            ("/", "/v2", "/x", "/v2/x"),
            ("/", "/v2/", "/", "/v2/"),
        ] as [(String, String, String, String)])
    func rewrites(prefix: String, replacement: String, target: String, expected: String) throws {
        let rewrite = PathRewrite(prefixCount: prefix.utf8.count, replacement: replacement)
        let text = try forwarded("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n", rewrite: rewrite)
        #expect(text.hasPrefix("GET \(expected) HTTP/1.1\r\n"), "\(text)")
    }

    @Test("has its fields edited, but not those that frame it")
    func edits() throws {
        let edits = CompiledEdits(
            remove: ["X-Old", "Content-Length", "Host", "X-Forwarded-Port"],
            set: [("x-new", "1"), ("Via", "other"), ("connection", "x"), ("bad name", "1"), ("x-bad", "a\r\nb: c")],
            add: [("x-new", "2")])
        let text = try forwarded(
            "POST / HTTP/1.1\r\nHost: a\r\nX-Old: 1\r\nX-New: 0\r\nContent-Length: 3\r\n\r\n", edits: edits)
        #expect(text.hasSuffix("x-new: 1\r\nvia: other\r\nx-new: 2\r\n\r\n"), "\(text)")
        #expect(!text.contains("X-Old") && !text.contains("X-New") && !text.contains("b: c"))
        #expect(text.contains("Content-Length: 3\r\n"))
        #expect(!text.contains("via: 1.1 spillway"))
    }

    @Test("is whole or not there: a buffer that is too small says so")
    func overflows() throws {
        let bytes = [UInt8](latin: "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        var head = RequestHead(fieldLimit: 8)
        _ = try head.parse(unsafe bytes.span.bytes, HeadLimits())
        var out = WriteBuffer(capacity: 64)
        encodeRequest(head, unsafe bytes.span.bytes, client: ClientContext(), edits: CompiledEdits(), into: &out)
        let overflowed = out.overflowed
        #expect(overflowed)
        out.clear()
        let recovered = !out.overflowed
        #expect(recovered)
    }
}
