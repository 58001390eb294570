import Names
import RouteTable
import Testing

@testable import Control

struct DiscoveryTests {
    private func table(
        _ hosts: String..., resolveEvery: Duration? = nil, families: AddressFamilies = .any
    ) -> Table {
        Table(
            listeners: [], regions: [Region(name: "home")],
            services: hosts.enumerated().map { index, host in
                var service = Service(
                    name: "s\(index)",
                    cells: [Cell(region: 0, endpoints: [Endpoint(host: .name(host, port: 80))])])
                service.resolveEvery = resolveEvery
                service.addressFamilies = families
                return service
            }, routes: [])
    }

    private func discovery(of table: Table, remembered: [String: [String]] = [:]) -> Discovery {
        var discovery = Discovery(remembered: remembered)
        discovery.add(table, now: 0)
        discovery.keep(table)
        return discovery
    }

    private let second: Int64 = 1_000_000_000

    private func ip(_ texts: [String]) -> [IPAddress] { texts.compactMap { IPAddress($0) } }

    private func answer(
        _ four: [String]?, _ six: [String]? = [], unreachable: [String] = [], timeToLive: Duration? = nil
    ) -> Result<NameAnswer, NameFailure> {
        .success(
            NameAnswer(
                ipv4: four.map(ip), ipv6: six.map(ip), unreachable: Set(ip(unreachable)), timeToLive: timeToLive))
    }

    private func answered(
        _ discovery: inout Discovery, _ host: String, _ answer: Result<NameAnswer, NameFailure>, now: Int64
    ) -> Discovery.Outcome {
        let families = discovery.families(of: host) ?? .any
        return discovery.answered(.init(host: host, families: families, isSlow: false), answer, now: now)
    }

    private func names(_ questions: [Discovery.Question]) -> [String] { questions.map(\.host) }

    @Test func `names of a new table are asked for, those known are not`() {
        var discovery = discovery(of: table("b.internal", "a.internal"))
        #expect(names(discovery.takeDue(now: 0)) == ["a.internal", "b.internal"])
        _ = answered(&discovery, "a.internal", answer(["10.0.0.1"]), now: 0)
        discovery.add(table("a.internal", "c.internal"), now: 0)
        #expect(names(discovery.takeDue(now: 0)) == ["c.internal"])
        #expect(discovery.addresses(of: "a.internal") == ["10.0.0.1"])
        #expect(discovery.addresses(of: "b.internal") == [])
    }

    @Test func `until a new table is served the names of the old one stay`() {
        var discovery = discovery(of: table("a.internal"))
        _ = answered(&discovery, "a.internal", answer(["10.0.0.1"]), now: 0)
        discovery.add(table("b.internal"), now: 0)
        #expect(discovery.addresses(of: "a.internal") == ["10.0.0.1"])
        discovery.keep(table("b.internal"))
        #expect(discovery.addresses(of: "a.internal") == [])
    }

    @Test func `what an earlier run knew is used until there is an answer`() {
        var discovery = discovery(of: table("a.internal"), remembered: ["a.internal": ["10.0.0.1"], "b": ["10.0.0.2"]])
        #expect(discovery.addresses(of: "a.internal") == ["10.0.0.1"])
        #expect(!discovery.hasAsked)
        _ = answered(&discovery, "a.internal", .failure(.timedOut), now: 0)
        #expect(discovery.hasAsked)
        #expect(discovery.known == ["a.internal": ["10.0.0.1"]])
        #expect(answered(&discovery, "a.internal", answer(["10.0.0.3"]), now: 0).hasChanged)
        #expect(discovery.known == ["a.internal": ["10.0.0.3"]])
    }

    @Test func `an empty answer, and none, leave the addresses known last`() {
        var discovery = discovery(of: table("a.internal"))
        #expect(answered(&discovery, "a.internal", answer(["10.0.0.1", "10.0.0.2"]), now: 0).hasChanged)
        #expect(!answered(&discovery, "a.internal", answer(["10.0.0.1", "10.0.0.2"]), now: 0).hasChanged)
        for nothing in [answer([]), .failure(.notFound), .failure(.refused(2))] {
            #expect(!answered(&discovery, "a.internal", nothing, now: 0).hasChanged)
        }
        #expect(discovery.addresses(of: "a.internal") == ["10.0.0.1", "10.0.0.2"])
        #expect(answered(&discovery, "a.internal", answer(["10.0.0.3"]), now: 0).hasChanged)
        #expect(discovery.addresses(of: "a.internal") == ["10.0.0.3"])
    }

