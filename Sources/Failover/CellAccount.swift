internal import RouteTable

/// A cell, explained: what keeps it from having more, and what it waits for.
struct CellAccount {
    let brain: Brain
    /// Of the brain's cells.
    let index: Int
    let decisions: [Decision]

    var cell: CellRecord { brain.cells[index] }
    var service: ServiceRecord { brain.services[cell.service] }
    var region: RegionRecord { brain.regions[cell.region] }
    var policy: FailoverPolicy { service.policy }
    private var now: Instant { brain.now }

    /// `checkout in us-east-1`
    private var name: String { "\(service.name) in \(region.name)" }

    /// It may have all there is.
    var isUnlimited: Bool { brain.allowed(index) == whole && ordered == whole }

    private var ordered: Int { brain.ordered(index, at: now) }

    // Why it may not have more

    /// Everything that keeps it from having all its service's traffic, the widest first.
    var limits: [Explanation.Statement] {
        var found: [Explanation.Statement] = []
        if !brain.isRegionOpen(for: index) {
            found.append(
                .init(
                    "\(region.name) is \(region.state.rawValue) since \(region.since.phrase(asOf: now)), and "
                        + "\(service.name) moves with its region.", reasonOfRegion))
        }
        for order in brain.overrides where brain.covers(order.subject, index) && order.ceiling(at: now) < whole {
            found.append(
                .init(
                    "\(name) may have at most \(percent(order.ceiling(at: now))) of what it would have, by order.",
                    ["\(order.kind) of \(order.subject), \(order.line(at: now))"]))
        }
        if let (ceiling, need) = brain.needsCeiling(index) {
            let needed = brain.services[brain.cells[need].service].name
            found.append(
                .init(
                    "It needs \(needed), which may have at most \(percent(ceiling)) in \(region.name) and is better elsewhere.",
                    [
                        brain.cells[need].impairment.map {
                            "impaired since \($0.since.phrase(asOf: now)): \($0.reason)"
                        } ?? ""
                    ]))
        }
        if cell.ceiling < whole { found.append(ceiling) }
        return found
    }

    private var reasonOfRegion: [String] {
        let last = decisions.last { $0.subject == .region(region.name) && $0.isOfRegionState }
        return last.map { [$0.sentence] + $0.evidenceLines } ?? [region.reason]
    }

    private var ceiling: Explanation.Statement {
        let most = cell.ceiling == 0 ? "nothing" : "at most \(percent(cell.ceiling))"
        let leftWithRegion = (cell.leftFrom ?? 0) > 0
        // What was put down with its region has no decision of its own.
        let cause =
            leftWithRegion
            ? nil
            : decisions.last { decision in
                guard case .ceiling = decision.change else { return false }
                return decision.subject == .cell(service: service.name, region: region.name)
            }
        let why =
            cell.climb != nil
            ? "it is on its way back"
            : leftWithRegion ? "it left with its region" : cause?.rule.cause ?? "it had to be left, or to give some up"
        var evidence = cause.map { ["\($0.time.phrase(asOf: now))  \($0.sentence)"] + $0.evidenceLines } ?? []
        if evidence.isEmpty, let impairment = cell.impairment {
            evidence.append("\(impairment.since.phrase(asOf: now))  \(impairment.reason)")
        }
        return .init("\(name) may have \(most): \(why).", evidence + present)
    }

    /// What is so now, in numbers.
    private var present: [String] {
        var lines = ["now \(percent(cell.healthyShare)) of its weight is healthy, \(percent(cell.usable)) usable"]
        if let counts = cell.evidence(policy) {
            lines.append(
                "its recent requests: \(counts.attempts), of which \(counts.failures) failed and \(counts.overstays) "
                    + "overstayed")
        }
        if let latest = cell.latency.latest, cell.latency.isSlow(at: now) {
            lines.append(
                "its answers are slow: median \(Duration.microseconds(latest.median).phrase), before "
                    + "\(Duration.microseconds(cell.latency.past.median).phrase); 95th percentile "
                    + "\(Duration.microseconds(latest.tail).phrase), before "
                    + "\(Duration.microseconds(cell.latency.past.tail).phrase)")
        }
        return lines + endpoints
    }

    /// Endpoints that are not plainly healthy.
    var endpoints: [String] {
        cell.endpoints.compactMap { brain.endpoints.at($0) }.filter { $0.state != .healthy }.map { record in
            let until = record.state == .ejected ? ", until \(record.ejectedUntil.phrase(asOf: now))" : ""
            let reason = record.reason.isEmpty ? "" : ": \(record.reason)"
            return
                "\(record.address) is \(record.state.rawValue) since \(record.since.phrase(asOf: now))\(until)\(reason)"
        }.shortened(to: 8)
    }

    // What it waits for

    /// What must happen before it may have more, in the order in which it does.
    var waits: [Explanation.Statement] {
        var found: [Explanation.Statement] = []
        for order in brain.overrides where brain.covers(order.subject, index) && order.ceiling(at: now) < whole {
            found.append(
                .init("\(name): \(order.kind) of \(order.subject) ends in \((order.until - now).phrase), or by order."))
        }
        if !brain.isRegionOpen(for: index) { found += RegionAccount.waits(cell.region, in: brain) }
        if let need = brain.needsCeiling(index)?.need {
            let needed = brain.services[brain.cells[need].service].name
            found.append(.init("\(name): \(needed) must come back to \(region.name) first."))
        }
        if cell.climb != nil {
            found.append(step)
        } else if cell.ceiling < whole {
            found += health + hold
        }
        return found
    }

