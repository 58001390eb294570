/// What a service has under way in one worker, over every table that names it: requests admitted, and those that wait
/// for a connection.
final class ServiceLoad {
    var inFlight = 0
    /// Oldest first; bounded by the service's `pending` limit.
    var pending = PendingQueue()
}

/// The connections a cell has open in one worker, over every table that names it.
final class CellLoad {
    var openConnections = 0
}
