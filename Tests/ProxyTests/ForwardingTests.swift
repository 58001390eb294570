import Backends
import RouteTable
import Telemetry
import Testing

struct ForwardingTests {
    @Test func `a connection serves request after request, both sides`() throws {
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        for _ in 0..<20 {
            client.send(get)
            #expect(try #require(client.readMessage()).text == "ok")
        }
        #expect(backend.connections.count == 1)
        #expect(backend.requests.count == 20)
        #expect(proxy.listenerCounters.connections.count == 1)
        #expect(proxy.listenerCounters.requests.count == 20)
    }

    @Test func `pipelined requests are answered in their order, however they are cut`() throws {
        let backend = try Backend { request, connection in
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: \(request.target.utf8.count)\r\n\r\n\(request.target)")
            return true
        }
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        let targets = (0..<50).map { "/\($0)" }
        let bytes = Array(targets.map { "GET \($0) HTTP/1.1\r\nhost: a.example\r\n\r\n" }.joined().utf8)
        for start in stride(from: 0, to: bytes.count, by: 37) {
            client.send(Array(bytes[start..<min(start + 37, bytes.count)]))
        }
        for target in targets {
            #expect(client.readMessage()?.text == target)
        }
    }

    @Test func `a request's chunks and trailers arrive`() throws {
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]])
        let answer = try proxy.ask(
            "POST / HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n"
                + "5;ext=1\r\nhello\r\n7\r\n, world\r\n0\r\nx-sum: 12\r\n\r\n")
        #expect(answer.status == 200)
        let request = try #require(backend.requests.first)
        #expect(request.text == "hello, world")
        #expect(request["transfer-encoding"] == "chunked")
        #expect(request["content-length"] == nil)
        #expect(request.trailers == [Field(name: "x-sum", value: "12")])
    }

    @Test func `what may not be sent as a field may not be sent as a trailer`() throws {
        let backend = try Backend(
            Backend.says(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Inner: 5\r\nx-sum: 5\r\n\r\n"))
        let proxy = try ProxyUnderTest([[backend]]) {
            $0.routes[0].requestHeaders.remove = ["x-client-id"]
            $0.routes[0].requestHeaders.set = [HeaderValue(name: "x-zone", value: "a")]
            $0.routes[0].responseHeaders.remove = ["x-inner"]
        }
        let answer = try proxy.ask(
            "POST / HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"
                + "X-Client-ID: root\r\nx-zone: b\r\nx-sum: 12\r\n\r\n")
        #expect(answer.trailers == [Field(name: "x-sum", value: "5")])
        let request = try #require(backend.requests.first)
        #expect(request.trailers == [Field(name: "x-sum", value: "12")])
        #expect(request["x-zone"] == "a")
    }

    @Test func `an answer's chunks and trailers arrive`() throws {
        let backend = try Backend(
            Backend.says(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n"))
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        for _ in 0..<2 {
            client.send(get)
            let answer = try #require(client.readMessage())
            #expect(answer.text == "hello")
            #expect(answer.isWhole)
            #expect(answer.trailers == [Field(name: "x-sum", value: "5")])
        }
    }

    @Test(arguments: [
        ("HEAD / HTTP/1.1\r\nhost: a.example\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
        (get, "HTTP/1.1 204 No Content\r\n\r\n"),
        (get, "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"),
    ])
    func `an answer without a body ends with its head`(request: String, said: String) throws {
        let backend = try Backend(Backend.says(said))
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        for _ in 0..<3 {
            client.send(request)
            let answer = try #require(client.readMessage(hasBody: false))
            #expect(said.contains(" \(answer.status) "))
            #expect(answer["transfer-encoding"] == nil)
        }
        #expect(backend.connections.count == 1)
    }

    @Test func `a client of HTTP/1.0 gets an answer it understands, and an end`() throws {
        let backend = try Backend(
            Backend.says("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send("GET / HTTP/1.0\r\nhost: a.example\r\n\r\n")
        let answer = try #require(client.readMessage(bodyUntilEnd: true))
        #expect(answer["transfer-encoding"] == nil)
        #expect(answer.text == "hello")
        #expect(client.end == .closed)
    }

    @Test func `a client of HTTP/1.0 may ask to stay`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]])
        let client = try proxy.connect()
        for _ in 0..<2 {
            client.send("GET / HTTP/1.0\r\nhost: a.example\r\nconnection: keep-alive\r\n\r\n")
            let answer = try #require(client.readMessage())
            #expect(answer["connection"] == "keep-alive")
            #expect(answer.text == "ok")
        }
    }

    @Test func `an answer that ends with its connection is whole`() throws {
        let backend = try Backend(Backend.says("HTTP/1.0 200 OK\r\n\r\nuntil the end", thenCloses: true))
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        for _ in 0..<2 {
            client.send(get)
            let answer = try #require(client.readMessage())
            #expect(answer["transfer-encoding"] == "chunked")
            #expect(answer.text == "until the end")
            #expect(answer.isWhole)
        }
    }

    @Test func `interim answers are passed on`() throws {
        let backend = try Backend(
            Backend.says(
                "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send(get)
        let hints = try #require(client.readMessage(hasBody: false))
        #expect(hints.status == 103)
        #expect(hints["link"] == "</a.css>")
        #expect(client.readMessage()?.status == 200)
    }

    @Test func `a client that expects 100-continue hears the backend's`() throws {
        let backend = try Backend(connections: { _, connection in
            var head: [String] = []
            while let line = connection.readLine(), !line.isEmpty { head.append(line.lowercased()) }
            guard head.contains("expect: 100-continue") else { return connection.close() }
            connection.send("HTTP/1.1 100 Continue\r\n\r\n")
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
            connection.send(connection.read(4))
        })
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send("POST / HTTP/1.1\r\nhost: a.example\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        #expect(client.readMessage(hasBody: false)?.status == 100)
        client.send("body")
        #expect(client.readMessage()?.text == "body")
    }

    @Test func `what is meant for the next hop only stays here, both ways`() throws {
        let backend = try Backend(
            Backend.says(
                "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: x-inner\r\nx-inner: 1\r\nkeep-alive: timeout=5\r\n"
                    + "x-end: 1\r\n\r\n"))
        let proxy = try ProxyUnderTest([[backend]])
        let answer = try proxy.ask(
            "GET / HTTP/1.1\r\nhost: a.example\r\nconnection: x-mine\r\nx-mine: 1\r\nte: trailers\r\n"
                + "proxy-connection: keep-alive\r\nx-theirs: 1\r\n\r\n")
        let request = try #require(backend.requests.first)
        for name in ["x-mine", "proxy-connection", "connection"] { #expect(request[name] == nil, "\(name)") }
        #expect(request["x-theirs"] == "1")
        for name in ["x-inner", "keep-alive"] { #expect(answer[name] == nil, "\(name)") }
        #expect(answer["x-end"] == "1")
    }

    @Test func `who forwarded, and for whom, is told; what a stranger says of it is not`() throws {
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]])
        let answer = try proxy.ask(
            "GET / HTTP/1.1\r\nhost: a.example\r\nx-forwarded-for: 6.6.6.6\r\nforwarded: for=6.6.6.6\r\n"
                + "x-forwarded-proto: https\r\nvia: 1.0 liar\r\n\r\n")
        let request = try #require(backend.requests.first)
        #expect(request["x-forwarded-for"] == "127.0.0.1")
        #expect(request["x-forwarded-proto"] == "http")
        #expect(request["x-forwarded-host"] == "a.example")
        #expect(request["forwarded"]?.contains("for=127.0.0.1") == true)
        #expect(request["forwarded"]?.contains("6.6.6.6") == false)
        #expect(request["via"] == "1.0 liar,1.1 spillway", "without a name of its own, as no router is started")
        #expect(answer["via"] == "1.1 spillway")
        #expect(answer["date"] != nil)
    }

    @Test func `what a trusted proxy says of others is kept and added to`() throws {
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]]) {
            $0.listener.trustedProxies = [AddressBlock(bytes: [127, 0, 0, 0], prefixBits: 8)]
        }
        _ = try proxy.ask(
            "GET / HTTP/1.1\r\nhost: a.example\r\nx-forwarded-for: 6.6.6.6\r\nx-forwarded-proto: https\r\n\r\n")
        let request = try #require(backend.requests.first)
        #expect(request["x-forwarded-for"]?.hasPrefix("6.6.6.6") == true)
        #expect(request["x-forwarded-for"]?.hasSuffix("127.0.0.1") == true)
        #expect(request["x-forwarded-proto"] == "https")
    }

    @Test func `the authority of an absolute target is the host`() throws {
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]])
        _ = try proxy.ask("GET http://b.example/x?y=1 HTTP/1.1\r\nhost: b.example\r\n\r\n")
        let request = try #require(backend.requests.first)
        #expect(request.target == "/x?y=1")
        #expect(request["host"] == "b.example")
    }

    @Test func `a request that no route is for is told so`() throws {
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]]) { $0.routes[0].match.host = .exact("other.example") }
        let answer = try proxy.ask(get)
        #expect(answer.status == 404)
        #expect(answer["x-spillway-error"] == "no-route")
        #expect(backend.requests.isEmpty)
        #expect(proxy.listenerCounters.unrouted.count == 1)
    }
}
