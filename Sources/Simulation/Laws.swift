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
    /// When the router last held, or ceased to hold, what it had decided.
    var lastHold = Int64.min / 2
    /// When a region last had more to do than it could.
    var lastOverload: [Int64]
    let hasOrders: Bool

    /// Of each cell, what its requests ever met.
    var met: [[Trial]]
    /// The same of all cells of its service, as it was when the cell's ceiling last changed.
    var metAtStep: [[[Trial]]]
    /// When traffic began to return to a cell that had been left for its own sake.
    var returns: [[[Int64]]]
    var wasLeftItself: [[Bool]]
    /// When a cell last had little or no traffic.
    var lastLittle: [[Int64]]
    var regionReturns: [[Int64]]
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
        lastOverload = table.regions.map { _ in .min / 2 }
        met = table.services.map { $0.cells.map { _ in Trial() } }
        metAtStep = met.map { cells in cells.map { _ in cells } }
        returns = table.services.map { $0.cells.map { _ in [] } }
        wasLeftItself = table.services.map { $0.cells.map { _ in false } }
        lastLittle = table.services.map { $0.cells.map { _ in 0 } }
        regionReturns = table.regions.map { _ in [] }
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
