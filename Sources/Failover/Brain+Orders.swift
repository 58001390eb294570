internal import RouteTable

/// Orders: what operators want, within what is safe, and always for a time.
extension Brain {
    /// Carries out an order, unless it is unsafe and not forced.
    mutating func take(_ order: Order, isForced: Bool) {
        let refusal: String? =
            switch order {
            case .override(let subject, let kind, let length, let why):
                override(subject, kind, for: length, why: why, isForced: isForced)
            case .end(let subject, let why): end(subject, why: why)
            case .failOver(let region, let why): failOver(region, why: why, isForced: isForced)
            case .failBack(let region, let why): failBack(region, why: why)
            }
        actions.append(.answer(refusal.map { .refused($0) } ?? .accepted))
    }

    var isFrozen: Bool { overrides.contains { $0.kind == .freeze } }

    private mutating func override(
        _ subject: Order.Subject, _ kind: Override.Kind, for length: Duration, why: String, isForced: Bool
    ) -> String? {
        if let problem = unknown(subject) ?? misfit(kind, subject) { return problem }
        guard length > .zero, length <= Override.lengthLimit else { return "an override lasts at most 72 hours" }
        let made = Override(subject: subject, kind: kind, since: now, until: now + length, why: why)
        var rest = overrides
        rest.removeAll { $0.subject == subject }
        if !isForced, kind != .freeze, let problem = harm(of: made, beside: rest, at: now + length) { return problem }
        let replaced = overrides.first { $0.subject == subject }
        overrides = rest + [made]
        decide(
            Decision.Subject(subject), .order(before: replaced.map { "\($0.kind)" } ?? "none", after: "\(kind)"),
            .ordered, [.text("why", why), .time("for", length)])
        if let replaced { bringBack(replaced) }
        if kind == .freeze { restoreWhatProbesTook() }
        overridesChanged(subject)
        return nil
    }

    private mutating func end(_ subject: Order.Subject, why: String) -> String? {
        guard let known = overrides.first(where: { $0.subject == subject }) else {
            return "nothing was ordered of \(subject)"
        }
        end(known, .orderEnded, [.text("why", why), .time("after", now - known.since)])
        return nil
    }

    private mutating func end(_ known: Override, _ rule: Decision.Rule, _ evidence: [Decision.Evidence]) {
        overrides.removeAll { $0.subject == known.subject }
        decide(
            Decision.Subject(known.subject), .order(before: "\(known.kind)", after: "none"), rule, evidence)
        if rule != .drillAborted { bringBack(known) }
        overridesChanged(known.subject)
    }

    /// What was drained is cold: it comes back in steps, but needs not wait.
    private mutating func bringBack(_ known: Override) {
        for index in cells.indices where covers(known.subject, index) {
            let ceiling = min(cells[index].ceiling, known.ceiling(at: now))
            guard ceiling < cells[index].ceiling else { continue }
            put(index, to: ceiling, countsAsFailure: false)
            cells[index].mayReturn = true
        }
    }

    private mutating func overridesChanged(_ subject: Order.Subject) {
        needsPlan = true
        isPlanForOrder = true
        for index in services.indices { needsLook(index) }
        if case .endpoint = subject {
            for number in endpoints.indices where endpoints[number] != nil { tellShare(number) }
        }
    }

    /// Ends what has come to its end, and drills that hurt.
    mutating func passTimeOfOrders() {
        for known in overrides {
            if now >= known.until {
                end(known, .orderExpired, [.time("after", now - known.since), .text("why", known.why)])
            } else if known.kind == .drill {
                if let evidence = hurts(known) {
                    end(known, .drillAborted, evidence)
                } else if now - known.since <= Override.drillStep * Override.drillShares.count {
                    needsPlan = true
                    isPlanForOrder = true
                }
            }
        }
    }

    /// Whether, since a drill began, requests fail, overstay or have become slow where they went instead.
    private func hurts(_ drill: Override) -> [Decision.Evidence]? {
        guard case .region(let name) = drill.subject else { return nil }
        for service in services {
            guard service.cells.contains(where: { regions[cells[$0].region].name == name }) else { continue }
            var total = Counts()
            for index in service.cells where regions[cells[index].region].name != name {
                var recent = cells[index].recent
                recent.advance(to: now)
                total += recent.total
                if cells[index].latency.isSlow(at: now), let latest = cells[index].latency.latest {
                    return [
                        .text("slow", "\(service.name) in \(regions[cells[index].region].name)"),
                        .time("median", .microseconds(latest.median)),
                        .time("before", .microseconds(cells[index].latency.past.median)),
                    ]
                }
            }
            if total.bad >= 3 && total.badRatio > 200 { return [.text("service", service.name)] + total.forDecision }
        }
        return nil
    }

    // Moving a region by hand

    private mutating func failOver(_ name: String, why: String, isForced: Bool) -> String? {
        guard let region = regions.firstIndex(where: { $0.name == name }) else { return unknown(.region(name)) }
        let drained = Override(
            subject: .region(name), kind: .drain, since: now, until: now + .seconds(1), why: why)
        if !isForced, let problem = harm(of: drained, beside: overrides, at: now) { return problem }
        guard regions[region].state != .evacuated else { return "\(name) is evacuated already" }
        evacuate(region, .ordered, [.text("why", why)])
        return nil
    }

    private mutating func failBack(_ name: String, why: String) -> String? {
        guard let region = regions.firstIndex(where: { $0.name == name }) else { return unknown(.region(name)) }
        regions[region].damping = Damping()
        let isEvacuated = regions[region].state == .evacuated
        for index in cells.indices where cells[index].region == region && cells[index].ceiling < whole {
            cells[index].damping = Damping()
            cells[index].mayReturn = true
            needsLook(cells[index].service)
        }
        if isEvacuated {
            change(region, to: .returning, .ordered, [.text("why", why)])
        } else {
            decide(.region(name), .order(before: "none", after: "fail-back"), .ordered, [.text("why", why)])
        }
        return nil
    }

