import Backends
import RouteTable
import Synchronization
import Telemetry
import Testing

@testable import Proxy

/// Those who wait for a connection.
struct PendingQueueTests {
    private final class Waiter: Pending {
        let number: Int
        var pendingTicket: Int?

        init(_ number: Int) { self.number = number }
    }

    @Test func `who waits leaves in order, and who gives up is passed over`() {
        var queue = PendingQueue<Waiter>()
        let waiters = (0..<1_000).map { Waiter($0) }
        for waiter in waiters { queue.append(waiter) }
        for waiter in waiters where waiter.number % 3 == 0 { queue.remove(waiter) }
        let last = Waiter(-1)
        queue.prepend(last)
        #expect(queue.count == 667)
        var left: [Int] = []
        while let waiter = queue.popFirst() { left.append(waiter.number) }
        #expect(left == [-1] + (0..<1_000).filter { $0 % 3 != 0 })
        #expect(queue.isEmpty)
        #expect(waiters.allSatisfy { $0.pendingTicket == nil })
    }

    @Test func `places of those who have given up are not kept, though somebody waits before them`() {
        var queue = PendingQueue<Waiter>()
        let first = Waiter(0)
        queue.append(first)
        for number in 1...10_000 {
            let waiter = Waiter(number)
            queue.append(waiter)
            queue.remove(waiter)
            #expect(queue.placeCount <= 65)
        }
        #expect(queue.popFirst() === first)
        #expect(queue.placeCount == 0)
    }

    @Test func `who waits elsewhere is not taken for one who waits here`() {
        var (queue, other) = (PendingQueue<Waiter>(), PendingQueue<Waiter>())
        let waiters = (0..<8).map { Waiter($0) }
        for waiter in waiters[..<6] { queue.append(waiter) }
        for waiter in waiters[6...] { other.append(waiter) }
        for waiter in waiters[6...] { queue.remove(waiter) }
        #expect(queue.count == 6 && other.count == 2)
        for waiter in waiters[..<6] { other.remove(waiter) }
        #expect(queue.count == 6 && other.count == 2)
        queue.remove(waiters[2])
        #expect(queue.next(after: 0) === waiters[1])
        #expect(queue.next(after: 1) === waiters[3])
        #expect(queue.next(after: 5) == nil)
        #expect(queue.next(after: -9) === waiters[0])
        #expect(queue.next(after: 99) == nil)
    }

    /// The first region's endpoint answers late, and says so in its answer's body, in pieces; the other's only connection is
    /// in use, so that nothing can be hedged there. What is free later is not for who is being answered.
    @Test(arguments: [false, true])
    func `a hedge does not wait: a request is answered by its first attempt, whole, and once`(isKeyed: Bool) throws {
        let ends = Atomic<Bool>(false)
        let slow = try Backend { request, connection in
            if request.target == "/quick" { return Backend.ok(request, connection) }
            pause(milliseconds: 400)
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nslow")
            pause(milliseconds: 400)
            connection.send("slowslow")
            return true
        }
        let busy = try Backend { request, connection in
            _ = eventually { ends.load(ordering: .acquiring) }
            return Backend.ok(request, connection)
        }
        let proxy = try ProxyUnderTest([[slow], [busy]]) {
            $0.service.limits.connections = 1
            $0.service.timeouts.connect = .milliseconds(300)
            $0.service.retry.hedge = .after(.milliseconds(100))
            if isKeyed { $0.service.balance = .hash(.path) }
        }
        proxy.split([0, 10_000])
        let first = try proxy.connect()
        first.send(get)
        #expect(eventually { proxy.endpointCounters(1, 0).inFlight.level == 1 })
        proxy.split([10_000, 0])
        let second = try proxy.connect()
        second.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        pause(milliseconds: 600)
        // The answer has begun. Now the other region has room.
        ends.store(true, ordering: .releasing)
        #expect(first.readMessage()?.status == 200)
        let answer = second.readMessage()
        #expect(answer?.status == 200)
        #expect(answer?.text == "slowslowslow")
        second.send("GET /quick HTTP/1.1\r\nhost: a\r\n\r\n")
        #expect(second.readMessage()?.status == 200)
        #expect(proxy.serviceCounters.overflows.count == 0)
        #expect(proxy.serviceCounters.pending.level == 0)
        #expect(slow.requests.count + busy.requests.count == 3)
    }

