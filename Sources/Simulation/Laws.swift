internal import Failover
internal import RouteTable

/// What the world notes to hold the router against the laws, and what it has found. It looks at the world itself, not
/// at what the router thinks of it.
struct Laws {
    private(set) var breaches: [Breach] = []
    /// How long what went wrong may still speak against something.
    let memory: Int64
    var lastSequence: UInt64 = 0
    /// When the router last started again: what it does then it would have done before.
    var lastRestart = Int64.min / 2
    /// When the prober last ceased to lag.
    var lastLag = Int64.min / 2
    /// When the router last held, or ceased to hold, what it had decided.
    var lastHold = Int64.min / 2
    /// When it last held what it had decided.
    var lastHeld = Int64.min / 2
    /// When a region last had more to do than it could.
    var lastOverload: [Int64]
    let hasOrders: Bool
    /// What was seen in a freeze is decided when it ends.
    let hasFreeze: Bool

    /// Of each cell, what its requests ever met.
    var met: [[Trial]]
    /// The same of all cells of its service, as it was when the cell's ceiling last changed.
    var metAtStep: [[[Trial]]]
    var stepBegan: [[Int64]]
    /// What leaving has brought upon a cell, and upon a region.
    var penalties: [[Penalty]]
    var regionPenalties: [Penalty]
    /// When a cell last had little or no traffic.
    var lastLittle: [[Int64]]
    /// What probes alone took out of a region.
    var removals: [[(at: Int64, weight: Int)]]
    private(set) var count: [Law: Int] = [:]

    struct Trial {
        var ended = 0
        var failures = 0
    }

    /// Who waits for longer has met a backend that has too much to do.
    static let lateness: Int64 = 20_000_000
    /// Of one law, so many are told.
    private static let told = 5

    init(_ scenario: Scenario) {
        let table = scenario.table
        let longest = table.services.map { $0.timeouts.response + $0.failover.ratioWindow }.max() ?? .zero
        memory = longest.nanoseconds + 3_000_000_000
        hasOrders = scenario.timeline.contains { if case .order = $0.what { true } else { false } }
        hasFreeze = scenario.timeline.contains {
            if case .order(.override(_, .freeze, for: _, why: _), _) = $0.what { true } else { false }
        }
        lastOverload = table.regions.map { _ in .min / 2 }
        met = table.services.map { $0.cells.map { _ in Trial() } }
        stepBegan = met.map { $0.map { _ in 0 } }
        metAtStep = met.map { cells in cells.map { _ in cells } }
        penalties = table.services.map { service in
            service.cells.map { _ in Penalty(service.failover.damping) }
        }
        regionPenalties = table.regions.map { _ in Penalty(table.cascade.damping) }
        lastLittle = table.services.map { $0.cells.map { _ in 0 } }
        removals = table.regions.map { _ in [] }
    }

    mutating func report(_ law: Law, at now: Int64, _ text: String) {
        count[law, default: 0] += 1
        if count[law, default: 0] <= Self.told { breaches.append(Breach(law: law, at: now, text: text)) }
    }

    /// What requests of a cell, or of the others of its service, have met since its ceiling last changed.
    func sinceStep(_ service: Int, _ position: Int, others: Bool) -> Trial {
        var trial = Trial()
        for cell in met[service].indices where (cell == position) != others {
            trial.ended += met[service][cell].ended - metAtStep[service][position][cell].ended
            trial.failures += met[service][cell].failures - metAtStep[service][position][cell].failures
        }
        return trial
    }

    // What is noted

    mutating func noteFault(of backend: inout Backend, before: Fault?, at now: Int64) {
        if backend.fault != nil || before != nil {
            backend.lastGuilt = now
            backend.lastRequestGuilt = now
        }
        if backend.lie == .fails || backend.hadFailingProbes { backend.lastGuilt = now }
        backend.hadFailingProbes = backend.lie == .fails
        backend.deadSince = backend.fault?.isTotal == true ? backend.deadSince ?? now : nil
    }

    mutating func noteOverload(of backend: inout Backend, at now: Int64) {
        backend.lastGuilt = now
        backend.lastRequestGuilt = now
    }

    mutating func noteProbe(_ outcome: ProbeOutcome, of backend: inout Backend) {
        switch outcome {
        case .passed: backend.probePasses += 1
        case .failed(_, answered: true): backend.probePasses = 0
        // While everything is silent, silence says nothing.
        case .failed(_, answered: false), .unknown: break
        }
    }

    mutating func note(_ report: EndpointTraffic, of backend: Backend) {
        guard !backend.isNew else { return }
        met[backend.service][backend.cell].ended += report.successes + report.failures
        met[backend.service][backend.cell].failures += report.failures
    }
}

/// The route flap damping of RFC 2439, 4.2, kept by the laws for themselves: leaving adds 1,000, which halves with time
/// (in a straight line between halvings); from `suppress` on nothing returns until it is below `reuse`.
struct Penalty {
    private let policy: DampingPolicy
    private var value: Int64 = 0
    private var at: Int64 = 0
    private var isSuppressed = false

    init(_ policy: DampingPolicy) {
        self.policy = policy
    }

    private func value(at now: Int64) -> Int64 {
        let halfLife = max(policy.halfLife.nanoseconds, 1)
        let halvings = (now - at) / halfLife
        guard halvings < 62 else { return 0 }
        let begun = value >> halvings
        return begun - begun * ((now - at) % halfLife / 1_000) / (2 * (halfLife / 1_000))
    }

    mutating func leave(at now: Int64) {
        let most = max(
            Int64(policy.reuse) << min(policy.limit.nanoseconds / max(policy.halfLife.nanoseconds, 1), 32),
            Int64(policy.suppress))
        if isSuppressed && value(at: now) < Int64(policy.reuse) { isSuppressed = false }
        value = min(value(at: now) + 1_000, most)
        at = now
        if value >= Int64(policy.suppress) { isSuppressed = true }
    }

    /// What is in the way of a return, if it is far enough from its bounds to be no matter of rounding.
    func objection(at now: Int64) -> String? {
        let present = value(at: now)
        guard isSuppressed, present * 10 > Int64(policy.reuse) * 11 else { return nil }
        return "its penalty is \(present), and \(policy.suppress) was reached"
    }
}
