package import Failover
internal import Picking
internal import RouteTable

/// A world from a seed: clients, backends, probes and what befalls them, around the real brain and the real rules of
/// picking, retrying and shedding. Nothing in it takes time but the run; the same scenario and seed give the same run.
package final class World {
    package let scenario: Scenario
    let table: Table
    /// Nanoseconds from the beginning.
    package internal(set) var now: Int64 = 0
    var queue = EventQueue<WorldEvent>()
    var chance: Chance

    // The router
    package internal(set) var brain = Brain()
    var workers: [Worker] = []
    /// By service and position of the cell.
    var estimates: [[SharedEstimate]] = []
    /// What names stand for; an empty answer changes nothing.
    var names: [(name: String, known: KnownAddresses)] = []
    var prober = ProberState()
    var findings: [(number: Int, outcome: ProbeOutcome)] = []
    var asked: [Int]
    /// By service and position of the cell, since it was last told.
    var cellEvidence: [[CellEvidence]] = []
    var timesReadAt: Int64 = 0
    var isUrgentLookDue = false
    /// The router does nothing before then.
    var standsUntil: Int64 = 0
    var isDown = false
    var orders: [(order: Order, isForced: Bool)] = []
    /// Gives back what of a brain a restart keeps.
    let restored: (Brain) -> Brain
    /// Also kept, if asked for: all that the brain was told.
    var told: [(event: Event, at: Instant)]?

    // What it stands before
    var backends: [Backend] = []
    var regionQueues: [CollapsingQueue]
    var faults: ActiveFaults
    var isCut = false
    var lastCut = Int64.min / 2

    // Clients
    var rates: [Ramp]
    var requests: [Request] = []
    var freeRequests: [Int] = []

    // What is seen
    package internal(set) var record = Record()
    var laws: Laws
    /// Happenings that are undone, by their place in the timeline.
    var undone: [Bool]

    /// The brain's time at the beginning: 20 October 2025, 07:00 UTC.
    static let origin: Int64 = 1_760_943_600_000_000_000

    /// - Parameters:
    ///   - keepsEvents: whether the brain's decisions will be asked for a second time.
    ///   - restored: what a router that starts again has of a brain.
    package init(
        _ scenario: Scenario, seed: UInt64? = nil, keepsEvents: Bool = false,
        restored: @escaping (Brain) -> Brain = { $0 }
    ) {
        self.scenario = scenario
        table = scenario.table
        chance = Chance(seed: seed ?? scenario.seed)
        told = keepsEvents ? [] : nil
        self.restored = restored
        asked = Array(repeating: 0, count: scenario.table.services.count)
        undone = Array(repeating: false, count: scenario.timeline.count)
        faults = ActiveFaults(scenario)
        rates = scenario.loads.map { Ramp($0.perSecond) }
        let table = scenario.table
        regionQueues = table.regions.indices.map { region in
            let declared = table.regions[region].capacity
            let own = scenario.backends.regions.first { $0.region == region }?.value
            return CollapsingQueue(capacity: own ?? declared)
        }
        laws = Laws(scenario)
        for resolution in scenario.resolutions {
            var known = KnownAddresses()
            _ = known.answered(resolution.addresses)
            names.append((resolution.name, known))
        }
        begin()
    }

    private func begin() {
        startRouter(isFirst: true)
        for (index, happening) in scenario.timeline.enumerated() {
            queue.put(.happening(index), at: happening.at.nanoseconds)
        }
        for load in scenario.loads.indices { queue.put(.arrival(load), at: chance.below(Int64(100_000_000))) }
    }

    /// Runs to the end of the scenario.
    package func run() {
        run(until: scenario.length.nanoseconds)
        finish()
    }

    package func run(until end: Int64) {
        while let next = queue.nextTime, next <= end {
            now = next
            guard let event = queue.take() else { break }
            if now < standsUntil && event.isOfTheRouter {
                queue.put(event, at: standsUntil)
            } else {
                handle(event)
            }
        }
        now = end
    }

    /// Looks back on the run as a whole.
    package func finish() {
        record.length = now
        for backend in backends where backend.sent > 0 { record.sent.append((backend.address, backend.sent)) }
        checkAttempts()
        record.breaches = laws.breaches
    }

    private func handle(_ event: WorldEvent) {
        switch event {
        case .arrival(let load): arrive(load)
        case .return(let load, let tries): begin(load, earlierTries: tries)
        case .attempt(let request, let generation, let attempt): attemptEnds(request, generation, attempt)
        case .timer(let request, let generation): timerFires(request, generation)
        case .probe(let number, let generation): probe(number, generation)
        case .probed(let number, let result): probed(number, result)
        case .proberSecond: proberSecond()
        case .look:
            look()
            queue.put(.look, at: now + 100_000_000)
        case .urgentLook:
            isUrgentLookDue = false
            look()
        case .second: passSecond()
        case .happening(let index): happen(index)
        case .undo(let index): undo(index)
        case .toggle(let index, let isOn): toggle(index, isOn)
        case .refresh: refreshFaults()
        }
    }

    /// Once a second workers tell each other what answers usually take.
    private func passSecond() {
        for worker in workers {
            for service in worker.services {
                for cell in service.cells { cell.shareResponseTime() }
            }
        }
        queue.put(.second, at: now + 1_000_000_000)
    }

    var instant: Instant { Instant(nanoseconds: Self.origin + now) }
}

/// What can happen next.
enum WorldEvent {
    /// The next request of a load.
    case arrival(Int)
    /// A client asks again.
    case `return`(load: Int, tries: Int)
    /// Something comes of an attempt.
    case attempt(request: Int, generation: UInt32, attempt: Int32)
    case timer(request: Int, generation: UInt32)
    case probe(number: Int, generation: UInt32)
    case probed(number: Int, ProbeResult)
    case proberSecond
    case look
    case urgentLook
    case second
    case happening(Int)
    case undo(Int)
    /// A flapping thing fails, or is well, again.
    case toggle(Int, isOn: Bool)
    /// Faults may reach those that depend on what failed.
    case refresh

    /// Not the world's own: it waits while the router stands still.
    var isOfTheRouter: Bool {
        switch self {
        case .happening, .undo, .toggle, .refresh: false
        default: true
        }
    }

    /// A loop that stood still first sees what has come, then what has run out.
    var comesLast: Bool {
        switch self {
        case .timer, .look, .urgentLook, .second, .probe, .proberSecond: true
        default: false
        }
    }
}

/// What answers from a cell were like.
struct CellEvidence {
    /// Of attempts, to the answer.
    var times = Latency()
    /// When they were last told, or given up.
    var timesAt: Int64 = 0
    /// As last told.
    var overloads = 0
}

/// A figure that goes from one value to another in a straight line.
struct Ramp {
    private var from: Int
    private var to: Int
    private var began: Int64 = 0
    private var length: Int64 = 0

    init(_ value: Int) {
        from = value
        to = value
    }

    func value(at now: Int64) -> Int {
        let age = now - began
        if age >= length { return to }
        return from + Int(Int64(to - from) * (age / 1_000) / max(length / 1_000, 1))
    }

    mutating func change(to value: Int, over length: Int64, at now: Int64) {
        from = self.value(at: now)
        to = value
        began = now
        self.length = length
    }
}
