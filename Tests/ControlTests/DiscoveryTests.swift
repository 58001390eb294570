import RouteTable
import Testing

@testable import Control

struct DiscoveryTests {
    private func table(_ hosts: String..., resolveEvery: Duration? = nil) -> Table {
        Table(
            listeners: [], regions: [Region(name: "home")],
            services: hosts.enumerated().map { index, host in
                var service = Service(
                    name: "s\(index)",
                    cells: [Cell(region: 0, endpoints: [Endpoint(host: .name(host, port: 80))])])
                service.resolveEvery = resolveEvery
                return service
            }, routes: [])
    }

    private let second: Int64 = 1_000_000_000

    private func answer(_ addresses: String..., timeToLive: Duration? = nil) -> Result<
        Resolver.Answer, Resolver.Failure
    > {
        .success(.init(addresses: addresses, timeToLive: timeToLive))
    }

    @Test func `names of a new table are asked for, those known are not`() {
        var discovery = Discovery()
        #expect(discovery.setNames(of: table("b.internal", "a.internal")) == ["a.internal", "b.internal"])
        _ = discovery.answered("a.internal", answer("10.0.0.1"), now: 0)
        #expect(discovery.setNames(of: table("a.internal", "c.internal")) == ["c.internal"])
        #expect(discovery.addresses(of: "a.internal") == ["10.0.0.1"])
        #expect(discovery.addresses(of: "b.internal") == [])
    }

    @Test func `an empty answer, and none, leave the addresses known last`() {
        var discovery = Discovery()
        _ = discovery.setNames(of: table("a.internal"))
        #expect(discovery.answered("a.internal", answer("10.0.0.1", "10.0.0.2"), now: 0) == .changed)
        #expect(discovery.answered("a.internal", answer("10.0.0.1", "10.0.0.2"), now: 0) == .none)
        #expect(discovery.answered("a.internal", answer(), now: 0) == .kept("empty answer"))
        #expect(discovery.answered("a.internal", .failure(.failed("SERVFAIL")), now: 0) == .kept("SERVFAIL"))
        #expect(discovery.addresses(of: "a.internal") == ["10.0.0.1", "10.0.0.2"])
        #expect(discovery.answered("a.internal", answer("10.0.0.3"), now: 0) == .changed)
        #expect(discovery.addresses(of: "a.internal") == ["10.0.0.3"])
    }

    /// When a name is asked for again, in seconds after its answer.
    @Test(arguments: [
        (every: Duration?.none, timeToLive: Duration?.none, expected: Int64(30)),
        (nil, .seconds(7), 7), (nil, .zero, 1), (.seconds(3), .seconds(60), 3), (.milliseconds(100), nil, 1),
    ])
    func `a name is asked for again in time`(every: Duration?, timeToLive: Duration?, expected: Int64) {
        var discovery = Discovery()
        _ = discovery.setNames(of: table("a.internal", resolveEvery: every))
        #expect(discovery.takeDue(now: 0) == ["a.internal"])
        // It is being asked for already.
        #expect(discovery.takeDue(now: 100 * second) == [])
        _ = discovery.answered("a.internal", .success(.init(addresses: ["::1"], timeToLive: timeToLive)), now: 0)
        #expect(discovery.takeDue(now: expected * second - 1) == [])
        #expect(discovery.takeDue(now: expected * second) == ["a.internal"])
    }

    @Test func `after a failure a name is asked for again soon`() {
        var discovery = Discovery()
        _ = discovery.setNames(of: table("a.internal", resolveEvery: .seconds(3_600)))
        _ = discovery.answered("a.internal", .failure(.failed("timeout")), now: 0)
        #expect(discovery.takeDue(now: 5 * second) == ["a.internal"])
    }

    @Test func `the most impatient of two services decides for a name they share`() {
        var both = table("a.internal", "a.internal")
        both.services[0].resolveEvery = .seconds(60)
        both.services[1].resolveEvery = .seconds(10)
        var discovery = Discovery()
        _ = discovery.setNames(of: both)
        _ = discovery.answered("a.internal", answer("10.0.0.1"), now: 0)
        #expect(discovery.takeDue(now: 10 * second) == ["a.internal"])
    }
}
