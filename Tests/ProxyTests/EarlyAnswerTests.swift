import Backends
import RouteTable
import Telemetry
import Testing

/// Servers that answer a request without reading its body close the connection, a little later.
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
