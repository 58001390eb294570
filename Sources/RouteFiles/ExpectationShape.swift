internal import Failover
internal import RouteTable
internal import Simulation

/// An expectation while it is read: one figure, and its bounds.
struct ExpectationDraft: Sendable {
    var failed: [Int]??
    var answered: [Int]??
    var shed: [Int]??
    var latency: [Int]??
    var load: Int?
    var share: Int?
    var of: Int?
    var decisions: Decision.Rule??
    var about: String?
    var witnesses: Decision.Rule?
    var returns: Int?
    var attempts: Bool?
    var out: Int?
    var sent: String?
    var whatIf: Int?
    var restart: Bool?

    var atMost: Expectation.Amount?
    var atLeast: Expectation.Amount?
    var from = Duration.zero
    var to: Duration?
}

extension Shapes {
    static let expectation = Shape<ExpectationDraft>(
        "expectation", ExpectationDraft(),
        [
            Field(optional: "failed", \.failed, services, "Requests that failed: a number, or a share."),
            Field(optional: "answered", \.answered, services, "The share of requests that were answered well."),
            Field(optional: "shed", \.shed, services, "The share of requests that were refused for want of capacity."),
            Field(optional: "p99", \.latency, services, "The 99th percentile of what answers took."),
            Field(
                optional: "load", \.load, .reference(.region),
                "Requests sent to a region: in its busiest second, and in its quietest."),
            Field(
                optional: "share", \.share, .reference(.region),
                "The region's share of traffic, at every moment; of each service, or `of` one."),
            Field(optional: "of", \.of, .reference(.service), "The service whose share it is."),
            Field(
                optional: "decisions", \.decisions, Form<Decision.Rule>.rule.or("any"), "How many, by a rule or by any."
            ),
            Field(optional: "about", \.about, .text(length: 1...200), "Decisions whose subject has this in its name."),
            Field(optional: "witnesses", \.witnesses, .rule, "Services that speak for a decision by this rule."),
            Field(
                optional: "returns", \.returns, .reference(.region),
                "How often a service's traffic began to come back to a region that it had left."),
            Field(
                optional: "attempts", \.attempts, .only("all"), "Requests sent to endpoints for each that was asked."),
            Field(optional: "out", \.out, .reference(.region), "Endpoints of a region out of use at once."),
            Field(
                optional: "sent", \.sent, Forms.address.mapped({ "\($0)" }, { .unix(path: $0) }),
                "Requests sent to an endpoint."),
            Field(
                optional: "what_if", \.whatIf, .reference(.region),
                "Shares as they were imagined to be without a region, against those at the end of the stretch."),
            Field(
                optional: "restart", \.restart, .only("shares"),
                "The largest change of a share while the router restarted."),
            Field(optional: "at_most", \.atMost, amount, "An upper bound."),
            Field(optional: "at_least", \.atLeast, amount, "A lower bound."),
            Field("from", \.from, .duration(.zero ... .seconds(86_400)), "The beginning of the stretch it is about."),
            Field(
                optional: "to", \.to, .duration(.zero ... .seconds(86_400)), "Its end. Absent: the scenario's end."),
        ]
    ) { $0.breaches }

    private static let services = Form<Int>.reference(.service).oneOrMany(of: "services").or("all")

    private static let amount = Form<Expectation.Amount>.parsed(
        FormType(
            name: "amount", expectation: "an amount such as 400, 99%, 50ms or 1.2x",
            schema: .object(["type": .array(["string", "integer"])]))
    ) { text in
        if let count = NumberText.integer(text) { return .value(.count(count)) }
        if let share = NumberText.share(text) { return .value(.share(share)) }
        if let time = NumberText.duration(text) { return .value(.time(time)) }
        if text.hasSuffix("x"), let times = NumberText.share(text.dropLast() + "%") { return .value(.times(times)) }
        return .nothing(suggestion: nil)
    } write: {
        .word("\($0)")
    }
}

extension ExpectationDraft {
    private enum Unit: String {
        case count = "a number"
        case share = "a percentage"
        case time = "a duration"
        case times = "a factor such as 1.2x"
    }

