import Backends
import RouteTable
import Telemetry
import Synchronization
import Testing

/// When a wait speaks against the endpoint that is waited for.
struct OverstayTests {
    /// Answers after so many milliseconds.
    private static func answers(after milliseconds: UInt32) -> Backend.Script {
        { request, connection in
            pause(milliseconds: milliseconds)
            return Backend.ok(request, connection)
        }
    }

    /// The same; from when `isOver` says so on, after another time.
    private static func answers(
        after milliseconds: UInt32, then later: UInt32, once isOver: @escaping @Sendable () -> Bool
    ) -> Backend.Script {
        { request, connection in
            pause(milliseconds: isOver() ? later : milliseconds)
            return Backend.ok(request, connection)
        }
    }

    /// What the router takes for suspicious where it knows nothing is a second, or what the table says.
    @Test(arguments: [
        (hedge: RetryPolicy.Hedge.learned(atLeast: .milliseconds(50)), takes: UInt32(1_200)),
        (.after(.milliseconds(20)), 100),
    ])
    func `while nothing is known of a service's times no wait counts against an endpoint`(
        hedge: RetryPolicy.Hedge, takes: UInt32
    ) throws {
        let slow = try Backend(Self.answers(after: takes))
        let other = try Backend(Self.answers(after: takes))
        let proxy = try ProxyUnderTest([[slow], [other]]) { $0.service.retry.hedge = hedge }
        let clients = try (0..<12).map { _ in try proxy.connect() }
        for (index, client) in clients.enumerated() { client.send(index % 2 == 0 ? get : post) }
        #expect(clients.allSatisfy { $0.readMessage()?.status == 200 })
        #expect(slow.requests.count == 12)
        let counters = proxy.endpointCounters(0, 0)
        #expect(counters.overstays.count == 0)
        #expect(counters.failureRun.level == 0)
        #expect(proxy.cellCounters(0).hedges.count > 0, "copies were sent all the same")
    }

    @Test func `once it is known a wait far beyond it counts`() throws {
        let isOver = Atomic<Bool>(false)
        let backend = try Backend(
            Self.answers(after: 0, then: 400) { isOver.load(ordering: .relaxed) })
        let proxy = try ProxyUnderTest([[backend]])
        let client = try proxy.connect()
        for _ in 0..<40 {
            client.send(get)
            #expect(client.readMessage()?.status == 200)
        }
        isOver.store(true, ordering: .relaxed)
        client.send(get)
        let counters = proxy.endpointCounters(0, 0)
        #expect(eventually { counters.overstays.count == 1 && counters.overstaying.level == 1 })
        #expect(counters.failureRun.level == 1)
        #expect(client.readMessage()?.status == 200)
        #expect(counters.overstaying.level == 0)
    }

    @Test func `longer than a fixed delay is not yet longer than usual`() throws {
        let isOver = Atomic<Bool>(false)
        let backend = try Backend(
            Self.answers(after: 40, then: 400) { isOver.load(ordering: .relaxed) })
        let proxy = try ProxyUnderTest([[backend]]) { $0.service.retry.hedge = .after(.milliseconds(20)) }
        let clients = try (0..<8).map { _ in try proxy.connect() }
        for _ in 0..<8 {
            for client in clients { client.send(get) }
            #expect(clients.allSatisfy { $0.readMessage()?.status == 200 })
        }
        let counters = proxy.endpointCounters(0, 0)
        #expect(counters.overstays.count == 0)
        isOver.store(true, ordering: .relaxed)
        clients[0].send(get)
        #expect(eventually { counters.overstays.count == 1 })
    }
}
