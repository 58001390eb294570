internal import RouteTable

/// What the brain thinks now, for those who ask.
extension Brain {
    package struct EndpointView: Sendable, Equatable {
        package var state: EndpointState
        /// Why, in a few words; empty for what was assumed at first.
        package var reason: String
        /// How much of its weight counts, in ten-thousandths.
        package var share: Int
    }

    package struct CellView: Sendable, Equatable {
        /// Weight that counts × success of recent requests, in ten-thousandths.
        package var usable: Int
        /// Weight that counts, in ten-thousandths.
        package var healthyShare: Int
        /// The most of its service's traffic it may have.
        package var ceiling: Int
        package var state: CellState
        /// Requests per second that it has shown it can carry; nil where that is declared, or nothing is known.
        package var learnedCapacity: Int?
    }

    package enum CellState: String, Sendable, CaseIterable {
        /// It may have all that its endpoints can carry.
        case serving
        /// It may have less, for want of healthy endpoints.
        case degraded
        /// It may have nothing.
        case out
        /// On its way back.
        case returning
    }

    /// An endpoint, by all its names and its number.
    package struct KnownEndpoint: Sendable {
        package var id: EndpointID
        package var service: String
        package var region: String
        package var address: String
    }

    package var knownEndpoints: [KnownEndpoint] {
        endpoints.compactMap { record in
            guard let record else { return nil }
            return KnownEndpoint(
                id: record.id, service: services[record.service].name,
                region: regions[cells[record.cell].region].name, address: record.address)
        }
    }

    /// When it was last told anything.
    package var lastTime: Instant { now }

    /// nil for an endpoint that is not known.
    package func view(of id: EndpointID) -> EndpointView? {
        // Field by field, as a record is large.
        let number = id.number
        guard endpoints.indices.contains(number), let state = endpoints[number]?.state,
            let share = endpoints[number]?.toldShare
        else { return nil }
        return EndpointView(
            state: state, reason: state == .healthy ? "" : endpoints[number]?.reason ?? "", share: share)
    }

    /// An endpoint that is not healthy, and why.
    package struct UnhealthyEndpoint: Sendable, Equatable {
        package var id: EndpointID
        package var state: EndpointState
        package var reason: String
    }

    /// All known endpoints that are not healthy. It takes time by their number alone, however many others there are: each of
    /// them is watched, as only time, or a sign from it, brings it back.
    package var unhealthyEndpoints: [UnhealthyEndpoint] {
        watched.compactMap { number in
            guard let state = endpoints[number]?.state, state != .healthy else { return nil }
            return UnhealthyEndpoint(id: EndpointID(number), state: state, reason: endpoints[number]?.reason ?? "")
        }
    }

    package func view(ofCell position: Int, service: Int) -> CellView {
        let cell = cells[services[service].cells.lowerBound + position]
        let state: CellState =
            if cell.climb != nil { .returning } else if cell.ceiling == 0 { .out } else if cell.ceiling < whole {
                .degraded
            } else { .serving }
        return CellView(
            usable: cell.usable, healthyShare: cell.healthyShare, ceiling: cell.ceiling, state: state,
            learnedCapacity: cell.learned.map { $0.rate / 1_000 })
    }

    /// Shares per cell, as decided, in ten-thousandths that add up to 10,000 with what is shed.
    package func split(ofService index: Int) -> [Int] { services[index].split }

    /// What is refused at once, in ten-thousandths.
    package func shed(ofService index: Int) -> Int { services[index].shed }

    /// The same as workers are to carry it out: a service in shadow stays in its first region.
    package func publishedSplit(ofService index: Int) -> (shares: [Int], shed: Int) {
        let service = services[index]
        if service.mode == .active || service.split.isEmpty { return (service.split, service.shed) }
        return ([whole] + Array(repeating: 0, count: service.split.count - 1), 0)
    }

    package struct RegionView: Sendable, Equatable {
        package var name: String
        package var state: RegionState
        /// Why, in a few words; empty for what was assumed at first.
        package var reason: String
    }

    package var regionViews: [RegionView] {
        regions.map { RegionView(name: $0.name, state: $0.state, reason: $0.reason) }
    }

    /// What operators have ordered, and has not ended.
    package var orders: [Override] { overrides }

    /// Nothing anywhere shows itself: what was decided last is held.
    package var holds: Bool { own.isHolding }

    /// It has more of a cell than that may have, because it still works and there is nothing better.
    package func usesLastResort(service index: Int) -> Bool { services[index].usesLastResort }

    /// Nothing is healthy anywhere: traffic goes where it can.
    package func failsOpen(service index: Int) -> Bool { services[index].failsOpen }

    /// Where each service's traffic goes, in words: `us-east-1 70 %, us-west-2 30 %`.
    package var splits: [(service: String, text: String)] {
        services.map { service in
            let shares = zip(service.cells, service.split).filter { $0.1 > 0 }.map { cell, share in
                "\(regions[cells[cell].region].name) \(percent(share))"
            }
            let parts = shares + (service.shed > 0 ? ["shed \(percent(service.shed))"] : [])
            return (service.name, parts.joined(separator: ", "))
        }
    }
}

extension Brain {
    /// What the plan in force was made for, in thousandths of a request per second.
    package func plannedDemand(ofService index: Int) -> Int { services[index].demand.planned }
}
