internal import Probes
internal import Proxy
internal import Reactor
internal import Synchronization

/// What workers and prober report between two looks of the brain, in order; urgent reports wake it at once.
final class Inbox: Sendable, WorkerReports, ProbeReports {
    enum Report: Sendable {
        case urgent(endpoint: Int, failures: Int, overstaying: Bool)
        case probed(endpoint: Int, ProbeFinding)
        case proberLag(nanoseconds: Int64)
        case published(generation: Int)
        case listenerFailed(String, SystemError)
        case exhausted(Exhaustion)
        case workerEnded
    }

    /// More than this between two looks is dropped and counted: a prober's storm must not fill the memory.
    private static let limit = 200_000

    private struct State {
        var reports: [Report] = []
        var dropped = 0
        /// What has run out since the last look, once each.
        var exhausted: [Exhaustion] = []
    }

    private let state = Mutex(State())
    /// One element for every time there is something that cannot wait.
    let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    init() {
        (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    func takeAll() -> (reports: [Report], dropped: Int) {
        state.withLock { state in
            let taken = (state.reports, state.dropped)
            state = State()
            return taken
        }
    }

    /// Time to look, whether or not something was reported.
    func tick() {
        wake.yield()
    }

    private func post(_ report: Report, isUrgent: Bool) {
        state.withLock { state in
            if state.reports.count < Self.limit { state.reports.append(report) } else { state.dropped += 1 }
        }
        if isUrgent { wake.yield() }
    }

    func urgent(endpoint: Int, failures: Int, overstaying: Bool) {
        post(.urgent(endpoint: endpoint, failures: failures, overstaying: overstaying), isUrgent: true)
    }

    func overloaded() {
        wake.yield()
    }

    func published(generation: Int) {
        post(.published(generation: generation), isUrgent: false)
    }

    func listenerFailed(_ name: String, _ error: SystemError) {
        post(.listenerFailed(name, error), isUrgent: true)
    }

    func exhausted(_ what: Exhaustion) {
        state.withLock { state in
            guard !state.exhausted.contains(what) else { return }
            state.exhausted.append(what)
            state.reports.append(.exhausted(what))
        }
    }

    func workerEnded() {
        post(.workerEnded, isUrgent: true)
    }

    func probed(_ number: Int, _ finding: ProbeFinding, isAwaited: Bool) {
        // Otherwise the next look is a tenth of a second away at most.
        post(.probed(endpoint: number, finding), isUrgent: isAwaited)
    }

    func lag(nanoseconds: Int64) {
        post(.proberLag(nanoseconds: nanoseconds), isUrgent: false)
    }
}
