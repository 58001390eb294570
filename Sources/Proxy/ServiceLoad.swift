internal import Picking
internal import Reactor

/// What a service has under way in one worker, over every table that names it: requests admitted, its retry budget, and
/// those that wait for a connection.
final class ServiceLoad: Deferred {
    var inFlight = 0
    var budget = RetryBudget(share: 0)
    /// Bounded by the service's `pending` limit.
    var pending = PendingQueue()
    private let loop: EventLoop
    /// Where connections have become free since somebody waits, oldest first.
    private var freed: [CellLoad] = []

    init(loop: EventLoop) {
        self.loop = loop
    }

    /// A connection of this cell went back to its pool or was closed: if somebody waits for one, it is told from the loop.
    func connectionFreed(in cell: CellLoad) {
        if pending.isEmpty { return }
        freed.append(cell)
        loop.defer(self)
    }

    func resume() {
        if freed.isEmpty { return }
        let cell = freed.removeFirst()
        pending.popFirst()?.resumePending(in: cell)
        if pending.isEmpty { freed.removeAll() }
    }
}

/// What a cell has under way in one worker, and what was learned of it, over every table that names it.
final class CellLoad {
    var openConnections = 0
    /// Attempts.
    var inFlight = 0
    var responseTime = ResponseTime()
    var concurrency = ConcurrencyLimit()
}
