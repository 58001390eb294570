import Backends
import Proxy
import RouteTable
import Telemetry
import Testing

/// What a worker may have open is bounded over all listeners, and its bound is nobody else's fault.
struct RoomTests {
    @Test func `beyond the room for clients others wait until one leaves, on every listener`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]], room: ConnectionRoom(clients: 2, sockets: 100))
        let other = try proxy.open("other", .respond(FixedResponse(status: 200, body: "other")))
        let first = [try proxy.connect(), try RawConnection(port: other)]
        for client in first {
            client.send(get)
            #expect(client.readMessage()?.status == 200)
        }
        let waiting = [try proxy.connect(), try RawConnection(port: other)]
        for client in waiting { client.send(get) }
        #expect(eventually { proxy.exhausted.contains(.clients) })
        first[0].close()
        first[1].close()
        for client in waiting { #expect(client.readMessage()?.status == 200) }
    }

    @Test func `a connection that rests makes room for another endpoint's`() throws {
        let proxy = try ProxyUnderTest(
            [[try Backend()], [try Backend()]], room: ConnectionRoom(clients: 10, sockets: 2))
        let client = try proxy.connect()
        client.send(get)
        #expect(client.readMessage()?.text == "ok")
        #expect(proxy.endpointCounters(0, 0).openConnections.level == 1)
        proxy.split([0, 10_000])
        client.send(get)
        #expect(client.readMessage()?.text == "ok")
        #expect(proxy.endpointCounters(0, 0).openConnections.level == 0)
        #expect(proxy.endpointCounters(1, 0).openConnections.level == 1)
    }

    @Test func `without room for a connection the answer says so, and the endpoint is not to blame`() throws {
        let proxy = try ProxyUnderTest([[try Backend(Backend.hangs)]], room: ConnectionRoom(clients: 10, sockets: 3)) {
            $0.service.retry.attempts = 0
            $0.service.retry.hedge = .off
        }
        let (busy, refused) = (try proxy.connect(), try proxy.connect())
        busy.send(get)
        #expect(eventually { proxy.endpointCounters(0, 0).openConnections.level == 1 })
        refused.send(get)
        let answer = try #require(refused.readMessage())
        #expect(answer.status == 503)
        #expect(answer["x-spillway-error"] == "router-exhausted")
        #expect(proxy.exhausted == [.sockets])
        let counters = proxy.endpointCounters(0, 0)
        #expect(counters.exhausted.count == 1)
        #expect(counters.connectFailures.count == 0)
        #expect(counters.failureRun.level == 0)
    }
}
