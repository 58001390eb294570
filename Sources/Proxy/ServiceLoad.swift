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
    /// Where connections have become free since somebody waits, oldest first, and the ticket of the one who was asked last
    /// for it, if there is nothing for him.
    private var freed: Deque<(cell: CellLoad, asked: Int?)> = []

    init(loop: EventLoop) {
        self.loop = loop
    }

    // Who waits

    /// - Parameter cell: the cell of the exchange's key; nil: it has no key.
    func append(_ exchange: Exchange, at cell: CellLoad?) {
        waiting += 1
        exchange.pendingLoad = self
        exchange.pendingCell = cell
        guard let cell else { return waitingAnywhere.append(exchange) }
        if !waitedAt.contains(where: { $0 === cell }) { waitedAt.append(cell) }
        cell.waiting.append(exchange)
    }

    /// - Parameter exchange: waits here.
    func remove(_ exchange: Exchange) {
        waiting -= 1
        if let cell = exchange.pendingCell { cell.waiting.remove(exchange) } else { waitingAnywhere.remove(exchange) }
        exchange.pendingLoad = nil
        exchange.pendingCell = nil
    }

    /// An exchange that had its turn, and has to wait all the same, has lost nothing by that.
    private func putBack(_ exchange: Exchange, at cell: CellLoad?) {
        waiting += 1
        exchange.pendingLoad = self
        exchange.pendingCell = cell
        if let cell { cell.waiting.prepend(exchange) } else { waitingAnywhere.prepend(exchange) }
    }

    /// The service's cells or its split have changed. Whoever waits with a key waits at the cell that is now the key's; where
    /// keys say nothing any more, anywhere. There may be room now for all of them.
    func placesChanged(_ service: WorkerService) {
        if waiting == 0 { return waitedAt.removeAll() }
        var moving: [Exchange] = []
        for cell in waitedAt {
            while let exchange = cell.waiting.popFirst() { moving.append(exchange) }
        }
        waitedAt.removeAll()
        waiting -= moving.count
        moving.sort { $0.overstayDeadline < $1.overstayDeadline }
        for exchange in moving {
            if service.hashes {
                append(exchange, at: service.cells[service.split.drawAgain(key: exchange.hashKey)].load)
            } else {
                exchange.hashKey = nil
                append(exchange, at: nil)
            }
        }
        for cell in service.cells {
            let room = max(1, cell.connectionLimit - cell.load.openConnections)
            for _ in 0..<min(room, cell.load.waiting.count + waitingAnywhere.count) { connectionFreed(in: cell.load) }
        }
    }

    // Whose turn it is

    /// A connection of this cell went back to its pool or was closed: if somebody waits for one, it is told from the loop.
    func connectionFreed(in cell: CellLoad) {
        if waiting == 0 { return }
        freed.append((cell, nil))
        loop.defer(self)
    }

    func resume() {
        guard let (cell, asked) = freed.popFirst() else { return }
        var next = asked.map { cell.waiting.next(after: $0) ?? waitingAnywhere.first } ?? oldest(for: cell)
        var passedOver = 0
        while let exchange = next {
            // What is free may be nothing to who is next, but something to one behind.
            if exchange.pendingCell === cell, exchange.waitsInVain, let ticket = exchange.pendingTicket {
                passedOver += 1
                if passedOver == Self.askedAtOnce {
                    freed.prepend((cell, ticket))
                    return loop.defer(self)
                }
                next = cell.waiting.next(after: ticket) ?? waitingAnywhere.first
                continue
            }
            remove(exchange)
            exchange.resumePending(in: cell)
            if exchange.pendingLoad === self {
                let cell = exchange.pendingCell
                remove(exchange)
                putBack(exchange, at: cell)
                exchange.tellWaiting()
            }
            break
        }
        if waiting == 0 { freed.removeAll() }
    }

    /// Of those that wait for an endpoint of their own, so many are asked before others have their turn.
    private static let askedAtOnce = 16

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
    var connectTime = ConnectTime()
    var concurrency = ConcurrencyLimit()
    /// Exchanges whose key is this cell's and that wait for a connection here.
    var waiting = PendingQueue<Exchange>()
}
