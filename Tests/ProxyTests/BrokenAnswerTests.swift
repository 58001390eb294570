import Backends
import RouteTable
import Telemetry
import Testing

struct BrokenAnswerTests {
    @Test(arguments: [
        "",
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nokk",
        "HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\nok",
        "HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad name: 1\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}",
    ])
    func `an answer that is none becomes a 502`(said: String) throws {
        let proxy = try ProxyUnderTest([[try Backend(Backend.says(said, thenCloses: true))]])
        let answer = try proxy.ask(get)
        #expect(answer.status == 502)
        #expect(["malformed-response", "upstream-reset"].contains(answer["x-spillway-error"]))
        #expect(answer.isWhole)
        #expect(proxy.endpointCounters(0, 0).successes.count == 0)
    }

    @Test(
        arguments: [
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: 1\r\n",
        ],
        [
            "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n",
            "GET / HTTP/1.0\r\nhost: a.example\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 4\r\n\r\nbody",
        ])
    func `an answer that breaks off never looks whole`(said: String, request: String) throws {
        let backend = try Backend(Backend.says(said, thenCloses: true))
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send(request)
        let answer = client.readMessage(bodyUntilEnd: request.contains("HTTP/1.0"))
        // Either its head never came, or its body ends with a reset before its end.
        if let answer { #expect(!answer.isWhole) }
        _ = client.readToEnd()
        #expect(client.end == .reset)
        #expect(backend.requests.count == 1, "what was begun is not tried again")
        #expect(proxy.listenerCounters.truncated.count == 1)
    }

    /// 204 and 304 of HPACK's table.
    @Test(arguments: [UInt8(0x89), 0x8b], [true, false])
    func `an answer of HTTP/2 that has no body is whole with its head, whatever follows`(
        status: UInt8, ends: Bool
    ) throws {
        let backend = try Backend(connections: { _, connection in
            guard connection.read(HTTP2Speech.preface.count) == HTTP2Speech.preface else { return }
            connection.say(.settings)
            while let frame = connection.readFrame(), frame.kind != HTTP2Speech.Kind.goAway {
                guard frame.kind == HTTP2Speech.Kind.headers else { continue }
                connection.say(
                    HTTP2Speech(
                        HTTP2Speech.Kind.headers, flags: HTTP2Speech.endHeaders, stream: frame.stream, [status]))
                if ends {
                    connection.say(
                        HTTP2Speech(
                            HTTP2Speech.Kind.data, flags: HTTP2Speech.endStream, stream: frame.stream,
                            Array("body".utf8)))
                }
            }
        })
        let proxy = try ProxyUnderTest([[backend]]) { $0.service.protocol = .http2 }
        let client = try proxy.connect()
        for _ in 0..<2 {
            client.send(get)
            #expect(client.readMessage(hasBody: false)?.status == (status == 0x89 ? 204 : 304))
        }
        #expect(proxy.endpointCounters(0, 0).successes.count == 2)
        #expect(proxy.listenerCounters.truncated.count == 0)
        #expect(backend.connections.count == 1)
    }

    @Test func `an attempt is one success or one truncation, and a success only when its answer is whole`() throws {
        let backend = try Backend { request, connection in
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha")
            guard request.target == "/whole" else { return false }
            connection.send("lf")
            return true
        }
        let proxy = try ProxyUnderTest([[backend]])
        let counters = proxy.endpointCounters(0, 0)
        for run in 1...2 {
            let client = try proxy.connect()
            client.send("GET /half HTTP/1.1\r\nhost: a.example\r\n\r\n")
            _ = client.readToEnd()
            #expect(client.end == .reset)
            #expect(counters.failureRun.level == run)
        }
        #expect(counters.truncations.count == 2)
        #expect(counters.successes.count == 0)
        #expect(try proxy.ask("GET /whole HTTP/1.1\r\nhost: a.example\r\n\r\n").isWhole)
        #expect(counters.truncations.count == 2)
        #expect(counters.successes.count == 1)
        #expect(counters.failureRun.level == 0)
    }

    @Test func `a stream that goes on for a second is a success before its end`() throws {
        let backend = try Backend { _, connection in
            connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while connection.send(Array("2\r\nok\r\n".utf8)) > 0 { pause(milliseconds: 50) }
            return false
        }
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send(get)
        #expect(eventually { proxy.endpointCounters(0, 0).successes.count == 1 })
        client.close()
        #expect(eventually { proxy.listenerCounters.clientAborts.count == 1 })
        #expect(proxy.endpointCounters(0, 0).truncations.count == 0)
    }

    @Test func `bytes behind an answer are nobody's answer`() throws {
        let backend = try Backend(
            Backend.says(
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"))
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        for _ in 0..<5 {
            client.send(get)
            #expect(client.readMessage()?.text == "ok")
        }
        #expect(backend.connections.count == 5)
    }

    @Test func `an answer nobody asked for is thrown away with its connection`() throws {
        let backend = try Backend(connections: { backend, connection in
            while connection.readMessage() != nil {
                connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                pause(milliseconds: 20)
                connection.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
            }
        })
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        for _ in 0..<5 {
            client.send(get)
            #expect(client.readMessage()?.text == "ok")
            pause(milliseconds: 40)
        }
    }

    @Test func `a head larger than is taken from a backend is refused`() throws {
        let long = String(repeating: "a", count: 400_000)
        let proxy = try ProxyUnderTest([
            [try Backend(Backend.says("HTTP/1.1 200 OK\r\nx: \(long)\r\ncontent-length: 0\r\n\r\n"))]
        ])
        #expect(try proxy.ask(get).status == 502)
    }

    @Test func `an answer that stands still is broken off`() throws {
        let proxy = try ProxyUnderTest([
            [try Backend(Backend.says("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"))]
        ]) { $0.service.timeouts.idle = .milliseconds(150) }
        let client = try proxy.connect()
        client.send(get)
        let answer = try #require(client.readMessage())
        #expect(answer.text == "half")
        #expect(!answer.isWhole)
        #expect(client.end == .reset)
    }
}
