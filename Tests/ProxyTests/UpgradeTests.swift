import Backends
import Foundation
import Proxy
import RouteTable
import Testing

/// Requests that ask for another protocol.
struct UpgradeTests {
    private static let request =
        "GET /chat HTTP/1.1\r\nhost: a.example\r\nconnection: upgrade\r\nupgrade: websocket, other/2\r\n"
        + "authorization: Bearer secret\r\n\r\n"

    private static func backend(changingTo protocols: String) throws -> Backend {
        try Backend(
            Backend.says(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\(protocols)\r\nwelcome",
                thenCloses: true))
    }

    @Test(arguments: ["upgrade: WebSocket\r\n", "upgrade: other/2\r\n", "upgrade: other/2, websocket\r\n"])
    func `a change to what was asked for is passed on`(protocols: String) throws {
        let proxy = try ProxyUnderTest([[try Self.backend(changingTo: protocols)]])
        let client = try proxy.connect()
        client.send(Self.request)
        #expect(client.readLine() == "HTTP/1.1 101 Switching Protocols")
        while let line = client.readLine(), !line.isEmpty {}
        #expect(client.read(7) == Array("welcome".utf8))
    }

    /// As `docker exec` and `kubectl exec` ask.
    @Test(arguments: [
        "content-length: 4\r\n\r\nbody", "transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "\r\n",
    ])
    func `a POST may ask for another protocol, and is changed when all of it was sent`(rest: String) throws {
        let backend = try Backend { request, connection in
            connection.send("HTTP/1.1 101 UPGRADED\r\nconnection: upgrade\r\nupgrade: tcp\r\n\r\n\(request.text) ")
            while let line = connection.readLine() { connection.send("\(line)!\n") }
            return false
        }
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send("POST /exec/1/start HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: tcp\r\n\(rest)")
        #expect(client.readLine() == "HTTP/1.1 101 UPGRADED")
        while let line = client.readLine(), !line.isEmpty {}
        client.send("hello\n")
        #expect(client.readLine() == "\(rest == "\r\n" ? "" : "body") hello!")
        #expect(backend.requests.first?.method == "POST")
    }

    @Test func `a change before all of the request was sent is no answer`() throws {
        let backend = try Backend(connections: { _, connection in
            while let line = connection.readLine(), !line.isEmpty {}
            connection.send("HTTP/1.1 101 UPGRADED\r\nconnection: upgrade\r\nupgrade: tcp\r\n\r\n")
            _ = connection.readToEnd()
        })
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send(
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: tcp\r\ncontent-length: 9\r\n\r\nx")
        let answer = try #require(client.readMessage())
        #expect(answer.status == 502)
        #expect(answer["x-spillway-error"] == "malformed-response")
    }

    @Test(arguments: [
        "", "upgrade: h2c\r\n", "upgrade: websocket, h2c\r\n", "upgrade: web\r\n", "upgrade:\r\n",
        "upgrade: websocket\r\nupgrade: websocket\r\n",
    ])
    func `a change to anything else is no answer`(protocols: String) throws {
        let proxy = try ProxyUnderTest([[try Self.backend(changingTo: protocols)]])
        let answer = try proxy.ask(Self.request)
        #expect(answer.status == 502)
        #expect(answer["x-spillway-error"] == "malformed-response")
    }

    // Over HTTP/2

    private static func extendedConnect(
        to name: String = "websocket", flags: UInt8 = HTTP2Speech.endHeaders
    ) -> HTTP2Speech {
        .headers(
            stream: 1,
            [
                (":method", "CONNECT"), (":protocol", name), (":scheme", "http"), (":path", "/"),
                (":authority", "a.example"), ("sec-websocket-version", "13"),
            ], flags: flags)
    }

    @Test(arguments: [
        [UpgradeTests.extendedConnect(flags: HTTP2Speech.endHeaders | HTTP2Speech.endStream)],
        [UpgradeTests.extendedConnect(), HTTP2Speech(HTTP2Speech.Kind.data, flags: HTTP2Speech.endStream, stream: 1)],
    ])
    func `a client's end that comes before there is a tunnel is passed on as an end`(said: [HTTP2Speech]) throws {
        let backend = try Backend(connections: { _, connection in
            while let line = connection.readLine(), !line.isEmpty {}
            connection.send(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
            if connection.readEnd() == .closed { connection.send("bye") }
            connection.close()
        })
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send(HTTP2Speech.preface + HTTP2Speech.settings.bytes + said.flatMap(\.bytes))
        #expect(client.readFrame { $0.kind == HTTP2Speech.Kind.headers }?.payload.first == 0x88)
        let last = client.readFrame { $0.kind == HTTP2Speech.Kind.data && !$0.payload.isEmpty }
        #expect(last?.payload == Array("bye".utf8))
    }

    @Test func `a route that answers by itself opens no tunnel over HTTP/2`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]]) {
            $0.routes[0].action = .respond(FixedResponse(status: 200, body: "ok"))
            $0.listener.accessLog = AccessLog(format: .json)
        }
        let client = try proxy.connect()
        client.send(HTTP2Speech.preface)
        client.say(.settings, Self.extendedConnect())
        let answer = try #require(client.readFrame { $0.kind == HTTP2Speech.Kind.headers })
        #expect(answer.payload.first != 0x88, "a 200 would be a tunnel")
        #expect(eventually { proxy.logged.contains("not-upgraded") && proxy.logged.contains("502") })
    }

    @Test func `an extended CONNECT for another protocol than WebSocket is not served here`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]]) { $0.listener.accessLog = AccessLog(format: .json) }
        let client = try proxy.connect()
        client.send(HTTP2Speech.preface)
        client.say(.settings, Self.extendedConnect(to: "connect-udp"))
        #expect(client.readFrame { $0.kind == HTTP2Speech.Kind.headers } != nil)
        #expect(eventually { proxy.logged.contains("connect-not-supported") && proxy.logged.contains("501") })
    }

    @Test(arguments: [AccessLog.Format.json, .text])
    func `the request is a line of the access log as any other`(format: AccessLog.Format) throws {
        let backend = try Self.backend(changingTo: "upgrade: websocket\r\n")
        let proxy = try ProxyUnderTest([[backend]]) { $0.listener.accessLog = AccessLog(format: format) }
        let client = try proxy.connect()
        client.send(Self.request)
        #expect(client.readLine() == "HTTP/1.1 101 Switching Protocols")
        client.close()
        var text = ""
        let isComplete = eventually {
            unsafe proxy.log.drain { text += unsafe String(decoding: $0, as: UTF8.self) }
            return text.hasSuffix("\n")
        }
        #expect(isComplete && !text.contains("secret"), "\(text)")
        switch format {
        case .json:
            let line = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
            #expect(line["method"] as? String == "GET" && line["host"] as? String == "a.example")
            #expect(line["target"] as? String == "/chat" && line["status"] as? Int == 101)
        case .text: #expect(text.contains(" \"GET a.example /chat\" 101 "), "\(text)")
        }
    }
}
