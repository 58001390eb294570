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
