import Backends
import Picking
import Reactor
import RouteTable
import Telemetry
import Testing

@testable import Proxy

/// Addresses that take no connection and do not refuse one either, as behind a router that drops packets.
struct DarkAddressTests {
    private func proxy(_ regions: [[Backend]], change: (inout Table) -> Void = { _ in }) throws -> ProxyUnderTest {
        try ProxyUnderTest(regions) {
            $0.service.balance = .roundRobin
            // Long enough to be sure that nobody has waited for it.
            $0.service.timeouts.connect = .seconds(20)
            change(&$0)
        }
    }

    @Test(arguments: [get, post])
    func `another address of the cell is asked when there is no connection, not another region`(request: String) throws
    {
        let (good, far) = (try Backend(), try Backend())
        let proxy = try proxy([[try Backend.dark(), good], [far]])
        for _ in 0..<6 { #expect(try proxy.ask(request).text == "ok") }
        #expect(good.requests.count == 6 && far.requests.isEmpty)
        let counters = proxy.endpointCounters(0, 0)
        #expect(counters.unconnected.count >= 1)
        #expect(counters.unconnected.count == counters.attempts.count, "each has ended, and as what it was")
        #expect(counters.failureRun.level == Int(counters.unconnected.count))
        #expect(counters.overstays.count == 0 && counters.overstaying.level == 0)
        #expect(counters.cellDark.count == 0, "its cell has served all")
        #expect(counters.attempts.count < 3, "it rests")
    }

    @Test func `once answers are known to be quick no connection is waited for longer than for them`() throws {
        let good = try Backend()
        let proxy = try proxy([[try Backend.dark(), good]]) { $0.service.balance = .random }
        let client = try proxy.connect()
        let counters = proxy.endpointCounters(0, 0)
        func ask() {
            client.send(get)
            #expect(client.readMessage()?.text == "ok")
        }
        for _ in 0..<60 { ask() }
        let before = counters.attempts.count
        let began = ContinuousClock.now
        while counters.attempts.count == before, ContinuousClock.now - began < .seconds(20) { ask() }
        #expect(eventually { counters.unconnected.count == before + 1 })
        #expect(counters.overstays.count == 0)
    }

    @Test(arguments: [get, post])
    func `a cell that gives no connection at all is left for another region`(request: String) throws {
        let far = try Backend()
        let proxy = try proxy([[try Backend.dark(), try Backend.dark(), try Backend.dark()], [far]])
        #expect(try proxy.ask(request).text == "ok")
        #expect(far.requests.count == 1)
        let attempts = (0..<3).reduce(0) { $0 + proxy.endpointCounters(0, $1).attempts.count }
        #expect(attempts == 2, "one other address before another region")
        #expect(eventually { (0..<3).reduce(0) { $0 + proxy.endpointCounters(0, $1).unconnected.count } == 2 })
        #expect((0..<3).reduce(0) { $0 + proxy.endpointCounters(0, $1).cellDark.count } == 2, "that is the cell's")
    }

    @Test func `where a cell has one address its connection has its time`() throws {
        let far = try Backend()
        let proxy = try proxy([[try Backend.dark()], [far]]) { $0.service.timeouts.connect = .milliseconds(600) }
        #expect(try proxy.ask(post).text == "ok")
        let counters = proxy.endpointCounters(0, 0)
        #expect(counters.connectTimeouts.count == 1 && counters.unconnected.count == 0)
    }

    @Test func `when its time is over a connection has timed out, however long answers are waited for`() throws {
        let good = try Backend()
        let proxy = try proxy([[try Backend.dark(), good]]) { $0.service.timeouts.connect = .milliseconds(200) }
        for _ in 0..<2 { #expect(try proxy.ask(post).text == "ok") }
        let counters = proxy.endpointCounters(0, 0)
        #expect(counters.connectTimeouts.count == 1 && counters.unconnected.count == 0)
    }

    @Test func `requests that share a connection that is not made all go elsewhere`() throws {
        let good = try Backend()
        let proxy = try proxy([[try Backend.dark()], [good]]) {
            $0.service.protocol = .http2
            $0.service.retry.hedge = .after(.milliseconds(100))
        }
        let clients = try (0..<3).map { _ in try proxy.connect() }
        for client in clients { client.send(post) }
        // The other speaks HTTP/1: what it says is no answer, but it was asked.
        for client in clients { #expect(client.readMessage() != nil) }
        #expect(!good.connections.isEmpty)
        let counters = proxy.endpointCounters(0, 0)
        #expect(counters.overstays.count == 0 && counters.connectTimeouts.count == 0)
    }

    @Test func `an address of the other family comes before all others of the cell`() throws {
        let endpoints = try ["2001:db8::1", "2001:db8::2", "2001:db8::3", "10.0.0.1"].enumerated().map { number, ip in
            WorkerEndpoint(
                Publication.Endpoint(
                    number: number, address: try #require(SocketAddress(ip: ip, port: 80)), name: ip, weight: 1,
                    share: 10_000, counters: EndpointCounters()))
        }
        let cell = WorkerCell(
            region: "r",
            Publication.Cell(counters: CellCounters(), responseTime: SharedEstimate(), endpoints: []),
            endpoints: endpoints, balance: .leastRequests, connectionLimit: 10, heir: nil)
        var random = RandomSource(seed: 1)
        var tried = TriedEndpoints()
        func another() -> Int? {
            cell.anotherAddress(than: endpoints[0], excluding: tried, now: 0, cautious: false, random: &random)?.lend {
                $0.number
            }
        }
        tried.insert(0)
        #expect((0..<20).allSatisfy { _ in another() == 3 })
        tried.insert(3)
        #expect(Set((0..<40).map { _ in another() }) == [1, 2], "then any other")
        tried.insert(1)
        tried.insert(2)
        #expect(another() == nil)
    }
}
