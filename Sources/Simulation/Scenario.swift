package import RouteTable

/// A world, what happens in it, and what is expected of the router meanwhile. All of it data.
package struct Scenario: Sendable, Equatable {
    package var name: String
    /// A sentence or two: what it is about.
    package var about = ""
    package var table: Table
    package var seed: UInt64 = 1
    package var length = Duration.seconds(60)
    /// Cores of the router.
    package var workers = 2
    /// What clients ask of each service.
    package var loads: [Load] = []
    package var backends = Backends()
    package var dependencies: [Dependency] = []
    /// What names of endpoints stand for at first; one that is not here stands for itself.
    package var resolutions: [Resolution] = []
    package var timeline: [Happening] = []
    package var expectations: [Expectation] = []

    package init(name: String, table: Table) {
        self.name = name
        self.table = table
    }
}

/// The clients of a service.
package struct Load: Sendable, Equatable {
    /// Index into the table's services.
    package var service: Int
    package var perSecond: Int
    /// The share of requests that must not be sent twice, in ten-thousandths.
    package var writes = 0
    /// How often a client asks again when it is refused or its request failed.
    package var retries = 0
    /// How long it pauses before; doubled each time.
    package var retryAfter = Duration.milliseconds(500)
    /// How long it waits for an answer.
    package var patience = Duration.seconds(10)

    package init(service: Int, perSecond: Int) {
        self.service = service
        self.perSecond = perSecond
    }
}

/// What stands behind the endpoints, as it truly is: a table may say otherwise.
package struct Backends: Sendable, Equatable {
    /// There and back, by region; regions that are not here: 2 ms.
    package var distance: [RegionValue<Duration>] = []
    /// What an endpoint takes for a request when nothing waits, on average.
    package var work = Duration.milliseconds(8)
    /// Requests per second of a region, all services together. Absent: as the table declares; if it does not, no limit.
    package var regions: [RegionValue<Int>] = []
    /// The same of a service in a region.
    package var cells: [CellCapacity] = []
    /// How long a service goes on without another one it needs in its region.
    package var withoutNeeds = Duration.seconds(3)

    package init() {}

    package struct RegionValue<Value: Sendable & Equatable>: Sendable, Equatable {
        package var region: Int
        package var value: Value

        package init(region: Int, value: Value) {
            self.region = region
            self.value = value
        }
    }

    package struct CellCapacity: Sendable, Equatable {
        package var service: Int
        package var region: Int
        package var perSecond: Int

        package init(service: Int, region: Int, perSecond: Int) {
            self.service = service
            self.region = region
            self.perSecond = perSecond
        }
    }
}

/// Something in each region that services cannot do without, and that no table names: a store of leases, a database, a
/// power line.
package struct Dependency: Sendable, Equatable {
    package var name: String
    package var users: [User]

    package init(name: String, users: [User]) {
        self.name = name
        self.users = users
    }

    package struct User: Sendable, Equatable {
        package var service: Int
        /// How long it goes on without it.
        package var after: Duration

        package init(service: Int, after: Duration) {
            self.service = service
            self.after = after
        }
    }
}

/// What a name of an endpoint stands for.
package struct Resolution: Sendable, Equatable {
    package var name: String
    package var addresses: [String]

    package init(name: String, addresses: [String]) {
        self.name = name
        self.addresses = addresses
    }
}