    private var health: [Explanation.Statement] {
        let least = max(policy.downBelow, 1)
        if cell.healthyShare < least {
            return [
                .init(
                    "\(name): at least \(percent(least)) of its weight must be healthy, now \(percent(cell.healthyShare)).",
                    endpointWaits)
            ]
        }
        guard cell.limit(policy) <= cell.ceiling else { return [] }
        return [
            .init(
                "\(name): more of it must be usable; now it could carry \(percent(cell.limit(policy))), which it may.",
                ["usable \(percent(cell.usable)) × \(percent(policy.overprovisioning)) overprovisioning"]
                    + endpointWaits)
        ]
    }

    private var endpointWaits: [String] {
        cell.endpoints.compactMap { brain.endpoints.at($0) }.compactMap { record -> String? in
            let passes =
                service.probe.map { ", and \(counted(record.rise($0, policy), "probe")) in a row must pass" } ?? ""
            switch record.state {
            case .healthy: return nil
            case .ejected:
                return "\(record.address): ejected for \(max(record.ejectedUntil - now, .zero).phrase) more"
                    + (service.isProbed ? passes : ", then on trial")
            case .down, .probation:
                return service.isProbed
                    ? "\(record.address): \(counted(record.rise(service.probe!, policy), "probe")) in a row must pass, "
                        + "\(record.probePasses) did"
                    : "\(record.address): \(EndpointRecord.trialLength) requests must be answered on trial, "
                        + "\(record.trialSuccesses) were"
            case .hanging: return "\(record.address): what hangs there must be answered; else it is ejected"
            }
        }.shortened(to: 8)
    }

    private var hold: [Explanation.Statement] {
        let isRestored = cell.usable >= policy.restoredAt
        let length = policy.hold * (cell.holds * (isRestored ? 1 : 2))
        let next = min(policy.steps.first { $0 > cell.ceiling } ?? whole, whole)
        var found: [Explanation.Statement] = []
        if cell.mayReturn {
            found.append(
                .init("\(name): it need not wait, and begins with \(percent(next)) as soon as it can carry it."))
        } else {
            let since = cell.roomSince.map { "it could for \((now - $0).phrase) so far" } ?? "it cannot yet"
            var evidence = ["hold \(policy.hold.phrase)"]
            if cell.holds > 1 { evidence.append("× \(cell.holds): it came back too early before") }
            if !isRestored {
                evidence.append(
                    "× 2 while less than \(percent(policy.restoredAt)) of it is usable, now \(percent(cell.usable))")
            }
            found.append(
                .init(
                    "\(name): it must be able to carry more for \(length.phrase), and \(since); then it begins with "
                        + "\(percent(next)).", evidence))
        }
        if cell.latency.isSlow(at: now) { found.append(.init("\(name): its answers must be as quick as they were.")) }
        if cell.damping.isSuppressed && !cell.mayReturn {
            found.append(cell.damping.statement("\(name) has left too often", policy.damping, at: now))
        }
        return found
    }

    private var step: Explanation.Statement {
        guard let climb = cell.climb else { return .init("") }
        let counts = climb.trial.counts
        let next = policy.steps.first { $0 > cell.ceiling }.map { min($0, cell.limit(policy)) }
        let then = next.map { $0 > cell.ceiling ? "then \(percent($0))" : "then it is back" } ?? "then it is back"
        return .init(
            "\(name): the step of \(percent(cell.ceiling)) must pass, \(then).",
            [
                "it soaks for \(policy.soak.phrase), \((now - climb.trial.since).phrase) so far",
                "it needs \(policy.soakRequests) requests, \(counts.ended) seen and \(counts.failures) of them failed; "
                    + "fewer will do after \((policy.soak * 3).phrase)",
                "it falls back to \(percent(climb.base)) when more than \(percent(policy.abortRatio)) fail",
            ])
    }
}

extension Damping {
    /// How long it delays the way back.
    func statement(_ what: String, _ policy: DampingPolicy, at now: Instant) -> Explanation.Statement {
        let penalty = penalty(policy, at: now)
        var (low, high) = (0, Int(policy.limit.nanoseconds / 1_000_000_000) + 1)
        while low < high {
            let middle = (low + high) / 2
            if self.penalty(policy, at: now + .seconds(middle)) < policy.reuse {
                high = middle
            } else {
                low = middle + 1
            }
        }
        return .init(
            "\(what): nothing returns for \(Duration.seconds(low).phrase) more, because of flap damping.",
            ["penalty \(penalty), must fall below \(policy.reuse); it halves in \(policy.halfLife.phrase)"])
    }
}

extension Decision.Rule {
    /// Why a cell's ceiling is low.
    fileprivate var cause: String? {
        switch self {
        case .cellFailures: "too many of its requests failed or overstayed"
        case .cellDown: "too little of its weight was healthy"
        case .capacityLost: "less of it was usable"
        case .failbackAborted: "its last way back failed"
        case .slow: "its answers were slower than they had been, and than elsewhere"
        default: nil
        }
    }
}

extension Decision {
    var isOfRegionState: Bool { if case .region = change { true } else { false } }
}
