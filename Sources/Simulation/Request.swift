/// A request at the router, and where it stands.
struct Request {
    /// Which use of its slot this is; events of an earlier one mean nothing any more.
    var generation: UInt32 = 0
    var isActive = false
    /// Its service has counted it in.
    var isAdmitted = false
    /// Index into the scenario's loads.
    var load = 0
    var service = 0
    var worker = 0
    /// How often its client has asked before.
    var earlierTries = 0
    /// It must not be sent twice.
    var isWrite = false
    var key: UInt64?
    var began: Int64 = 0

    var first: Attempt?
    /// The hedge, while there is one.
    var second: Attempt?
    var nextAttempt: Int32 = 0
    var tried = TriedEndpoints()
    var retriesLeft = 0
    var isHedged = false
    /// How often another address was asked, because there was no connection.
    var darkAttempts = 0
    /// When it is hedged, whether there is a connection or not.
    var hedgeDeadline: Int64 = .max

    /// When it will have waited for longer than usual.
    var overstayDeadline: Int64 = .max
    /// When its client, or the service's time-out, ends it.
    var deadline: Int64 = .max
    /// When a timer's event is already due.
    var timerAt: Int64 = .max
}

/// A request sent to an endpoint.
struct Attempt {
    let id: Int32
    /// The cell's position in its service.
    let cell: Int
    let endpoint: Int
    let began: Int64
    let deadline: Int64
    let isSent: Bool
    let outcome: AttemptOutcome
    var hasOverstayed = false
}

/// What becomes of an attempt, if nothing comes between.
enum AttemptOutcome {
    case answered(status: Int)
    case refused, reset, truncated
    /// Nothing, until a deadline.
    case nothing
}
