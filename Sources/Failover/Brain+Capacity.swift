internal import RouteTable

/// Capacity that nobody has declared: learned from overload that comes with more load.
extension Brain {
    /// What answers from a cell were like.
    mutating func observe(_ report: CellTraffic) {
        guard services.indices.contains(report.service),
            services[report.service].cells.count > report.position
        else { return }
        let index = services[report.service].cells.lowerBound + report.position
        if report.answers > 0 && !isInGrace {
            cells[index].latency.take(.init(median: report.median, tail: report.tail), at: now)
            needsLook(report.service)
        }
        if report.overloads > 0 && !isInGrace { overloaded(index, report) }
    }

    /// Thousandths of a request per second that its split gives a cell now.
    func load(of index: Int) -> Int {
        var demand = services[cells[index].service].demand
        return demand.rate(at: now) * share(of: index) / whole
    }

    /// Its requests meet the limits of what it can carry: that is no fault of its.
    func isOverloaded(_ index: Int) -> Bool {
        let cell = cells[index]
        guard cell.lastOverload.map({ now - $0 <= .seconds(2) }) ?? false, answersMost(cell) else { return false }
        return cell.learned != nil || isNearDeclared(index)
    }

    /// It has at least 85 % of what is declared that it can carry, or its region has.
    private func isNearDeclared(_ index: Int) -> Bool {
        if let capacity = cells[index].capacity { return load(of: index) * 100 >= capacity * 85 }
        let region = cells[index].region
        guard let capacity = regions[region].capacity else { return false }
        let all = cells.indices.reduce(0) { cells[$1].region == region ? $0 + load(of: $1) : $0 }
        return all * 100 >= capacity * 85
    }

    private func answersMost(_ cell: CellRecord) -> Bool {
        cell.recent.total.attempts >= 10 && cell.recent.total.successes * 2 >= cell.recent.total.attempts
    }

    private func isDeclared(_ cell: CellRecord) -> Bool {
        cell.capacity != nil || regions[cell.region].capacity != nil
    }

    private mutating func overloaded(_ index: Int, _ report: CellTraffic) {
        cells[index].recent.advance(to: now)
        cells[index].overloaded(at: now)
        let cell = cells[index]
        guard !isFrozen, !isDeclared(cell), answersMost(cell) else { return }
        let load = load(of: index)
        let counts = cell.recent.total
        let answered = min(Int(counts.successes) * whole / max(Int(counts.attempts), 1), whole)
        // What is asked of it is answered, if late: that is no more than it can carry.
        if answered >= LearnedCapacity.carried { return }
        if let learned = cell.learned {
            if now - learned.changedAt < LearnedCapacity.settling { return }
        } else if load * 10 <= cell.proven.rate * 11 || cell.overloadRun < LearnedCapacity.firstRun {
            // It has carried as much before: what ails it is not load. Or one moment was slow, as the first often are.
            return
        }
        let rate = max(min(load, cell.learned?.rate ?? load) * answered / whole, 1_000)
        learn(
            rate, index, .capacityLearned,
            [
                .count("requests a second", load / 1_000), .count("carried before", cell.proven.rate / 1_000),
                .ratio("answered", answered), .count("late or refusing tenths of a second", report.overloads),
                .count("concurrency limit", report.concurrencyLimit),
            ])
    }

    private mutating func learn(_ rate: Int, _ index: Int, _ rule: Decision.Rule, _ evidence: [Decision.Evidence]) {
        let before = cells[index].learned
        if before == nil {
            cells[index].learned = LearnedCapacity(rate: rate, at: now)
        } else {
            cells[index].learned!.fall(to: rate, at: now)
        }
        hasCapacities = true
        needsPlan = true
        decide(
            subject(index), .capacity(before: before.map { $0.rate / 1_000 }, after: rate / 1_000), rule, evidence)
    }

    /// Tries a little more where all that is known to be carried is used, and forgets what is not needed.
    mutating func passTimeOfCapacities() {
        capacitiesLookedAt = now
        if isFrozen { return }
        for index in cells.indices {
            let load = load(of: index)
            cells[index].proven.pass(load: load, lastOverload: cells[index].lastOverload, at: now)
            guard let learned = cells[index].learned, let lastOverload = cells[index].lastOverload else { continue }
            let quiet = now - max(learned.changedAt, lastOverload)
            let isRefusing = services[cells[index].service].shed > 0
            if learned.wantsMore(load, isRefusing: isRefusing, lastOverload: lastOverload, at: now) {
                cells[index].learned!.tryMore(at: now)
                needsPlan = true
                decide(
                    subject(index),
                    .capacity(before: learned.rate / 1_000, after: cells[index].learned!.rate / 1_000), .capacityTried,
                    [.time("no overload for", quiet), .count("requests a second", load / 1_000)])
            } else if load * 2 < learned.rate && quiet >= LearnedCapacity.forgotten {
                cells[index].learned = nil
                needsPlan = true
                decide(
                    subject(index), .capacity(before: learned.rate / 1_000, after: nil), .capacityForgotten,
                    [.time("no overload for", quiet), .count("requests a second", load / 1_000)])
            }
        }
    }

    /// Whether a cell answers far more slowly than it did, while another is, as far as is known, better.
    func isSlowerThanAnother(_ index: Int) -> [Decision.Evidence]? {
        let cell = cells[index]
        guard cell.latency.isSlow(at: now), cell.learned == nil, let latest = cell.latency.latest,
            let other = nextBest(than: index)
        else { return nil }
        let there = cells[other].latency.usual(at: now)
        if let there, there.median * 3 > latest.median * 2 && there.tail * 3 > latest.tail * 2 { return nil }
        return [
            .time("median", .microseconds(latest.median)), .time("before", .microseconds(cell.latency.past.median)),
            .time("95th percentile", .microseconds(latest.tail)),
            .time("before that", .microseconds(cell.latency.past.tail)),
            there.map { .time("median in \(regions[cells[other].region].name)", .microseconds($0.median)) }
                ?? .text("median in \(regions[cells[other].region].name)", "unknown"),
        ]
    }

    /// The first other cell that may have more traffic.
    private func nextBest(than index: Int) -> Int? {
        services[cells[index].service].cells.first { other in
            let cell = cells[other]
            return other != index && min(allowed(other), ordered(other, at: now)) > 0 && cell.healthyShare > 0
                && !cell.latency.isSlow(at: now)
        }
    }
}
