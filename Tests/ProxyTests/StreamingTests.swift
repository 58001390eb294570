import Backends
import RouteTable
import Telemetry
import Testing

struct StreamingTests {
    /// Bytes that show when one is missing or out of place.
    private static func pattern(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    @Test(arguments: [true, false])
    func `a large body goes both ways unharmed`(chunked: Bool) throws {
        let backend = try Backend { request, connection in
            if request["transfer-encoding"] == "chunked" {
                connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                for start in stride(from: 0, to: request.body.count, by: 70_000) {
                    let piece = request.body[start..<min(start + 70_000, request.body.count)]
                    connection.send("\(String(piece.count, radix: 16))\r\n")
                    connection.send(Array(piece))
                    connection.send("\r\n")
                }
                connection.send("0\r\n\r\n")
            } else {
                connection.send("HTTP/1.1 200 OK\r\ncontent-length: \(request.body.count)\r\n\r\n")
                connection.send(request.body)
            }
            return true
        }
        let proxy = try ProxyUnderTest([[backend]])
        let body = Self.pattern(3_000_000)
        let client = try proxy.connect()
        for _ in 0..<2 {
            if chunked {
                client.send("POST / HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n")
                for start in stride(from: 0, to: body.count, by: 50_000) {
                    client.send("c350\r\n")
                    client.send(Array(body[start..<start + 50_000]))
                    client.send("\r\n")
                }
                client.send("0\r\n\r\n")
            } else {
                client.send("POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: \(body.count)\r\n\r\n")
                client.send(body)
            }
            let answer = try #require(client.readMessage())
            #expect(answer.isWhole)
            #expect(answer.body == body)
        }
        #expect(backend.requests.allSatisfy { $0.body == body })
        #expect(backend.connections.count == 1)
    }

    @Test func `a client that does not read stops the backend, and gets all of it when it does`() throws {
        let size = 64_000_000
        let progress = Progress()
        let backend = try Backend { _, connection in
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: \(size)\r\n\r\n")
            let piece = [UInt8](repeating: 0x61, count: 100_000)
            for _ in 0..<size / piece.count { progress.sent.add(UInt64(connection.send(piece))) }
            return true
        }
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect(receiveBuffer: 65_536)
        client.send(get)
        // Neither goes on nor is it all: what the kernels' buffers take, and little more.
        #expect(progress.stands())
        #expect(progress.sent.count < UInt64(size) / 2)
        let answer = try #require(client.readMessage())
        #expect(answer.body.count == size)
        #expect(answer.isWhole)
    }

    /// Of some of these sizes the end of the answer is with the proxy alone when the connection has nothing more to do.
    @Test(arguments: [true, false])
    func `an answer comes whole though its connection is not to be kept`(draining: Bool) throws {
        let backend = try Backend { request, connection in
            let size = Int(request.target.dropFirst()) ?? 0
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: \(size)\r\n\r\n")
            connection.send([UInt8](repeating: 0x61, count: size))
            return true
        }
        // The last ones may have to wait for long until they are read.
        let proxy = try ProxyUnderTest([[backend]]) { $0.listener.timeouts.body = .seconds(300) }
        var clients: [(size: Int, connection: RawConnection)] = []
        for size in stride(from: 20_000, to: 5_000_000, by: 50_000) {
            clients.append((size, try proxy.connect(receiveBuffer: 65_536)))
            clients.last!.connection.send("GET /\(size) HTTP/1.1\r\nhost: a\r\n\r\n")
        }
        pause(milliseconds: 300)
        if draining { proxy.drain() } else { for client in clients { client.connection.shutdownWrite() } }
        pause(milliseconds: 50)
        for client in clients {
            let answer = try #require(client.connection.readMessage())
            #expect(answer.body.count == client.size)
        }
    }

    @Test func `a backend that does not read stops the client, and gets all of it when it does`() throws {
        let size = 64_000_000
        let progress = Progress()
        let goes = Progress()
        let backend = try Backend(connections: { _, connection in
            while let line = connection.readLine(), !line.isEmpty {}
            guard eventually({ goes.sent.count == 1 }) else { return }
            let body = connection.read(size)
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n\(String(body.count).prefix(8))")
        })
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send("POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: \(size)\r\n\r\n")
        try inBackground {
            let piece = [UInt8](repeating: 0x61, count: 100_000)
            for _ in 0..<size / piece.count { progress.sent.add(UInt64(client.send(piece))) }
        }
        #expect(progress.stands())
        #expect(progress.sent.count < UInt64(size) / 2)
        goes.sent.add()
        #expect(client.readMessage()?.text == String(size))
    }

    @Test func `a client that takes longer to send than an answer may take is answered`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]]) { $0.service.timeouts.response = .milliseconds(100) }
        let client = try proxy.connect()
        client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n")
        for _ in 0..<4 {
            pause(milliseconds: 100)
            client.send("x")
        }
        #expect(client.readMessage()?.status == 200)
    }

    @Test func `while a client sends slowly, its endpoint is not late`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]]) { $0.service.retry.hedge = .after(.milliseconds(20)) }
        let client = try proxy.connect()
        client.send("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n")
        for _ in 0..<4 {
            pause(milliseconds: 50)
            client.send("x")
        }
        #expect(client.readMessage()?.status == 200)
        #expect(proxy.endpointCounters(0, 0).overstays.count == 0)
    }

    @Test func `while a client does not read, its endpoint does not stand still`() throws {
        let size = 32 << 20
        let body = [UInt8](repeating: 0x78, count: size)
        let backend = try Backend { _, connection in
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: \(size)\r\n\r\n")
            _ = connection.send(body)
            return true
        }
        let proxy = try ProxyUnderTest([[backend]]) { $0.service.timeouts.idle = .milliseconds(100) }
        let client = try proxy.connect()
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        pause(milliseconds: 500)
        #expect(client.readMessage()?.body.count == size)
        #expect(proxy.endpointCounters(0, 0).truncations.count == 0)
    }

    @Test func `a client that has ended its side is still answered`() throws {
        let backend = try Backend { request, connection in
            pause(milliseconds: 50)
            return Backend.ok(request, connection)
        }
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send(get + post)
        client.shutdownWrite()
        #expect(client.readMessage()?.text == "ok")
        #expect(client.readMessage()?.text == "ok")
        #expect(client.readEnd() == .closed)
    }

    @Test func `an answer that comes before the request is complete reaches the client`() throws {
        let backend = try Backend(connections: { _, connection in
            while let line = connection.readLine(), !line.isEmpty {}
            connection.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
            _ = connection.readToEnd()
        })
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send("POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 1000000\r\n\r\nbeginning")
        let answer = try #require(client.readMessage())
        #expect(answer.status == 403)
        #expect(answer.text == "no")
        #expect(answer["connection"] == "close")
    }

    @Test func `a client that goes away takes its request with it`() throws {
        let backend = try Backend(Backend.hangs)
        let proxy = try ProxyUnderTest([[backend]]) { $0.service.retry.hedge = .off }
        let client = try proxy.connect()
        client.send(get)
        #expect(eventually { backend.requests.count == 1 })
        client.reset()
        #expect(eventually { backend.connections.allSatisfy { $0.end != nil } })
        #expect(eventually { proxy.listenerCounters.clientAborts.count == 1 })
        #expect(proxy.serviceCounters.inFlight.level == 0)
    }

    @Test func `many clients at once each get their own answer`() throws {
        let backends = try (0..<4).map { _ in
            try Backend { request, connection in
                connection.send(
                    "HTTP/1.1 200 OK\r\ncontent-length: \(request.target.utf8.count)\r\n\r\n\(request.target)")
                return true
            }
        }
        let proxy = try ProxyUnderTest([Array(backends[..<2]), Array(backends[2...])])
        let clients = try (0..<60).map { _ in try proxy.connect() }
        for round in 0..<20 {
            for (number, client) in clients.enumerated() {
                client.send("GET /\(round)/\(number) HTTP/1.1\r\nhost: a.example\r\n\r\n")
            }
            for (number, client) in clients.enumerated() {
                #expect(client.readMessage()?.text == "/\(round)/\(number)")
            }
        }
        #expect(proxy.serviceCounters.requests.count == 1_200)
        #expect(proxy.serviceCounters.inFlight.level == 0)
    }
}

/// How far another thread has come.
final class Progress: Sendable {
    let sent = Counter()

    /// Whether it comes to stand still: the same for 300 ms, within some seconds.
    func stands() -> Bool {
        var before = sent.count
        for _ in 0..<20 {
            pause(milliseconds: 300)
            if sent.count == before, before > 0 { return true }
            before = sent.count
        }
        return false
    }
}
