internal import RouteTable

/// A service, explained.
struct ServiceAccount {
    let brain: Brain
    /// Of the brain's services.
    let index: Int
    let decisions: [Decision]

    private var service: ServiceRecord { brain.services[index] }
    private var now: Instant { brain.now }

    private var regions: [String] { service.cells.map { brain.regions[brain.cells[$0].region].name } }

    private var cells: [CellAccount] {
        service.cells.map { CellAccount(brain: brain, index: $0, decisions: decisions) }
    }

    var explanation: Explanation {
        let troubles = cells.filter { !$0.isUnlimited }
        return Explanation(
            .service, service.name, isAsPreferred: isAtHome && troubles.isEmpty, headline: headline,
            [
                (Explanation.whyTitle, why), ("what its own health would give", otherwise),
                ("orders", brain.statements { isAbout($0) }), ("what it waits for", waits),
                (Explanation.decisionsTitle, brain.statements(of: ledHere)),
            ])
    }

    /// All of it is in its first region.
    private var isAtHome: Bool { service.split.first == whole && service.shed == 0 && !service.failsOpen }

    // Where it is

    private var headline: Explanation.Statement {
        guard let first = regions.first else { return .init("\(service.name) has no cells: it goes nowhere.") }
        let parts = zip(regions, service.split).filter { $0.1 > 0 }.map { "\(percent($0.1)) to \($0.0)" }
        var text = "\(service.name) goes \(parts.isEmpty ? "nowhere" : parts.phrase)"
        if service.shed > 0 { text += "; \(percent(service.shed)) is shed, refused at once with 503" }
        text += isAtHome ? ", where it would rather be." : "; it would rather be in \(first)."
        if service.failsOpen { text += " Nothing is healthy anywhere: it goes where it can." }
        if service.mode == .shadow {
            text += " It is in shadow: this is decided and not done, and its traffic stays in \(first)."
        }
        var demand = service.demand
        let evidence = [
            "\(perSecond(demand.rate(at: now))) requests/s", "prefers \(regions.joined(separator: ", then "))",
        ]
        return .init(text, evidence)
    }

    // Why

    private var why: [Explanation.Statement] {
        let fullCells = self.fullCells
        var found: [Explanation.Statement] = []
        for cell in cells {
            found += cell.limits
            if fullCells.contains(where: { $0.index == cell.index }) { found.append(full(cell)) }
        }
        if service.shed > 0 {
            found.append(
                .init("What fits nowhere is shed, the least important services first; it is \(service.importance)."))
        }
        // Several cells may have the same to say of their region.
        var unique: [Explanation.Statement] = []
        for statement in found where !unique.contains(statement) { unique.append(statement) }
        return unique
    }

    /// Cells that have less than they may, and that was left for them: there is no room.
    private var fullCells: [CellAccount] {
        guard !service.failsOpen else { return [] }
        var left = whole
        return cells.filter { cell in
            let share = service.split[cell.index - service.cells.lowerBound]
            defer { left -= share }
            return share < min(cell.most, left)
        }
    }

    /// A cell has no room for what it may have.
    private func full(_ account: CellAccount) -> Explanation.Statement {
        let (cell, region) = (account.cell, account.region)
        var evidence: [String] = []
        if let capacity = region.capacity {
            let load = brain.load(of: cell.region, brain.presentShares)
            evidence.append(
                "\(region.name) carries \(perSecond(load)) of \(perSecond(capacity)) requests/s; \(percent(region.target)) "
                    + "is used as long as there is room elsewhere, \(percent(Plan.full)) before anything is shed")
        }
        let offer = brain.request(index, at: now).offers[account.index - service.cells.lowerBound]
        if let capacity = offer.capacity {
            evidence.append(
                "\(service.name) there can take \(perSecond(capacity)) requests/s"
                    + (offer.isLearned ? ", as overload has shown" : ""))
        }
        return .init("\(region.name) has no room for more of \(service.name).", evidence)
    }

    // What else could have been

    /// What its cells alone would give it, without what comes from elsewhere: regions, needs and orders.
    private var otherwise: [Explanation.Statement] {
        var causes: [String] = []
        var imagined = brain
        for cell in service.cells {
            let region = brain.regions[brain.cells[cell].region]
            if !brain.isRegionOpen(for: cell) { causes.append("the evacuation of \(region.name)") }
            if let need = brain.needsCeiling(cell)?.need {
                causes.append("its need of \(brain.services[brain.cells[need].service].name) in \(region.name)")
            }
            if brain.ordered(cell, at: now) < whole { causes.append("what is ordered of \(region.name)") }
            if let ceiling = brain.cells[cell].leftFrom { imagined.cells[cell].ceiling = ceiling }
        }
        guard !causes.isEmpty else { return [] }
        for region in imagined.regions.indices { imagined.regions[region].state = .serving }
        imagined.services[index].needs = []
        imagined.overrides = []
        let share = imagined.imaginedShares(at: now)[index]
        let parts = zip(regions, share.shares).filter { $0.1 > 0 }.map { "\($0.0) \(percent($0.1))" }
        let shed = share.shed > 0 ? [("shed \(percent(share.shed))")] : []
        let same = share.shares == service.split && share.shed == service.shed
        return [
            .init(
                "Without \(causes.phrase) it would have " + (same ? "the same: " : "") + (parts + shed).phrase + ".",
                share.failsOpen ? ["nothing of it is healthy anywhere"] : [])
        ]
    }

    // What it waits for

    private var waits: [Explanation.Statement] {
        var found: [Explanation.Statement] = []
        if brain.isFrozen && !(isAtHome && cells.allSatisfy(\.isUnlimited)) {
            found.append(.init("The freeze must end."))
        }
        for statement in cells.flatMap(\.waits) where !found.contains(statement) { found.append(statement) }
        return found
            + fullCells.map {
                .init("\(service.name) in \($0.region.name): there must be room, by less load or more capacity.")
            }
    }

    private func isAbout(_ subject: Order.Subject) -> Bool {
        switch subject {
        case .router: true
        case .region(let name): regions.contains(name)
        case .cell(let name, _), .endpoint(let name, _, _): name == service.name
        }
    }

    // Decisions

    private func isAbout(_ decision: Decision) -> Bool {
        switch decision.subject {
        case .router: true
        case .region(let name): regions.contains(name)
        case .cell(let name, _), .endpoint(let name, _, _), .service(let name): name == service.name
        }
    }

    /// The decisions since it was last as preferred, and what came shortly before them; when it is, the latest few.
    private var ledHere: [Decision] {
        let mine = decisions.filter { isAbout($0) }
        guard !(isAtHome && cells.allSatisfy(\.isUnlimited)) else { return mine.suffix(3) }
        let left = mine.last { decision in
            guard decision.subject == .service(service.name),
                case .split(_, let before, _, let shedBefore, _) = decision.change
            else { return false }
            return before.first == whole && shedBefore == 0
        }
        guard let left else { return mine }
        return mine.filter { $0.time >= left.time + .seconds(-60) }
    }
}

extension Brain {
    /// The shares as they are now.
    var presentShares: [Plan.Share] {
        services.map { Plan.Share(shares: $0.split, shed: $0.shed, failsOpen: $0.failsOpen) }
    }
}
