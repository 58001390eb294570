/// Decisions told to people: what happened and why, in one sentence, with the numbers; the rest is evidence.
extension Decision {
    /// One sentence, without time or rule.
    package var sentence: String {
        switch (subject, change) {
        case (_, .order(let before, let after)): orderSentence(before, after)
        case (.endpoint(let service, let region, let address), .state(_, let after)):
            "\(service)'s endpoint \(address) in \(region) \(endpointSentence(after))."
        case (.cell(let service, let region), .ceiling(let before, let after)):
            cellSentence(service, region, before, after)
        case (.cell(let service, let region), .capacity(let before, let after)):
            capacitySentence("\(service) in \(region)", before, after)
        case (.service(let service), .split): "\(service): \(change)\(splitCause)."
        case (.region(let region), .region(_, let after)): regionSentence(region, after)
        case (.router, .holds(_, let after)): routerSentence(after)
        default: "\(subject): \(change)."
        }
    }

    /// The rule and what it found, a line each; what the cells may have comes on one.
    package var evidenceLines: [String] {
        let short = evidence.filter { if case .text = $0.value { false } else { true } }
        let long = evidence.filter { if case .text = $0.value { true } else { false } }
        let numbers = short.isEmpty ? "" : ": " + short.map(\.phrase).joined(separator: ", ")
        return ["rule \(rule.rawValue)\(numbers)"] + long.map(\.phrase)
    }

    /// What was found, on one line.
    var evidencePhrase: String { evidence.map(\.phrase).joined(separator: ", ") }

    // Endpoints

    private func endpointSentence(_ after: EndpointState) -> String {
        let out = milliseconds("ejected for").map { "is taken out for \($0.phrase)" } ?? "is taken out"
        let run = count("failures in a row") ?? 0
        switch rule {
        case .consecutiveFailures: return "\(out): \(run) requests in a row failed"
        case .fallenSilent:
            let silence = milliseconds("no answer for")?.phrase ?? "a while"
            return "\(out): \(run) requests in a row failed, and none was answered for \(silence)"
        case .failureRatio: return "\(out): \(count("failures") ?? 0) of \(count("requests") ?? 0) requests failed"
        case .hanging: return "is not used for now: \(run) requests in a row had no answer in time"
        case .hangingLong:
            let why =
                milliseconds("hanging for").map { "it has answered nothing for \($0.phrase)" }
                ?? "requests that hung there failed"
            return "\(out): \(why)"
        case .answersAgain: return "is used again: what overstayed was answered, so it was a pause"
        case .ejectionOver:
            return
                "is on probation after \(milliseconds("ejected for")?.phrase ?? "its ejection"): it must show that it "
                + "works"
        case .trialPassed: return "is used again: \(count("answers") ?? 0) requests were answered on trial"
        case .trialFailed:
            return
                "\(out): \(count("failures") ?? 0) requests failed on trial and \(count("overstays") ?? 0) overstayed"
        case .probeFall: return "is taken out: \(failedProbes)"
        case .probeFallWithinLimit:
            return "is taken out although its requests are answered: \(failedProbes), and probes alone may take out "
                + "\(count("limit") ?? 0) of weight here in a while, which makes \(count("weight removed") ?? 0)"
        case .requestsOutrankProbes:
            return "stays in although \(failedProbes): its requests are answered, and probes alone may take out no more"
        case .probeRise: return "is used again: \(counted(count("passes in a row") ?? 0, "probe")) in a row passed"
        case .frozen: return "is used again: the router was frozen"
        default: return "is \(after.rawValue) (\(rule.rawValue))"
        }
    }

    private var failedProbes: String {
        "\(counted(count("failures in a row") ?? 0, "probe")) in a row failed\(text("probe").map { " (\($0))" } ?? "")"
    }

    // Cells

