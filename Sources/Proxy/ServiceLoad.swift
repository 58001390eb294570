internal import Reactor

/// What a service has under way in one worker, over every table that names it: requests admitted, and those that wait
/// for a connection.
final class ServiceLoad: Deferred {
    var inFlight = 0
    /// Oldest first; bounded by the service's `pending` limit.
    var pending = PendingQueue()
    private let loop: EventLoop

    init(loop: EventLoop) {
        self.loop = loop
    }

    /// A connection went back to its pool or was closed: if somebody waits for one, it is told from the loop.
    func connectionFreed() {
        if pending.count > 0 { loop.defer(self) }
    }

    func resume() {
        pending.popFirst()?.resumePending()
    }
}

/// What a cell has under way in one worker, over every table that names it.
final class CellLoad {
    var openConnections = 0
    /// Attempts.
    var inFlight = 0
}
