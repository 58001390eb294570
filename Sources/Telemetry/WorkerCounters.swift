/// What one worker counted of one endpoint. The worker writes; the brain and the metrics read.
///
/// Each attempt ends in one of `successes`, the failures, `gatewayErrors`, `serverErrors`, `abandoned` or `exhausted`.
/// What becomes of its answer after it has counted is no second end: see `lateBreaks`.
package final class EndpointCounters: Sendable {
    /// Attempts begun.
    package let attempts = Counter()
    /// Answered in full, or for a second, with a status below 500, or one of 500 and more that counts as no fault
    /// here (501, 505).
    package let successes = Counter()
    package let connectFailures = Counter()
    /// No way to it: no route, or nobody there who would refuse.
    package let unreachables = Counter()
    package let connectTimeouts = Counter()
    /// Called off without a connection, for which another address was asked.
    package let unconnected = Counter()
    /// The same, counted as their requests go to another region, for which the cell had no connection.
    package let cellDark = Counter()
    /// The connection broke before the answer, or the answer was malformed.
    package let resets = Counter()
    /// The answer broke off after its head, or stood still for too long.
    package let truncations = Counter()
    /// The same of answers that had gone on well for a second: their attempts are among `successes`.
    package let lateBreaks = Counter()
    package let responseTimeouts = Counter()
    /// Answered 502, 503 or 504.
    package let gatewayErrors = Counter()
    /// Answered another status of 500 and more.
    package let serverErrors = Counter()
    /// Ended without a verdict: the client went away or was slow, or another attempt answered first.
    package let abandoned = Counter()
    /// Not made, as this router had no descriptor, port or memory left.
    package let exhausted = Counter()
    /// Attempts that overstayed the hedge delay.
    package let overstays = Counter()
    package let connectionsOpened = Counter()

    package let inFlight = Gauge()
    /// In flight now, and older than the hedge delay.
    package let overstaying = Gauge()
    /// Failures in a row, overstays without any answer since they began among them; 0 after a success.
    package let failureRun = Gauge()
    package let openConnections = Gauge()

    package init() {}
}

/// What one worker counted of one service in one region.
package final class CellCounters: Sendable {
    /// Answers that reached clients, by status class; [0] is never used.
    package let responses1xx = Counter()
    package let responses2xx = Counter()
    package let responses3xx = Counter()
    package let responses4xx = Counter()
    package let responses5xx = Counter()
    /// Calls that were answered, by their gRPC status.
    package let grpc = InlineArray<17, Counter> { _ in Counter() }
    package let retries = Counter()
    package let hedges = Counter()
    /// From the request's head to the answer's head, at the client's side.
    package let latency = Histogram()
    /// Of each attempt that was answered, from its beginning to the answer's head.
    package let attemptTime = Histogram()
    /// Windows of a tenth of a second in which answers came late, or said that there is no capacity.
    package let overloads = Counter()
    /// Attempts that may be under way before others are preferred; 0: no limit.
    package let concurrencyLimit = Gauge()

    package init() {}

    package func countResponse(status: Int) {
        switch status {
        case 200..<300: responses2xx.add()
        case 300..<400: responses3xx.add()
        case 400..<500: responses4xx.add()
        case 500...: responses5xx.add()
        default: responses1xx.add()
        }
    }
}

/// What one worker counted of one service as a whole.
package final class ServiceCounters: Sendable {
    package let requests = Counter()
    /// Retries and hedges that the budget did not allow.
    package let budgetExhausted = Counter()
    /// Requests refused because no capacity was left for them.
    package let shed = Counter()
    /// Requests refused because a limit was reached.
    package let overflows = Counter()
    /// Requests that ended in an answer of our own.
    package let failures = Counter()
    /// Calls that no region has answered, by the gRPC status they ended with.
    package let grpc = InlineArray<17, Counter> { _ in Counter() }
    /// Answers to clients by status, those of our own among them.
    package let answers = CodeCounts()
    package let inFlight = Gauge()
    package let pending = Gauge()

    package init() {}
}

/// What one worker counted of one route, or of several that share their counters.
package final class RouteCounters: Sendable {
    package let requests = Counter()
    /// Requests whose clients saw a failure.
    package let failures = Counter()

    package init() {}
}

/// What one worker counted of one listener.
package final class ListenerCounters: Sendable {
    package let connections = Counter()
    package let openConnections = Gauge()
    /// 1 while connections are accepted, 0 while new ones wait in the backlog. Where a listener has moved, the one before may
    /// count here, too.
    package let accepting = Gauge()
    package let requests = Counter()
    /// Requests refused as malformed or over a limit.
    package let refused = Counter()
    /// Requests no route was for.
    package let unrouted = Counter()
    /// Clients that went away before their answer was complete.
    package let clientAborts = Counter()
    /// Answers cut off because the upstream broke after the head was out.
    package let truncated = Counter()
    package let bytesReceived = Counter()
    package let bytesSent = Counter()
    package let accessLogDropped = Counter()
    // Connections that were passed on as they came, by who or what ended them.
    package let tunnelsEndedByClient = Counter()
    package let tunnelsEndedByServer = Counter()
    package let tunnelsResetByClient = Counter()
    package let tunnelsResetByServer = Counter()
    package let tunnelsIdle = Counter()
    /// Closed because their region or their endpoint was lost.
    package let tunnelsFailedOver = Counter()
    /// HTTP/2 connections that were ended because of what they cost.
    package let abuses = Counter()
    /// With its clients.
    package let handshakes = HandshakeCounters()

    package init() {}
}

/// What one worker tells of itself.
package final class WorkerCounters: Sendable {
    /// The longest turn of its loop within the last one to two minutes, nanoseconds. Nobody else was served meanwhile.
    package let longestTurn = Gauge()

    package init() {}
}
