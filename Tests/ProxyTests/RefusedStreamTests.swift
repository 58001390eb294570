import Backends
import RouteTable
import Telemetry
import Testing

/// What an endpoint that speaks HTTP/2 can say of a request it has not looked at.
struct RefusedStreamTests {
    private static func proxy(_ first: Backend, _ second: Backend) throws -> ProxyUnderTest {
        try ProxyUnderTest([[first], [second]]) { $0.service.protocol = .http2 }
    }

    @Test
    func `an endpoint that refuses requests has failed, and they are sent elsewhere, whatever the method`() throws {
        let refusing = try Backend(frames: { [.refuse($0.stream)] })
        let proxy = try Self.proxy(refusing, try Backend(frames: { [.answer($0.stream)] }))
        for request in [get, post] { #expect(try proxy.ask(request).status == 200) }
        // The first time for free, at whom the split says.
        #expect(proxy.endpointCounters(0, 0).gatewayErrors.count == 4)
        #expect(proxy.endpointCounters(0, 0).abandoned.count == 0)
        #expect(proxy.endpointCounters(0, 0).failureRun.level == 4)
    }

    @Test func `an endpoint that leaves a connection has not failed`() throws {
        // Each connection serves one request.
        let leaving = try Backend(frames: { $0.count == 1 ? [.answer($0.stream)] : [.leave(after: 1)] })
        let proxy = try Self.proxy(leaving, try Backend(frames: { _ in [] }))
        for request in [get, post, get] { #expect(try proxy.ask(request).status == 200) }
        #expect(leaving.connections.count == 3)
        #expect(proxy.endpointCounters(0, 0).abandoned.count == 2)
        #expect(proxy.endpointCounters(0, 0).gatewayErrors.count == 0)
    }

    @Test func `an endpoint that leaves every connection before it has served has failed`() throws {
        let leaving = try Backend(frames: { _ in [.leave(after: 0)] })
        let proxy = try Self.proxy(leaving, try Backend(frames: { [.answer($0.stream)] }))
        #expect(try proxy.ask(post).status == 200)
        #expect(proxy.endpointCounters(0, 0).gatewayErrors.count == 2)
    }

    /// With INTERNAL_ERROR, and with CANCEL.
    @Test(arguments: [get, post], [UInt8(2), 8])
    func `an endpoint that resets a request on a connection that has served has failed`(
        request: String, code: UInt8
    ) throws {
        let resetting = try Backend(frames: { $0.count == 1 ? [.answer($0.stream)] : [.reset($0.stream, code)] })
        let proxy = try Self.proxy(resetting, try Backend(frames: { [.answer($0.stream)] }))
        #expect(try proxy.ask(get).status == 200)
        #expect(try proxy.ask(request).status == (request == get ? 200 : 502))
        #expect(resetting.connections.count == 1, "its connection goes on")
        #expect(proxy.endpointCounters(0, 0).resets.count == 1)
        #expect(proxy.endpointCounters(0, 0).abandoned.count == 0)
        #expect(proxy.endpointCounters(0, 0).failureRun.level == 1)
    }

    @Test func `an endpoint that breaks a connection that has served just as a request comes has not failed`() throws {
        let leaving = try Backend(frames: { $0.count == 1 ? [.answer($0.stream)] : [.vanish] })
        let proxy = try Self.proxy(leaving, try Backend(frames: { [.answer($0.stream)] }))
        for _ in 0..<2 { #expect(try proxy.ask(get).status == 200) }
        #expect(proxy.endpointCounters(0, 0).resets.count == 0)
        #expect(proxy.endpointCounters(0, 0).abandoned.count == 1)
    }

    @Test func `an endpoint that says what is none of HTTP 2 has failed, on whatever connection`() throws {
        let babbling = try Backend(frames: { $0.count == 1 ? [.answer($0.stream)] : [.nonsense] })
        let proxy = try Self.proxy(babbling, try Backend(frames: { [.answer($0.stream)] }))
        for _ in 0..<2 { #expect(try proxy.ask(get).status == 200) }
        #expect(proxy.endpointCounters(0, 0).resets.count == 1)
        #expect(proxy.endpointCounters(0, 0).abandoned.count == 0)
    }

    @Test func `an endpoint that refuses more than it had said it takes has not failed`() throws {
        // It says so only when the second request is there, which then has a connection of its own.
        let narrow = try Backend(frames: { request in
            if request.connection > 1 { return [.answer(request.stream)] }
            return request.count == 1 ? [] : [.limit(1), .refuse(request.stream), .answer(request.stream - 2)]
        })
        let proxy = try Self.proxy(narrow, try Backend(frames: { _ in [] }))
        let clients = [try proxy.connect(), try proxy.connect()]
        for client in clients { client.send(post) }
        #expect(clients.map { $0.readMessage()?.status } == [200, 200])
        #expect(proxy.endpointCounters(0, 0).abandoned.count == 1)
        #expect(proxy.endpointCounters(0, 0).gatewayErrors.count == 0)
    }
}

/// Connections to endpoints that can carry nothing more, or not what they are given.
struct HTTP2LimitTests {
    /// Answers each request with an empty 200.
    private static func answering() throws -> Backend {
        try Backend(connections: { _, connection in
            guard connection.read(HTTP2Speech.preface.count) == HTTP2Speech.preface else { return }
            connection.say(.settings)
            while let frame = connection.readFrame() {
                if frame.kind <= 1, frame.flags & HTTP2Speech.endStream != 0 {
                    connection.say(.ok(stream: frame.stream))
                }
            }
        })
    }

    @Test func `a connection whose streams are used up is followed by another, and no request waits for it`() throws {
        let endpoint = try Self.answering()
        let proxy = try ProxyUnderTest([[endpoint]], firstStream: 0x7fff_fffd) {
            $0.service.protocol = .http2
            $0.service.retry.attempts = 0
        }
        for request in [get, get, get, post, get, post, get] { #expect(try proxy.ask(request).status == 200) }
        // Two on each.
        #expect(endpoint.connections.count == 4)
        #expect(proxy.endpointCounters(0, 0).successes.count == 7)
        #expect(proxy.endpointCounters(0, 0).resets.count == 0)
        #expect(proxy.endpointCounters(0, 0).failureRun.level == 0)
    }

    @Test func `a request's head is as large for an endpoint of HTTP 2 as its listener allows`() throws {
        let proxy = try ProxyUnderTest([[try Self.answering()]]) {
            $0.service.protocol = .http2
            $0.listener.limits.headBytes = 262_144
        }
        let fields = (0..<40).map { "x-\($0): \(String(repeating: "{}", count: 2_000))\r\n" }.joined()
        #expect(try proxy.ask("GET / HTTP/1.1\r\nhost: a.example\r\n\(fields)\r\n").status == 200)
    }

    @Test func `an answer's head is as large for a client of HTTP 2 as for one of HTTP 1`() throws {
        let fields = (0..<30).map { "x-\($0): \(String(repeating: "{}", count: 1_085))\r\n" }.joined()
        let endpoint = try Backend(Backend.says("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\(fields)\r\nok"))
        let proxy = try ProxyUnderTest([[endpoint]])
        #expect(try proxy.ask(get).text == "ok")
        let client = try proxy.connect()
        client.send(HTTP2Speech.preface)
        client.say(.settings, .get(stream: 1))
        let body = client.readFrame { $0.kind == 0 || $0.kind == 3 || $0.kind == 7 }
        #expect(body?.kind == 0 && body?.payload == Array("ok".utf8))
    }
}

/// A request, by its stream; `count` is its number on its connection, `connection` that of the connection.
private struct Asked {
    let stream: UInt8
    let count: Int
    let connection: Int
}

/// What an endpoint says in HTTP/2 (RFC 9113, 6).
private enum Said {
    case answer(UInt8), refuse(UInt8)
    /// With an error's code.
    case reset(UInt8, UInt8)
    /// Nothing: the connection breaks.
    case vanish
    /// DATA on no stream.
    case nonsense
    case leave(after: UInt8)
    /// Streams at once, at most.
    case limit(UInt8)

    var frame: [UInt8] {
        switch self {
        // `:status: 200`, and the stream's end.
        case .answer(let stream): [0, 0, 1, 1, 0x5, 0, 0, 0, stream, 0x88]
        case .refuse(let stream): [0, 0, 4, 3, 0, 0, 0, 0, stream, 0, 0, 0, 7]
        case .reset(let stream, let code): [0, 0, 4, 3, 0, 0, 0, 0, stream, 0, 0, 0, code]
        case .vanish: []
        case .nonsense: [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
        case .leave(let last): [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, last, 0, 0, 0, 0]
        case .limit(let count): [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, count]
        }
    }
}

extension Backend {
    /// One that speaks HTTP/2, and what it says when a request is complete.
    fileprivate convenience init(frames said: @escaping @Sendable (Asked) -> [Said]) throws {
        try self.init(connections: { backend, connection in
            let number = backend.connections.count
            guard connection.read(24).count == 24 else { return }
            connection.send([0, 0, 0, 4, 0, 0, 0, 0, 0])
            var count = 0
            while true {
                let head = connection.read(9)
                guard head.count == 9 else { return }
                let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
                guard connection.read(length).count == length else { return }
                // The end of a request's fields, or of its body.
                guard head[3] <= 1, head[4] & 1 != 0 else { continue }
                count += 1
                let asked = Asked(stream: head[8], count: count, connection: number)
                for said in said(asked) {
                    if case .vanish = said { return connection.reset() }
                    connection.send(said.frame)
                }
            }
        })
    }
}
