import Backends
import RouteTable
import Telemetry
import Synchronization
import Testing

struct RetryTests {
    @Test func `a refused connection is tried elsewhere, whatever the method`() throws {
        let good = try Backend()
        for request in [get, post] {
            let proxy = try ProxyUnderTest([[try .refusing()], [good]])
            #expect(try proxy.ask(request).status == 200)
            #expect(proxy.cellCounters(0).retries.count == 1)
            #expect(proxy.endpointCounters(0, 0).connectFailures.count == 1)
        }
        #expect(good.requests.map(\.method) == ["GET", "POST"])
        #expect(good.requests.last?.text == "body")
    }

    @Test func `a reset before an answer is tried elsewhere if the request may be repeated`() throws {
        let bad = try Backend(Backend.resets)
        let good = try Backend()
        let proxy = try ProxyUnderTest([[bad], [good]])
        #expect(try proxy.ask(get).status == 200)
        #expect(bad.requests.count == 1)
        #expect(good.requests.count == 1)
    }

    @Test(arguments: ["POST", "PATCH", "MKCOL"])
    func `what must not be repeated is sent once`(method: String) throws {
        let bad = try Backend(Backend.resets)
        let good = try Backend()
        let proxy = try ProxyUnderTest([[bad], [good]])
        let answer = try proxy.ask("\(method) / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 4\r\n\r\nbody")
        #expect(answer.status == 502)
        #expect(answer["x-spillway-error"] == "upstream-reset")
        #expect(bad.requests.count == 1)
        #expect(good.requests.isEmpty)
        // And the next one does not find out whether the endpoint is well again.
        #expect(try proxy.ask(post).status == 200)
        #expect(bad.requests.count == 1)
    }

    @Test(arguments: [502, 503, 504, 500])
    func `a listed status is tried elsewhere`(status: Int) throws {
        let bad = try Backend(Backend.status(status))
        let good = try Backend()
        let proxy = try ProxyUnderTest([[bad], [good]]) {
            $0.service.retry.on = [.connect, .reset, .timeout, .status(502), .status(503), .status(504)]
        }
        #expect(try proxy.ask(get).status == (status == 500 ? 500 : 200))
        #expect(good.requests.count == (status == 500 ? 0 : 1))
        // Never for what must not be repeated: an answer is an answer.
        #expect(try proxy.ask(post).status == (status == 500 ? 500 : status) || !good.requests.isEmpty)
    }

    @Test func `when all answers are bad, the last one is passed on`() throws {
        let bad = [
            try Backend(Backend.status(503)), try Backend(Backend.status(503)), try Backend(Backend.status(503)),
        ]
        let proxy = try ProxyUnderTest([[bad[0], bad[1]], [bad[2]]])
        let answer = try proxy.ask(get)
        #expect(answer.status == 503)
        #expect(answer["x-spillway-error"] == nil)
        #expect(bad.map(\.requests.count).reduce(0, +) == 3)
    }

    @Test func `first a neighbor is tried, then another region`() throws {
        let bad = [try Backend(Backend.resets), try Backend(Backend.resets)]
        let good = try Backend()
        let proxy = try ProxyUnderTest([bad, [good]])
        #expect(try proxy.ask(get).status == 200)
        #expect(bad.map(\.requests.count) == [1, 1])
        #expect(good.requests.count == 1)
    }

    @Test func `a body is sent again in full`() throws {
        let bad = try Backend(Backend.resets)
        let good = try Backend()
        let proxy = try ProxyUnderTest([[bad], [good]])
        let body = String(repeating: "0123456789abcdef", count: 4_000)
        let client = try proxy.connect()
        client.send("PUT / HTTP/1.1\r\nhost: a.example\r\ncontent-length: \(body.utf8.count)\r\n\r\n")
        for start in stride(from: 0, to: body.utf8.count, by: 9_000) {
            client.send(Array(Array(body.utf8)[start..<min(start + 9_000, body.utf8.count)]))
        }
        #expect(client.readMessage()?.status == 200)
        #expect(good.requests.first?.text == body)
    }

