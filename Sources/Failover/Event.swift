/// What the brain is told.
package enum Event: Sendable {
    /// Replaces what there is. What goes on under the same name or number keeps what is known of it.
    case topology(Topology)
    /// What workers counted since the last such event, of every endpoint that had any traffic or has some now.
    case traffic([EndpointTraffic])
    case probe(EndpointID, ProbeOutcome)
    /// How late the prober is at present, at worst.
    case proberLag(Duration)
    /// Time has passed. Wanted every 100 ms or so.
    case tick
}

package enum ProbeOutcome: Sendable, Equatable {
    case passed
    case failed(String)
    /// Late, skipped or absent: says nothing.
    case unknown
}

/// What requests met at an endpoint: counts since the last report, levels as they are now.
package struct EndpointTraffic: Sendable, Equatable {
    package var endpoint: EndpointID
    /// Attempts begun.
    package var attempts = 0
    // Attempts ended
    package var successes = 0
    package var connectFailures = 0
    package var connectTimeouts = 0
    package var resets = 0
    /// Broken off within the answer: nothing could be repeated.
    package var truncations = 0
    package var responseTimeouts = 0
    /// 502, 503 and 504.
    package var gatewayErrors = 0
    /// Other statuses of 500 and more.
    package var serverErrors = 0
    /// Attempts that became older than the hedge delay.
    package var overstays = 0
    // Levels
    package var inFlight = 0
    package var overstaying = 0
    /// Failures in a row, overstays among them, of all workers together; 0 after a success.
    package var failureRun = 0

    package init(endpoint: EndpointID) {
        self.endpoint = endpoint
    }

    /// All that ended badly.
    package var failures: Int {
        connectFailures + connectTimeouts + resets + truncations + responseTimeouts + gatewayErrors + serverErrors
    }
}
