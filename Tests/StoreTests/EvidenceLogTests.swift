import Failover
import Foundation
import RouteTable
import Testing

@testable import Store

struct EvidenceLogTests {
    private static let start = Instant(nanoseconds: 1_700_000_000_000_000_000)

    private static let topology = Topology(
        regions: [.init(name: "east", capacity: 100), .init(name: "west")],
        services: [
            .init(
                name: "shop", policy: FailoverPolicy(), probe: .init(every: .seconds(1), fall: 2, rise: 2),
                cells: [
                    .init(region: 0, endpoints: [.init(id: EndpointID(0), address: "10.0.0.1:80", weight: 1)]),
                    .init(region: 1, endpoints: [.init(id: EndpointID(1), address: "10.0.1.1:80", weight: 3)]),
                ])
        ])

    /// Some of everything a brain is told, in which the first region fails.
    private static let events: [(Event, Instant)] = {
        var events: [(Event, Instant)] = [(.topology(topology), start)]
        for step in 1..<100 {
            let time = start + .milliseconds(100 * step)
            var report = EndpointTraffic(endpoint: EndpointID(step < 50 ? 0 : 1))
            report.attempts = 10
            if step < 40 { report.successes = 10 } else { report.connectFailures = 10 }
            if step >= 50 { (report.successes, report.connectFailures) = (10, 0) }
            report.failureRun = report.successes == 0 ? 10 * (step - 39) : 0
            events.append((.traffic(Traffic([report], services: [ServiceTraffic(service: 0, requests: 10)])), time))
            if step % 10 == 0 {
                events.append((.probe(EndpointID(1), .passed), time))
                events.append((.probe(EndpointID(0), step < 40 ? .unknown : .failed("refused", answered: true)), time))
                events.append((.proberLag(.microseconds(step)), time))
            }
            events.append((.tick, time))
        }
        return events
    }()

    private static func decisions(_ actions: [Action]) -> [String] {
        actions.compactMap { if case .decision(let decision) = $0 { decision.json } else { nil } }
    }

    @Test func `what was told is told again, and leads to the same decisions, byte for byte`() throws {
        let directory = try TemporaryDirectory()
        var log = EvidenceLog(directory: directory.url.path, segmentBytes: 500, restFactor: 0)
        var brain = Brain()
        var taken: [String] = []
        for (event, time) in Self.events {
            if log.wantsSegment { try log.begin(brain) }
            try log.append(event, at: time)
            taken += Self.decisions(brain.observe(event, at: time))
        }
        #expect(taken.count >= 3)
        let names = EvidenceLog.names(in: directory.url.path)
        #expect(names.count > 3)
        var again: [String] = []
        for name in names {
            let segment = try EvidenceLog.read(name)
            var brain = segment.brain
            for (event, time) in segment.events { again += Self.decisions(brain.observe(event, at: time)) }
        }
        #expect(again == taken)
        #expect(try directory.permissions(of: "evidence-1.log") == 0o600)
    }

    @Test func `a moment that is past is what the brain was then, with the decisions until then`() throws {
        let directory = try TemporaryDirectory()
        var log = EvidenceLog(directory: directory.url.path, segmentBytes: 500)
        var journal = DecisionJournal(directory: directory.url.path)
        var brain = Brain()
        var taken: [String] = []
        var known: [(time: Instant, split: [Int], decisions: [String])] = []
        for (event, time) in Self.events {
            if log.wantsSegment { try log.begin(brain) }
            try log.append(event, at: time)
            for decision in Self.decisions(brain.observe(event, at: time)) {
                try journal.append(decision)
                taken.append(decision)
            }
            if event == .tick { known.append((time, brain.split(ofService: 0), taken)) }
        }
        let replay = Replay(directory: directory.url.path)
        for index in stride(from: 0, to: known.count, by: 7) {
            let moment = try replay.moment(at: known[index].time + .milliseconds(50))
            #expect(moment.brain.split(ofService: 0) == known[index].split)
            #expect(moment.decisions.map(\.json) == known[index].decisions)
            #expect(moment.lastTold == known[index].time)
        }
        #expect(throws: Replay.NoEvidence.self) { try replay.moment(at: Self.start + .seconds(-1)) }
        #expect(DecisionJournal.latest(2, in: directory.url.path).map(\.line) == Array(taken.suffix(2)))
        let first = try DecisionJournal.stretch(in: directory.url.path, to: known[45].time)
        #expect(first.entries.map(\.line) == known[45].decisions)
    }

    @Test func `a segment that was cut off is read as far as it goes`() throws {
        let directory = try TemporaryDirectory()
        var log = EvidenceLog(directory: directory.url.path)
        try log.begin(Brain())
        for (event, time) in Self.events { try log.append(event, at: time) }
        let path = try #require(EvidenceLog.names(in: directory.url.path).first)
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        for cut in [1, 2, 7, 100] {
            try whole.dropLast(cut).write(to: URL(fileURLWithPath: path))
            let events = try EvidenceLog.read(path).events
            #expect(!events.isEmpty && events.count < Self.events.count)
            #expect(events.last?.event == Self.events[events.count - 1].0)
        }
    }

    @Test func `damaged bytes are an error, never a crash, and never an event that nobody told`() throws {
        let directory = try TemporaryDirectory()
        var log = EvidenceLog(directory: directory.url.path)
        try log.begin(Brain())
        for (event, time) in Self.events { try log.append(event, at: time) }
        let path = try #require(EvidenceLog.names(in: directory.url.path).first)
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        let told = try EvidenceLog.read(path).events
        #expect(told.map(\.event) == Self.events.map(\.0))
        var state: UInt64 = 1
        for _ in 0..<300 {
            var damaged = whole
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                damaged[Int(state >> 33) % damaged.count] = UInt8(truncatingIfNeeded: state >> 20)
            }
            try damaged.write(to: URL(fileURLWithPath: path))
            guard let read = try? EvidenceLog.read(path) else { continue }
            #expect(read.events.map(\.event) == told.prefix(read.events.count).map(\.event))
            #expect(read.events.map(\.time) == told.prefix(read.events.count).map(\.time))
            var brain = read.brain
            for (event, time) in read.events { _ = brain.observe(event, at: time) }
        }
    }

    @Test func `a file that is named like a segment of the highest number is none`() throws {
        let directory = try TemporaryDirectory()
        for number in [Int.max, Int.min, -1] {
            let file = directory.url.appendingPathComponent("evidence-\(number).log")
            try Data([1]).write(to: file)
        }
        var log = EvidenceLog(directory: directory.url.path)
        try log.begin(Brain())
        let names = EvidenceLog.names(in: directory.url.path).map { ($0 as NSString).lastPathComponent }
        #expect(names == ["evidence-1.log"])
    }

    @Test func `only so many segments are kept`() throws {
        let directory = try TemporaryDirectory()
        var log = EvidenceLog(directory: directory.url.path, segmentLimit: 3)
        for _ in 0..<10 { try log.begin(Brain()) }
        let names = EvidenceLog.names(in: directory.url.path).map { ($0 as NSString).lastPathComponent }
        #expect(names == ["evidence-8.log", "evidence-9.log", "evidence-10.log"])
    }
}
