internal import Picking
internal import Reactor
internal import Telemetry

/// Attempts whose addresses stay dark: no connection, and no refusal either.
extension Exchange {
    /// Attempts that are made because others have no connection.
    static let darkLimit = 2

    /// There is no connection so far: another address of the cell is asked, one of the other family before all ("Happy
    /// Eyeballs", RFC 8305); another region only if that gives no connection either, or if there is none and the time has
    /// come in which an answer is expected.
    func addressPlace(for attempt: Upstream, _ service: WorkerService, now: Int64) -> Place? {
        let cell = service.cell(in: attempt.cell.region)
        if darkAttempts == 0 {
            let other = cell?.anotherAddress(
                than: attempt.endpoint, excluding: tried, now: now, cautious: isCautious, random: &worker.random)
            if let cell, let other { return Place(cell: Uncounted(cell), endpoint: other) }
            guard now >= hedgeDeadline else {
                overstayDeadline = hedgeDeadline
                return nil
            }
        }
        return elsewhere(than: cell, service, now: now) ?? another(in: cell, now: now)
    }

    /// Another attempt is made for want of a connection. If it is in another region, the cell has not served the request.
    func foundDark(_ attempt: Upstream, _ service: WorkerService, goesTo place: Place) {
        darkAttempts += 1
        let isElsewhere = place.cell.lend { $0.region != attempt.cell.region }
        if isElsewhere { attempt.endpoint.counters.cellDark.add(UInt64(truncatingIfNeeded: darkAttempts)) }
    }

    /// The time for a connection is over: that is no overstay.
    func isConnectOver(now: Int64) -> Bool {
        guard second == nil, let first else { return false }
        return first.lend { !$0.isSent && now >= $0.deadline }
    }
}
