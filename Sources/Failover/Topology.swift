package import RouteTable

/// An endpoint's number: small, and its own as long as the endpoint is known.
package struct EndpointID: Hashable, Sendable, Codable {
    package let number: Int

    package init(_ number: Int) {
        precondition(number >= 0)
        self.number = number
    }
}

/// What there is to decide about: regions, services, and the endpoints that names have been resolved to.
package struct Topology: Sendable, Equatable, Codable {
    package var regions: [Region]
    package var services: [Service]
    package var cascade = CascadePolicy()

    package struct Region: Sendable, Equatable, Codable {
        package var name: String
        /// Requests per second. Absent: unknown.
        package var capacity: Int?
        /// How much of it is used as long as there is room elsewhere, in ten-thousandths.
        package var target: Int

        package init(name: String, capacity: Int? = nil, target: Int = 8_000) {
            self.name = name
            self.capacity = capacity
            self.target = target
        }
    }

    package struct Service: Sendable, Equatable, Codable {
        package var name: String
        package var policy: FailoverPolicy
        /// Absent: nothing is probed, requests alone tell.
        package var probe: ProbeRule?
        package var importance = Importance.normal
        /// Indices of services it calls in the same region.
        package var needs: [Int] = []
        package var moves = Moves.withRegion
        package var mode = FailoverMode.active
        /// In order of preference.
        package var cells: [Cell]

        package init(name: String, policy: FailoverPolicy, probe: ProbeRule?, cells: [Cell]) {
            self.name = name
            self.policy = policy
            self.probe = probe
            self.cells = cells
        }
    }

    package struct ProbeRule: Sendable, Equatable, Codable {
        package var every: Duration
        /// Failures in a row that take an endpoint out, and passes in a row that bring it back.
        package var fall: Int
        package var rise: Int

        package init(every: Duration, fall: Int, rise: Int) {
            self.every = every
            self.fall = fall
            self.rise = rise
        }
    }

    package struct Cell: Sendable, Equatable, Codable {
        /// Index into `regions`.
        package var region: Int
        /// Requests per second of this service. Absent: unknown.
        package var capacity: Int?
        package var endpoints: [Endpoint]

        package init(region: Int, capacity: Int? = nil, endpoints: [Endpoint]) {
            self.region = region
            self.capacity = capacity
            self.endpoints = endpoints
        }
    }

    package struct Endpoint: Sendable, Equatable, Codable {
        package var id: EndpointID
        package var address: String
        package var weight: Int
        /// The name that this is an address of, if the table gives one.
        package var name: String?

        package init(id: EndpointID, address: String, weight: Int, name: String? = nil) {
            self.id = id
            self.address = address
            self.weight = weight
            self.name = name
        }
    }

    package init(regions: [Region] = [], services: [Service] = []) {
        self.regions = regions
        self.services = services
    }
}
