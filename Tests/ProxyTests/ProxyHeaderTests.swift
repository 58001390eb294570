import Backends
import RouteTable
import Telemetry
import Testing

/// The PROXY protocol, in and out.
struct ProxyHeaderTests {
    private static let trusted = [AddressBlock(bytes: [127, 0, 0, 0], prefixBits: 8)]
    private static let line = Array("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n".utf8)
    private static let binary: [UInt8] =
        [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10, 0x21, 0x11, 0, 12, 192, 0, 2, 7, 198, 51, 100, 1]
        + [0x12, 0x67, 1, 0xbb]

    private func proxy(_ backend: Backend, trusts: Bool = true, change: (inout Table) -> Void = { _ in }) throws
        -> ProxyUnderTest
    {
        try ProxyUnderTest([[backend]]) {
            $0.listener.readsProxyHeader = true
            $0.listener.trustedProxies =
                trusts ? Self.trusted : [AddressBlock(bytes: [10, 0, 0, 0], prefixBits: 8)]
            change(&$0)
        }
    }

    @Test(arguments: [line, binary])
    func `of a trusted proxy says who the client is, in pieces too`(header: [UInt8]) throws {
        let backend = try Backend()
        let proxy = try proxy(backend)
        for pieces in [1, 5, 1_000] {
            let client = try proxy.connect()
            let said = header + Array(get.utf8)
            for start in stride(from: 0, to: said.count, by: pieces) {
                client.send(Array(said[start..<min(start + pieces, said.count)]))
            }
            #expect(client.readMessage()?.status == 200)
            client.send(get)
            #expect(client.readMessage()?.status == 200)
        }
        #expect(backend.requests.map { $0["x-forwarded-for"] } == Array(repeating: "192.0.2.7", count: 6))
    }

    @Test func `of a proxy for itself changes nothing`() throws {
        let backend = try Backend()
        let proxy = try proxy(backend)
        let client = try proxy.connect()
        client.send("PROXY UNKNOWN\r\n" + get)
        #expect(client.readMessage()?.status == 200)
        #expect(backend.requests.first?["x-forwarded-for"] == "127.0.0.1")
    }

    @Test func `is required of trusted proxies`() throws {
        let backend = try Backend()
        let proxy = try proxy(backend)
        let client = try proxy.connect()
        client.send(get)
        #expect(client.readEnd() == .closed)
        #expect(proxy.listenerCounters.refused.count == 1)
        #expect(backend.connections.isEmpty)
    }

    @Test func `of anybody else is not believed`() throws {
        let backend = try Backend()
        let proxy = try proxy(backend, trusts: false)
        let liar = try proxy.connect()
        liar.send(Self.line + Array(get.utf8))
        #expect(liar.readMessage()?.status == 400)
        #expect(try proxy.ask(get).status == 200)
        #expect(backend.requests.map { $0["x-forwarded-for"] } == ["127.0.0.1"])
    }

    @Test(arguments: [false, true])
    func `goes on to the endpoints of a tunnel`(binary: Bool) throws {
        let expected = binary ? Self.binary : Self.line
        let backend = try Backend(connections: { _, connection in
            let header = connection.read(expected.count)
            connection.send(header == expected ? "right\n" : "wrong: \(header)\n")
            while let line = connection.readLine() { connection.send("\(line)\n") }
        })
        let proxy = try proxy(backend) {
            $0.listener.transport = .tcp
            $0.routes[0].match.listener = 0
            $0.service.proxyHeader = binary ? .v2 : .v1
        }
        let client = try proxy.connect()
        client.send(binary ? Self.line : Self.binary)
        // Before the client has said anything of its own.
        #expect(client.readLine() == "right")
        client.send("words\n")
        #expect(client.readLine() == "words")
    }

    @Test func `comes once on each connection to an endpoint, which then serves no other client`() throws {
        let backend = try Backend(connections: { backend, connection in
            guard let header = connection.readLine() else { return }
            while let request = connection.readMessage() {
                connection.send(
                    "HTTP/1.1 200 OK\r\ncontent-length: \(header.utf8.count)\r\nx-target: \(request.target)\r\n\r\n\(header)"
                )
            }
        })
        let proxy = try ProxyUnderTest([[backend]]) { $0.service.proxyHeader = .v1 }
        let clients = [try proxy.connect(), try proxy.connect()]
        var headers: [[String]] = [[], []]
        for _ in 0..<3 {
            for (index, client) in clients.enumerated() {
                client.send(get)
                headers[index].append(client.readMessage()?.text ?? "")
            }
        }
        #expect(headers.allSatisfy { Set($0).count == 1 && $0[0].hasPrefix("PROXY TCP4 127.0.0.1 127.0.0.1 ") })
        #expect(headers[0] != headers[1])
        #expect(backend.connections.count == 2)
        #expect(headers[0][0].hasSuffix(" \(proxy.port)"))
    }
}
