import Backends
import Foundation
import Testing

/// A router that is suspended for a while, as by SIGSTOP, a frozen container or a laptop's lid.
struct SuspendTests {
    @Test func `requests are not ended by time-outs for the time in which the router was suspended`() throws {
        let backend = try Backend { request, connection in
            pause(milliseconds: 300)
            return Backend.ok(request, connection)
        }
        let directory = try TemporaryDirectory()
        try directory.write(
            "table.yaml",
            """
            listeners: { web: { bind: 127.0.0.1:0, timeouts: { head: 1s } } }
            regions: { east: {} }
            services:
              shop:
                probe: none
                endpoints: { east: ["127.0.0.1:\(backend.port)"] }
                timeouts: { response: 700ms }
                retry: { attempts: 0 }
            routes: [{ to: shop }]
            """)
        let router = try RouterUnderTest(directory)
        let inFlight = try (0..<10).map { _ in try RawConnection(port: router.port) }
        let halfway = try (0..<3).map { _ in try RawConnection(port: router.port) }
        for client in halfway { client.send("GET / HTTP/1.1\r\nho") }
        for client in inFlight { client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n") }
        #expect(eventually { backend.requests.count == 10 })
        router.signal(SIGSTOP)
        // The answers come meanwhile, and so do the other halves of the heads.
        for client in halfway { client.send("st: a\r\n\r\n") }
        pause(milliseconds: 1_500)
        router.signal(SIGCONT)
        #expect(inFlight.map { $0.readMessage()?.start } == inFlight.map { _ in "HTTP/1.1 200 OK" })
        #expect(halfway.map { $0.readMessage()?.start } == halfway.map { _ in "HTTP/1.1 200 OK" })
    }
}
