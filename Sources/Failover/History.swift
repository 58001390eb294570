/// Decisions told as what happened: those that belong together in an episode, the one that matters most first, and the
/// many alike of one outage as one.
package struct History: Sendable {
    /// One decision, or several alike.
    package struct Entry: Sendable, Equatable {
        package let first: Instant
        package let last: Instant
        package let text: String
        package let evidence: [String]
        /// How many decisions it tells.
        package let decisions: Int
    }

    /// What happened within a short time.
    package struct Episode: Sendable, Equatable {
        /// What matters most in it.
        package let lead: Entry
        /// The rest, in order of time.
        package let others: [Entry]
    }

    package let episodes: [Episode]

    /// Further apart than this, decisions do not belong together; and no episode is longer than its limit.
    static let gap = Duration.seconds(5)
    static let lengthLimit = Duration.seconds(60)
    /// So many of several alike are named.
    static let namesLimit = 10

    /// - Parameters:
    ///   - decisions: in order of time.
    ///   - isGrouped: false: every decision is an episode of its own.
    package init(_ decisions: [Decision], isGrouped: Bool = true) {
        guard isGrouped else {
            episodes = decisions.map { Episode(lead: Entry([$0]), others: []) }
            return
        }
        var parts: [[Decision]] = []
        for decision in decisions {
            if let first = parts.last?.first, let last = parts.last?.last, decision.time - last.time <= Self.gap,
                decision.time - first.time <= Self.lengthLimit
            {
                parts[parts.count - 1].append(decision)
            } else {
                parts.append([decision])
            }
        }
        episodes = parts.map { Episode($0) }
    }
}

extension History.Episode {
    /// - Parameter decisions: at least one.
    fileprivate init(_ decisions: [Decision]) {
        var groups: [(kind: History.Kind, decisions: [Decision])] = []
        for decision in decisions {
            let kind = History.Kind(decision)
            if let known = groups.firstIndex(where: { $0.kind == kind }) {
                groups[known].decisions.append(decision)
            } else {
                groups.append((kind, [decision]))
            }
        }
        // Of those that matter alike, the first.
        var lead = 0
        for index in groups.indices where groups[index].kind.weight > groups[lead].kind.weight { lead = index }
        self.lead = History.Entry(groups.remove(at: lead).decisions)
        others = groups.map { History.Entry($0.decisions) }
    }
}

extension History {
    /// What decisions have in common that are told as one.
    fileprivate enum Kind: Equatable {
        case alone(UInt64)
        case endpoints(region: String, rule: Decision.Rule)
        case cells(region: String, rule: Decision.Rule)
        case services(change: String, rule: Decision.Rule)
        /// A service's split, as its demand goes up and down.
        case demand(service: String)

        /// How much it matters to whoever is called at night.
        var weight: Int {
            switch self {
            case .alone: 4
            case .services(_, let rule): rule == .shed || rule == .failOpen ? 3 : 2
            case .demand: 0
            case .cells: 1
            case .endpoints: 0
            }
        }

        init(_ decision: Decision) {
            switch (decision.subject, decision.change) {
            case (_, .order), (.region, _), (.router, _): self = .alone(decision.sequence)
            case (.endpoint(_, let region, _), _): self = .endpoints(region: region, rule: decision.rule)
            case (.cell(_, let region), _): self = .cells(region: region, rule: decision.rule)
            case (.service(let service), _) where decision.rule == .followsDemand: self = .demand(service: service)
            case (.service, let change): self = .services(change: "\(change)", rule: decision.rule)
            }
        }
    }
}

extension History.Entry {
    /// - Parameter decisions: at least one; of several, all of a kind.
    fileprivate init(_ decisions: [Decision]) {
        first = decisions[0].time
        last = decisions[decisions.count - 1].time
        self.decisions = decisions.count
        guard decisions.count > 1 else {
            text = decisions[0].sentence
            evidence = decisions[0].evidenceLines
            return
        }
        text = Self.summary(decisions)
        let lines =
            decisions[0].rule == .followsDemand
            ? [decisions[0], decisions[decisions.count - 1]].map {
                "\($0.time.date.dropFirst(11).prefix(8))  \($0.change)"
            }
            : decisions.map { "\($0.subject): \($0.brief)" }
        evidence =
            ["rule \(decisions[0].rule.rawValue), \(decisions.count) decisions"]
            + lines.shortened(to: History.namesLimit)
    }