    private func cellSentence(_ service: String, _ region: String, _ before: Int, _ after: Int) -> String {
        let most = "\(service) may have at most \(percent(after)) in \(region)"
        switch rule {
        case .cellFailures:
            return "\(service) leaves \(region): \(requestsThatFailed)."
        case .cellDown:
            return "\(service) leaves \(region): \(percent(ratio("healthy") ?? 0)) of its weight there is healthy."
        case .capacityLost:
            return "\(most), after \(percent(before)): \(percent(ratio("usable") ?? 0)) of it is usable."
        case .failbackStep:
            let why =
                milliseconds("restored for").map { "it has been well for \($0.phrase)" }
                ?? milliseconds("soaked for").map { "the step before has passed, after \($0.phrase)" }
                ?? "its step begins"
            return "\(service) comes back to \(region), at most \(percent(after)) after \(percent(before)): \(why)."
        case .failbackDone: return "\(service) is back in \(region), up to \(percent(after)): the last step has passed."
        case .slow: return "\(most), after \(percent(before)): \(Self.slowness)."
        case .failbackAborted where milliseconds("median") != nil:
            return "\(service) goes back from \(percent(before)) to \(percent(after)) in \(region): \(Self.slowness)."
        case .failbackAborted:
            return
                "\(service) goes back from \(percent(before)) to \(percent(after)) in \(region): \(requestsThatFailed) "
                + "in the step, \(percent(ratio("elsewhere") ?? 0)) elsewhere."
        case .carriesWell:
            return "\(most), after \(percent(before)): it had to carry as much for want of others, and did so well."
        case .frozen: return "\(most), after \(percent(before)): the router was frozen."
        default: return "\(most), after \(percent(before)) (\(rule.rawValue))."
        }
    }

    private func capacitySentence(_ cell: String, _ before: Int?, _ after: Int?) -> String {
        let now = after.map { "\($0) requests/s" } ?? "no known limit"
        let until = before.map { "\($0) requests/s" } ?? "no known limit"
        switch rule {
        case .capacityLearned:
            return
                "\(cell) carries \(now), after \(until): at \(count("requests a second") ?? 0) requests/s its answers "
                + "came late or were refused, and \(percent(ratio("answered") ?? 0)) were well."
        case .capacityTried:
            return "\(cell) is tried with \(now), after \(until): there was no overload for "
                + "\(milliseconds("no overload for")?.phrase ?? "a while")."
        case .capacityForgotten:
            return "\(cell) has \(now) any more: it needed less than half of \(until), without overload, for "
                + "\(milliseconds("no overload for")?.phrase ?? "a while")."
        default: return "\(cell): \(change) (\(rule.rawValue))."
        }
    }

    private static let slowness = "its answers are slower than they were, and than elsewhere"

    private var requestsThatFailed: String {
        "of \(counted(count("attempts") ?? 0, "request")), \(count("failures") ?? 0) failed and "
            + "\(count("overstays") ?? 0) overstayed"
    }

    // Services

    /// Why a split is another one, as the end of its sentence.
    var splitCause: String {
        switch rule {
        case .followsCapacity: return ", as much as its cells may have"
        case .followsDemand: return ", because demand is another one"
        case .followsRegion:
            let left = evidence.compactMap { evidence -> String? in
                if case .text(let reason) = evidence.value, reason.contains(": "), !evidence.name.contains(" ") {
                    evidence.name
                } else {
                    nil
                }
            }
            return left.isEmpty
                ? ", because a region is left as a whole" : ", because \(left.phrase) is left as a whole"
        case .followsNeeds:
            let needs = evidence.filter { $0.name.hasPrefix("needs ") }.map {
                String($0.name.dropFirst("needs ".count))
            }
            return ", because it needs what is impaired: \(needs.phrase)"
        case .shed: return ": what fits nowhere is shed"
        case .lastResort: return ": nothing that may have it is left, and this still works"
        case .failOpen: return ": nothing is healthy anywhere, so traffic goes where it can"
        case .ordered: return ", by order"
        default: return " (\(rule.rawValue))"
        }
    }

    // Regions, the router, orders

