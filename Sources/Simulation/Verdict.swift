internal import Failover
internal import RouteTable

/// A run held against what was expected of it, and against the laws.
package struct Verdict: Sendable {
    /// One for each expectation, in the scenario's order.
    package let findings: [Finding]
    package let breaches: [Breach]

    package struct Finding: Sendable, Equatable {
        package let isKept: Bool
        /// What was expected, and what was found, with figures.
        package let text: String
    }

    package var isKept: Bool { findings.allSatisfy(\.isKept) && breaches.isEmpty }

    package init(_ record: Record, of scenario: Scenario) {
        let measure = Measure(record: record, scenario: scenario)
        findings = scenario.expectations.map { measure.find($0) }
        breaches = record.breaches
    }

    /// For people: a line each.
    package var lines: [String] {
        findings.map { ($0.isKept ? "kept    " : "BROKEN  ") + $0.text }
            + (breaches.isEmpty
                ? ["kept    all \(Law.allCases.count) laws that hold in every world"]
                : breaches.map { "BROKEN  the law \($0)" })
    }
}

/// Reads figures off a record.
private struct Measure {
    let record: Record
    let scenario: Scenario

    func find(_ expectation: Expectation) -> Verdict.Finding {
        let from = expectation.from.nanoseconds
        let to = expectation.to?.nanoseconds ?? record.length
        let (least, most) = figure(expectation.figure, from: from, to: to)
        let isKept =
            (expectation.atMost.map { most <= $0.value } ?? true)
            && (expectation.atLeast.map { least >= $0.value } ?? true)
        let unit = expectation.atMost ?? expectation.atLeast ?? .count(0)
        var bounds: [String] = []
        if let amount = expectation.atLeast { bounds.append("at least \(amount)") }
        if let amount = expectation.atMost { bounds.append("at most \(amount)") }
        let found = least == most ? "\(unit.with(most))" : "\(unit.with(least)) to \(unit.with(most))"
        let stretch =
            expectation.from == .zero && expectation.to == nil ? "" : ", from \(seconds(from)) to \(seconds(to))"
        return Verdict.Finding(
            isKept: isKept,
            text: "\(text(expectation.figure))\(stretch): \(bounds.joined(separator: ", ")); found \(found)")
    }

    /// What a figure is at least and at most, in the unit of its amounts.
    private func figure(_ figure: Expectation.Figure, from: Int64, to: Int64) -> (Int, Int) {
        switch figure {
        case .failed(let services, let isShare):
            let tally = tally(services, from, to)
            return both(isShare ? share(tally.failed, of: tally.requests) : tally.failed)
        case .answered(let services):
            let tally = tally(services, from, to)
            // What is still under way at the end is no failure yet.
            return both(share(tally.answered, of: tally.answered + tally.failed + tally.shed))
        case .shed(let services):
            let tally = tally(services, from, to)
            return both(share(tally.shed, of: tally.requests))
        case .latency(let services):
            var latency = Latency()
            for second in secondsBetween(from, to) { for service in services { latency += second.latencies[service] } }
            return both(Int(latency.percentile(9_900)))
        case .load(let region):
            let loads = secondsBetween(from, to).map { $0.sent[region] }
            return (loads.min() ?? 0, loads.max() ?? 0)
        case .share(let region, let service): return shares(region, [service], from, to)
        case .shares(let region): return shares(region, Array(scenario.table.services.indices), from, to)
        case .decisions(let rule, let about):
            return both(
                decisions(from, to).count {
                    (rule == nil || $0.rule == rule) && (about == nil || "\($0.subject)".contains(about ?? ""))
                })
        case .evidence(let rule):
            return both(decisions(from, to).filter { $0.rule == rule }.map { $0.witnesses }.max() ?? 0)
        case .returns(let region): return both(returns(to: scenario.table.regions[region].name, from, to))
        case .attempts:
            let all = secondsBetween(from, to).reduce(into: (sent: 0, requests: 0)) { sum, second in
                sum.sent += second.sent.reduce(0, +)
                sum.requests += second.services.reduce(0) { $0 + $1.requests - $1.shed }
            }
            return both(all.requests == 0 ? 0 : (all.sent * 100 + all.requests - 1) / all.requests)
        case .out(let region):
            let before = record.outs.last { $0.at < from }?.byRegion[region] ?? 0
            let outs = [before] + record.outs.filter { $0.at >= from && $0.at <= to }.map { $0.byRegion[region] }
            return (outs.min() ?? 0, outs.max() ?? 0)
        case .sent(let address): return both(record.sent.first { $0.address == address }?.count ?? 0)
        case .imagination(let region):
            guard let imagined = record.imaginations.last(where: { $0.region == region }) else { return both(whole) }
            return both(difference(imagined.shares, splits(at: to)))
        case .restart:
            return both(record.restarts.map { difference($0.before, $0.after) }.max() ?? whole)
        }
    }

    private func both(_ value: Int) -> (Int, Int) { (value, value) }

