internal import CLinux
internal import Dispatch
internal import Reactor
internal import Synchronization

/// A thread of its own for what may take long or stand still (files most of all): what it is given is done in order, and
/// what is more than it may keep is refused.
///
/// Swift's own threads are as few as the cores; one that waits for a disk is missing to everything else, up to the brain.
final class WorkThread: Sendable {
    private struct State {
        var work: [(cost: Int, body: @Sendable () -> Void)] = []
        /// Of all that was given and is not done.
        var cost = 0
        var isOver = false
    }

    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)
    private let costLimit: Int

    /// - Parameters:
    ///   - costLimit: of what waits, in the unit of those who give it.
    ///   - givesWay: when there are too few cores, others run first.
    init(name: String, costLimit: Int, givesWay: Bool = false) throws(SystemError) {
        self.costLimit = costLimit
        try Thread.start(name: name) { [self] in
            if givesWay { clinux_give_way() }
            while carryOutNext() {}
        }
    }

    /// Whether a piece of work would be taken now: to be asked where preparing it is expensive.
    var hasRoom: Bool { state.withLock { !$0.isOver && $0.cost < costLimit } }

    /// Has `body` carried out after all that was given before. False, and nothing is done, when too much waits.
    func add(cost: Int = 1, limit: Int? = nil, _ body: @escaping @Sendable () -> Void) -> Bool {
        let isTaken = state.withLock { state in
            guard !state.isOver, state.cost + cost <= limit ?? costLimit else { return false }
            state.cost += cost
            state.work.append((cost, body))
            return true
        }
        if isTaken { wake.signal() }
        return isTaken
    }

    /// The same, for those who wait for what comes of it; nil when too much waits.
    func run<Value: Sendable>(cost: Int = 1, _ body: @escaping @Sendable () -> Value) async -> Value? {
        await withCheckedContinuation { continuation in
            if !add(cost: cost, { continuation.resume(returning: body()) }) { continuation.resume(returning: nil) }
        }
    }

    /// Takes no more work, and returns when all is done, or the time is over.
    func finish(within limit: Duration) async {
        state.withLock { $0.isOver = true }
        wake.signal()
        let end = ContinuousClock.now + limit
        while state.withLock({ $0.cost }) > 0, ContinuousClock.now < end {
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    /// On the thread. False when all is over.
    private func carryOutNext() -> Bool {
        wake.wait()
        let (work, isOver) = state.withLock { state in
            defer { state.work = [] }
            return (state.work, state.isOver)
        }
        for (cost, body) in work {
            body()
            state.withLock { $0.cost -= cost }
        }
        return !isOver
    }
}

extension Thread {
    /// Carries out `body`, which may take long or stand still, on a thread that is started for it.
    ///
    /// For what is asked for one after the other, so that there are never many of them.
    static func run<Value: Sendable>(name: String, _ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            let work: @Sendable () -> Void = { continuation.resume(returning: body()) }
            do {
                try start(name: name, work)
            } catch {
                // No thread is to be had: late is better than never.
                work()
            }
        }
    }

    /// The same; nil when it has not ended in time. It goes on then, and nobody waits for it.
    static func run<Value: Sendable>(
        name: String, within limit: Duration, _ body: @escaping @Sendable () -> Value
    ) async -> Value? {
        let (results, result) = AsyncStream.makeStream(of: Value.self)
        do {
            try start(name: name) {
                result.yield(body())
                result.finish()
            }
        } catch {
            return nil
        }
        let clock = Task {
            try? await Task.sleep(for: limit)
            result.finish()
        }
        defer { clock.cancel() }
        return await results.first { _ in true }
    }
}
