import Backends
import RouteTable
import Testing

/// What endpoints are told in Host.
struct ToldHostTests {
    private let request = "GET /a HTTP/1.1\r\nhost: client.example\r\nx-a: 1\r\n\r\n"

    @Test func `its endpoints are told a service's host, on kept connections too`() throws {
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]]) { $0.service.toldHost = .named("east.example:81") }
        for _ in 0..<2 { #expect(try proxy.ask(request).text == "ok") }
        #expect(backend.requests.map { $0["host"] } == ["east.example:81", "east.example:81"])
        #expect(backend.requests.allSatisfy { $0["x-forwarded-host"] == "client.example" && $0["x-a"] == "1" })
        #expect(backend.connections.count == 1)
    }

    @Test func `an attempt elsewhere tells another endpoint its own host`() throws {
        let other = try Backend()
        let proxy = try ProxyUnderTest([[.refusing()], [other]]) {
            $0.service.toldHost = .named("east.example")
            $0.service.cells[1].endpoints[0].toldHost = .endpoint
        }
        #expect(try proxy.ask(request).text == "ok")
        #expect(other.requests.map { $0["host"] } == ["127.0.0.1:\(other.port)"])
    }

    @Test func `what the client said stays without a word about it`() throws {
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]])
        #expect(try proxy.ask(request).text == "ok")
        #expect(backend.requests.last?["host"] == "client.example")
    }
}
