/// What the router is doing now, for the API, the terminal and people.
package struct RouterStatus: Codable, Sendable {
    package struct Endpoint: Codable, Sendable {
        package var address: String
        package var weight: Int
        /// `healthy`, `hanging`, `ejected`, `down` or `probation`.
        package var state: String
        /// Why, in a few words; empty when healthy.
        package var reason: String
        package var inFlight: Int
        package var requests: UInt64
        package var failures: UInt64
    }

    package struct Cell: Codable, Sendable {
        package var region: String
        /// In ten-thousandths of the service's traffic.
        package var share: Int
        /// Weight that counts × success of recent requests, in ten-thousandths.
        package var usable: Int
        /// The most of the service's traffic the cell may have, in ten-thousandths.
        package var ceiling: Int
        /// `serving`, `degraded`, `out` or `returning`.
        package var state: String
        /// Requests per second that it has shown it can carry; absent where that is declared, or nothing is known.
        package var learnedCapacity: Int?
        package var requestsPerSecond: Double
        package var failuresPerSecond: Double
        package var endpoints: [Endpoint]
    }

    package struct Region: Codable, Sendable {
        package var name: String
        /// `serving`, `evacuated` or `returning`.
        package var state: String
        /// Why, in a few words; empty when serving.
        package var reason: String
        /// Requests per second, as declared.
        package var capacity: Int?
        package var requestsPerSecond: Double
    }

    package struct Service: Codable, Sendable {
        package var name: String
        package var importance: String
        /// What is refused at once for want of capacity, in ten-thousandths.
        package var shed: Int
        /// Nothing is healthy anywhere: traffic goes where it can.
        package var failsOpen: Bool
        /// What is decided for it is recorded, not done.
        package var isShadow: Bool
        package var cells: [Cell]
        package var retriesPerSecond: Double
    }

    package struct Decision: Codable, Sendable {
        /// Of day, ISO 8601.
        package var time: String
        package var text: String
    }

    /// What an operator has ordered.
    package struct Override: Codable, Sendable {
        /// A region's name, `SERVICE in REGION`, `SERVICE at ADDRESS in REGION`, or `router`.
        package var subject: String
        /// `drain`, `weight …`, `freeze` or `drill`.
        package var kind: String
        /// ISO 8601.
        package var until: String
        package var why: String
    }

    package struct Listener: Codable, Sendable {
        package var name: String
        package var address: String
        package var openConnections: Int
        package var requestsPerSecond: Double
    }

    package var version: String
    package var uptimeSeconds: Int
    package var workers: Int
    /// How many tables were taken on; the one served now.
    package var generation: Int
    /// Why the last reload was refused; nil if it was not.
    package var refusedReload: String?
    /// The table comes from the state directory because the given one has mistakes.
    package var servesLastGoodTable: Bool
    package var regions: [Region]
    /// Nothing anywhere shows itself: what was decided last is held.
    package var holds: Bool
    package var overrides: [Override]
    package var listeners: [Listener]
    package var services: [Service]
    /// The latest, newest first, as sentences.
    package var decisions: [Decision]
}