    private static func summary(_ decisions: [Decision]) -> String {
        let services = unique(decisions.compactMap(\.subject.service))
        let region = decisions[0].subject.region ?? ""
        let rule = decisions[0].rule
        switch (decisions[0].subject, decisions[0].change) {
        case (.endpoint, .state(let before, let after)):
            let endpoints = unique(decisions.map { "\($0.subject)" }).count
            let times = decisions.count > endpoints ? ", \(decisions.count) times" : ""
            let verb = before == after ? "stay in" : after.outcome
            return "\(counted(endpoints, "endpoint")) of \(named(services)) in \(region) \(verb)\(times): \(rule.gist)."
        case (.cell, .capacity):
            return "\(named(services)) in \(region): \(rule.gist)."
        case (.cell, _):
            let changes = decisions.compactMap { decision -> (before: Int, after: Int)? in
                if case .ceiling(let before, let after) = decision.change { (before, after) } else { nil }
            }
            let verb =
                changes.allSatisfy { $0.after == 0 }
                ? "leave \(region)"
                : changes.allSatisfy { $0.after > $0.before }
                    ? "come back to \(region)" : "may have another part in \(region)"
            return "\(named(services)) \(verb): \(rule.gist)."
        case (.service(let service), _) where rule == .followsDemand:
            return "\(service) is spread anew \(decisions.count) times, because demand is another one."
        default:
            let causes = unique(decisions.map(\.splitCause))
            return "\(named(services)): \(decisions[0].change)\(causes.count == 1 ? causes[0] : ": \(rule.gist)")."
        }
    }

    private static func named(_ services: [String]) -> String {
        services.count > 6 ? "\(services.count) services" : services.phrase
    }

    /// In the order of their first appearance.
    private static func unique(_ names: [String]) -> [String] {
        var found: [String] = []
        for name in names where !found.contains(name) { found.append(name) }
        return found
    }
}

extension Decision {
    /// What is its own among several alike.
    fileprivate var brief: String {
        switch change {
        // A split is the same of all that are told together.
        case .state, .split: evidencePhrase
        default: "\(change), \(evidencePhrase)"
        }
    }
}

extension EndpointState {
    /// What has become of several endpoints.
    fileprivate var outcome: String {
        switch self {
        case .healthy: "are used again"
        case .hanging: "are not used for now"
        case .ejected, .down: "are taken out"
        case .probation: "are on probation"
        }
    }
}

extension Decision.Rule {
    /// What it found, without numbers.
    fileprivate var gist: String {
        switch self {
        case .consecutiveFailures: "requests in a row failed"
        case .fallenSilent: "requests failed, and none was answered for a while"
        case .failureRatio: "too many requests failed"
        case .hanging: "requests in a row had no answer in time"
        case .hangingLong: "what hung did not answer"
        case .answersAgain: "what overstayed was answered"
        case .ejectionOver: "the time of their ejection is over"
        case .trialPassed: "requests on trial were answered"
        case .trialFailed: "requests on trial failed"
        case .probeFall, .probeFallWithinLimit: "probes failed"
        case .probeRise: "probes passed"
        case .requestsOutrankProbes: "probes fail, but requests are answered"
        case .cellFailures: "too many requests failed or overstayed"
        case .cellDown: "too little of their weight is healthy"
        case .capacityLost: "less of it is usable"
        case .failbackStep: "the next step of the way back"
        case .failbackDone: "the last step has passed"
        case .failbackAborted: "requests of a step failed"
        case .carriesWell: "they carried more, and did so well"
        case .slow: "their answers are slower than they were, and than elsewhere"
        case .capacityLearned: "overload has shown what they can carry"
        case .capacityTried: "a little more is tried than they carried"
        case .capacityForgotten: "what they carried in overload is forgotten"
        case .frozen: "the router was frozen"
        case .followsNeeds: "what they need is impaired there"
        default: rawValue
        }
    }
}
