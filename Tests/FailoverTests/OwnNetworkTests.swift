import RouteTable
import Testing

@testable import Failover

/// What comes of a silence of our own once it is over, and what else the simulation found (docs/simulation.md).
@Suite struct OwnNetworkTests {
    private func report(_ number: Int, _ change: (inout EndpointTraffic) -> Void) -> Event {
        var report = EndpointTraffic(endpoint: EndpointID(number))
        change(&report)
        return .traffic(Traffic([report]))
    }

    @Test("Failures in a row end with an answer, whichever worker had it")
    func runsOfOtherWorkers() {
        var world = World(services: 1)
        world.run(.seconds(12))
        // One worker fails twice; another's requests are answered; a third one fails, four times in all.
        world.tell(report(0) { ($0.attempts, $0.connectFailures, $0.failureRun) = (2, 2, 2) })
        world.tell(report(0) { ($0.attempts, $0.successes, $0.failureRun) = (9, 9, 2) })
        world.tell(report(0) { ($0.attempts, $0.connectFailures, $0.failureRun) = (4, 4, 6) })
        #expect(world.brain.view(of: EndpointID(0))?.state == .healthy, "4 in a row, not 6")
        world.tell(report(0) { ($0.attempts, $0.connectFailures, $0.failureRun) = (1, 1, 7) })
        #expect(world.brain.view(of: EndpointID(0))?.state == .ejected)
    }

    @Test("What was under way in a cut of our own network may run out long after it")
    func whatWasUnderWay() {
        var world = World(services: 1, rate: 40)
        world.run(.seconds(12))
        world.faults = [.hang, .hang, .hang]
        world.run(.seconds(10))
        #expect(world.brain.holds)
        world.tell(report(0) { ($0.inFlight, $0.overstaying, $0.failureRun) = (60, 40, 200) })
        world.faults = [.none, .none, .none]
        world.run(.seconds(3))
        #expect(!world.brain.holds && world.isPreferred)
        // Long after the grace, sixty time out.
        for step in 1...6 {
            world.tell(
                report(0) {
                    ($0.responseTimeouts, $0.inFlight, $0.failureRun) = (10, 60 - 10 * step, 200 + 10 * step)
                })
        }
        #expect(world.brain.view(of: EndpointID(0))?.state == .healthy)
        #expect(world.isPreferred)
    }

    @Test("A way back neither goes on nor is broken off while nothing comes back at all")
    func wayBackInACut() {
        var world = World(services: 1, rate: 40)
        world.run(.seconds(12))
        world.faults[0] = .refuse
        world.run(.seconds(4))
        world.faults[0] = .none
        let isReturning = world.time(until: { (100...5_000).contains($0.split()[0]) }, atMost: .seconds(60))
        #expect(isReturning != nil)
        let ceiling = world.brain.view(ofCell: 0, service: 0).ceiling
        world.faults = [.hang, .hang, .hang]
        world.run(.seconds(15))
        #expect(world.brain.holds)
        #expect(world.brain.view(ofCell: 0, service: 0).ceiling == ceiling)
        #expect(!world.decisions.contains { $0.rule == .failbackAborted })
    }

    @Test("A reload does not keep an endpoint that starts slowly from its full share")
    func reloadInSlowStart() {
        var world = World(services: 1, endpointsPerCell: 3)
        world.run(.seconds(2))
        world.tell(.probe(EndpointID(0), .failed("503", answered: true)))
        world.cellFaults[[0, 0]] = World.Fault.none
        world.tell(report(0) { ($0.attempts, $0.connectFailures, $0.failureRun) = (5, 5, 5) })
        #expect(world.brain.view(of: EndpointID(0))?.state != .healthy)
        let isBack = world.time(
            until: { $0.brain.view(of: EndpointID(0))?.state == .healthy }, atMost: .seconds(30))
        #expect(isBack != nil)
        #expect((world.brain.view(of: EndpointID(0))?.share ?? whole) < whole)
        world.tell(.topology(world.topology))
        world.run(.seconds(30))
        #expect(world.brain.view(of: EndpointID(0))?.share == whole)
    }

    @Test("A region in which everything moves alone is restored, too")
    func regionOfLoners() {
        var world = World { topology in
            for index in topology.services.indices { topology.services[index].moves = .alone }
        }
        world.run(.seconds(5))
        world.faults[0] = .refuse
        world.run(.seconds(3))
        #expect(world.decisions.contains { $0.rule == .cascade })
        world.faults[0] = .none
        let isBack = world.time(until: { $0.brain.regionViews[0].state == .serving }, atMost: .seconds(300))
        #expect(isBack != nil)
    }

    @Test("Probes that fail a moment apart take out no more than their part, whether or not a request came between")
    func limitBetweenTwoProbes() {
        // Four endpoints, two requests a second each.
        var world = World(services: 1, endpointsPerCell: 4, rate: 8)
        world.run(.seconds(12))
        for number in 0..<4 {
            world.tell(.probe(EndpointID(number), .failed("503", answered: true)))
            world.tell(.probe(EndpointID(number), .failed("503", answered: true)))
        }
        let out = (0..<4).count { world.brain.view(of: EndpointID($0))?.state == .down }
        #expect(out <= 3, "a quarter of twelve")
        #expect(world.isPreferred)
    }

    @Test("What was learned in a fault is soon unlearned when it is over")
    func learnedInAFault() {
        var learned = LearnedCapacity(rate: 2_000, at: Instant(nanoseconds: 0))
        var now = Instant(nanoseconds: 0)
        var seconds = 0
        while learned.rate < 60_000, seconds < 600 {
            seconds += 1
            now = now + .seconds(1)
            if learned.wantsMore(learned.rate, isRefusing: false, lastOverload: Instant(nanoseconds: 0), at: now) {
                learned.tryMore(at: now)
            }
        }
        #expect(seconds <= 90, "\(seconds) s")
    }
}
