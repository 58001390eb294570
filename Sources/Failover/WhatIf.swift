/// What would become of traffic if regions were lost, by the plan that will decide. Shares are ten-thousandths.
package struct WhatIf: Sendable, Codable, Equatable {
    package struct Region: Sendable, Codable, Equatable {
        package var name: String
        package var isLost: Bool
        /// Requests per second, now and then.
        package var load: Double
        package var loadThen: Double
        /// Requests per second, as declared. Absent: unknown.
        package var capacity: Double?
    }

    package struct Cell: Sendable, Codable, Equatable {
        package var region: String
        package var share: Int
        package var shareThen: Int
        /// Requests per second.
        package var loadThen: Double
        /// What of the service it can take then, requests per second. Absent: unknown.
        package var capacityThen: Double?
    }

    package struct Service: Sendable, Codable, Equatable {
        package var name: String
        package var importance: String
        /// What is asked of it, requests per second.
        package var demand: Double
        /// In order of preference.
        package var cells: [Cell]
        package var shed: Int
        package var shedThen: Int
        /// What would go to a lost region for want of another, or because nothing may be moved.
        package var strandedThen: Int
        /// What is decided for it is recorded, not done: it would stay where it is.
        package var isShadow: Bool

        /// What would not be served of it.
        package var unservedThen: Int { shedThen + strandedThen }
    }

    /// The router is frozen: nothing would move by itself.
    package var isFrozen: Bool
    package var lost: [String]
    package var regions: [Region]
    package var services: [Service]
}
