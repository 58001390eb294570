/// Whether a service leaves a region that is impaired as a whole.
package enum Moves: String, Sendable, Equatable, CaseIterable, Codable {
    case withRegion = "with_region"
    case alone
}

/// Whether what is decided for a service is also done.
package enum FailoverMode: String, Sendable, Equatable, CaseIterable, Codable {
    case active
    /// Decisions are taken and recorded; its traffic stays where it is.
    case shadow
}

/// How a service's traffic leaves a region and comes back. Shares and ratios are ten-thousandths.
package struct FailoverPolicy: Sendable, Equatable, Codable {
    /// Consecutive connect failures, resets, time-outs or 502/503/504 that eject an endpoint.
    package var consecutiveFailures: Int = 5
    /// Failed share of an endpoint's requests that ejects it, over `ratioWindow`, on at least `ratioMinimum` requests.
    package var failureRatio: Int = 5_000
    package var ratioMinimum: Int = 20
    package var ratioWindow: Duration = .seconds(10)
    /// Failed share of a cell's requests that makes the cell impaired: half of what the retry budget can repair.
    package var cellFailureRatio: Int = 1_000
    /// First ejection; the n-th in a row lasts n times as long, at most `ejectionLimit`.
    package var ejection: Duration = .seconds(30)
    package var ejectionLimit: Duration = .seconds(300)
    /// A cell counts as whole until its healthy weight times this falls below 1.
    package var overprovisioning: Int = 14_000
    /// A cell below this healthy share is down; at `restoredAt` and above it is restored.
    package var downBelow: Int = 2_500
    package var restoredAt: Int = 8_500
    /// Share of a region's capacity that probes alone may take out per `removalWindow` while requests succeed.
    package var probeRemoval: Int = 2_500
    package var removalWindow: Duration = .seconds(60)
    /// How long a cell must be restored before traffic begins to return.
    package var hold: Duration = .seconds(60)
    /// Shares of the way back, ascending; the last is 10,000.
    package var steps: [Int] = [100, 500, 1_000, 2_500, 5_000, 10_000]
    /// How long each step is watched, and on how many requests.
    package var soak: Duration = .seconds(10)
    package var soakRequests: Int = 100
    /// A step is aborted when the failed share exceeds this, or twice the serving region's.
    package var abortRatio: Int = 100
    /// Against flapping.
    package var damping = DampingPolicy()
    /// Probes in a row a new endpoint must pass before it gets requests.
    package var probationPasses: Int = 3
    /// How long an endpoint that joins, or is back, takes to its full share.
    package var slowStart: Duration = .seconds(10)

    package init() {}
}

/// How flapping delays the way back, after the route flap damping of RFC 2439: each time traffic has to leave, a penalty
/// is added, which halves with time. From `suppress` on nothing returns until it is below `reuse`.
package struct DampingPolicy: Sendable, Equatable, Codable {
    /// What is added each time.
    package static let penalty = 1_000

    package var suppress: Int = 3_000
    package var reuse: Int = 750
    package var halfLife: Duration = .seconds(900)
    /// The longest it delays anything.
    package var limit: Duration = .seconds(3_600)

    package init() {}
}

/// When impairments of services are one impairment of their region.
package struct CascadePolicy: Sendable, Equatable, Codable {
    /// So many services at least, and this share of those with traffic there.
    package var services: Int = 2
    package var share: Int = 5_000
    package var within: Duration = .seconds(30)
    /// Share of the region's weight that must be healthy before traffic begins to return.
    package var restoredAt: Int = 8_500
    package var damping = DampingPolicy()

    package init() {}
}
