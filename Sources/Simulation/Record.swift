package import Failover

/// What was seen in a run.
package struct Record: Sendable {
    /// Second by second of when requests began.
    package var seconds: [Second] = []
    package var decisions: [TimedDecision] = []
    /// Splits, as they were told to workers; the first ones are those of the beginning.
    package var splits: [SplitChange] = []
    /// Endpoints out of use, by region, whenever that changed.
    package var outs: [OutChange] = []
    package var imaginations: [Imagination] = []
    package var restarts: [Restart] = []
    /// What became of orders.
    package var answers: [(at: Int64, answer: OrderAnswer)] = []
    /// Requests sent, by address.
    package var sent: [(address: String, count: Int)] = []
    package var breaches: [Breach] = []
    /// What happened in the world, as sentences.
    package var events: [(at: Int64, text: String)] = []
    /// From the beginning, nanoseconds.
    package var length: Int64 = 0

    package struct TimedDecision: Sendable, Equatable {
        /// From the beginning, nanoseconds.
        package var at: Int64
        package var decision: Decision
    }

    package struct SplitChange: Sendable, Equatable {
        package var at: Int64
        package var service: Int
        package var shares: [Int]
        package var shed: Int
    }

    package struct OutChange: Sendable, Equatable {
        package var at: Int64
        package var byRegion: [Int]
    }

    package struct Imagination: Sendable, Equatable {
        package var at: Int64
        package var region: String
        /// Shares and what is shed, of each service.
        package var shares: [[Int]]
    }

    package struct Restart: Sendable, Equatable {
        package var at: Int64
        package var before: [[Int]]
        package var after: [[Int]]
    }
}

/// What became of the requests that began in a second.
package struct Second: Sendable, Equatable {
    package var services: [Tally]
    /// Requests sent to endpoints, by region.
    package var sent: [Int]
    /// Of those that were answered, by service.
    package var latencies: [Latency]
}

/// What became of requests.
package struct Tally: Sendable, Equatable {
    package var requests = 0
    package var answered = 0
    package var failed = 0
    package var shed = 0

    static func += (a: inout Tally, b: Tally) {
        a.requests += b.requests
        a.answered += b.answered
        a.failed += b.failed
        a.shed += b.shed
    }
}

/// A law that did not hold.
package struct Breach: Sendable, Equatable, CustomStringConvertible {
    package var law: Law
    /// From the beginning, nanoseconds.
    package var at: Int64
    package var text: String

    package var description: String { "\(law.rawValue) at \(seconds(at)): \(text)" }
}

/// `12.3 s`, of nanoseconds.
package func seconds(_ nanoseconds: Int64) -> String {
    "\(nanoseconds / 1_000_000_000).\(nanoseconds / 100_000_000 % 10) s"
}

extension Duration {
    /// Whole nanoseconds; good for 292 years.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
