import Backends
import Picking
import Proxy
import RouteTable
import Telemetry
import Testing

/// What is held against an endpoint is what it has done, not what a client or this router has.
struct BlameTests {
    private func outcomes(_ counters: EndpointCounters) -> UInt64 {
        counters.successes.count + held(counters) + counters.abandoned.count + counters.exhausted.count
    }

    /// All that counts against it.
    private func held(_ counters: EndpointCounters) -> UInt64 {
        counters.connectFailures.count + counters.unreachables.count + counters.connectTimeouts.count
            + counters.resets.count + counters.truncations.count + counters.responseTimeouts.count
            + counters.gatewayErrors.count + counters.serverErrors.count + counters.unconnected.count
    }

    @Test(arguments: AttemptEnd.allCases)
    func `each end of an attempt is one outcome, among those that count against the endpoint if it is to blame`(
        end: AttemptEnd
    ) {
        let counters = EndpointCounters()
        counters.count(end)
        #expect(outcomes(counters) == 1)
        #expect(held(counters) == (end.isHeldAgainstEndpoint ? 1 : 0))
    }

    /// Waits until every attempt has ended, and expects each to be one outcome.
    private func expectAllEnded(_ proxy: ProxyUnderTest, _ attempts: UInt64) {
        let counters = proxy.endpointCounters(0, 0)
        #expect(eventually { counters.attempts.count == attempts && counters.inFlight.level == 0 })
        #expect(outcomes(counters) == attempts)
    }

