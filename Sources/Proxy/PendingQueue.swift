internal import DequeModule

/// Who can wait in a queue.
protocol Pending: AnyObject {
    /// Its place in the queue it waits in; nil: it waits in none.
    var pendingTicket: Int? { get set }
}

/// Exchanges that wait for a connection, oldest first.
///
/// Whoever gives up is found by its ticket. Its place stays empty until those before it have left, or until most places
/// are empty: so all that happens here costs the same, however many wait.
struct PendingQueue<Waiter: Pending> {
    private var places: Deque<Waiter?> = []
    /// Of the first place; tickets are consecutive.
    private var firstTicket = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }
    /// The oldest. Its place is the first: empty ones before it are gone.
    var first: Waiter? { places.first ?? nil }
    /// Empty ones among them.
    var placeCount: Int { places.count }

    mutating func append(_ waiter: Waiter) {
        waiter.pendingTicket = firstTicket + places.count
        places.append(waiter)
        count += 1
    }

    /// Takes its place again in front of all others.
    mutating func prepend(_ waiter: Waiter) {
        firstTicket -= 1
        waiter.pendingTicket = firstTicket
        places.prepend(waiter)
        count += 1
    }

    mutating func popFirst() -> Waiter? {
        guard let waiter = first else { return nil }
        remove(waiter)
        return waiter
    }

    /// Who waits next behind a ticket that was given here, and has perhaps been given back.
    func next(after ticket: Int) -> Waiter? {
        var index = max(0, ticket + 1 - firstTicket)
        while index < places.count {
            if let waiter = places[index] { return waiter }
            index += 1
        }
        return nil
    }

    /// Who waits elsewhere, or nowhere, is left alone.
    mutating func remove(_ waiter: Waiter) {
        guard let ticket = waiter.pendingTicket else { return }
        let index = ticket - firstTicket
        guard places.indices.contains(index), places[index] === waiter else { return }
        waiter.pendingTicket = nil
        places[index] = nil
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
        for case let waiter? in waiting { append(waiter) }
    }
}
