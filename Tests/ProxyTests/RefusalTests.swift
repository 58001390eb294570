import Backends
import RouteTable
import Telemetry
import Testing

struct RefusalTests {
    @Test(arguments: [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\n folded: 1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx", 400),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\nx", 400),
        ("GET / HTTP/1.1\nhost: a\n\n", 400),
        ("GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        ("CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n", 501),
        ("garbage\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}", 400),
    ])
    func `what could be read in two ways is refused, and nothing after it is read`(
        request: String, status: Int
    ) throws {
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send(request + get)
        let answer = try #require(client.readMessage())
        #expect(answer.status == status)
        #expect(answer["x-spillway-error"] != nil)
        #expect(answer["connection"] == "close")
        #expect(client.readEnd() == .closed)
        #expect(backend.requests.isEmpty)
        #expect(proxy.listenerCounters.refused.count == 1)
    }

    @Test func `a malformed chunk within a request is refused, and the backend never sees its end`() throws {
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]])
        let answer = try proxy.ask(
            "POST / HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")
        #expect(answer.status == 400)
        #expect(eventually { backend.connections.allSatisfy { $0.end != nil } })
        #expect(backend.requests.isEmpty)
    }

    @Test func `heads, targets, fields and bodies have limits, each with its own answer`() throws {
        let long = String(repeating: "a", count: 2_000)
        let many = (0..<30).map { "x-\($0): 1\r\n" }.joined()
        let chunked = "transfer-encoding: chunked\r\n\r\n7d0\r\n\(long)\r\n0\r\n\r\n"
        let cases: [(String, Int)] = [
            ("GET / HTTP/1.1\r\nhost: a\r\nx-long: \(long)\(long)\r\n\r\n", 431),
            ("GET / HTTP/1.1\r\nhost: a\r\n\(many)\r\n", 431),
            ("GET /\(long) HTTP/1.1\r\nhost: a\r\n\r\n", 414),
            ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2000\r\n\r\n\(long)", 413),
            ("POST / HTTP/1.1\r\nhost: a\r\n\(chunked)", 413),
        ]
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]]) {
            $0.listener.limits.headBytes = 3_000
            $0.listener.limits.headerCount = 20
            $0.listener.limits.targetBytes = 1_000
            $0.listener.limits.bodyBytes = 1_000
        }
        for (request, status) in cases {
            let client = try proxy.connect()
            client.send(request)
            #expect(client.readMessage()?.status == status, "\(request.prefix(40))")
            #expect(client.readEnd() == .closed)
        }
        #expect(backend.requests.isEmpty)
        #expect(try proxy.ask(get).status == 200)
    }

    @Test func `a head that does not come is not waited for`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]]) { $0.listener.timeouts.head = .milliseconds(100) }
        let client = try proxy.connect()
        client.send("GET / HT")
        let answer = try #require(client.readMessage())
        #expect(answer.status == 408)
        #expect(answer["x-spillway-error"] == "head-timeout")
        #expect(client.readEnd() == .closed)
    }

    @Test func `an HTTP/2 client that says no more than its preface is not waited for`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]]) { $0.listener.timeouts.head = .milliseconds(100) }
        let client = try proxy.connect()
        client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        // Settings come, and nothing after them.
        #expect(client.readMessage() == nil && client.end == .closed)
        #expect(proxy.listenerCounters.refused.count == 1)
    }

    @Test func `a body that stands still is not waited for`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]]) { $0.listener.timeouts.body = .milliseconds(100) }
        let client = try proxy.connect()
        client.send("POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 10\r\n\r\nhalf")
        #expect(client.readMessage()?.status == 408)
        #expect(client.readEnd() == .closed)
    }

    @Test func `an idle connection is closed without a word`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]]) { $0.listener.timeouts.idle = .milliseconds(100) }
        let client = try proxy.connect()
        client.send(get)
        #expect(client.readMessage()?.status == 200)
        #expect(client.readEnd() == .closed)
    }

    @Test func `connections above the limit wait until one is free`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]]) { $0.listener.limits.connections = 2 }
        let first = [try proxy.connect(), try proxy.connect()]
        for client in first {
            client.send(get)
            #expect(client.readMessage()?.status == 200)
        }
        let third = try proxy.connect()
        third.send(get)
        #expect(proxy.listenerCounters.openConnections.level == 2)
        first[0].close()
        #expect(third.readMessage()?.status == 200)
    }

    @Test func `requests above the service's limit are refused at once`() throws {
        let backend = try Backend(Backend.hangs)
        let proxy = try ProxyUnderTest([[backend]]) {
            $0.service.limits.requests = 3
            $0.service.retry.hedge = .off
        }
        let waiting = try (0..<3).map { _ in try proxy.connect() }
        for client in waiting { client.send(get) }
        #expect(eventually { backend.requests.count == 3 })
        let answer = try proxy.ask(get)
        #expect(answer.status == 503)
        #expect(answer["x-spillway-error"] == "overflow")
        #expect(answer["retry-after"] == "1")
        #expect(backend.requests.count == 3)
    }

    @Test func `requests wait for a connection in their order, and not for longer than a connect may take`() throws {
        let backend = try Backend { request, connection in
            if request.target == "/hang" { return true }
            return Backend.ok(request, connection)
        }
        let proxy = try ProxyUnderTest([[backend]]) {
            $0.service.limits.connections = 1
            $0.service.limits.pending = 2
            $0.service.timeouts.connect = .milliseconds(200)
            $0.service.retry.hedge = .off
        }
        let hanging = try proxy.connect()
        hanging.send("GET /hang HTTP/1.1\r\nhost: a.example\r\n\r\n")
        #expect(eventually { backend.requests.count == 1 })
        let waiting = try (0..<2).map { _ in try proxy.connect() }
        for client in waiting { client.send(get) }
        #expect(eventually { proxy.serviceCounters.pending.level == 2 })
        // No room in the queue: refused at once. Those in it: when they have waited long enough.
        #expect(try proxy.ask(get)["x-spillway-error"] == "overflow")
        for client in waiting { #expect(client.readMessage()?["x-spillway-error"] == "overflow") }
        let another = try proxy.connect()
        another.send(get)
        #expect(eventually { proxy.serviceCounters.pending.level == 1 })
        // Only closing its side would not do: it could still be waiting for an answer.
        hanging.reset()
        #expect(another.readMessage()?.status == 200)
    }
}