    @Test func `a body too large to be kept is sent once`() throws {
        let bad = try Backend(Backend.resets)
        let good = try Backend()
        let proxy = try ProxyUnderTest([[bad], [good]])
        let body = String(repeating: "0123456789abcdef", count: 8_000)
        let answer = try proxy.ask(
            "PUT / HTTP/1.1\r\nhost: a.example\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)")
        #expect(answer.status == 502)
        #expect(good.requests.isEmpty)
    }

    @Test func `a request is not tried more often than it may be`() throws {
        let bad = [try Backend(Backend.resets), try Backend(Backend.resets), try Backend(Backend.resets)]
        for (attempts, expected) in [(0, 1), (1, 2), (2, 3)] {
            let before = bad.map(\.requests.count).reduce(0, +)
            let proxy = try ProxyUnderTest([bad]) { $0.service.retry.attempts = attempts }
            #expect(try proxy.ask(get).status == 502)
            #expect(bad.map(\.requests.count).reduce(0, +) - before == expected)
        }
    }

    @Test func `a storm of failures does not become a storm of retries`() throws {
        let bad = try Backend(Backend.resets)
        let proxy = try ProxyUnderTest([[bad]]) {
            $0.service.retry.attempts = 2
            $0.service.retry.budget = 2_000
        }
        let requests = 400
        for _ in 0..<requests { _ = try proxy.ask(get) }
        let extra = bad.requests.count - requests
        // What a burst may take at the beginning; then, as none of it helps, a twentieth of those that would be.
        #expect((30...30 + requests / 20).contains(extra), "\(extra) retries")
        #expect(proxy.serviceCounters.budgetExhausted.count > 0)
    }

    @Test func `who hangs is not waited for: the first answer wins, and no third is asked`() throws {
        let slow = try Backend(Backend.hangs)
        let good = [try Backend(Backend.body("a")), try Backend(Backend.body("b"))]
        let proxy = try ProxyUnderTest([[slow], [good[0]], [good[1]]]) {
            $0.service.retry.hedge = .after(.milliseconds(30))
        }
        #expect(try proxy.ask(get).text == "a")
        #expect(slow.requests.count == 1)
        #expect(good.map(\.requests.count) == [1, 0])
        #expect(proxy.cellCounters(0).hedges.count == 1)
        // The one that lost is broken off, so that its backend may stop.
        #expect(eventually { slow.connections.allSatisfy { $0.end != nil } })
    }

    @Test func `a neighbor that fell silent with the one that hangs is not asked instead`() throws {
        let falling: Backend.Script = { request, connection in
            if request.target == "/late" { return true }
            pause(milliseconds: 60)
            return Backend.ok(request, connection)
        }
        let region = [try Backend(falling), try Backend(falling)]
        let good = try Backend(Backend.body("good"))
        let proxy = try ProxyUnderTest([region, [good]]) {
            $0.service.balance = .roundRobin
            $0.service.retry.hedge = .after(.milliseconds(300))
        }
        // The neighbor's last answer comes while the request waits, but early in its wait.
        let clients = [try proxy.connect(), try proxy.connect()]
        clients[0].send(get)
        pause(milliseconds: 20)
        clients[1].send("GET /late HTTP/1.1\r\nhost: a.example\r\n\r\n")
        #expect(clients.map { $0.readMessage()?.text } == ["ok", "good"])
        #expect(region.map(\.requests.count) == [1, 1])
    }

    @Test func `the slower of two may still win`() throws {
        let slow = try Backend { _, connection in
            pause(milliseconds: 120)
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow")
            return true
        }
        let proxy = try ProxyUnderTest([[slow], [try Backend(Backend.hangs)]]) {
            $0.service.retry.hedge = .after(.milliseconds(30))
        }
        #expect(try proxy.ask(get).text == "slow")
        #expect(proxy.cellCounters(0).hedges.count == 1)
    }