    @Test func `a kind of addresses that was not answered stays, one that there is none of goes`() {
        var discovery = discovery(of: table("a.internal"))
        _ = answered(&discovery, "a.internal", answer(["10.0.0.1"], ["2001:db8::1"]), now: 0)
        #expect(!answered(&discovery, "a.internal", answer(["10.0.0.1"], nil), now: 0).hasChanged)
        #expect(discovery.addresses(of: "a.internal") == ["10.0.0.1", "2001:db8::1"])
        #expect(discovery.addresses(of: "a.internal", .ipv6) == ["2001:db8::1"])
        #expect(answered(&discovery, "a.internal", answer(["10.0.0.1"], []), now: 0).hasChanged)
        #expect(discovery.addresses(of: "a.internal") == ["10.0.0.1"])
        #expect(discovery.addresses(of: "a.internal", .ipv6) == [])
    }

    @Test func `addresses that this host has no route to are used only where there are no others`() {
        var discovery = discovery(of: table("a.internal"))
        let six = "2001:db8::1"
        _ = answered(&discovery, "a.internal", answer(["10.0.0.1"], [six], unreachable: [six]), now: 0)
        #expect(discovery.addresses(of: "a.internal") == ["10.0.0.1"])
        #expect(discovery.addresses(of: "a.internal", .ipv6) == [six])
        // The host has got IPv6 meanwhile.
        #expect(answered(&discovery, "a.internal", answer(["10.0.0.1"], [six]), now: 0).hasChanged)
        #expect(discovery.addresses(of: "a.internal") == ["10.0.0.1", six])
        // And has lost its network.
        let all = answer(["10.0.0.1"], [six], unreachable: ["10.0.0.1", six])
        #expect(!answered(&discovery, "a.internal", all, now: 0).hasChanged)
    }

    /// When a name is asked for again, in seconds after its answer.
    @Test(arguments: [
        (every: Duration?.none, timeToLive: Duration?.none, expected: Int64(30)),
        (nil, .seconds(7), 7), (nil, .zero, 1), (.seconds(3), .seconds(60), 3), (.milliseconds(100), nil, 1),
        (nil, .seconds(86_400), 3_600), (.seconds(86_400), .seconds(5), 86_400),
    ])
    func `a name is asked for again in time`(every: Duration?, timeToLive: Duration?, expected: Int64) {
        var discovery = discovery(of: table("a.internal", resolveEvery: every))
        #expect(names(discovery.takeDue(now: 0)) == ["a.internal"])
        // It is being asked for already.
        #expect(discovery.takeDue(now: 100 * second) == [])
        _ = answered(&discovery, "a.internal", answer(["10.0.0.1"], timeToLive: timeToLive), now: 0)
        #expect(discovery.takeDue(now: expected * second - 1) == [])
        #expect(names(discovery.takeDue(now: expected * second)) == ["a.internal"])
    }

