/// What the brain is told.
package enum Event: Sendable, Equatable {
    /// Replaces what there is. What goes on under the same name or number keeps what is known of it.
    case topology(Topology)
    case traffic(Traffic)
    case probe(EndpointID, ProbeOutcome)
    /// - Parameter isForced: safe or not.
    case order(Order, isForced: Bool)
    /// How late the prober is at present, at worst.
    case proberLag(Duration)
    /// Time has passed. Wanted every 100 ms or so.
    case tick
}

package enum ProbeOutcome: Sendable, Equatable {
    case passed
    /// - Parameter answered: something at the other end said so; false: nothing came back at all.
    case failed(String, answered: Bool)
    /// Late, skipped or absent: says nothing.
    case unknown
}

/// What workers counted since the last such event.
package struct Traffic: Sendable, Equatable {
    /// Of every endpoint that had any traffic or has some now.
    package var endpoints: [EndpointTraffic] = []
    /// Of every service that was asked for.
    package var services: [ServiceTraffic] = []
    /// Of cells whose answers there is something to say of.
    package var cells: [CellTraffic] = []

    package init(
        _ endpoints: [EndpointTraffic] = [], services: [ServiceTraffic] = [], cells: [CellTraffic] = []
    ) {
        self.endpoints = endpoints
        self.services = services
        self.cells = cells
    }
}

/// What answers from a cell were like, since the last such report.
package struct CellTraffic: Sendable, Equatable {
    /// Index into the topology's services, and of the cell in its service.
    package var service: Int
    package var position: Int
    /// How many there are times of: 0, or enough to judge by.
    package var answers = 0
    /// Of attempts, to the answer's head, in microseconds.
    package var median = 0
    /// The 95th percentile.
    package var tail = 0
    /// Tenths of a second in which a worker saw answers come late or say that there is no capacity.
    package var overloads = 0
    /// What workers let be under way there before they prefer others, all together; 0: no limit.
    package var concurrencyLimit = 0

    package init(service: Int, position: Int) {
        self.service = service
        self.position = position
    }
}

/// What clients asked of a service, whether or not it was sent anywhere.
package struct ServiceTraffic: Sendable, Equatable {
    /// Index into the topology's services.
    package var service: Int
    package var requests: Int

    package init(service: Int, requests: Int) {
        self.service = service
        self.requests = requests
    }
}

/// What requests met at an endpoint: counts since the last report, levels as they are now.
package struct EndpointTraffic: Sendable, Equatable {
    package var endpoint: EndpointID
    /// Attempts begun.
    package var attempts = 0
    // Attempts ended
    package var successes = 0
    /// Refused, for one: the other end said no.
    package var connectFailures = 0
    /// No way to it: the network's fault, perhaps ours.
    package var unreachables = 0
    package var connectTimeouts = 0
    /// Called off without a connection, as another address was asked in their stead: nothing has come from here, but the
    /// request was not lost by it.
    package var unconnected = 0
    /// Attempts without a connection, of this endpoint or its neighbors, whose requests went to another region: the cell gave
    /// them none.
    package var cellDark = 0
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
    package var failures: Int { silentFailures + connectFailures + resets + truncations + gatewayErrors + serverErrors }

    /// What speaks against it, though no request has failed by it.
    var soft: Int { overstays + unconnected }

    /// Those where nothing at all came back.
    var silentFailures: Int { unreachables + connectTimeouts + responseTimeouts }

    /// What shows that the other end, and the way to it, is there.
    var signs: Int { successes + connectFailures + resets + gatewayErrors + serverErrors }
}
