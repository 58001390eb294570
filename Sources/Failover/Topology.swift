package import RouteTable

/// An endpoint's number: small, and its own as long as the endpoint is known.
package struct EndpointID: Hashable, Sendable {
    package let number: Int

    package init(_ number: Int) {
        precondition(number >= 0)
        self.number = number
    }
}

/// What there is to decide about: regions, services, and the endpoints that names have been resolved to.
package struct Topology: Sendable, Equatable {
    package var regions: [String]
    package var services: [Service]

    package struct Service: Sendable, Equatable {
        package var name: String
        package var policy: FailoverPolicy
        /// Absent: nothing is probed, requests alone tell.
        package var probe: ProbeRule?
        /// In order of preference.
        package var cells: [Cell]

        package init(name: String, policy: FailoverPolicy, probe: ProbeRule?, cells: [Cell]) {
            self.name = name
            self.policy = policy
            self.probe = probe
            self.cells = cells
        }
    }

    package struct ProbeRule: Sendable, Equatable {
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

    package struct Cell: Sendable, Equatable {
        /// Index into `regions`.
        package var region: Int
        package var endpoints: [Endpoint]

        package init(region: Int, endpoints: [Endpoint]) {
            self.region = region
            self.endpoints = endpoints
        }
    }

    package struct Endpoint: Sendable, Equatable {
        package var id: EndpointID
        package var address: String
        package var weight: Int

        package init(id: EndpointID, address: String, weight: Int) {
            self.id = id
            self.address = address
            self.weight = weight
        }
    }

    package init(regions: [String] = [], services: [Service] = []) {
        self.regions = regions
        self.services = services
    }
}
