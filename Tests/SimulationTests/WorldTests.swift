import Failover
import RouteTable
import Testing

@testable import Simulation

/// A shop in two regions, two endpoints in each.
private func shop(_ perSecond: Int = 50, _ change: (inout Scenario) -> Void = { _ in }) -> Scenario {
    let service = Service(
        name: "shop",
        cells: (0..<2).map { region in
            Cell(
                region: region,
                endpoints: (1...2).map { Endpoint(host: .ip(address: "10.0.\(region).\($0)", port: 80)) })
        }, probe: Probe(kind: .http(HTTPProbe(path: "/"))))
    let table = Table(regions: [Region(name: "east"), Region(name: "west")], services: [service])
    var scenario = Scenario(name: "shop", table: table)
    scenario.loads = [Load(service: 0, perSecond: perSecond)]
    scenario.length = .seconds(30)
    change(&scenario)
    return scenario
}

private func run(_ scenario: Scenario) -> Record {
    let world = World(scenario)
    world.run()
    return world.record
}

extension Record {
    fileprivate var total: Tally {
        var total = Tally()
        for second in seconds { for tally in second.services { total += tally } }
        return total
    }
}

@Suite("A simulated world")
struct WorldTests {
    @Test func `is calm when nothing happens: every request is answered, nothing is decided, no law is broken`() {
        let record = run(shop())
        #expect((1_300...1_700).contains(record.total.requests))
        #expect(record.total.failed == 0 && record.total.shed == 0)
        #expect(record.total.answered >= record.total.requests - 5, "but for those under way at the end")
        #expect(record.decisions.isEmpty)
        #expect(record.breaches.isEmpty)
    }

    @Test func `is the same for the same seed, and another for another`() {
        let scenario = shop { $0.timeline = [Happening(at: .seconds(5), .fault(.init(region: 0), .hangs))] }
        let (one, same) = (run(scenario), run(scenario))
        #expect(one.seconds == same.seconds && one.decisions == same.decisions)
        var other = scenario
        other.seed = 2
        #expect(run(other).seconds != one.seconds)
    }

    @Test(
        "in which the first region fails is left within a second, whatever the fault",
        arguments: [Fault.refuses, .hangs, .drops, .resets, .errs(share: 10_000, status: 503)])
    func failure(fault: Fault) {
        let record = run(shop { $0.timeline = [Happening(at: .seconds(10), .fault(.init(region: 0), fault))] })
        let left = record.splits.first { $0.shares[0] == 0 }
        #expect(left.map { $0.at <= 11_000_000_000 } == true, "\(record.splits)")
        #expect(record.total.failed <= 5)
    }

    @Test func `answers what hung, once it goes on`() {
        let record = run(
            shop(5) {
                $0.loads[0].writes = 10_000
                $0.timeline = [Happening(at: .seconds(10), .fault(.init(), .hangs), for: .milliseconds(400))]
            })
        #expect(record.total.failed == 0)
    }

    @Test func `has clients that come back when they are refused`() {
        let failing = shop { scenario in
            scenario.timeline = [Happening(at: .seconds(10), .fault(.init(), .errs(share: 10_000, status: 500)))]
        }
        var patient = failing
        patient.loads[0].retries = 2
        #expect(run(patient).total.requests > run(failing).total.requests * 3 / 2)
    }

    @Test func `takes a name's new addresses, and keeps those of an empty answer`() {
        var scenario = shop { scenario in
            scenario.table.services[0].cells[0].endpoints = [Endpoint(host: .name("east.internal", port: 80))]
            scenario.resolutions = [Resolution(name: "east.internal", addresses: ["10.0.0.1", "10.0.0.2"])]
            scenario.timeline = [Happening(at: .seconds(5), .resolves("east.internal", []))]
        }
        #expect(run(scenario).decisions.isEmpty)
        scenario.timeline = [Happening(at: .seconds(5), .resolves("east.internal", ["10.0.0.1", "10.0.0.3"]))]
        let record = run(scenario)
        #expect(record.sent.contains { $0.address == "10.0.0.3:80" && $0.count > 100 })
        #expect(record.total.failed == 0)
    }
}

@Suite("A queue that collapses")
struct CollapsingQueueTests {
    /// Answers within a second of a load that lasts for ten.
    private func answered(of perSecond: Int, capacity: Int) -> Int {
        var queue = CollapsingQueue(capacity: capacity)
        var answered = 0
        for index in 0..<(perSecond * 10) {
            let now = Int64(index) * 1_000_000_000 / Int64(perSecond)
            if let wait = queue.take(at: now), wait < 1_000_000_000 { answered += 1 }
        }
        return answered
    }

    @Test func `keeps up below its capacity, and does less than that above it`() {
        #expect(answered(of: 95, capacity: 100) == 950)
        #expect(answered(of: 150, capacity: 100) < 500)
    }

    @Test func `makes up for a burst`() {
        var queue = CollapsingQueue(capacity: 100)
        for _ in 0..<40 { #expect(queue.take(at: 0) != nil) }
        #expect(queue.backlog(at: 0) == 400_000_000)
        #expect(queue.backlog(at: 500_000_000) == 0)
    }

    @Test func `warms up in a straight line`() {
        var queue = CollapsingQueue(capacity: 100)
        queue.change(from: 1_000, to: 10_000, over: 10_000_000_000, at: 0)
        #expect(queue.factor(at: 0) == 1_000)
        #expect(queue.factor(at: 5_000_000_000) == 5_500)
        #expect(queue.factor(at: 20_000_000_000) == 10_000)
    }
}

@Suite("What is still to happen")
struct EventQueueTests {
    @Test func `happens in order of time, then in the order in which it was put in`() {
        var queue = EventQueue<Int>()
        var chance = Chance(seed: 7)
        var expected: [(time: Int64, event: Int)] = []
        for event in 0..<1_000 {
            let time = chance.below(50 as Int64)
            queue.put(event, at: time)
            expected.append((time, event))
        }
        var taken: [Int] = []
        while let event = queue.take() { taken.append(event) }
        #expect(taken == expected.enumerated().sorted { ($0.1.time, $0.0) < ($1.1.time, $1.0) }.map(\.element.event))
    }

    @Test func `waits for a time, with what has run out behind what has come`() {
        var queue = EventQueue<Int>()
        for event in 0..<6 { queue.put(event, at: Int64(event)) }
        queue.putOff(until: 10, where: { $0 < 5 }, isLate: { $0 % 2 == 0 })
        var taken: [Int] = []
        while let event = queue.take() { taken.append(event) }
        #expect(taken == [5, 1, 3, 0, 2, 4])
    }
}

@Suite("Times of answers")
struct LatencyTests {
    @Test(arguments: [(1_000, 5_000), (1_000, 9_900), (37, 9_500)])
    func `are known to an eighth`(count: Int, hundredths: Int) {
        var latency = Latency()
        for index in 1...count { latency.add(nanoseconds: Int64(index) * 1_000_000) }
        let exact = Int64((count * hundredths + 9_999) / 10_000) * 1_000_000
        #expect((exact...(exact * 9 / 8 + 1_000)).contains(latency.percentile(hundredths)))
    }
}