    /// The other region's only connection is in use: the request that could not be hedged there waits for it once its first
    /// attempt has failed, and leaves no trace in the queue.
    @Test(arguments: [false, true])
    func `who could not be hedged and is tried again waits once`(isKeyed: Bool) throws {
        let ends = Atomic<Bool>(false)
        let failing = try Backend { request, connection in
            if request.target == "/quick" { return Backend.ok(request, connection) }
            pause(milliseconds: 300)
            connection.reset()
            return false
        }
        let busy = try Backend { request, connection in
            if request.target == "/held" { _ = eventually { ends.load(ordering: .acquiring) } }
            return Backend.ok(request, connection)
        }
        let proxy = try ProxyUnderTest([[failing], [busy]]) {
            $0.service.limits.connections = 1
            $0.service.timeouts.connect = .seconds(2)
            $0.service.retry.budget = 10_000
            $0.service.retry.hedge = .after(.milliseconds(100))
            if isKeyed { $0.service.balance = .hash(.path) }
        }
        proxy.split([0, 10_000])
        let first = try proxy.connect()
        first.send("GET /held HTTP/1.1\r\nhost: a\r\n\r\n")
        #expect(eventually { proxy.endpointCounters(1, 0).inFlight.level == 1 })
        proxy.split([10_000, 0])
        let second = try proxy.connect()
        second.send(get)
        #expect(eventually { proxy.serviceCounters.pending.level == 1 })
        ends.store(true, ordering: .releasing)
        #expect(first.readMessage()?.status == 200)
        #expect(second.readMessage()?.status == 200)
        #expect(proxy.serviceCounters.pending.level == 0)
        // Whoever comes later finds nobody before him.
        for share in [10_000, 0, 5_000] {
            proxy.split([share, 10_000 - share])
            let others = try (0..<4).map { _ in try proxy.connect() }
            for client in others { client.send("GET /quick HTTP/1.1\r\nhost: a\r\n\r\n") }
            #expect(others.allSatisfy { $0.readMessage()?.status == 200 })
        }
        #expect(proxy.serviceCounters.pending.level == 0)
        #expect(busy.requests.count { $0.target == "/" } == 1)
    }

    /// Two regions with one connection each, whose first answers late as long as `holds`, and a request for each.
    private static func twoRegions(
        _ holds: @escaping @Sendable () -> Bool
    ) throws -> (proxy: ProxyUnderTest, requests: [String]) {
        let held = try Backend { request, connection in
            _ = eventually { !holds() }
            return Backend.ok(request, connection)
        }
        let proxy = try ProxyUnderTest([[held], [try Backend()]]) {
            $0.service.balance = .hash(.path)
            $0.service.limits.connections = 1
            $0.service.timeouts.connect = .seconds(4)
            $0.service.retry.attempts = 0
            $0.service.retry.hedge = .off
        }
        proxy.split([5_000, 5_000])
        return (proxy, try requests(proxy) { proxy.endpointCounters(0, 0).attempts.count })
    }

