import Backends
import Foundation
import RouteTable
import Telemetry
import Testing

@testable import Proxy

struct WorkerTests {
    @Test func `a new table leaves connections and what is under way alone`() throws {
        let backend = try Backend { request, connection in
            if request.target == "/slow" { pause(milliseconds: 200) }
            return Backend.ok(request, connection)
        }
        let proxy = try ProxyUnderTest([[backend]])
        let idle = try proxy.connect()
        idle.send(get)
        #expect(idle.readMessage()?.status == 200)
        let busy = try proxy.connect()
        busy.send("GET /slow HTTP/1.1\r\nhost: a.example\r\n\r\n")
        #expect(eventually { backend.requests.count == 2 })
        for _ in 0..<20 { #expect(proxy.publish { _ in }) }
        #expect(proxy.publish { $0.routes[0].match.host = .exact("other.example") })
        #expect(busy.readMessage()?.status == 200)
        idle.send(get)
        #expect(idle.readMessage()?.status == 404)
        idle.send("GET / HTTP/1.1\r\nhost: other.example\r\n\r\n")
        #expect(idle.readMessage()?.status == 200)
        // The pooled connection outlived the tables as well.
        #expect(backend.connections.count == 1)
    }

    @Test func `a service that is gone finishes what it has begun`() throws {
        let backend = try Backend { request, connection in
            pause(milliseconds: 200)
            return Backend.ok(request, connection)
        }
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send(get)
        #expect(eventually { backend.requests.count == 1 })
        #expect(
            proxy.publish {
                $0.services = []
                $0.routes = []
            })
        #expect(client.readMessage()?.status == 200)
        client.send(get)
        #expect(client.readMessage()?.status == 404)
        #expect(eventually { backend.connections.allSatisfy { $0.end != nil } })
    }

    @Test func `a removed listener answers what it has begun, and takes no more`() throws {
        let backend = try Backend { request, connection in
            pause(milliseconds: 200)
            return Backend.ok(request, connection)
        }
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        client.send(get)
        #expect(eventually { backend.requests.count == 1 })
        #expect(proxy.publish { $0.listeners = [] })
        #expect(client.readMessage()?.status == 200)
        #expect(throws: Failure.self) { try proxy.connect() }
    }

    @Test func `traffic follows the split`() throws {
        let backends = [try Backend(), try Backend()]
        let proxy = try ProxyUnderTest([[backends[0]], [backends[1]]])
        _ = try proxy.ask(get)
        proxy.split([0, 10_000])
        for _ in 0..<20 { _ = try proxy.ask(get) }
        #expect(backends.map(\.requests.count) == [1, 20])
        proxy.split([5_000, 5_000])
        for _ in 0..<200 { _ = try proxy.ask(get) }
        let counts = backends.map(\.requests.count)
        #expect(counts[0] > 60 && counts[1] > 60, "\(counts)")
    }

    @Test(arguments: [Balance.leastRequests, .roundRobin, .random])
    func `endpoints of a region share its traffic`(balance: Balance) throws {
        let backends = try (0..<4).map { _ in try Backend() }
        let proxy = try ProxyUnderTest([backends]) { $0.service.balance = balance }
        for _ in 0..<200 { _ = try proxy.ask(get) }
        let counts = backends.map(\.requests.count)
        #expect(counts.allSatisfy { $0 >= 25 }, "\(counts)")
    }

    @Test func `in turn means by weight within any few turns`() throws {
        let backends = try (0..<3).map { _ in try Backend() }
        let proxy = try ProxyUnderTest([backends]) { table in
            table.service.balance = .roundRobin
            for (index, weight) in [1, 2, 5].enumerated() { table.service.cells[0].endpoints[index].weight = weight }
        }
        for round in 1...10 {
            for _ in 0..<8 { _ = try proxy.ask(get) }
            let counts = backends.map(\.requests.count)
            #expect(zip(counts, [1, 2, 5]).allSatisfy { abs($0 - round * $1) <= 2 }, "\(counts) after \(round) rounds")
        }
    }

