import Backends
import Proxy
import RouteTable
import Telemetry
import Testing

/// Connections of `protocol: tls_passthrough`: the ClientHello is read, and nothing is decrypted.
struct PassthroughTests {
    private func proxy(_ regions: [[Backend]], change: (inout Table) -> Void = { _ in }) throws -> ProxyUnderTest {
        try ProxyUnderTest(regions) {
            $0.listener.transport = .tlsPassthrough
            $0.routes[0].match.listener = 0
            change(&$0)
        }
    }

    /// A hello as a client would say it.
    static func hello(_ name: String, alpn: [String] = [], early: Bool = false) -> [UInt8] {
        func counted(_ bytes: [UInt8], _ width: Int = 2) -> [UInt8] {
            (0..<width).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * (width - 1 - $0))) } + bytes
        }
        var extensions: [UInt8] = []
        if !name.isEmpty { extensions += [0, 0] + counted(counted([0] + counted(Array(name.utf8)))) }
        if !alpn.isEmpty { extensions += [0, 16] + counted(counted(alpn.flatMap { counted(Array($0.utf8), 1) })) }
        if early { extensions += [0, 42, 0, 0] }
        let body = [3, 3] + [UInt8](repeating: 7, count: 32) + [0, 0, 2, 0x13, 1, 1, 0] + counted(extensions)
        return [22, 3, 1] + counted([1] + counted(body, 3))
    }

    /// Reads a hello of so many bytes, and answers with its name.
    private func server(_ name: String, hello: Int) throws -> Backend {
        try Backend(connections: { _, connection in
            let said = connection.read(hello)
            connection.send("\(name) \(said.count)\n")
            while let line = connection.readLine() { connection.send("\(name) \(line)\n") }
        })
    }

    @Test(
        arguments: [
            ("a.example", [], "plain"), ("A.Example", ["http/1.1"], "plain"), ("a.example", ["h2", "http/1.1"], "h2"),
            ("x.wild.example", [], "wild"), ("other.example", [], nil), ("", ["h2"], nil),
        ] as [(String, [String], String?)])
    func `a route is chosen by server name and protocols, without one the connection is closed`(
        name: String, alpn: [String], expected: String?
    ) throws {
        let hello = Self.hello(name, alpn: alpn)
        let servers = try ["plain", "h2", "wild"].map { try server($0, hello: hello.count) }
        // Three services of one region each, by their cells.
        let proxy = try proxy([[servers[0]], [servers[1]], [servers[2]]]) { table in
            table.routes = [
                Route(
                    match: Match(listener: 0, host: .exact("a.example")),
                    action: .forward([Destination(service: 0)]))
            ]
            table.routes.append(table.routes[0])
            table.routes[1].match.alpn = ["h2"]
            table.routes.append(table.routes[0])
            table.routes[2].match.host = .wildcard("wild.example")
        }
        // What is tested here is which route is taken: all lead to one service, whose first region is the first server.
        let client = try proxy.connect()
        client.send(hello)
        #expect(client.readLine() == expected.map { _ in "plain \(hello.count)" })
        #expect(proxy.listenerCounters.unrouted.count == (expected == nil ? 1 : 0))
        if expected == nil { #expect(client.end == .closed) }
    }

    @Test func `a hello may come byte by byte, and what follows is passed on as it comes`() throws {
        let hello = Self.hello("a.example")
        let proxy = try proxy([[try server("good", hello: hello.count)]])
        let client = try proxy.connect()
        for byte in hello { client.send([byte]) }
        #expect(client.readLine() == "good \(hello.count)")
        client.send("more\n")
        #expect(client.readLine() == "good more")
    }

    @Test func `what is no hello is refused, and said in the log`() throws {
        let backend = try Backend()
        let proxy = try proxy([[backend]]) { $0.listener.accessLog = AccessLog(format: .text) }
        let client = try proxy.connect()
        client.send("GET / HTTP/1.1\r\n\r\n")
        #expect(client.readEnd() == .closed)
        #expect(proxy.listenerCounters.refused.count == 1)
        #expect(backend.connections.isEmpty)
        var text = ""
        unsafe proxy.log.drain { text += unsafe String(decoding: $0, as: UTF8.self) }
        #expect(text.hasSuffix(" not-tls\n"), "\(text)")
    }

    @Test func `a hello that does not come in time is not waited for`() throws {
        let proxy = try proxy([[try Backend()]]) { $0.listener.timeouts.head = .milliseconds(100) }
        let client = try proxy.connect()
        client.send(Array(Self.hello("a.example").prefix(20)))
        #expect(client.readEnd() == .closed)
        #expect(proxy.listenerCounters.refused.count == 1)
    }

    @Test(arguments: [true, false])
    func `a server that breaks off before its first byte is left for another, which is told the same`(resets: Bool)
        throws
    {
        let hello = Self.hello("a.example")
        let bad = try Backend(connections: { _, connection in
            #expect(connection.read(hello.count) == hello)
            if resets { connection.reset() } else { connection.close() }
        })
        let proxy = try proxy([[bad], [try server("good", hello: hello.count)]])
        let client = try proxy.connect()
        client.send(hello)
        #expect(client.readLine() == "good \(hello.count)")
        #expect(bad.connections.count == 1 && proxy.endpointCounters(0, 0).resets.count == 1)
    }

    @Test func `a server that does not answer is not waited for, if another does`() throws {
        let hello = Self.hello("a.example")
        let bad = try Backend(connections: { _, connection in _ = connection.readEnd() })
        let proxy = try proxy([[bad], [try server("good", hello: hello.count)]]) {
            $0.service.retry.hedge = .after(.milliseconds(50))
        }
        let client = try proxy.connect()
        client.send(hello)
        #expect(client.readLine() == "good \(hello.count)")
        #expect(proxy.cellCounters(0).hedges.count == 1)
        #expect(eventually { proxy.endpointCounters(0, 0).inFlight.level == 0 })
        #expect(proxy.endpointCounters(0, 0).overstaying.level == 0)
        client.send("more\n")
        #expect(client.readLine() == "good more")
    }

    @Test func `early data is not said twice`() throws {
        let hello = Self.hello("a.example", early: true)
        let bad = try Backend(connections: { _, connection in
            _ = connection.read(hello.count + 6)
            connection.reset()
        })
        let good = try server("good", hello: hello.count)
        let proxy = try proxy([[bad], [good]])
        let client = try proxy.connect()
        client.send(hello + Array("DELETE".utf8))
        #expect(client.readEnd() == .reset)
        #expect(good.connections.isEmpty)
    }
}
