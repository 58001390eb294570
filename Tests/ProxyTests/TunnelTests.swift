import Backends
import Proxy
import RouteTable
import Telemetry
import Testing

/// Connections of `protocol: tcp`, passed on as they come.
struct TunnelTests {
    private func proxy(_ regions: [[Backend]], change: (inout Table) -> Void = { _ in }) throws -> ProxyUnderTest {
        try ProxyUnderTest(regions) {
            $0.listener.transport = .tcp
            $0.routes[0].match.listener = 0
            change(&$0)
        }
    }

    /// Says back what it is told, and ends when the client does.
    private func echo() throws -> Backend {
        try Backend(connections: { _, connection in
            while case let bytes = connection.read(1), !bytes.isEmpty { connection.send(bytes) }
            connection.close()
        })
    }

    /// Reads a line, answers with it and its own name, and goes on.
    private func named(_ name: String) throws -> Backend {
        try Backend(connections: { _, connection in
            while let line = connection.readLine() { connection.send("\(name) \(line)\n") }
            connection.close()
        })
    }

    @Test func `what either side says reaches the other, and so do both ends`() throws {
        let backend = try Backend(connections: { _, connection in
            let said = connection.readToEnd()
            connection.send("you said \(said)")
            connection.close()
        })
        let proxy = try proxy([[backend]])
        let client = try proxy.connect()
        client.send("a")
        client.send("bc")
        client.shutdownWrite()
        #expect(client.readToEnd() == "you said abc")
        #expect(client.end == .closed)
        client.close()
        #expect(eventually { proxy.listenerCounters.tunnelsEndedByClient.count == 1 })
        #expect(eventually { proxy.listenerCounters.openConnections.level == 0 })
        let endpoint = proxy.endpointCounters(0, 0)
        #expect(endpoint.successes.count == 1 && endpoint.inFlight.level == 0 && endpoint.openConnections.level == 0)
        #expect(proxy.listenerCounters.bytesReceived.count == 3 && proxy.listenerCounters.bytesSent.count == 12)
    }

    @Test func `a server that speaks first is heard, and may end first`() throws {
        let backend = try Backend(connections: { backend, connection in
            connection.send("220 ready\r\n")
            connection.shutdownWrite()
            #expect(connection.readToEnd() == "late words")
        })
        let proxy = try proxy([[backend]])
        let client = try proxy.connect()
        #expect(client.readToEnd() == "220 ready\r\n")
        client.send("late words")
        client.shutdownWrite()
        #expect(eventually { proxy.listenerCounters.tunnelsEndedByServer.count == 1 })
    }

    @Test(arguments: [1, 100, 20_000, 5_000_000])
    func `nothing is lost, and nothing changed, when both sides say much and hear slowly`(count: Int) throws {
        let backend = try Backend(connections: { _, connection in
            let said = connection.read(count)
            pause(milliseconds: 20)
            connection.send(said.reversed())
            connection.close()
        })
        let proxy = try proxy([[backend]])
        let client = try proxy.connect(receiveBuffer: 4_096)
        let words = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
        #expect(client.send(words) == count)
        pause(milliseconds: 50)
        #expect(client.read(count) == words.reversed())
        #expect(client.readEnd() == .closed)
    }

    @Test func `a server's reset is a reset for the client`() throws {
        let backend = try Backend(connections: { _, connection in
            _ = connection.readLine()
            connection.send("begun")
            pause(milliseconds: 50)
            connection.reset()
        })
        let proxy = try proxy([[backend]])
        let client = try proxy.connect()
        client.send("go\n")
        #expect(client.read(5) == Array("begun".utf8))
        #expect(client.readEnd() == .reset)
        #expect(eventually { proxy.listenerCounters.tunnelsResetByServer.count == 1 })
    }

    @Test func `a client's reset is a reset for the server`() throws {
        let backend = try Backend(connections: { _, connection in
            connection.send("hello\n")
            #expect(connection.readEnd() == .reset)
            connection.send("x")
            connection.close()
        })
        let proxy = try proxy([[backend]])
        let client = try proxy.connect()
        #expect(client.readLine() == "hello")
        client.reset()
        #expect(eventually { proxy.listenerCounters.tunnelsResetByClient.count == 1 })
        #expect(eventually { backend.connections.first?.isClosed == true })
    }

    @Test
    func `a connection that is refused goes on to the next endpoint, then to the next region, and nothing is lost`()
        throws
    {
        let good = try named("good")
        let proxy = try proxy([[try .refusing(), try .refusing()], [good]])
        for _ in 0..<3 {
            let client = try proxy.connect()
            client.send("early words\n")
            #expect(client.readLine() == "good early words")
        }
        #expect(proxy.cellCounters(0).retries.count >= 2)
        #expect(proxy.serviceCounters.failures.count == 0)
    }

    @Test func `where nothing can be reached, the client is reset`() throws {
        let proxy = try proxy([[try .refusing()]]) { $0.service.retry.attempts = 1 }
        let client = try proxy.connect()
        #expect(client.readEnd() == .reset)
        #expect(proxy.serviceCounters.failures.count == 1)
    }

    @Test func `a server that breaks before anything was said is left for another`() throws {
        let bad = try Backend(connections: { _, connection in connection.reset() })
        let good = try Backend(connections: { _, connection in
            connection.send("good\n")
            _ = connection.readEnd()
        })
        let proxy = try proxy([[bad], [good]])
        #expect(try proxy.connect().readLine() == "good")
        // The reset may be there before the connection is seen to be open.
        let endpoint = proxy.endpointCounters(0, 0)
        #expect(endpoint.resets.count + endpoint.connectFailures.count == 1)
    }