    // Freezing

    /// What probes took out comes back.
    private mutating func restoreWhatProbesTook() {
        for number in endpoints.indices where endpoints[number]?.state == .down {
            restore(number)
        }
        for index in cells.indices {
            weigh(index)
            let limit = cells[index].weightLimit(services[cells[index].service].policy)
            guard isRegionOpen(for: index), !cells[index].mayReturn, cells[index].ceiling < limit,
                cells[index].impairment.map({ !$0.isByRequests }) ?? true
            else { continue }
            let before = cells[index].ceiling
            cells[index].ceiling = limit
            cells[index].climb = nil
            decide(
                subject(index), .ceiling(before: before, after: limit), .frozen,
                [.ratio("healthy", cells[index].healthyShare)])
        }
    }

    // Safety

    private func unknown(_ subject: Order.Subject) -> String? {
        switch subject {
        case .router: nil
        case .region(let name):
            regions.contains { $0.name == name }
                ? nil : "there is no region \(name); there are \(regions.map(\.name).joined(separator: ", "))"
        case .cell(let service, let region):
            cells.indices.contains { covers(.cell(service: service, region: region), $0) }
                ? nil : "there is no service \(service) in a region \(region)"
        case .endpoint(let service, let region, let address):
            endpoints.indices.contains { endpoints[$0] != nil && covers(subject, endpoint: $0) }
                ? nil : "there is no endpoint \(address) of \(service) in \(region)"
        }
    }

    private func misfit(_ kind: Override.Kind, _ subject: Order.Subject) -> String? {
        switch (kind, subject) {
        case (.freeze, .router): nil
        case (.freeze, _): "the router is frozen as a whole"
        case (_, .router): "the router as a whole can only be frozen"
        case (.drill, .region): nil
        case (.drill, _): "a drill is of a region"
        default: nil
        }
    }

    /// What would go wrong with an override, beside the others, once it is in full force: services without any region,
    /// more shed than now, or a cell without endpoints.
    private func harm(of made: Override, beside others: [Override], at time: Instant) -> String? {
        let overrides = others + [made]
        var imagined = self
        imagined.overrides = overrides
        let shares = imagined.imaginedShares(at: time)
        for (index, share) in shares.enumerated() {
            let service = services[index]
            if share.failsOpen && !service.failsOpen {
                let left = service.cells.map { "\(regions[cells[$0].region].name) may have \(percent(allowed($0)))" }
                return "\(service.name) would have nowhere to go: now \(left.joined(separator: ", "))"
            }
            if share.shed > service.shed {
                var demand = service.demand
                let rate = demand.rate(at: now) / 1_000
                return
                    "\(percent(share.shed)) of \(service.name), \(rate * share.shed / whole) of \(rate) requests/s, would "
                    + "be shed: \(room(with: shares))"
            }
        }
        if made.ceiling(at: time) == 0, case .endpoint(let service, let region, _) = made.subject {
            let isLast = !endpoints.indices.contains { number in
                guard let record = endpoints[number], record.state == .healthy else { return false }
                return covers(.cell(service: service, region: region), record.cell)
                    && !overrides.contains { $0.ceiling(at: time) == 0 && covers($0.subject, endpoint: number) }
            }
            if isLast { return "it is the last healthy endpoint of \(service) in \(region)" }
        }
        return nil
    }

    /// Load against capacity of each region whose capacity is known, under imagined shares.
    private func room(with shares: [Plan.Share]) -> String {
        regions.indices.compactMap { region in
            guard let capacity = regions[region].capacity else { return nil }
            return
                "\(regions[region].name) would carry \(load(of: region, shares) / 1_000) of \(capacity / 1_000) requests/s"
        }.joined(separator: ", ")
    }

    func load(of region: Int, _ shares: [Plan.Share]) -> Int {
        var load = 0
        for (index, service) in services.enumerated() {
            var demand = service.demand
            for (position, cell) in service.cells.enumerated() where cells[cell].region == region {
                load += demand.rate(at: now) * shares[index].shares[position] / whole
            }
        }
        return load
    }

    /// Whether an order about a subject is about a cell.
    func covers(_ subject: Order.Subject, _ index: Int) -> Bool {
        switch subject {
        case .router, .endpoint: false
        case .region(let name): regions[cells[index].region].name == name
        case .cell(let service, let region):
            services[cells[index].service].name == service && regions[cells[index].region].name == region
        }
    }

    func covers(_ subject: Order.Subject, endpoint number: Int) -> Bool {
        guard case .endpoint(let service, let region, let address) = subject, let record = endpoints[number],
            record.address == address
        else { return false }
        return covers(.cell(service: service, region: region), record.cell)
    }

    /// What orders leave a cell of what it would have, in ten-thousandths.
    func ordered(_ index: Int, at time: Instant) -> Int {
        overrides.reduce(whole) { covers($1.subject, index) ? min($0, $1.ceiling(at: time)) : $0 }
    }

    /// The same of an endpoint.
    func ordered(endpoint number: Int) -> Int {
        overrides.reduce(whole) { covers($1.subject, endpoint: number) ? min($0, $1.ceiling(at: now)) : $0 }
    }
}

extension Decision.Subject {
    init(_ subject: Order.Subject) {
        self =
            switch subject {
            case .router: .router
            case .region(let name): .region(name)
            case .cell(let service, let region): .cell(service: service, region: region)
            case .endpoint(let service, let region, let address):
                .endpoint(service: service, region: region, address: address)
            }
    }
}