    @Test func `a name that fails is asked for again soon, then less and less often, and as usual once it is answered`()
    {
        var discovery = discovery(of: table("a.internal", "b.internal", resolveEvery: .seconds(3_600)))
        var pauses: [Int64] = []
        var now: Int64 = 0
        _ = discovery.takeDue(now: now)
        _ = answered(&discovery, "b.internal", answer(["10.0.0.1"]), now: now)
        for _ in 0..<7 {
            _ = answered(&discovery, "a.internal", .failure(.timedOut), now: now)
            let failed = now
            var due = discovery.takeDue(now: now)
            while due.isEmpty {
                now += second
                due = discovery.takeDue(now: now)
            }
            #expect(due == [.init(host: "a.internal", families: .any, isSlow: true)])
            pauses.append((now - failed) / second)
        }
        #expect(pauses == [1, 2, 4, 8, 16, 30, 30])
        _ = answered(&discovery, "a.internal", answer(["10.0.0.1"]), now: now)
        #expect(discovery.takeDue(now: now + 3_599 * second).map(\.host) == ["b.internal"])
        #expect(
            discovery.takeDue(now: now + 3_600 * second) == [.init(host: "a.internal", families: .any, isSlow: false)])
    }

    @Test func `that a name fails is told once, then once an hour, and that it is back`() {
        var discovery = discovery(of: table("a.internal"))
        func fail(_ now: Int64) -> Bool {
            answered(&discovery, "a.internal", .failure(.timedOut), now: now * second).failure != nil
        }
        let told = (0..<8_000).filter { $0 % 5 == 0 && fail(Int64($0)) }
        #expect(told == [0, 3_600, 7_200])
        let back = answered(&discovery, "a.internal", answer(["10.0.0.1"]), now: 8_000 * second)
        #expect(back.hasRecovered)
        let again = answered(&discovery, "a.internal", answer(["10.0.0.1"]), now: 8_001 * second)
        #expect(!again.hasRecovered)
        // One that comes and goes is told of once a minute at most.
        var times: [Int64] = []
        for now in Int64(8_002)..<8_200 {
            if fail(now) { times.append(now) }
            _ = answered(&discovery, "a.internal", answer(["10.0.0.1"]), now: now * second)
        }
        #expect(times == [8_002, 8_062, 8_122, 8_182])
    }

    @Test func `failures, addresses and the age of the last answer can be seen`() throws {
        var discovery = discovery(of: table("a.internal"))
        _ = answered(&discovery, "a.internal", .failure(.timedOut), now: 5 * second)
        var view = try #require(discovery.views(now: 7 * second).first)
        #expect(view.addresses == 0 && view.failures == 1 && view.age == 7 * second)
        _ = answered(&discovery, "a.internal", answer(["10.0.0.1"]), now: 8 * second)
        view = try #require(discovery.views(now: 10 * second).first)
        #expect(view.addresses == 1 && view.failures == 1 && view.age == 2 * second)
    }

    @Test func `the most impatient of two services decides for a name they share, and both kinds are asked for`() {
        var both = table("a.internal", "a.internal")
        both.services[0].resolveEvery = .seconds(60)
        both.services[0].addressFamilies = .ipv4
        both.services[1].resolveEvery = .seconds(10)
        var discovery = discovery(of: both)
        #expect(discovery.takeDue(now: 0).map(\.families) == [.any])
        _ = answered(&discovery, "a.internal", answer(["10.0.0.1"]), now: 0)
        #expect(names(discovery.takeDue(now: 10 * second)) == ["a.internal"])
    }

    @Test func `a table that wants to know sooner, or more, is obeyed at once`() {
        var discovery = discovery(of: table("a.internal", resolveEvery: .seconds(3_600), families: .ipv4))
        _ = discovery.takeDue(now: 0)
        _ = answered(&discovery, "a.internal", answer(["10.0.0.1"], nil), now: 0)
        discovery.add(table("a.internal", resolveEvery: .seconds(10), families: .ipv4), now: second)
        #expect(names(discovery.takeDue(now: 11 * second)) == ["a.internal"])
        _ = answered(&discovery, "a.internal", answer(["10.0.0.1"], nil), now: 11 * second)
        discovery.add(table("a.internal"), now: 12 * second)
        #expect(discovery.takeDue(now: 12 * second).map(\.families) == [.any])
    }

    @Test func `what a table wants that came while a name was being asked for is not lost`() throws {
        var discovery = discovery(of: table("a.internal", families: .ipv4))
        let question = try #require(discovery.takeDue(now: 0).first)
        discovery.add(table("a.internal", resolveEvery: .seconds(5)), now: second)
        discovery.keep(table("a.internal", resolveEvery: .seconds(5)))
        #expect(discovery.takeDue(now: second) == [])
        _ = discovery.answered(question, answer(["10.0.0.1"], nil), now: 2 * second)
        let again = try #require(discovery.takeDue(now: 2 * second).first)
        #expect(again.families == .any)
        _ = discovery.answered(again, answer(["10.0.0.1"], ["2001:db8::1"], timeToLive: .seconds(60)), now: 3 * second)
        #expect(discovery.addresses(of: "a.internal") == ["10.0.0.1", "2001:db8::1"])
        #expect(names(discovery.takeDue(now: 8 * second)) == ["a.internal"])
    }

    @Test func `an answer with nothing but addresses that this host has no route to does not replace those it has`() {
        var discovery = discovery(of: table("a.internal"))
        let six = "2001:db8::1"
        _ = answered(&discovery, "a.internal", answer(["10.0.0.1"], [six], unreachable: [six]), now: 0)
        let outcome = answered(&discovery, "a.internal", answer([], [six], unreachable: [six]), now: second)
        #expect(outcome.failure == .noRoute && !outcome.hasChanged)
        #expect(discovery.addresses(of: "a.internal") == ["10.0.0.1"])
    }

    @Test func `once a name server is heard again, names that it did not answer are asked for at once`() {
        var discovery = discovery(of: table("a.internal", "b.internal", "c.internal"))
        _ = discovery.takeDue(now: 0)
        for round in 0..<6 as Range<Int64> {
            for host in ["a.internal", "b.internal"] {
                _ = answered(&discovery, host, .failure(.timedOut), now: round * 60 * second)
            }
            _ = answered(&discovery, "c.internal", .failure(.notFound), now: round * 60 * second)
            if round < 5 { _ = discovery.takeDue(now: (round + 1) * 60 * second) }
        }
        _ = answered(&discovery, "a.internal", answer(["10.0.0.1"]), now: 301 * second)
        #expect(names(discovery.takeDue(now: 301 * second)) == ["b.internal"])
    }
}