    @Test(arguments: [("POST", RetryPolicy.Hedge.after(.milliseconds(20))), ("GET", .off)])
    func `what must not be hedged is not`(method: String, hedge: RetryPolicy.Hedge) throws {
        let slow = try Backend(Backend.hangs)
        let good = try Backend()
        let proxy = try ProxyUnderTest([[slow], [good]]) {
            $0.service.retry.hedge = hedge
            $0.service.retry.on = []
            $0.service.timeouts.response = .milliseconds(150)
        }
        let answer = try proxy.ask("\(method) / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 0\r\n\r\n")
        #expect(answer.status == 504)
        #expect(answer["x-spillway-error"] == "response-timeout")
        #expect(slow.requests.count == 1)
        #expect(good.requests.isEmpty)
    }

    @Test func `a request has a time limit over all its attempts`() throws {
        let backends = [try Backend(Backend.hangs), try Backend(Backend.hangs)]
        let proxy = try ProxyUnderTest([[backends[0]], [backends[1]]]) {
            $0.service.timeouts.request = .milliseconds(200)
        }
        let answer = try proxy.ask(get)
        #expect(answer.status == 504)
        #expect(answer["x-spillway-error"] == "request-timeout")
    }

    @Test func `a pooled connection that has ended costs a request nothing`() throws {
        let backend = try Backend { request, connection in
            // Kept, as far as anybody knows; closed at once.
            _ = Backend.ok(request, connection)
            return false
        }
        let proxy = try ProxyUnderTest([[backend]]) { $0.service.retry.attempts = 0 }
        for request in Array(repeating: [get, post], count: 20).flatMap({ $0 }) {
            #expect(try proxy.ask(request).status == 200)
            #expect(eventually { backend.connections.allSatisfy { $0.isClosed } })
        }
        #expect(backend.requests.count == 40)
    }

    @Test func `what has met a connection that was closed in silence goes on on a new one`() throws {
        let kept = 3
        // Answers the first request on each connection, and closes it when the next one comes.
        let backend = try Backend(connections: { backend, connection in
            guard connection.readMessage() != nil else { return }
            // Until as many are there, so that each client has one of its own.
            _ = eventually { backend.connections.count >= kept }
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            _ = connection.readMessage()
            connection.reset()
        })
        let proxy = try ProxyUnderTest([[backend]]) {
            $0.service.retry.attempts = 0
            $0.service.retry.hedge = .off
        }
        let clients = try (0..<kept).map { _ in try proxy.connect() }
        for client in clients { client.send(get) }
        #expect(clients.allSatisfy { $0.readMessage()?.status == 200 })
        #expect(backend.connections.count == kept)
        #expect(try proxy.ask(get).status == 200)
        #expect(backend.connections.count == kept + 1)
        #expect(proxy.endpointCounters(0, 0).abandoned.count == 1)
        #expect(proxy.endpointCounters(0, 0).resets.count == 0)
    }

    @Test func `no endpoint at all is said at once`() throws {
        let proxy = try ProxyUnderTest([[]])
        let answer = try proxy.ask(get)
        #expect(answer.status == 503)
        #expect(answer["x-spillway-error"] == "no-endpoint")
        #expect(answer["retry-after"] == "1")
    }

    @Test func `an answer that began late keeps nobody waiting while it lasts`() throws {
        let isOver = Atomic<Bool>(false)
        let backend = try Backend { request, connection in
            if request.target == "/usual" { return Backend.ok(request, connection) }
            pause(milliseconds: 100)
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na")
            _ = eventually { isOver.load(ordering: .relaxed) }
            connection.send("b")
            return true
        }
        let proxy = try ProxyUnderTest([[backend]]) { $0.service.retry.hedge = .after(.milliseconds(20)) }
        let client = try proxy.connect()
        for _ in 0..<40 {
            client.send("GET /usual HTTP/1.1\r\nhost: a\r\n\r\n")
            #expect(client.readMessage()?.text == "ok")
        }
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        #expect(eventually { proxy.endpointCounters(0, 0).overstaying.level == 1 })
        #expect(eventually { proxy.endpointCounters(0, 0).overstaying.level == 0 })
        isOver.store(true, ordering: .relaxed)
        #expect(client.readMessage()?.text == "ab")
        #expect(proxy.endpointCounters(0, 0).overstaying.level == 0)
    }
}