    @Test func `what was said is not said twice`() throws {
        let bad = try Backend(connections: { _, connection in
            _ = connection.readLine()
            connection.reset()
        })
        let good = try named("good")
        let proxy = try proxy([[bad], [good]])
        let client = try proxy.connect()
        client.send("INSERT\n")
        #expect(client.readEnd() == .reset)
        #expect(good.connections.isEmpty)
        // The next one goes elsewhere at once.
        let other = try proxy.connect()
        other.send("INSERT\n")
        #expect(other.readLine() == "good INSERT")
        #expect(bad.connections.count == 1)
    }

    @Test func `an endpoint is late only once the client has said something`() throws {
        let backend = try Backend(connections: { _, connection in
            if connection.readLine() == "hello" { pause(milliseconds: 300) }
            connection.send("late\n")
            _ = connection.readEnd()
        })
        let proxy = try proxy([[backend]]) { $0.service.retry.hedge = .after(.milliseconds(50)) }
        // So that it is known what is usual.
        for _ in 0..<40 {
            let client = try proxy.connect()
            client.send("at once\n")
            #expect(client.readLine() == "late")
        }
        let client = try proxy.connect()
        pause(milliseconds: 200)
        #expect(proxy.endpointCounters(0, 0).overstays.count == 0)
        client.send("hello\n")
        #expect(eventually { proxy.endpointCounters(0, 0).overstaying.level == 1 })
        #expect(client.readLine() == "late")
        #expect(proxy.endpointCounters(0, 0).overstays.count == 1)
        #expect(eventually { proxy.endpointCounters(0, 0).overstaying.level == 0 })
        #expect(proxy.endpointCounters(0, 0).inFlight.level == 41, "it goes on")
    }

    @Test func `a tunnel that rests for too long is closed, one in use is not`() throws {
        let proxy = try proxy([[try named("good")]]) { $0.listener.timeouts.tunnel = .milliseconds(300) }
        let client = try proxy.connect()
        for _ in 0..<4 {
            client.send("a\n")
            #expect(client.readLine() == "good a")
            pause(milliseconds: 150)
        }
        #expect(client.readEnd() == .closed)
        #expect(proxy.listenerCounters.tunnelsIdle.count == 1)
    }

    @Test(arguments: [OnFailover.keep, .close, .closeAfter(.milliseconds(300))])
    func `when its region gets nothing any more, a tunnel's service has its choice`(choice: OnFailover) throws {
        let proxy = try proxy([[try named("a")], [try named("b")]]) { $0.service.onFailover = choice }
        let client = try proxy.connect()
        client.send("1\n")
        #expect(client.readLine() == "a 1")
        proxy.split([0, 10_000])
        let other = try proxy.connect()
        other.send("2\n")
        #expect(other.readLine() == "b 2")
        if choice == .close { #expect(client.readEnd() == .reset) }
        client.send("3\n")
        #expect(client.readLine() == (choice == .close ? nil : "a 3"))
        if case .closeAfter = choice { #expect(client.readEnd() == .reset) }
        other.send("4\n")
        #expect(other.readLine() == "b 4")
        #expect(proxy.listenerCounters.tunnelsFailedOver.count == (choice == .keep ? 0 : 1))
    }

    @Test func `a region that is back in time keeps its tunnels`() throws {
        let proxy = try proxy([[try named("a")], [try named("b")]]) {
            $0.service.onFailover = .closeAfter(.milliseconds(200))
        }
        let client = try proxy.connect()
        client.send("1\n")
        #expect(client.readLine() == "a 1")
        proxy.split([0, 10_000])
        proxy.split([5_000, 5_000])
        pause(milliseconds: 400)
        client.send("2\n")
        #expect(client.readLine() == "a 2")
    }

    @Test func `tunnels have as long as a drain takes`() throws {
        let proxy = try proxy([[try named("a")]])
        let client = try proxy.connect()
        client.send("1\n")
        #expect(client.readLine() == "a 1")
        proxy.drain()
        pause(milliseconds: 50)
        client.send("2\n")
        #expect(client.readLine() == "a 2")
        #expect(!proxy.hasEnded)
        client.close()
        #expect(eventually { proxy.hasEnded })
    }

    @Test func `a tunnel is a line of the access log`() throws {
        let proxy = try proxy([[try named("a")]]) { $0.listener.accessLog = AccessLog(format: .text) }
        let client = try proxy.connect()
        client.send("12\n")
        #expect(client.readLine() == "a 12")
        client.close()
        #expect(eventually { proxy.listenerCounters.tunnelsEndedByClient.count == 1 })
        var text = ""
        unsafe proxy.log.drain { text += unsafe String(decoding: $0, as: UTF8.self) }
        let words = text.split(separator: " ").map(String.init)
        #expect(words.count == 15, "\(text)")
        #expect(words[1...2] == ["127.0.0.1", "web"] && words[6...8] == ["0", "3", "5"], "\(text)")
        #expect(words[3...5] == ["\"-", "-", "-\""] && words[11...12] == ["service", "r0"], "\(text)")
        #expect(words.last == "client\n", "\(text)")
    }

    @Test func `echoed bytes come back one by one`() throws {
        let proxy = try proxy([[try echo()]])
        let client = try proxy.connect()
        for byte in UInt8.min...UInt8.max {
            client.send([byte])
            #expect(client.read(1) == [byte])
        }
    }
}
