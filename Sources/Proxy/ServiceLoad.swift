internal import DequeModule
internal import Picking
internal import Reactor

/// What a service has under way in one worker, over every table that names it: requests admitted, its retry budget, and
/// those that wait for a connection.
///
/// A request without a key waits for a connection of whichever cell. One with a key waits at the key's cell, so that it
/// holds up nobody who waits for another cell.
final class ServiceLoad: Deferred {
    var inFlight = 0
    var budget = RetryBudget(share: 0)
    /// Exchanges that wait, at all cells together. Bounded by the service's `pending` limit.
    private(set) var waiting = 0
    private var waitingAnywhere = PendingQueue<Exchange>()
    /// Where exchanges wait with a key, or have waited.
    private var waitedAt: [CellLoad] = []
    private let loop: EventLoop
    /// Where connections have become free since somebody waits, oldest first.
    private var freed: Deque<CellLoad> = []

    init(loop: EventLoop) {
        self.loop = loop
    }

    // Who waits

    /// - Parameter cell: the cell of the exchange's key; nil: it has no key.
    func append(_ exchange: Exchange, at cell: CellLoad?) {
        waiting += 1
        exchange.pendingCell = cell
        guard let cell else { return waitingAnywhere.append(exchange) }
        if !waitedAt.contains(where: { $0 === cell }) { waitedAt.append(cell) }
        cell.waiting.append(exchange)
    }

    func remove(_ exchange: Exchange) {
        guard exchange.pendingTicket != nil else { return }
        waiting -= 1
        if let cell = exchange.pendingCell { cell.waiting.remove(exchange) } else { waitingAnywhere.remove(exchange) }
        exchange.pendingCell = nil
    }

    /// An exchange that had its turn, and has to wait all the same, has lost nothing by that.
    private func putBack(_ exchange: Exchange, at cell: CellLoad?) {
        waiting += 1
        exchange.pendingCell = cell
        if let cell { cell.waiting.prepend(exchange) } else { waitingAnywhere.prepend(exchange) }
    }

    /// The service's cells or its split have changed: whoever waits with a key waits at the cell that is now the key's,
    /// where there may be room.
    func placesChanged(_ service: WorkerService) {
        if waitedAt.isEmpty { return }
        var moving: [Exchange] = []
        for cell in waitedAt {
            while let exchange = cell.waiting.popFirst() { moving.append(exchange) }
        }
        waitedAt.removeAll()
        waiting -= moving.count
        moving.sort { $0.overstayDeadline < $1.overstayDeadline }
        for exchange in moving {
            let cell = service.cells[service.split.drawAgain(key: exchange.hashKey)].load
            append(exchange, at: cell)
            connectionFreed(in: cell)
        }
    }

    // Whose turn it is

    /// A connection of this cell went back to its pool or was closed: if somebody waits for one, it is told from the loop.
    func connectionFreed(in cell: CellLoad) {
        if waiting == 0 { return }
        freed.append(cell)
        loop.defer(self)
    }

    func resume() {
        guard let cell = freed.popFirst() else { return }
        var passedOver: [(exchange: Exchange, cell: CellLoad?)] = []
        while passedOver.count < Self.passedOver, let exchange = oldest(for: cell) {
            remove(exchange)
            exchange.resumePending(in: cell)
            // A service that was gone and has come back has a load of its own.
            guard exchange.pendingTicket != nil, exchange.service?.lend({ $0.load === self }) == true else { break }
            let isAlone = exchange.waitsForItsEndpoint
            passedOver.append((exchange, exchange.pendingCell))
            remove(exchange)
            if !isAlone { break }
        }
        for (exchange, cell) in passedOver.reversed() { putBack(exchange, at: cell) }
        passedOver.last?.exchange.tellWaiting()
        if waiting == 0 { freed.removeAll() }
    }

    /// Of those that wait for an endpoint of their own, at most so many in a row are asked in vain.
    private static let passedOver = 16

    /// Of those that wait at this cell and those that wait anywhere, the one whose time is over first.
    private func oldest(for cell: CellLoad) -> Exchange? {
        guard let here = cell.waiting.first else { return waitingAnywhere.first }
        guard let anywhere = waitingAnywhere.first else { return here }
        return here.overstayDeadline <= anywhere.overstayDeadline ? here : anywhere
    }
}

/// What a cell has under way in one worker, and what was learned of it, over every table that names it.
final class CellLoad {
    var openConnections = 0
    /// Attempts.
    var inFlight = 0
    var responseTime = ResponseTime()
    var concurrency = ConcurrencyLimit()
    /// Exchanges whose key is this cell's and that wait for a connection here.
    var waiting = PendingQueue<Exchange>()
}
