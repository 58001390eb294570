internal import RouteTable

/// Regions: impairments of several services within a short time are one impairment of their region.
extension Brain {
    /// Asks of every region whether what has just been left is part of something larger.
    mutating func correlate() {
        needsCorrelation = false
        for region in regions.indices {
            if regions[region].state == .evacuated { revokeIfMistaken(region) } else { evacuateIfNeeded(region) }
        }
    }

    /// What speaks for an impairment of a region: the cells that have lately become impaired there and not
    /// everywhere, and are not on their way back, among those with traffic.
    private func witnesses(_ region: Int) -> (impaired: [Int], withTraffic: Int) {
        var withTraffic = 0
        var impaired: [Int] = []
        for index in cells.indices where cells[index].region == region {
            if !hadTraffic(index, within: cascade.within) { continue }
            withTraffic += 1
            // Those of an evacuation do not age while it lasts.
            let until = regions[region].state == .evacuated ? regions[region].since : now
            guard let impairment = cells[index].impairment, until - impairment.since <= cascade.within,
                cells[index].ceiling == 0,
                // What impaired it before it was let in again is no news.
                regions[region].state != .returning || impairment.since >= regions[region].since
            else { continue }
            if !isImpairedEverywhere(cells[index].service) { impaired.append(index) }
        }
        return (impaired, withTraffic)
    }

    private func isCascade(_ witnesses: (impaired: [Int], withTraffic: Int)) -> Bool {
        witnesses.impaired.count >= cascade.services
            && witnesses.impaired.count * whole >= witnesses.withTraffic * cascade.share
    }

    private mutating func evacuateIfNeeded(_ region: Int) {
        let found = witnesses(region)
        guard isCascade(found) else { return }
        let (impaired, withTraffic) = found
        let witnesses = impaired.prefix(10).map { index in
            Decision.Evidence.text(services[cells[index].service].name, cells[index].impairment?.reason ?? "")
        }
        regions[region].damping.add(cascade.damping, at: now)
        evacuate(
            region, .cascade,
            [.count("services impaired", impaired.count), .count("services with traffic", withTraffic)] + witnesses)
    }

    mutating func evacuate(_ region: Int, _ rule: Decision.Rule, _ evidence: [Decision.Evidence]) {
        change(region, to: .evacuated, rule, evidence)
        // Those that still look well leave, too. What is impaired itself has left already.
        for index in cells.indices where cells[index].region == region && movesWithRegion(index) {
            cells[index].leftFrom = cells[index].ceiling
            put(index, to: 0, countsAsFailure: false)
        }
    }

    /// An evacuation whose witnesses turn out to fail wherever they are was none of the region's fault.
    private mutating func revokeIfMistaken(_ region: Int) {
        guard now - regions[region].since <= cascade.within, regions[region].isEvacuatedByCascade else { return }
        let (impaired, withTraffic) = witnesses(region)
        guard !isCascade((impaired, withTraffic)) else { return }
        change(
            region, to: .serving, .cascadeRevoked,
            [.count("services impaired only here", impaired.count), .count("services with traffic", withTraffic)])
        for index in cells.indices where cells[index].region == region {
            guard let ceiling = cells[index].leftFrom else { continue }
            cells[index].leftFrom = nil
            if cells[index].impairment != nil { continue }
            cells[index].ceiling = min(ceiling, cells[index].limit(services[cells[index].service].policy))
        }
    }

    /// Its endpoints fail wherever they are: that is the service's fault, not a region's.
    private func isImpairedEverywhere(_ service: Int) -> Bool {
        services[service].cells.allSatisfy {
            cells[$0].impairment != nil || cells[$0].ceiling == 0 && cells[$0].leftFrom == nil
        }
    }

    private func movesWithRegion(_ index: Int) -> Bool { services[cells[index].service].moves == .withRegion }

    /// Whether a cell's region lets it have traffic.
    func isRegionOpen(for index: Int) -> Bool {
        regions[cells[index].region].isOpen || !movesWithRegion(index)
    }

    /// Lets evacuated regions open that are well again, and closes the matter of those that are back.
    mutating func passTimeOfRegions() {
        for region in regions.indices {
            regions[region].damping.pass(cascade.damping, at: now)
            switch regions[region].state {
            case .serving: break
            case .evacuated: reopenIfRestored(region)
            case .returning:
                let isBack =
                    cells.allSatisfy {
                        $0.region != region
                            || $0.climb == nil && $0.ceiling >= $0.weightLimit(services[$0.service].policy)
                    } && healthyShare(ofRegion: region) >= cascade.restoredAt
                if isBack {
                    change(region, to: .serving, .regionBack, [.time("returning for", now - regions[region].since)])
                }
            }
        }
    }

    private mutating func reopenIfRestored(_ region: Int) {
        guard !regions[region].damping.isSuppressed else { return }
        let share = healthyShare(ofRegion: region)
        guard share >= cascade.restoredAt else { return regions[region].restoredSince = nil }
        guard let since = regions[region].restoredSince else { return regions[region].restoredSince = now }
        guard now - since >= hold(ofRegion: region) else { return }
        change(
            region, to: .returning, .regionRestored,
            [
                .ratio("healthy", share), .time("restored for", now - since),
                .time("evacuated for", now - regions[region].since),
            ])
    }

    /// The longest that one of its services waits before it comes back.
    private func hold(ofRegion region: Int) -> Duration {
        cells.lazy.filter { $0.region == region }.map { services[$0.service].policy.hold }.max() ?? .zero
    }

    /// Weight that counts, of all weight of the services that move with a region.
    func healthyShare(ofRegion region: Int) -> Int {
        var all = 0
        var healthy = 0
        for cell in cells where cell.region == region && services[cell.service].moves == .withRegion {
            for number in cell.endpoints {
                guard let record = endpoints[number], !record.isNew, !isBesideTheWay(number) else { continue }
                all += record.weight
                if record.isCapacity(isProbed: services[cell.service].isProbed) { healthy += record.weight }
            }
        }
        // Where nothing moves with the region, nothing holds it back.
        return all == 0 ? whole : healthy * whole / all
    }

    mutating func change(
        _ region: Int, to state: RegionState, _ rule: Decision.Rule, _ evidence: [Decision.Evidence]
    ) {
        let before = regions[region].state
        regions[region].state = state
        regions[region].isEvacuatedByCascade = rule == .cascade
        regions[region].since = now
        regions[region].restoredSince = nil
        regions[region].reason = "\(rule.rawValue): \(evidence.map(\.description).joined(separator: ", "))"
        needsPlan = true
        decide(.region(regions[region].name), .region(before: before, after: state), rule, evidence)
    }
}