    /// A request whose key is the first endpoint's, whose attempts are counted, and one whose key is the other's.
    private static func requests(_ proxy: ProxyUnderTest, ofFirst attempts: () -> UInt64) throws -> [String] {
        var requests: [String?] = [nil, nil]
        for number in (0..<64 as Range<UInt64>) {
            let request = "GET /\(number &* 0x9e37_79b9_7f4a_7c15)/x HTTP/1.1\r\nhost: a.example\r\n\r\n"
            let before = attempts()
            #expect(try proxy.ask(request).status == 200)
            requests[attempts() > before ? 0 : 1] = request
        }
        return [try #require(requests[0]), try #require(requests[1])]
    }

    @Test func `who waits with the key of a region that is full holds up nobody who waits for another`() throws {
        let holds = Atomic<Bool>(false)
        let (proxy, requests) = try Self.twoRegions { holds.load(ordering: .acquiring) }
        holds.store(true, ordering: .releasing)
        let stuck = [try proxy.connect(), try proxy.connect()]
        for client in stuck { client.send(requests[0]) }
        #expect(eventually { proxy.serviceCounters.pending.level == 1 })
        let others = try (0..<10).map { _ in try proxy.connect() }
        for client in others { client.send(requests[1]) }
        #expect(others.allSatisfy { $0.readMessage()?.status == 200 })
        #expect(proxy.serviceCounters.pending.level == 1)
        holds.store(false, ordering: .releasing)
        #expect(stuck.allSatisfy { $0.readMessage()?.status == 200 })
        #expect(proxy.serviceCounters.overflows.count == 0)
    }

    /// Connections of HTTP/2 are not closed to make room for another endpoint's.
    @Test func `who waits with the key of an endpoint that takes no stream holds up nobody else`() throws {
        let holds = Atomic<Bool>(false)
        let endpoints = try (0..<2).map { number in
            try Backend(connections: { _, connection in
                guard connection.read(HTTP2Speech.preface.count) == HTTP2Speech.preface else { return }
                // One stream at once.
                connection.say(.settings(3, 1))
                while let frame = connection.readFrame() {
                    guard frame.kind == HTTP2Speech.Kind.headers else { continue }
                    if number == 0 { _ = eventually { !holds.load(ordering: .acquiring) } }
                    connection.say(.ok(stream: frame.stream))
                }
            })
        }
        let proxy = try ProxyUnderTest([endpoints]) {
            $0.service.protocol = .http2
            $0.service.balance = .hash(.path)
            $0.service.limits.connections = 2
            $0.service.timeouts.connect = .seconds(4)
            $0.service.retry.attempts = 0
            $0.service.retry.hedge = .off
        }
        let requests = try Self.requests(proxy) { proxy.endpointCounters(0, 0).attempts.count }
        holds.store(true, ordering: .releasing)
        // More than are asked at once.
        let stuck = try (0..<41).map { _ in try proxy.connect() }
        for client in stuck { client.send(requests[0]) }
        #expect(eventually { proxy.serviceCounters.pending.level == 40 })
        let others = try (0..<10).map { _ in try proxy.connect() }
        for client in others { client.send(requests[1]) }
        #expect(others.allSatisfy { $0.readMessage()?.status == 200 })
        #expect(proxy.serviceCounters.pending.level == 40)
        holds.store(false, ordering: .releasing)
        #expect(stuck.allSatisfy { $0.readMessage()?.status == 200 })
        #expect(proxy.serviceCounters.overflows.count == 0)
    }

    private final class Hold: Sendable {
        let isOn = Atomic<Bool>(false)
    }

    /// Four clients with the key of a region whose only connection the first of them has, as long as `hold` is on.
    private static func waiting(_ hold: Hold) throws -> (proxy: ProxyUnderTest, clients: [RawConnection]) {
        let (proxy, requests) = try twoRegions { hold.isOn.load(ordering: .acquiring) }
        hold.isOn.store(true, ordering: .releasing)
        let clients = try (0..<4).map { _ in try proxy.connect() }
        clients[0].send(requests[0])
        #expect(eventually { proxy.endpointCounters(0, 0).inFlight.level == 1 })
        for client in clients[1...] { client.send(requests[0]) }
        #expect(eventually { proxy.serviceCounters.pending.level == 3 })
        return (proxy, clients)
    }

    @Test func `who waits with a key goes where the key belongs when the split changes`() throws {
        let hold = Hold()
        let (proxy, clients) = try Self.waiting(hold)
        proxy.split([0, 10_000])
        #expect(clients[1...].allSatisfy { $0.readMessage()?.status == 200 })
        #expect(proxy.serviceCounters.pending.level == 0)
        hold.isOn.store(false, ordering: .releasing)
        #expect(clients[0].readMessage()?.status == 200)
    }

    @Test func `who waits with a key that says nothing any more goes wherever there is room`() throws {
        let hold = Hold()
        let (proxy, clients) = try Self.waiting(hold)
        #expect(proxy.publish { $0.service.balance = .leastRequests })
        proxy.split([5_000, 5_000])
        #expect(clients[1...].allSatisfy { $0.readMessage()?.status == 200 })
        hold.isOn.store(false, ordering: .releasing)
        #expect(clients[0].readMessage()?.status == 200)
    }
}
