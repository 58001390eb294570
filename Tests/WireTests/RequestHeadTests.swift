import Testing

@testable import Wire

@Suite("A request head")
struct RequestHeadTests {
    @Test("tells method, target, fields and where it ends")
    func readsWhole() throws {
        let text = "GET /a/b?c=d HTTP/1.1\r\nHost: shop.example:8080\r\nX-Empty:\r\nX-Padded: \t v w \t\r\n\r\nrest"
        let head = try #require(request(text).head)
        #expect(head.method == "GET")
        #expect(head.target == "/a/b?c=d")
        #expect(head.path == "/a/b")
        #expect(head.query == "?c=d")
        #expect(head.authority == "shop.example:8080")
        #expect(head.host == "shop.example")
        #expect(head.fields == ["Host=shop.example:8080", "X-Empty=", "X-Padded=v w"])
        #expect(head.byteCount == text.utf8.count - 4)
        #expect(head.body == .none)
        #expect(head.isPersistent)
    }

    @Test(
        "that could be read in two ways, or in none, is refused with its reason",
        arguments: [
            // Lines
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", .bareLineFeed),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", .bareLineFeed),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", .bareLineFeed),
            ("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", .bareCarriageReturn),
            ("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", .bareCarriageReturn),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", .lineFolded),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", .lineFolded),
            ("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", .lineFolded),
            // The request line
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .requestLineInvalid),
            (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", .methodInvalid),
            ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", .methodInvalid),
            ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", .methodInvalid),
            ("G\u{0}T / HTTP/1.1\r\nHost: a\r\n\r\n", .methodInvalid),
            ("GET /\r\nHost: a\r\n\r\n", .requestLineInvalid),
            ("GET\r\nHost: a\r\n\r\n", .requestLineInvalid),
            ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .requestLineInvalid),
            ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", .requestLineInvalid),
            ("GET / x HTTP/1.1\r\nHost: a\r\n\r\n", .requestLineInvalid),
            ("GET / http/1.1\r\nHost: a\r\n\r\n", .requestLineInvalid),
            ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", .requestLineInvalid),
            ("GET / HTTP/11\r\nHost: a\r\n\r\n", .requestLineInvalid),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", .versionUnsupported),
            ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", .versionUnsupported),
            ("GET / HTTP/0.9\r\n\r\n", .versionUnsupported),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .targetInvalid),
            // Field lines
            ("GET / HTTP/1.1\r\nHost: a\r\n: v\r\n\r\n", .fieldNameEmpty),
            ("GET / HTTP/1.1\r\nHost: a\r\nX : v\r\n\r\n", .blankBeforeColon),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\t: v\r\n\r\n", .blankBeforeColon),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", .colonMissing),
            ("GET / HTTP/1.1\r\nHost: a\r\nX(y): v\r\n\r\n", .fieldNameInvalid),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\u{0}: v\r\n\r\n", .fieldNameInvalid),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\u{ff}: v\r\n\r\n", .fieldNameInvalid),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: v\u{0}w\r\n\r\n", .fieldValueInvalid),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: v\u{b}w\r\n\r\n", .fieldValueInvalid),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: v\u{7f}\r\n\r\n", .fieldValueInvalid),
        ] as [(String, Malformed)])
    func refuses(text: String, reason: Malformed) {
        #expect(request(text).reason == reason)
    }

    @Test("overlooks up to eight empty lines before it")
    func overlooksEmptyLines() {
        let head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        #expect(request("\r\n" + head).head?.byteCount == head.utf8.count + 2)
        #expect(request(String(repeating: "\r\n", count: 8) + head).head != nil)
        #expect(request(String(repeating: "\r\n", count: 9) + head).reason == .requestLineInvalid)
        #expect(request("\n" + head).reason == .bareLineFeed)
        #expect(request("\r\n\rX").reason == .bareCarriageReturn)
    }

    @Test(
        "takes values of any visible text, and obs-text",
        arguments: ["v", "a: b", "\u{e9}\u{ff}", "\"quoted\"", "a\tb", "-", "()<>@,;:\\/[]?={}"])
    func takesValues(value: String) throws {
        #expect(requestWith("X: \(value)\r\n").head != nil)
    }

    @Test(
        "may have any token for a method",
        arguments: [
            "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "get", "M-SEARCH",
            "!#$%&'*+-.^_`|~",
        ])
    func takesMethods(method: String) {
        #expect(request("\(method) / HTTP/1.1\r\nHost: a\r\n\r\n").head?.method == method)
    }

    @Test(
        "has the target's forms, each with its methods",
        arguments: [
            ("GET", "/", "/", "", "a"),
            ("GET", "/?", "/", "?", "a"),
            ("GET", "//b//c", "//b//c", "", "a"),
            ("GET", "/a/../b/%2e%2E/;x=1", "/a/../b/%2e%2E/;x=1", "", "a"),
            ("GET", "/x?a?b/c", "/x", "?a?b/c", "a"),
            ("OPTIONS", "*", "", "", "a"),
            ("GET", "http://b.example/p?q", "/p", "?q", "b.example"),
            ("GET", "HTTP://b.example:81", "", "", "b.example:81"),
            ("GET", "https://b.example?q", "", "?q", "b.example"),
            ("GET", "http://[2001:db8::1]:80/", "/", "", "[2001:db8::1]:80"),
            ("GET", "ftp://b.example/p?q", "/p", "?q", "b.example"),
            ("GET", "Git+ssh-2.0://b.example:22", "", "", "b.example:22"),
            ("GET", "ftp://b.example?q=x://y", "", "?q=x://y", "b.example"),
            ("CONNECT", "b.example:443", "", "", "b.example:443"),
        ] as [(String, String, String, String, String)])
    func takesTargets(method: String, target: String, path: String, query: String, authority: String) throws {
        let head = try #require(request("\(method) \(target) HTTP/1.1\r\nHost: a\r\n\r\n").head)
        #expect(head.path == path)
        #expect(head.query == query)
        #expect(head.authority == authority)
    }

    @Test(
        "with a target of no form is refused",
        arguments: [
            ("GET", "*", .targetInvalid),
            ("GET", "path", .targetInvalid),
            ("GET", "?q", .targetInvalid),
            ("GET", "b.example:80", .targetInvalid),
            ("GET", "ftp:/b.example/", .targetInvalid),
            ("GET", "urn:b.example", .targetInvalid),
            ("GET", "1ftp://b.example/", .targetInvalid),
            ("GET", "://b.example/", .targetInvalid),
            ("GET", "f%74p://b.example/", .targetInvalid),
            ("GET", "ftp?://b.example/", .targetInvalid),
            ("GET", "http:/b.example/", .targetInvalid),
            ("GET", "/a#f", .targetInvalid),
            ("GET", "/a\u{0}", .targetInvalid),
            ("GET", "/a\u{7f}", .targetInvalid),
            ("GET", "/a\u{e9}", .targetInvalid),
            ("GET", "/a\tb", .targetInvalid),
            ("GET", "http://", .authorityInvalid),
            ("GET", "http:///p", .authorityInvalid),
            ("GET", "http://u:p@b.example/", .authorityInvalid),
            ("GET", "ftp://", .authorityInvalid),
            ("GET", "file:///p", .authorityInvalid),
            ("GET", "ftp://u@b.example/", .authorityInvalid),
            ("GET", "http://b.example:80x/", .authorityInvalid),
            ("GET", "http://[::1/", .authorityInvalid),
            ("CONNECT", "b.example", .authorityInvalid),
            ("CONNECT", "/", .authorityInvalid),
        ] as [(String, String, Malformed)])
    func refusesTargets(method: String, target: String, reason: Malformed) {
        #expect(request("\(method) \(target) HTTP/1.1\r\nHost: a\r\n\r\n").reason == reason)
    }

    @Test(
        "has exactly one valid Host, unless it is of HTTP/1.0",
        arguments: [
            ("1.1", "", .hostMissing),
            ("1.0", "", nil),
            ("1.1", "Host: a\r\nHost: a\r\n", .hostDuplicate),
            ("1.0", "Host: a\r\nhost: b\r\n", .hostDuplicate),
            ("1.1", "Host:\r\n", nil),
            ("1.1", "Host: a:80\r\n", nil),
            ("1.1", "Host: a:\r\n", nil),
            ("1.1", "Host: [::1]:80\r\n", nil),
            ("1.1", "Host: a_b.example\r\n", nil),
            ("1.1", "Host: a b\r\n", .hostInvalid),
            ("1.1", "Host: a,b\r\n", nil),
            ("1.1", "Host: u@a\r\n", .hostInvalid),
            ("1.1", "Host: a/b\r\n", .hostInvalid),
            ("1.1", "Host: a:80:80\r\n", .hostInvalid),
            ("1.1", "Host: a:x\r\n", .hostInvalid),
            ("1.1", "Host: [::1\r\n", .hostInvalid),
            ("1.1", "Host: [x]\r\n", .hostInvalid),
            ("1.1", "Host: a%2\r\n", .hostInvalid),
            ("1.1", "Host: a\u{e9}\r\n", .hostInvalid),
        ] as [(String, String, Malformed?)])
    func checksHost(version: String, fields: String, reason: Malformed?) {
        #expect(request("GET / HTTP/\(version)\r\n\(fields)\r\n").reason == reason)
    }

    @Test("believes an absolute target before its Host")
    func believesTarget() {
        let head = request("GET http://b.example/ HTTP/1.1\r\nHost: a\r\n\r\n").head
        #expect(head?.authority == "b.example")
    }

    @Test(
        "says in one way how its body is framed",
        arguments: [
            ("", RequestBody.none),
            ("Content-Length: 0\r\n", .length(0)),
            ("Content-Length: 12\r\n", .length(12)),
            ("Content-Length: 007\r\n", .length(7)),
            ("Content-Length: 9223372036854775807\r\n", .length(9_223_372_036_854_775_807)),
            ("Transfer-Encoding: chunked\r\n", .chunked),
            ("transfer-encoding:\tChUnKeD \r\n", .chunked),
            ("Transfer-Encoding: chunked,\r\n", .chunked),
            ("Transfer-Encoding: ,chunked\r\n", .chunked),
            ("Transfer-Encoding: , \t, Chunked , ,\r\n", .chunked),
        ] as [(String, RequestBody)])
    func readsFraming(fields: String, body: RequestBody) {
        #expect(requestWith(fields).head?.body == body)
    }

    @Test(
        "is refused if two readers could frame its body differently",
        arguments: [
            ("Content-Length:\r\n", .lengthInvalid),
            ("Content-Length: +1\r\n", .lengthInvalid),
            ("Content-Length: -1\r\n", .lengthInvalid),
            ("Content-Length: 0x1\r\n", .lengthInvalid),
            ("Content-Length: 1 2\r\n", .lengthInvalid),
            ("Content-Length: 1_0\r\n", .lengthInvalid),
            ("Content-Length: 1.0\r\n", .lengthInvalid),
            ("Content-Length: 9223372036854775808\r\n", .lengthInvalid),
            ("Content-Length: 18446744073709551617\r\n", .lengthInvalid),
            ("Content-Length: 1, 1\r\n", .lengthDuplicate),
            ("Content-Length: 1\r\nContent-Length: 1\r\n", .lengthDuplicate),
            ("Content-Length: 1\r\nContent-Length: 2\r\n", .lengthDuplicate),
            ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", .lengthAndEncoding),
            ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", .lengthAndEncoding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", .encodingInvalid),
            ("Transfer-Encoding: chunked, chunked\r\n", .encodingInvalid),
            ("Transfer-Encoding: ,\r\n", .encodingInvalid),
            ("Transfer-Encoding: ,chunked,,chunked\r\n", .encodingInvalid),
            ("Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n", .encodingInvalid),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: ,\r\n", .encodingInvalid),
            ("Content-Length: 1\r\nTransfer-Encoding: ,chunked\r\n", .lengthAndEncoding),
            ("Transfer-Encoding:\r\n", .encodingInvalid),
            ("Transfer-Encoding: \"chunked\"\r\n", .encodingInvalid),
            ("Transfer-Encoding: chunked;q=1\r\n", .encodingInvalid),
            ("Transfer-Encoding: chunked, identity\r\n", .encodingInvalid),
            ("Transfer-Encoding: xchunked\r\n", .encodingUnsupported),
            ("Transfer-Encoding: identity\r\n", .encodingUnsupported),
            ("Transfer-Encoding: gzip, chunked\r\n", .encodingUnsupported),
            ("Transfer-Encoding: gzip,, chunked\r\n", .encodingUnsupported),
            ("Transfer-Encoding: \u{b}chunked\r\n", .fieldValueInvalid),
            ("Transfer-Encoding : chunked\r\n", .blankBeforeColon),
            ("Content-Length: 1\r\n\r\n", nil),
        ] as [(String, Malformed?)])
    func refusesFraming(fields: String, reason: Malformed?) {
        #expect(requestWith(fields).reason == reason)
    }

    @Test("of HTTP/1.0 has no chunked body")
    func refusesChunkedInHTTP10() {
        #expect(requestWith("Transfer-Encoding: chunked\r\n", version: "1.0").reason == .encodingInHTTP10)
    }

    @Test(
        "says whether the connection stays open",
        arguments: [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: Keep-Alive, Close\r\n", false),
            ("1.1", "Connection: x\r\nConnection: close\r\n", false),
            ("1.1", "Connection: a b\r\n", false),
            ("1.1", "Connection: ,,\r\n", true),
            ("1.0", "", false),
            ("1.0", "Connection: keep-alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ] as [(String, String, Bool)])
    func readsPersistence(version: String, fields: String, isPersistent: Bool) {
        #expect(requestWith(fields, version: version).head?.isPersistent == isPersistent)
    }

    @Test("with too many connection options is refused")
    func limitsConnectionOptions() {
        let options = (0..<33).map { "x\($0)" }.joined(separator: ", ")
        #expect(requestWith("Connection: \(options)\r\n").reason == .tooManyConnectionOptions)
    }

    @Test("expects 100-continue and nothing else")
    func readsExpectation() {
        #expect(requestWith("Expect: 100-Continue\r\n").head?.expectsContinue == true)
        #expect(requestWith("Expect: 100-continue\r\n", version: "1.0").head?.expectsContinue == false)
        for other in ["", "100", "100-continue, x", "200-ok", "100-continuex"] {
            #expect(requestWith("Expect: \(other)\r\n").reason == .expectationUnknown, "Expect: \(other)")
        }
    }

    @Test(
        "offers an upgrade only if Connection says so, and never to h2c",
        arguments: [
            ("Upgrade: websocket\r\nConnection: upgrade\r\n", "websocket"),
            ("Upgrade: websocket\r\n", nil),
            ("Upgrade: h2c\r\nConnection: upgrade\r\n", nil),
            ("Upgrade: websocket, H2C\r\nConnection: upgrade\r\n", nil),
            ("Upgrade: websocket,\r\nConnection: upgrade\r\n", nil),
            ("Upgrade: a\r\nUpgrade: b\r\nConnection: upgrade\r\n", nil),
        ] as [(String, String?)])
    func readsUpgrade(fields: String, upgrade: String?) throws {
        let head = try #require(requestWith(fields, method: "GET").head)
        #expect(head.upgrade == upgrade)
    }

    @Test("beyond a limit is refused, whether it has come in full or not")
    func keepsLimits() {
        let limits = HeadLimits(headBytes: 200, targetBytes: 20, fieldCount: 3)
        func read(_ text: String) -> Malformed? { [UInt8](latin: text).readRequest(limits).reason }
        let long = String(repeating: "x", count: 200)
        #expect(read("GET / HTTP/1.1\r\nHost: a\r\nX: \(long)\r\n\r\n") == .headTooLarge)
        #expect(read("GET / HTTP/1.1\r\nHost: a\r\nX: \(long)") == .headTooLarge)
        #expect(read("GET /\(long) HTTP/1.1\r\nHost: a\r\n\r\n") == .targetTooLong)
        #expect(read("GET /\(long)") == .targetTooLong)
        #expect(read("GET /\(long.prefix(19)) HTTP/1.1\r\nHost: a\r\n\r\n") == nil)
        #expect(read("GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\nC:\r\n\r\n") == .tooManyFields)
        #expect(read("GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\n\r\n") == nil)
    }

    @Test("may have a target of 16 KiB and 200 fields, unless the listener says otherwise")
    func hasDefaultLimits() {
        func target(_ count: Int) -> Malformed? {
            request("GET /\(String(repeating: "x", count: count - 1)) HTTP/1.1\r\nHost: a\r\n\r\n").reason
        }
        func fields(_ count: Int) -> Malformed? {
            requestWith(String(repeating: "A:\r\n", count: count - 1)).reason
        }
        #expect(target(16_384) == nil)
        #expect(target(16_385) == .targetTooLong)
        #expect(fields(200) == nil)
        #expect(fields(201) == .tooManyFields)
    }

    @Test("says the same however it was cut on its way")
    func isIndependentOfCuts() {
        let texts = [
            "GET /a?b HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, x-y\r\nX-Y: 1\r\nContent-Length: 5\r\n\r\n",
            "\r\nPOST http://[::1]:80/p HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
            "PROPFIND * HTTP/1.1\r\nHost: a\r\n\r\n",
            "OPTIONS * HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: v\u{0}\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\nX: v\r\n\r\n",
            "GET / HTTP/1.3\r\nHost: a\r\n\r\n",
            "GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            "POST ftp://b.example/p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked,\r\n\r\n",
        ]
        for text in texts {
            let bytes = [UInt8](latin: text)
            let whole = bytes.readRequest()
            #expect(whole != .incomplete)
            for count in 0..<bytes.count {
                let part = Array(bytes.prefix(count)).readRequest()
                switch whole {
                case .read: #expect(part == .incomplete, "\(count) bytes of \(text)")
                default: #expect(part == .incomplete || part == whole, "\(count) bytes of \(text)")
                }
            }
        }
    }
}