    /// What it is about, by key, and in which units its bounds may be.
    private var figures: [(key: String, units: [Unit])] {
        let all: [(String, Bool, [Unit])] = [
            ("failed", failed != nil, [.count, .share]), ("answered", answered != nil, [.share]),
            ("shed", shed != nil, [.share]), ("p99", latency != nil, [.time]), ("load", load != nil, [.count]),
            ("share", share != nil, [.share]), ("decisions", decisions != nil, [.count]),
            ("witnesses", witnesses != nil, [.count]), ("returns", returns != nil, [.count]),
            ("attempts", attempts != nil, [.times]), ("out", out != nil, [.count]), ("sent", sent != nil, [.count]),
            ("what_if", whatIf != nil, [.share]), ("restart", restart != nil, [.share]),
        ]
        return all.filter(\.1).map { ($0.0, $0.2) }
    }

    fileprivate var breaches: [Breach] {
        guard let figure = figures.first, figures.count == 1 else {
            let found = figures.isEmpty ? "an expectation of nothing" : "an expectation of two things"
            return [
                Breach(
                    key: figures.last?.key ?? "", found: found,
                    expected:
                        "one of failed, answered, shed, p99, load, share, decisions, witnesses, returns, attempts, out, sent, "
                        + "what_if and restart")
            ]
        }
        var breaches: [Breach] = []
        if atMost == nil && atLeast == nil {
            breaches.append(
                Breach(key: figure.key, found: "an expectation without bounds", expected: "`at_most` or `at_least`"))
        }
        for (key, amount) in [("at_most", atMost), ("at_least", atLeast)] {
            guard let amount, !figure.units.contains(unit(of: amount)) else { continue }
            breaches.append(
                Breach(
                    key: key, found: "\(amount) of `\(figure.key)`",
                    expected: figure.units.map(\.rawValue).joined(separator: " or ")))
        }
        if let atMost, let atLeast, unit(of: atMost) != unit(of: atLeast) {
            breaches.append(Breach(key: "at_least", found: "\(atLeast) beside \(atMost)", expected: "both in one unit"))
        }
        if of != nil && share == nil {
            breaches.append(Breach(key: "of", found: "`of` without `share`", expected: nil))
        }
        if about != nil && decisions == nil {
            breaches.append(Breach(key: "about", found: "`about` without `decisions`", expected: nil))
        }
        if let to, to <= from {
            breaches.append(Breach(key: "to", found: "an end before the beginning", expected: nil))
        }
        return breaches
    }

    private func unit(of amount: Expectation.Amount) -> Unit {
        switch amount {
        case .count: .count
        case .share: .share
        case .time: .time
        case .times: .times
        }
    }

    func expectation(in scenario: Scenario) -> Expectation {
        var expectation = Expectation(figure(in: scenario), atMost: atMost, atLeast: atLeast, from: from)
        expectation.to = to
        return expectation
    }

    private func figure(in scenario: Scenario) -> Expectation.Figure {
        let all = Array(scenario.table.services.indices)
        let isShare = [atMost, atLeast].contains { if case .share? = $0 { true } else { false } }
        if let failed { return .failed(services: failed ?? all, isShare: isShare) }
        if let answered { return .answered(services: answered ?? all) }
        if let shed { return .shed(services: shed ?? all) }
        if let latency { return .latency(services: latency ?? all) }
        if let load { return .load(region: load) }
        if let share { return of.map { .share(region: share, service: $0) } ?? .shares(region: share) }
        if let decisions { return .decisions(rule: decisions, about: about) }
        if let witnesses { return .evidence(rule: witnesses) }
        if let returns { return .returns(region: returns) }
        if let out { return .out(region: out) }
        if let sent { return .sent(address: sent) }
        if let whatIf { return .imagination(losing: scenario.table.regions[whatIf].name) }
        return restart == nil ? .attempts : .restart
    }
}

extension Form where Value == Decision.Rule {
    static var rule: Form {
        let names = Decision.Rule.allCases.map(\.rawValue)
        return .parsed(
            FormType(
                name: "rule", expectation: "the name of a rule, such as cell-down",
                schema: .object(["enum": .array(names.map { .string($0) })]))
        ) { text in
            Decision.Rule(rawValue: text).map { .value($0) } ?? .nothing(suggestion: NearName.of(text, among: names))
        } write: {
            .word($0.rawValue)
        }
    }
}

extension Form where Value == Bool {
    /// A word that is all that can stand there.
    static func only(_ word: String) -> Form { .words([word: true], schema: nil) }
}
