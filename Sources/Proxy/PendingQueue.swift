internal import DequeModule

/// Exchanges that wait for a connection, oldest first. Its bound is the service's `pending` limit.
///
/// Whoever gives up is found by its ticket. Its place stays empty until those before it have left, or until most places
/// are empty: so all that happens here costs the same, however many wait.
struct PendingQueue {
    private var places: Deque<Exchange?> = []
    /// Of the first place; tickets are consecutive.
    private var firstTicket = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    mutating func append(_ exchange: Exchange) {
        exchange.pendingTicket = firstTicket + places.count
        places.append(exchange)
        count += 1
    }

    /// Takes its place again in front of all others.
    mutating func prepend(_ exchange: Exchange) {
        firstTicket -= 1
        exchange.pendingTicket = firstTicket
        places.prepend(exchange)
        count += 1
    }

    mutating func popFirst() -> Exchange? {
        dropEmptyPlaces()
        guard let place = places.popFirst(), let exchange = place else { return nil }
        firstTicket += 1
        count -= 1
        exchange.pendingTicket = nil
        return exchange
    }

    mutating func remove(_ exchange: Exchange) {
        guard let ticket = exchange.pendingTicket else { return }
        exchange.pendingTicket = nil
        places[ticket - firstTicket] = nil
        count -= 1
        dropEmptyPlaces()
        if places.count > 64, places.count > 4 * count { compact() }
    }

    private mutating func dropEmptyPlaces() {
        while let first = places.first, first == nil {
            places.removeFirst()
            firstTicket += 1
        }
        if places.isEmpty { firstTicket = 0 }
    }

    private mutating func compact() {
        let waiting = places
        places.removeAll(keepingCapacity: false)
        count = 0
        firstTicket = 0
        for case let exchange? in waiting { append(exchange) }
    }
}