    @Test func `a client that uploads slowly is not its endpoint's time-out`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]]) { $0.service.timeouts.request = .milliseconds(300) }
        for _ in 0..<3 {
            let client = try proxy.connect()
            client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nx")
            #expect(client.readMessage()?.status == 504)
        }
        expectAllEnded(proxy, 3)
        #expect(held(proxy.endpointCounters(0, 0)) == 0)
        #expect(proxy.endpointCounters(0, 0).failureRun.level == 0)
    }

    @Test func `a client that ends its upload just before the request's time is over is not its endpoint's time-out`()
        throws
    {
        let backend = try Backend { request, connection in
            pause(milliseconds: 150)
            return Backend.ok(request, connection)
        }
        let proxy = try ProxyUnderTest([[backend]]) { $0.service.timeouts.request = .milliseconds(400) }
        for _ in 0..<3 {
            let client = try proxy.connect()
            client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nx")
            pause(milliseconds: 320)
            client.send("y")
            #expect(client.readMessage()?.status == 504)
        }
        expectAllEnded(proxy, 3)
        #expect(held(proxy.endpointCounters(0, 0)) == 0)
        #expect(proxy.endpointCounters(0, 0).failureRun.level == 0)
    }

    @Test func `an endpoint that takes all and does not answer is to blame, once`() throws {
        let proxy = try ProxyUnderTest([[try Backend(Backend.hangs)]]) {
            $0.service.timeouts.request = .milliseconds(300)
            $0.service.retry.hedge = .off
        }
        #expect(try proxy.ask(post).status == 504)
        expectAllEnded(proxy, 1)
        #expect(proxy.endpointCounters(0, 0).responseTimeouts.count == 1)
        #expect(proxy.endpointCounters(0, 0).failureRun.level == 1)
    }

    @Test func `an endpoint that has had enough of a silent client is not to blame`() throws {
        let backend = try Backend(connections: { _, connection in
            while let line = connection.readLine(), !line.isEmpty {}
            pause(milliseconds: 1_300)
            connection.reset()
        })
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nx")
        #expect(client.readMessage()?.status == 502)
        expectAllEnded(proxy, 1)
        #expect(held(proxy.endpointCounters(0, 0)) == 0)
    }

    @Test func `an endpoint that breaks off while a client uploads is to blame`() throws {
        let backend = try Backend(connections: { _, connection in
            while let line = connection.readLine(), !line.isEmpty {}
            connection.reset()
        })
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nx")
        #expect(client.readMessage()?.status == 502)
        expectAllEnded(proxy, 1)
        #expect(proxy.endpointCounters(0, 0).resets.count == 1)
    }

    /// Of a client that leaves: before its request is whole, while it waits, within the answer.
    @Test(arguments: [
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx", get, "GET /long HTTP/1.1\r\nhost: a\r\n\r\n",
    ])
    func `a client that leaves says nothing about its endpoint`(request: String) throws {
        let backend = try Backend { request, connection in
            if request.target == "/long" { connection.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx") }
            return true
        }
        let proxy = try ProxyUnderTest([[backend]]) { $0.service.retry.hedge = .off }
        let client = try proxy.connect()
        client.send(request)
        #expect(eventually { proxy.endpointCounters(0, 0).inFlight.level == 1 })
        if request.contains("long") { _ = client.readLine() }
        client.reset()
        expectAllEnded(proxy, 1)
        #expect(held(proxy.endpointCounters(0, 0)) == 0)
    }

    @Test func `a client that does not take its answer is not its endpoint's stall`() throws {
        let size = 64_000_000
        let backend = try Backend { _, connection in
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: \(size)\r\n\r\n")
            return connection.send([UInt8](repeating: 0x61, count: size)) == size
        }
        let proxy = try ProxyUnderTest([[backend]]) {
            $0.service.timeouts.request = .milliseconds(500)
            $0.service.timeouts.idle = .milliseconds(300)
        }
        let client = try proxy.connect(receiveBuffer: 4_096)
        client.send(get)
        #expect(eventually { proxy.endpointCounters(0, 0).attempts.count == 1 })
        expectAllEnded(proxy, 1)
        #expect(held(proxy.endpointCounters(0, 0)) == 0)
    }

    @Test func `an endpoint that has had enough of a client that does not take its answer is not to blame`() throws {
        let backend = try Backend { _, connection in
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 64000000\r\n\r\n")
            connection.send([UInt8](repeating: 0x61, count: 64_000_000))
            return false
        }
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send(get)
        #expect(eventually { proxy.endpointCounters(0, 0).attempts.count == 1 })
        // Far more is on its way than all buffers hold.
        pause(milliseconds: 1_300)
        backend.connections[0].shutdownWrite()
        let answer = client.readMessage()
        #expect(answer?.isWhole == false)
        expectAllEnded(proxy, 1)
        let counters = proxy.endpointCounters(0, 0)
        #expect(held(counters) == 0 && counters.lateBreaks.count == 0)
        #expect(counters.failureRun.level == 0)
    }

    @Test func `an answer that has counted and breaks off is no second outcome, but is held against its endpoint`()
        throws
    {
        let backend = try Backend { request, connection in
            if request.target == "/error" {
                connection.send("HTTP/1.1 503 Not now\r\ncontent-length: 9\r\n\r\nx")
                return false
            }
            connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            for _ in 0..<26 {
                connection.send("2\r\nok\r\n")
                pause(milliseconds: 50)
            }
            return false
        }
        let proxy = try ProxyUnderTest([[backend]]) { $0.service.retry.attempts = 0 }
        let counters = proxy.endpointCounters(0, 0)
        for (index, path) in ["/long", "/error"].enumerated() {
            let client = try proxy.connect()
            client.send("GET \(path) HTTP/1.1\r\nhost: a\r\n\r\n")
            _ = client.readToEnd()
            #expect(client.end == .reset)
            expectAllEnded(proxy, UInt64(index + 1))
            #expect(counters.lateBreaks.count == 1)
        }
        #expect(counters.successes.count == 1)
        #expect(counters.gatewayErrors.count == 1)
        #expect(counters.truncations.count == 0)
        #expect(counters.failureRun.level == 2, "each is held against it once")
    }

    /// It answers one request, works on the next, and breaks.
    @Test(arguments: ["GET", "POST"])
    func `an endpoint that breaks off long after it was asked was not stale, though its connection was kept`(
        method: String
    ) throws {
        let backend = try Backend { request, connection in
            if request.target == "/" { return Backend.ok(request, connection) }
            pause(milliseconds: 500)
            connection.reset()
            return false
        }
        let proxy = try ProxyUnderTest([[backend]]) {
            $0.service.retry.attempts = 0
            $0.service.retry.hedge = .off
        }
        let client = try proxy.connect()
        client.send(get)
        #expect(client.readMessage()?.status == 200)
        client.send("\(method) /work HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        #expect(client.readMessage()?.status == 502)
        #expect(backend.connections.count == 1, "the same connection")
        expectAllEnded(proxy, 2)
        #expect(proxy.endpointCounters(0, 0).resets.count == 1)
        #expect(proxy.endpointCounters(0, 0).failureRun.level == 1)
    }

    @Test func `an attempt whose answer is not passed on is one outcome, whatever its status`() throws {
        let (first, second) = (try Backend(Backend.status(404)), try Backend())
        let proxy = try ProxyUnderTest([[first], [second]]) { $0.service.retry.on = [.status(404)] }
        #expect(try proxy.ask(get).status == 200)
        expectAllEnded(proxy, 1)
        #expect(held(proxy.endpointCounters(0, 0)) == 0)
    }

    @Test func `an endpoint of a tunnel that ends without a word, once its client has spoken, is not to blame`() throws
    {
        let backend = try Backend(connections: { _, connection in
            _ = connection.read(7)
            connection.close()
        })
        let proxy = try ProxyUnderTest([[backend]]) {
            $0.listener.transport = .tcp
            $0.routes[0].match.listener = 0
        }
        for _ in 0..<6 {
            let client = try proxy.connect()
            client.send("garbage")
            #expect(client.readEnd() != nil)
        }
        expectAllEnded(proxy, 6)
        #expect(held(proxy.endpointCounters(0, 0)) == 0)
    }
}
