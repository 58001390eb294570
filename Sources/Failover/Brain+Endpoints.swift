internal import RouteTable

/// Endpoint health: from requests at once, from probes with fall and rise, and never from probes alone beyond the
/// velocity limit while requests succeed.
extension Brain {
    // Requests

    mutating func observe(_ report: EndpointTraffic) {
        let number = report.endpoint.number
        guard let record = endpoints.at(report.endpoint.number) else { return }
        let counts = Counts(report)
        endpoints[number]!.count(counts, at: now)
        if !record.isNew {
            for position in services[record.service].cells.indices {
                if position == record.cell {
                    services[record.service].cells[position].add(counts, at: now)
                } else {
                    services[record.service].cells[position].addOthers(counts)
                }
            }
        }
        if counts != Counts() { services[record.service].needsLook = true }
        let run = endpoints[number]!.failureRun(report.failureRun)
        judge(number, report, run: run)
        // A failure before an answer asks for a probe at once; an error that was answered, only in a row.
        let hasBroken = report.failures > report.gatewayErrors + report.serverErrors
        setPace(number, failureRun: hasBroken || run >= 2 ? run : 0)
    }

    private mutating func judge(_ number: Int, _ report: EndpointTraffic, run: Int) {
        let record = endpoints[number]!
        let policy = services[record.service].policy
        switch record.state {
        case .healthy: judgeHealthy(record, report, run: run, policy)
        case .hanging:
            if report.failures > 0 && report.failures >= report.successes {
                eject(number, .hangingLong, [.count("failures", report.failures)])
            } else if report.successes > 0 && report.overstaying == 0 && report.failureRun == 0 {
                change(number, to: .healthy, .answersAgain, [.count("answers", report.successes)])
            }
        case .probation where !services[record.service].isProbed: judgeTrial(record, report)
        case .probation, .ejected, .down: break
        }
    }

    private mutating func judgeHealthy(
        _ record: EndpointRecord, _ report: EndpointTraffic, run: Int, _ policy: FailoverPolicy
    ) {
        let number = record.id.number
        let total = record.window.total
        if run >= policy.consecutiveFailures && report.successes == 0 {
            let evidence = Decision.Evidence.count("failures in a row", run)
            if report.failures == 0 && total.failures == 0 {
                change(number, to: .hanging, .hanging, [evidence, .count("overstaying", report.overstaying)])
            } else {
                eject(number, .consecutiveFailures, [evidence] + report.kinds)
            }
        } else if run
            >= (report.truncations > 0 ? EndpointRecord.truncationsInSilence : EndpointRecord.failuresInSilence)
            && report.failures > 0
            && record.hasFallenSilent(policy, at: now)
        {
            let silence = Decision.Evidence.time("no answer for", now - record.lastAnswer)
            eject(number, .fallenSilent, [.count("failures in a row", run), silence] + report.kinds)
        } else if total.ended >= policy.ratioMinimum && total.failureRatio >= policy.failureRatio {
            eject(
                number, .failureRatio,
                [.count("failures", Int(total.failures)), .count("requests", total.ended)] + report.kinds)
        }
    }

    private mutating func judgeTrial(_ record: EndpointRecord, _ report: EndpointTraffic) {
        let number = record.id.number
        endpoints[number]!.trialSuccesses += report.successes
        if report.failures + report.overstays > 1 && report.failures + report.overstays > report.successes {
            eject(number, .trialFailed, [.count("failures", report.failures), .count("overstays", report.overstays)])
        } else if record.trialSuccesses >= EndpointRecord.trialLength {
            change(number, to: .healthy, .trialPassed, [.count("answers", record.trialSuccesses)])
        }
    }

    // Probes

    mutating func observe(_ outcome: ProbeOutcome, of id: EndpointID) {
        guard let record = endpoints.at(id.number), let rule = services[record.service].probe else { return }
        let number = id.number
        switch outcome {
        case .unknown: return
        case .passed:
            endpoints[number]!.probePassed()
            endpoints[number]!.isKeptFromProbes = false
            riseIfPossible(number, rule)
        case .failed(let reason):
            // A prober that is late itself has no say.
            guard proberLag <= rule.every else { return }
            endpoints[number]!.probeFailed()
            if record.state == .healthy && record.probeFailures + 1 >= rule.fall { fall(number, reason) }
        }
        setPace(number, failureRun: 0)
    }

    private mutating func riseIfPossible(_ number: Int, _ rule: Topology.ProbeRule) {
        let record = endpoints[number]!
        guard record.probePasses >= rule.rise, record.state == .down || record.state == .probation else { return }
        change(number, to: .healthy, .probeRise, [.count("passes in a row", record.probePasses)])
    }