    private func share(_ part: Int, of all: Int) -> Int { all == 0 ? 0 : part * whole / all }

    private func secondsBetween(_ from: Int64, _ to: Int64) -> ArraySlice<Second> {
        let first = min(Int((from + 999_999_999) / 1_000_000_000), record.seconds.count)
        return record.seconds[first..<max(min(Int(to / 1_000_000_000), record.seconds.count), first)]
    }

    private func tally(_ services: [Int], _ from: Int64, _ to: Int64) -> Tally {
        var all = Tally()
        for second in secondsBetween(from, to) { for service in services { all += second.services[service] } }
        return all
    }

    private func decisions(_ from: Int64, _ to: Int64) -> [Decision] {
        record.decisions.filter { $0.at >= from && $0.at <= to }.map(\.decision)
    }

    /// The shares of a region at every moment of a stretch.
    private func shares(_ region: Int, _ services: [Int], _ from: Int64, _ to: Int64) -> (Int, Int) {
        var (least, most) = (whole, 0)
        for service in services {
            guard let position = scenario.table.services[service].cells.firstIndex(where: { $0.region == region })
            else { continue }
            let own = record.splits.filter { $0.service == service }
            let inForce = own.last { $0.at <= from }.map { [$0] } ?? []
            for split in inForce + own.filter({ $0.at > from && $0.at <= to }) {
                least = min(least, split.shares[position])
                most = max(most, split.shares[position])
            }
        }
        return (min(least, most), most)
    }

    /// Shares and what is shed, of each service.
    private func splits(at time: Int64) -> [[Int]] {
        scenario.table.services.indices.map { service in
            record.splits.last { $0.service == service && $0.at <= time }.map { $0.shares + [$0.shed] } ?? []
        }
    }

    private func difference(_ a: [[Int]], _ b: [[Int]]) -> Int {
        guard a.count == b.count else { return whole }
        return zip(a, b).reduce(0) { max($0, zip($1.0, $1.1).reduce(0) { max($0, abs($1.0 - $1.1)) }) }
    }

    /// Times that any service's traffic began to come back to a region.
    private func returns(to region: String, _ from: Int64, _ to: Int64) -> Int {
        var counts: [(service: String, count: Int)] = []
        for decision in decisions(from, to) {
            guard case .cell(let service, region) = decision.subject, decision.rule == .failbackStep,
                case .ceiling(before: 0, _) = decision.change
            else { continue }
            if let index = counts.firstIndex(where: { $0.service == service }) {
                counts[index].count += 1
            } else {
                counts.append((service, 1))
            }
        }
        return counts.map(\.count).max() ?? 0
    }

    // Words

    private func text(_ figure: Expectation.Figure) -> String {
        func names(_ services: [Int]) -> String {
            services.count == scenario.table.services.count
                ? "all services" : services.map { scenario.table.services[$0].name }.joined(separator: ", ")
        }
        func name(_ region: Int) -> String { scenario.table.regions[region].name }
        return switch figure {
        case .failed(let services, _): "failed of \(names(services))"
        case .answered(let services): "answered of \(names(services))"
        case .shed(let services): "shed of \(names(services))"
        case .latency(let services): "p99 of \(names(services))"
        case .load(let region): "requests/s sent to \(name(region))"
        case .share(let region, let service): "\(name(region))'s share of \(scenario.table.services[service].name)"
        case .shares(let region): "\(name(region))'s share of each service"
        case .decisions(let rule, let about):
            "decisions" + (rule.map { " by \($0.rawValue)" } ?? "") + (about.map { " about \($0)" } ?? "")
        case .evidence(let rule): "witnesses of a decision by \(rule.rawValue)"
        case .returns(let region): "returns of a service to \(name(region))"
        case .attempts: "requests sent for each that was asked"
        case .out(let region): "endpoints of \(name(region)) out of use"
        case .sent(let address): "requests sent to \(address)"
        case .imagination(let region): "what was imagined of the loss of \(region), and what came"
        case .restart: "change of a share by the restart"
        }
    }
}

extension Decision {
    /// Services that speak for it.
    fileprivate var witnesses: Int {
        evidence.count { if case .text = $0.value { true } else { false } }
    }
}

extension Expectation.Amount: CustomStringConvertible {
    var value: Int {
        switch self {
        case .count(let value), .share(let value), .times(let value): value
        case .time(let duration): Int(duration.nanoseconds)
        }
    }

    /// Another value in the same unit.
    func with(_ value: Int) -> Expectation.Amount {
        switch self {
        case .count: .count(value)
        case .share: .share(value)
        case .times: .times(value)
        case .time: .time(.nanoseconds(value))
        }
    }

    package var description: String {
        switch self {
        case .count(let value): "\(value)"
        case .share(let value): percent(value)
        case .times(let value): "\(value / 100).\(value % 100 < 10 ? "0" : "")\(value % 100)x"
        case .time(let duration): timeText(duration)
        }
    }
}
