internal import RouteTable

/// A region, explained.
struct RegionAccount {
    let brain: Brain
    /// Of the brain's regions.
    let index: Int
    let decisions: [Decision]

    private var region: RegionRecord { brain.regions[index] }
    private var now: Instant { brain.now }

    private var cells: [CellAccount] {
        brain.cells.indices.filter { brain.cells[$0].region == index }.map {
            CellAccount(brain: brain, index: $0, decisions: decisions)
        }
    }

    var explanation: Explanation {
        let troubled = cells.filter { !$0.isUnlimited }
        return Explanation(
            .region, region.name, isAsPreferred: region.state == .serving && orders.isEmpty, headline: headline,
            [
                (Explanation.whyTitle, why), ("services there", troubled.map { statement(of: $0) }), ("orders", orders),
                ("what it waits for", waits), (Explanation.decisionsTitle, brain.statements(of: ledHere)),
            ])
    }

    private var headline: Explanation.Statement {
        let since = region.state == .serving ? "" : " since \(region.since.phrase(asOf: now))"
        let troubled = cells.filter { !$0.isUnlimited }.count
        let services =
            troubled == 0
            ? "all \(counted(cells.count, "service")) there may have all they want"
            : "\(troubled) of \(counted(cells.count, "service")) there may not have all they want"
        let load = brain.load(of: index, brain.presentShares)
        let capacity =
            region.capacity.map { "of \(perSecond($0)), target \(percent(region.target))" } ?? "capacity unknown"
        return .init(
            "\(region.name) is \(region.state.rawValue)\(since); \(services).",
            ["\(perSecond(load)) requests/s, \(capacity)"])
    }

    private var why: [Explanation.Statement] {
        guard region.state != .serving else { return [] }
        let last = decisions.last { $0.subject == .region(region.name) && $0.isOfRegionState }
        return [last.map { .init($0.sentence, $0.evidenceLines) } ?? .init("\(region.reason).")]
    }

    private func statement(of account: CellAccount) -> Explanation.Statement {
        let (cell, service) = (account.cell, account.service)
        let share = service.split[account.index - service.cells.lowerBound]
        let health = "\(percent(cell.healthyShare)) of its weight is healthy"
        let impairment = cell.impairment.map { ["impaired since \($0.since.phrase(asOf: now)): \($0.reason)"] } ?? []
        return .init(
            "\(service.name): \(percent(share)) of it, at most \(percent(account.most)); \(health).",
            impairment + account.endpoints)
    }

    private var orders: [Explanation.Statement] {
        brain.statements { subject in
            switch subject {
            case .router: true
            case .region(let name), .cell(_, let name), .endpoint(_, let name, _): name == region.name
            }
        }
    }

    private var waits: [Explanation.Statement] {
        guard region.state == .returning else { return Self.waits(index, in: brain) }
        var found: [Explanation.Statement] = []
        for statement in cells.flatMap(\.waits) where !found.contains(statement) { found.append(statement) }
        return found
    }

    /// What an evacuated region waits for before its services may come back in steps.
    static func waits(_ index: Int, in brain: Brain) -> [Explanation.Statement] {
        let region = brain.regions[index]
        guard region.state == .evacuated else { return [] }
        let healthy = brain.healthyShare(ofRegion: index)
        var found = [
            Explanation.Statement(
                "\(region.name): \(percent(brain.cascade.restoredAt)) of its weight must be healthy, now "
                    + "\(percent(healthy)); then its services come back in steps.")
        ]
        if region.damping.isSuppressed {
            found.append(
                region.damping.statement(
                    "\(region.name) was left too often", brain.cascade.damping, at: brain.now))
        }
        return found
    }

    /// The decisions since it began to be left, and what came shortly before; while it serves, the latest few.
    private var ledHere: [Decision] {
        let mine = decisions.filter { decision in
            if case .split(let regions, let before, let after, _, _) = decision.change {
                return zip(regions, zip(before, after)).contains { $0.0 == region.name && $0.1.0 != $0.1.1 }
            }
            return decision.subject == .router || decision.subject.region == region.name
        }
        guard region.state != .serving else { return mine.suffix(3) }
        let left = mine.last { if case .region(_, after: .evacuated) = $0.change { true } else { false } }
        return mine.filter { $0.time >= (left?.time ?? region.since) + .seconds(-60) }
    }
}

extension CellAccount {
    /// The most it may have now.
    var most: Int { min(brain.allowed(index), brain.ordered(index, at: brain.now)) }
}