    private func regionSentence(_ region: String, _ after: RegionState) -> String {
        switch (rule, after) {
        case (.cascade, _):
            return "\(region) is evacuated: \(count("services impaired") ?? 0) of "
                + "\(counted(count("services with traffic") ?? 0, "service")) with traffic there became impaired together."
        case (.cascadeRevoked, _):
            return "\(region) serves again, and was not to blame: only \(count("services impaired only here") ?? 0) of "
                + "\(counted(count("services with traffic") ?? 0, "service")) with traffic fail there and not elsewhere."
        case (.regionRestored, _):
            return
                "\(region) may have traffic again, in steps: \(percent(ratio("healthy") ?? 0)) of its weight is healthy, "
                + "after \(milliseconds("evacuated for")?.phrase ?? "a while")."
        case (.regionBack, _):
            return "\(region) is back: all has returned within \(milliseconds("returning for")?.phrase ?? "a while")."
        case (.ordered, .evacuated): return "\(region) is evacuated, by order: \(text("why") ?? "")."
        case (.ordered, .returning):
            return "\(region) may have traffic again, in steps, by order: \(text("why") ?? "")."
        default: return "\(region): \(change) (\(rule.rawValue))."
        }
    }

    private func routerSentence(_ after: Bool) -> String {
        switch rule {
        case .everythingSilent:
            "The router holds what it decided last: nothing anywhere has shown itself for "
                + "\(milliseconds("no sign of life for")?.phrase ?? "a while"), so the fault is probably its own."
        case .signsAgain:
            "The router decides again: something shows itself, after \(milliseconds("after")?.phrase ?? "a while")."
        case .stalled:
            "The router itself stood still for \(milliseconds("for")?.phrase ?? "a while"); nobody is blamed for what ran "
                + "out meanwhile."
        default: after ? "The router holds what it decided last." : "The router decides again."
        }
    }

    private func orderSentence(_ before: String, _ after: String) -> String {
        let why = text("why").map { ": \($0)" } ?? ""
        let subject = subject == .router ? "the router" : "\(subject)"
        switch rule {
        case .ordered where before == "none" || before == after:
            return "Ordered: \(after) of \(subject)\(milliseconds("for").map { " for \($0.phrase)" } ?? "")\(why)."
        case .orderEnded: return "The order ended: \(before) of \(subject)\(why)."
        case .orderExpired:
            return "The order's time is over, after \(milliseconds("after")?.phrase ?? "a while"): \(before) of "
                + "\(subject)\(why)."
        case .drillAborted:
            return "The \(before) of \(subject) is broken off: where its traffic went, \(requestsThatFailed)."
        default: return "Ordered of \(subject): \(after), after \(before) (\(rule.rawValue))\(why)."
        }
    }

    // Evidence by name

    private func value(_ name: String) -> Evidence.Value? { evidence.first { $0.name == name }?.value }

    private func count(_ name: String) -> Int? { if case .count(let count)? = value(name) { count } else { nil } }

    private func ratio(_ name: String) -> Int? { if case .ratio(let ratio)? = value(name) { ratio } else { nil } }

    private func text(_ name: String) -> String? { if case .text(let text)? = value(name) { text } else { nil } }

    private func milliseconds(_ name: String) -> Duration? {
        if case .milliseconds(let time)? = value(name) { .milliseconds(time) } else { nil }
    }
}

extension Decision.Evidence {
    /// As a phrase: times as people say them, texts after a colon.
    var phrase: String {
        switch value {
        case .milliseconds(let time): "\(name) \(Duration.milliseconds(time).phrase)"
        case .text(let text): "\(name): \(text)"
        case .count, .ratio: description
        }
    }
}

extension Decision.Subject {
    package var service: String? {
        switch self {
        case .endpoint(let service, _, _), .cell(let service, _), .service(let service): service
        case .region, .router: nil
        }
    }

    package var region: String? {
        switch self {
        case .endpoint(_, let region, _), .cell(_, let region), .region(let region): region
        case .service, .router: nil
        }
    }
}
