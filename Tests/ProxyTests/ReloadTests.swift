import Backends
import RouteTable
import Synchronization
import Telemetry
import Testing

/// What another table says holds from the next attempt on, also on connections that were opened before it.
struct ReloadTests {
    @Test func `a time-out that has changed holds on connections of the pool`() throws {
        let backend = try Backend { request, connection in
            if request.target == "/slow" { pause(milliseconds: 1_500) }
            return Backend.ok(request, connection)
        }
        let proxy = try ProxyUnderTest([[backend]]) {
            $0.service.retry.attempts = 0
            $0.service.retry.hedge = .off
        }
        #expect(try proxy.ask(get).status == 200)
        #expect(proxy.publish { $0.service.timeouts.response = .milliseconds(200) })
        let answer = try proxy.ask("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        #expect(answer.status == 504)
        #expect(answer["x-spillway-error"] == "response-timeout")
        #expect(backend.connections.count == 1)
    }

    @Test func `a request begun before is not tried again at an endpoint that is gone`() throws {
        let goes = Atomic<Bool>(false)
        let failing = try Backend { _, connection in
            _ = eventually { goes.load(ordering: .acquiring) }
            connection.reset()
            return false
        }
        let removed = try Backend()
        let proxy = try ProxyUnderTest([[failing], [removed]]) { $0.service.retry.hedge = .off }
        let client = try proxy.connect()
        client.send(get)
        #expect(eventually { failing.requests.count == 1 })
        proxy.dropEndpoints(ofRegion: 1)
        #expect(proxy.publish { $0.service.cells[1].endpoints = [] })
        goes.store(true, ordering: .releasing)
        #expect(client.readMessage()?.status == 502)
        #expect(removed.requests.isEmpty)
    }

    @Test func `a service that was gone for a while counts what is under way of it once`() throws {
        let goes = Atomic<Bool>(false)
        let backend = try Backend { request, connection in
            if request.target != "/held" { return Backend.ok(request, connection) }
            _ = eventually { goes.load(ordering: .acquiring) }
            connection.reset()
            return false
        }
        let proxy = try ProxyUnderTest([[backend]]) { $0.service.retry.hedge = .off }
        let name = proxy.table.service.name
        let clients = try (0..<4).map { _ in try proxy.connect() }
        for client in clients { client.send("GET /held HTTP/1.1\r\nhost: a\r\n\r\n") }
        #expect(eventually { proxy.serviceCounters.inFlight.level == 4 })
        #expect(proxy.publish { $0.service.name = "another" })
        #expect(proxy.publish { $0.service.name = name })
        goes.store(true, ordering: .releasing)
        for client in clients { #expect(client.readMessage()?.status == 502) }
        #expect(eventually { proxy.serviceCounters.inFlight.level == 0 })
        #expect(try proxy.ask(get).status == 200)
        #expect(proxy.serviceCounters.inFlight.level == 0)
    }

    @Test func `a table of ten thousand routes does not keep its worker from serving`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]])
        #expect(try proxy.ask(get).status == 200)
        for round in 0..<3 {
            #expect(
                proxy.publish { table in
                    table.routes = (0..<10_000).map { index in
                        var route = Route(
                            match: Match(path: .prefix("/p\(index)")),
                            action: .forward([Destination(service: 0)]))
                        route.requestHeaders = HeaderEdits(
                            remove: ["x-a"], set: [HeaderValue(name: "x-round", value: "\(round)")])
                        return route
                    }
                })
            #expect(try proxy.ask("GET /p9999 HTTP/1.1\r\nhost: a\r\n\r\n").status == 200)
        }
        // In a debug build making them takes more than a second each time.
        #expect(proxy.counters.longestTurn.level < 300_000_000)
    }

    @Test func `who waits for a connection takes one that becomes free in whatever region`() throws {
        let stays = Atomic<Bool>(true)
        let held = try Backend { request, connection in
            _ = eventually { !stays.load(ordering: .acquiring) }
            return Backend.ok(request, connection)
        }
        let quick = try Backend { request, connection in
            pause(milliseconds: 5)
            return Backend.ok(request, connection)
        }
        let proxy = try ProxyUnderTest([[held], [quick]]) {
            $0.service.limits.connections = 1
            $0.service.retry.hedge = .off
        }
        proxy.split([5_000, 5_000])
        let clients = try (0..<30).map { _ in try proxy.connect() }
        for client in clients { client.send(post) }
        #expect(eventually { quick.requests.count == 29 })
        stays.store(false, ordering: .releasing)
        #expect(clients.allSatisfy { $0.readMessage()?.status == 200 })
        #expect(proxy.serviceCounters.overflows.count == 0)
    }

    @Test func `many who give up waiting, and are gone, are counted no more`() throws {
        let stays = Atomic<Bool>(true)
        let held = try Backend { request, connection in
            _ = eventually { !stays.load(ordering: .acquiring) }
            return Backend.ok(request, connection)
        }
        let proxy = try ProxyUnderTest([[held]]) {
            $0.service.limits.connections = 1
            $0.service.limits.pending = 10_000
            $0.service.retry.hedge = .off
        }
        let first = try proxy.connect()
        first.send(get)
        #expect(eventually { held.requests.count == 1 })
        for _ in 0..<300 {
            let client = try proxy.connect()
            client.send(get)
            if !eventually({ proxy.serviceCounters.pending.level > 0 }) { break }
            client.reset()
        }
        #expect(eventually { proxy.serviceCounters.pending.level == 0 })
        stays.store(false, ordering: .releasing)
        #expect(first.readMessage()?.status == 200)
        #expect(try proxy.ask(get).status == 200)
    }
}
