import Backends
import Foundation
import Testing

/// Routers that send requests to each other.
struct LoopCommandTests {
    /// A router on a port of its own, with one endpoint.
    private final class Layer {
        let port: UInt16
        private let directory: TemporaryDirectory
        private var router: Command?

        init(on port: UInt16) throws {
            self.port = port
            directory = try TemporaryDirectory()
        }

        deinit { router?.signal(SIGKILL) }

        func start(to endpoint: UInt16) throws {
            try directory.write(
                "tables/table.yaml",
                """
                listeners: { web: { bind: 127.0.0.1:\(port) } }
                regions: { east: {} }
                services: { next: { endpoints: { east: [127.0.0.1:\(endpoint)] }, probe: none } }
                routes: [ { to: next } ]
                """)
            let router = try Command(
                "run", directory.path + "/tables", "--admin", "127.0.0.1:0", "--workers", "1", "--state",
                directory.path + "/state")
            guard eventually({ router.errorsSoFar.contains("listener web on 127.0.0.1:\(self.port)\n") }) else {
                throw Failure(what: router.errorsSoFar)
            }
            self.router = router
        }

        func ask() throws -> Message {
            let connection = try RawConnection(port: port)
            connection.send("GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n")
            return try #require(connection.readMessage())
        }
    }

    private func layers(_ count: Int) throws -> [Layer] {
        try (0..<count).map { _ in try Layer(on: Backend.refusing().port) }
    }

    @Test("a request that comes back is answered 508 at once", arguments: 1...3)
    func circle(length: Int) throws {
        let routers = try layers(length)
        for (index, router) in routers.enumerated() { try router.start(to: routers[(index + 1) % length].port) }
        let answer = try routers[0].ask()
        #expect(answer.status == 508)
        #expect(answer["x-spillway-error"] == "loop")
    }

    @Test func `routers in a row pass a request on`() throws {
        let backend = try Backend()
        let routers = try layers(3)
        for (router, next) in zip(routers, [routers[1].port, routers[2].port, backend.port]) {
            try router.start(to: next)
        }
        #expect(try routers[0].ask().status == 200)
        let via = try #require(backend.requests.last?["via"])
        #expect(via.matches(of: /1\.1 spillway-[0-9a-f]{8}/).count == 3, "\(via)")
    }
}
