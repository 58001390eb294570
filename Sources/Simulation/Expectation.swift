package import Failover

/// What is expected of a run: a figure within bounds, in a stretch of it.
package struct Expectation: Sendable, Equatable {
    package var figure: Figure
    package var atMost: Amount?
    package var atLeast: Amount?
    package var from = Duration.zero
    /// Absent: to the end.
    package var to: Duration?

    package init(_ figure: Figure, atMost: Amount? = nil, atLeast: Amount? = nil, from: Duration = .zero) {
        self.figure = figure
        self.atMost = atMost
        self.atLeast = atLeast
        self.from = from
    }

    package enum Figure: Sendable, Equatable {
        /// Requests that failed, shed ones not among them; a number, or a share of all.
        case failed(services: [Int], isShare: Bool)
        /// Share of requests that were answered well.
        case answered(services: [Int])
        /// Share of requests that were shed.
        case shed(services: [Int])
        /// The 99th percentile of what answers took.
        case latency(services: [Int])
        /// Requests sent to a region in its busiest second.
        case load(region: Int)
        /// The region's share of what is asked of a service, at every moment of the stretch.
        case share(region: Int, service: Int)
        /// The same of all services.
        case shares(region: Int)
        /// Decisions of a rule, or of all; about a subject, or about any.
        case decisions(rule: Decision.Rule?, about: String?)
        /// The largest number of witnesses any decision of a rule has.
        case evidence(rule: Decision.Rule)
        /// How often traffic began to return to a region after it had left it altogether, of any service.
        case returns(region: Int)
        /// Requests sent to endpoints for each of the clients'.
        case attempts
        /// Endpoints of a region out of use at once, at the worst moment.
        case out(region: Int)
        /// Requests sent to an endpoint.
        case sent(address: String)
        /// What was imagined of a region's loss, and the shares at the end of the stretch: the largest difference.
        case imagination(losing: String)
        /// The largest change of a share while the router restarted.
        case restart
    }

    package enum Amount: Sendable, Equatable {
        case count(Int)
        /// Ten-thousandths.
        case share(Int)
        case time(Duration)
        /// Hundredths.
        case times(Int)
    }
}
