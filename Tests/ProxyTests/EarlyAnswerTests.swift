import Backends
import RouteTable
import Telemetry
import Testing

/// Servers that answer a request without reading its body close the connection, at once or a little later.
struct EarlyAnswerTests {
    /// Reads a head, answers, and closes with the body unread after some milliseconds.
    private func impatient() throws -> Backend {
        try Backend(connections: { _, connection in
            while let line = connection.readLine(), !line.isEmpty {}
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            pause(milliseconds: 20)
            connection.reset()
        })
    }

    @Test func `what must not be sent twice is not sent where the last answer came before its body was taken`() throws {
        let proxy = try ProxyUnderTest([[try impatient()]])
        let client = try proxy.connect()
        client.send(post)
        #expect(client.readMessage()?.status == 200)
        // Seen to close: from here on nobody waits for it to do so again.
        #expect(eventually { proxy.endpointCounters(0, 0).openConnections.level == 0 })
        for _ in 0..<20 {
            client.send(post)
            #expect(client.readMessage()?.status == 200)
        }
    }

    @Test func `an endpoint that keeps its connections has them used at once`() throws {
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        for _ in 0..<20 {
            client.send(post)
            #expect(client.readMessage()?.status == 200)
        }
        #expect(backend.connections.count == 1)
    }
}

/// The same of servers that speak HTTP/2 and say more last than a turn reads: a write to them fails before that.
struct HTTP2EarlyAnswerTests {
    private static let tries = 4
    /// Sent one after the other, so that something is always on its way.
    private static let pieces = 64
    private static let window: UInt32 = 1 << 24
    /// Frames of a byte each, which take several turns, and yet fit into a window: all of them are here before the end is.
    private static let lastWords = 4_000

    /// Reads as far as the head of each request, and says what `last` makes of its stream and its number on the
    /// connection; then it closes, with what came meanwhile unread.
    private static func leaving(_ last: @escaping @Sendable (UInt32, Int) -> [HTTP2Speech]?) throws -> Backend {
        try Backend(connections: { _, connection in
            guard connection.read(HTTP2Speech.preface.count) == HTTP2Speech.preface else { return }
            connection.say(
                .settings(4, window),
                HTTP2Speech(HTTP2Speech.Kind.windowUpdate, HTTP2Speech.bigEndian(window)))
            var count = 0
            while let head = connection.readFrame({ $0.kind == HTTP2Speech.Kind.headers }) {
                count += 1
                if let said = last(head.stream, count) {
                    connection.send(said.flatMap(\.bytes))
                    return connection.close()
                }
                // A GET is answered with a head alone, a POST in full.
                if head.flags & HTTP2Speech.endStream != 0 {
                    connection.say(.ok(stream: head.stream, flags: HTTP2Speech.endHeaders))
                    continue
                }
                _ = connection.readFrame {
                    $0.kind == HTTP2Speech.Kind.data && $0.flags & HTTP2Speech.endStream != 0
                }
                connection.say(.ok(stream: head.stream))
            }
        })
    }

    /// A body in small pieces, whose end is not told.
    private static func words(_ stream: UInt32) -> [HTTP2Speech] {
        Array(repeating: HTTP2Speech(HTTP2Speech.Kind.data, stream: stream, [0x6f]), count: lastWords)
    }

    private static func end(_ stream: UInt32) -> HTTP2Speech {
        HTTP2Speech(HTTP2Speech.Kind.data, flags: HTTP2Speech.endStream, stream: stream)
    }

    private static func upload(_ proxy: ProxyUnderTest, piece: Int, every milliseconds: UInt32 = 0) throws -> Message? {
        let client = try proxy.connect()
        client.send(
            "POST / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\ncontent-length: \(piece * pieces)\r\n\r\n")
        let body = [UInt8](repeating: 0x75, count: piece)
        for _ in 0..<pieces {
            if client.send(body) < piece { break }
            if milliseconds > 0 { pause(milliseconds: milliseconds) }
        }
        return client.readMessage()
    }

    @Test func `an answer that had come whole when a write failed is the client's`() throws {
        let endpoint = try Self.leaving { stream, _ in
            [.headers(stream: stream, [(":status", "413")], flags: HTTP2Speech.endHeaders)]
                + Self.words(stream) + [Self.end(stream), .goAway(lastStream: stream)]
        }
        let proxy = try ProxyUnderTest([[endpoint]]) {
            $0.service.protocol = .http2
            $0.service.retry.attempts = 0
        }
        for _ in 0..<Self.tries {
            let answer = try Self.upload(proxy, piece: 65_536)
            #expect(answer?.status == 413 && answer?.isWhole == true && answer?.body.count == Self.lastWords)
        }
        #expect(proxy.endpointCounters(0, 0).resets.count == 0)
        #expect(proxy.listenerCounters.truncated.count == 0)
    }

    @Test func `a goodbye that had come when a write failed sends what it leaves out elsewhere`() throws {
        // Each connection serves one request, within whose answer the next one comes.
        let endpoint = try Self.leaving { stream, count in
            count == 1 ? nil : Self.words(1) + [Self.end(1), .goAway(lastStream: 1)]
        }
        for _ in 0..<Self.tries {
            let proxy = try ProxyUnderTest([[endpoint]]) { $0.service.protocol = .http2 }
            let reader = try proxy.connect()
            reader.send(get)
            #expect(eventually { proxy.endpointCounters(0, 0).attempts.count == 1 })
            #expect(try Self.upload(proxy, piece: 1_000, every: 1)?.status == 200)
            #expect(reader.readMessage()?.body.count == Self.lastWords)
            #expect(proxy.endpointCounters(0, 0).resets.count == 0)
        }
    }
}