    /// Probes want it out. Without requests they decide; against requests that succeed they may take out a part of
    /// the region's capacity for each window of time, and never a cell's last endpoint.
    private mutating func fall(_ number: Int, _ reason: String) {
        endpoints[number]!.window.advance(to: now)
        let record = endpoints[number]!
        let service = services[record.service]
        let failures = [
            Decision.Evidence.count("failures in a row", record.probeFailures), .text("probe", reason),
        ]
        guard record.answersRequests(service.policy) else {
            return change(number, to: .down, .probeFall, failures)
        }
        let answers = [
            Decision.Evidence.count("answered requests", Int(record.window.total.successes)),
            .count("failed requests", Int(record.window.total.failures)),
        ]
        let region = service.cells[record.cell].region
        let limit = regionWeight(region) * service.policy.probeRemoval / whole
        let removed = removals[region].recent(window: service.policy.removalWindow, at: now)
        let hasOther = service.cells[record.cell].endpoints.contains {
            $0 != number && endpoints[$0]?.state == .healthy
        }
        if hasOther && removed + record.weight <= limit {
            removals[region].add(weight: record.weight, at: now)
            change(
                number, to: .down, .probeFallWithinLimit,
                failures + answers + [.count("weight removed", removed + record.weight), .count("limit", limit)])
            endpoints[number]!.isOutByProbesAlone = true
        } else if !record.isKeptFromProbes {
            endpoints[number]!.isKeptFromProbes = true
            decide(
                subject(record), .state(before: .healthy, after: .healthy), .requestsOutrankProbes,
                failures + answers + [.count("weight removed", removed), .count("limit", limit)])
        }
    }

    private func regionWeight(_ region: Int) -> Int {
        var weight = 0
        for service in services {
            for cell in service.cells where cell.region == region {
                for number in cell.endpoints { weight += endpoints[number]?.weight ?? 0 }
            }
        }
        return weight
    }

    // Time

    mutating func passTime() {
        for number in watched {
            guard let record = endpoints[number] else { continue }
            switch record.state {
            case .hanging where now - record.since >= EndpointRecord.hangLimit:
                eject(number, .hangingLong, [.time("hanging for", now - record.since)])
            case .ejected where now >= record.ejectedUntil:
                change(number, to: .probation, .ejectionOver, [.time("ejected for", now - record.since)])
                if let rule = services[record.service].probe { riseIfPossible(number, rule) }
            default: break
            }
            setPace(number, failureRun: 0)
        }
        watched.removeAll { endpoints[$0].map { $0.state == .healthy && $0.pace == .normal } ?? true }
    }

    // Changes

    private func subject(_ record: EndpointRecord) -> Decision.Subject {
        let service = services[record.service]
        return .endpoint(
            service: service.name, region: regions[service.cells[record.cell].region], address: record.address)
    }

    private mutating func eject(_ number: Int, _ rule: Decision.Rule, _ evidence: [Decision.Evidence]) {
        let record = endpoints[number]!
        endpoints[number]!.eject(services[record.service].policy, at: now)
        let time = Decision.Evidence.time("ejected for", endpoints[number]!.ejectedUntil - now)
        announce(record, rule, evidence + [time])
    }

    private mutating func change(
        _ number: Int, to state: EndpointState, _ rule: Decision.Rule, _ evidence: [Decision.Evidence]
    ) {
        let record = endpoints[number]!
        endpoints[number]!.enter(state, at: now)
        announce(record, rule, evidence)
    }

    private mutating func announce(
        _ before: EndpointRecord, _ rule: Decision.Rule, _ evidence: [Decision.Evidence]
    ) {
        let number = before.id.number
        let after = endpoints[number]!.state
        let isProbed = services[before.service].isProbed
        endpoints[number]!.reason = "\(rule.rawValue): \(evidence.map(\.description).joined(separator: ", "))"
        if after != .healthy && !watched.contains(number) { watched.append(number) }
        services[before.service].needsLook = true
        decide(subject(before), .state(before: before.state, after: after), rule, evidence)
        actions.append(.endpoint(before.id, share: endpoints[number]!.share(isProbed: isProbed)))
    }

    private mutating func setPace(_ number: Int, failureRun: Int) {
        guard let record = endpoints[number], let rule = services[record.service].probe else { return }
        let wanted = record.wantedPace(rule, failureRun: failureRun)
        guard wanted != record.pace else { return }
        endpoints[number]!.pace = wanted
        if wanted != .normal && !watched.contains(number) { watched.append(number) }
        actions.append(.probe(record.id, wanted, soon: wanted == .suspect))
    }
}

extension EndpointTraffic {
    /// How requests failed since the last report, for a decision.
    fileprivate var kinds: [Decision.Evidence] {
        let kinds: [(String, Int)] = [
            ("connect failed", connectFailures), ("connect timed out", connectTimeouts), ("reset", resets),
            ("truncated", truncations),
            ("response timed out", responseTimeouts), ("502 to 504", gatewayErrors), ("other 5xx", serverErrors),
            ("overstaying", overstaying),
        ]
        return kinds.filter { $0.1 > 0 }.map { .count($0.0, $0.1) }
    }
}