    @Test func `a key stays with its endpoint, and keys are spread`() throws {
        let backends = try (0..<4).map { _ in try Backend() }
        let proxy = try ProxyUnderTest([backends]) { $0.service.balance = .hash(.path) }
        for key in 0..<40 {
            let before = backends.map(\.requests.count)
            for _ in 0..<3 { _ = try proxy.ask("GET /\(key) HTTP/1.1\r\nhost: a.example\r\n\r\n") }
            #expect(zip(backends, before).map { $0.requests.count - $1 }.filter { $0 > 0 } == [3])
        }
        #expect(backends.allSatisfy { !$0.requests.isEmpty })
    }

    @Test func `draining finishes what is under way, closes what is idle, and ends`() throws {
        let backend = try Backend { request, connection in
            pause(milliseconds: 200)
            return Backend.ok(request, connection)
        }
        let proxy = try ProxyUnderTest([[backend]])
        let (idle, busy) = (try proxy.connect(), try proxy.connect())
        idle.send(get)
        #expect(idle.readMessage()?.status == 200)
        busy.send(get)
        #expect(eventually { backend.requests.count == 2 })
        proxy.drain()
        let answer = try #require(busy.readMessage())
        #expect(answer.text == "ok")
        #expect(answer["connection"] == "close")
        #expect(!proxy.hasEnded)
        #expect(idle.readEnd() == .closed)
        #expect(eventually { proxy.hasEnded })
        #expect(throws: Failure.self) { try proxy.connect() }
    }

    @Test func `each request is a line of the access log, and so is each refusal`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]]) { $0.listener.accessLog = AccessLog(format: .json) }
        _ = try proxy.ask("GET /a?b\\c HTTP/1.1\r\nhost: a.example\r\n\r\n")
        _ = try proxy.ask("PUT / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 3\r\n\r\nabc")
        _ = try proxy.ask("GET / HTTP/1.1\r\nhost : a.example\r\n\r\n")
        var text = ""
        let isComplete = eventually {
            unsafe proxy.log.drain { text += unsafe String(decoding: $0, as: UTF8.self) }
            return text.split(separator: "\n").count == 3
        }
        #expect(isComplete)
        let lines = try text.split(separator: "\n").map {
            try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        func all<T: Equatable>(_ key: String, as type: T.Type = T.self) -> [T?] { lines.map { $0[key] as? T } }
        #expect(all("method") == ["GET", "PUT", ""])
        #expect(all("protocol") == ["HTTP/1.1", "HTTP/1.1", nil])
        #expect(all("host") == ["a.example", "a.example", ""])
        #expect(all("target") == ["/a?b\\c", "/", ""])
        #expect(all("status") == [200, 200, 400])
        #expect(all("received") == [0, 3, 0])
        #expect(all("attempts") == [1, 1, 0])
        #expect(all("region") == ["r0", "r0", nil])
        #expect(all("error") == [nil, nil, "blank-before-colon"])
        #expect(all("client") == Array(repeating: "127.0.0.1", count: 3))
    }

    @Test(arguments: [AccessLog.Format.json, .text])
    func `a request is a line of the access log however much of it there is`(format: AccessLog.Format) throws {
        let proxy = try ProxyUnderTest([[try Backend()]]) {
            $0.listener.accessLog = AccessLog(format: format)
            $0.listener.limits.headBytes = 1 << 20
            $0.listener.limits.targetBytes = 1 << 16
        }
        let long = String(repeating: "a", count: 65_500)
        for request in ["\(long) / HTTP/1.1\r\nhost: b\r\n\r\n", "GET /\(long) HTTP/1.1\r\nhost: b\r\n\r\n"] {
            #expect(try proxy.ask(request).status == 200)
        }
        #expect(eventually { proxy.logged.split(separator: "\n").count == 2 })
        #expect(proxy.listenerCounters.accessLogDropped.count == 0)
        let lines = proxy.logged.split(separator: "\n")
        #expect(lines.allSatisfy { $0.contains("aaa...") && $0.utf8.count < 40_000 })
    }

    @Test func `an access log nobody writes out costs lines, not requests`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]]) { $0.listener.accessLog = AccessLog(format: .text) }
        let long = String(repeating: "a", count: 7_000)
        let client = try proxy.connect()
        for _ in 0..<200 {
            client.send("GET /\(long) HTTP/1.1\r\nhost: a.example\r\n\r\n")
            #expect(client.readMessage()?.status == 200)
        }
        #expect(proxy.listenerCounters.accessLogDropped.count > 0)
        #expect(proxy.listenerCounters.accessLogDropped.count < 200)
    }
}
