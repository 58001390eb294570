internal import RouteTable

/// Endpoint health: from requests at once, from probes with fall and rise, and never from probes alone beyond the
/// velocity limit while requests succeed.
extension Brain {
    // Requests

    mutating func observe(_ report: EndpointTraffic) {
        let number = report.endpoint.number
        guard endpoints.indices.contains(number), endpoints[number] != nil else { return }
        // What comes with the first sign of life was begun in the silence.
        if own.isHolding && report.signs > 0 { release() }
        let owed = endpoints[number]!.withoutOwedSilence(report)
        let report = isInGrace ? owed.withoutSilence : owed
        let counts = Counts(report)
        let (service, cell) = (endpoints[number]!.service, endpoints[number]!.cell)
        noteWay(
            number, answers: report.signs - report.connectFailures,
            failed: report.connectFailures + report.unreachables + report.connectTimeouts + report.unconnected)
        endpoints[number]!.count(counts, at: now)
        hearRequests(number, signs: report.signs, silence: report.silentFailures + report.soft)
        if !endpoints[number]!.isNew && !isBesideTheWay(number) {
            cells[cell].add(counts, at: now)
            for other in services[service].cells where other != cell && cells[other].isWatched {
                cells[other].addOthers(counts)
            }
        }
        if counts != Counts() { needsLook(service) }
        var run = endpoints[number]!.failureRun(report.failureRun, answered: report.successes > 0)
        if report.successes > report.failures + report.soft {
            endpoints[number]!.forgiveRun(report.failureRun)
            run = 0
        }
        if isInGrace && report.failures == 0 {
            endpoints[number]!.forgiveSilence()
            run = 0
        }
        if endpoints[number]!.silentSince == now { watch(number) }
        judge(number, report, run: run)
        // A failure before an answer asks for a probe at once; an error that was answered, only in a row.
        let hasBroken = report.failures > report.gatewayErrors + report.serverErrors
        setPace(number, failureRun: hasBroken || run >= 2 ? run : 0)
    }

    // Kinds of addresses

    private mutating func noteWay(_ number: Int, answers: Int, failed: Int) {
        guard endpoints[number]!.noteWay(answers: answers, failed: failed), endpoints[number]!.name != nil else {
            return
        }
        cells[endpoints[number]!.cell].needsWeighing = true
        needsLook(endpoints[number]!.service)
    }

    /// Whether an endpoint is an address of a name of which no address of this kind (IPv4 or IPv6) takes connections, while
    /// one of the other kind does, in this cell. Most likely this host, the network between or the servers lack that kind:
    /// the endpoint is neither capacity of its cell nor evidence about it ("Happy Eyeballs", RFC 8305, at a slower pace).
    func isBesideTheWay(_ number: Int) -> Bool {
        guard let record = endpoints[number], let name = record.name, record.way == .blocked else { return false }
        var hasOther = false
        for other in cells[record.cell].endpoints {
            guard let other = endpoints[other], other.name == name else { continue }
            if other.isSix == record.isSix {
                if other.way == .open { return false }
            } else if other.way == .open && other.state == .healthy {
                hasOther = true
            }
        }
        return hasOther
    }

    private mutating func judge(_ number: Int, _ report: EndpointTraffic, run: Int) {
        if isFrozen { return }
        let record = endpoints[number]!
        let policy = services[record.service].policy
        switch record.state {
        case .healthy:
            guard run > 0 || report.failures > 0 else { return }
            judgeHealthy(record, report, run: run, policy)
        case .hanging:
            if report.failures > 0 && report.failures >= report.successes {
                eject(number, .hangingLong, [.count("failures", report.failures)])
            } else if report.successes > 0 && report.overstaying == 0 {
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
            if mayBeOurOwn(silentSince: record.silentSince, region: cells[record.cell].region) { return }
            if report.failures == 0 && total.failures == 0 {
                let overstays = Decision.Evidence.count("overstays", Int(total.overstays))
                let dark = Decision.Evidence.count("without a connection", report.unconnected)
                change(
                    number, to: .hanging, .hanging, [evidence, overstays] + (report.unconnected > 0 ? [dark] : []))
            } else {
                eject(number, .consecutiveFailures, [evidence] + report.kinds)
            }
        } else if run
            >= (report.truncations > 0 ? EndpointRecord.truncationsInSilence : EndpointRecord.failuresInSilence)
            && report.failures + report.unconnected > 0
            && record.hasFallenSilent(policy, at: now)
        {
            if mayBeOurOwn(silentSince: record.silentSince, region: cells[record.cell].region) { return }
            let silence = Decision.Evidence.time("no answer for", now - record.lastAnswer)
            eject(number, .fallenSilent, [.count("failures in a row", run), silence] + report.kinds)
        } else if total.ended >= policy.ratioMinimum && total.failureRatio >= policy.failureRatio {
            if mayBeOurOwn(silentSince: record.silentSince, region: cells[record.cell].region) { return }
            eject(
                number, .failureRatio,
                [.count("failures", Int(total.failures)), .count("requests", total.ended)] + report.kinds)
        }
    }

    private mutating func judgeTrial(_ record: EndpointRecord, _ report: EndpointTraffic) {
        let number = record.id.number
        // Of the whole trial: with little traffic no report is about more than one request.
        var record = record
        record.countTrial(report)
        endpoints[number] = record
        if record.hasFailedTrial {
            if mayBeOurOwn(silentSince: record.silentSince, region: cells[record.cell].region) { return }
            eject(
                number, .trialFailed,
                [.count("failures or overstays", record.badInTrial), .count("answers", record.trialSuccesses)]
                    + report.kinds)
        } else if record.trialSuccesses >= EndpointRecord.trialLength {
            change(number, to: .healthy, .trialPassed, [.count("answers", record.trialSuccesses)])
        }
    }

    // Probes

    /// A prober no later than this has its say, however often it probes: a machine that is busy for a moment is no reason to
    /// ignore what times out.
    private static let excusableLag = Duration.milliseconds(500)

    mutating func observe(_ outcome: ProbeOutcome, of id: EndpointID) {
        guard let record = endpoints.at(id.number), let rule = services[record.service].probe else { return }
        let number = id.number
        switch outcome {
        case .unknown: return
        case .passed:
            hearProbe(number, answered: true)
            noteWay(number, answers: 1, failed: 0)
            if endpoints[number]!.window.total.attempts == 0 { endpoints[number]!.silentSince = nil }
            endpoints[number]!.probePassed()
            endpoints[number]!.isKeptFromProbes = false
            riseIfPossible(number, rule)
        case .failed(let reason, let answered):
            // A prober that is late itself has no say.
            guard proberLag <= max(rule.every, Self.excusableLag), answered || !isInGrace else { return }
            hearProbe(number, answered: answered)
            // It may have failed for other reasons, where a connection could be made before.
            if endpoints[number]!.way != .open { noteWay(number, answers: 0, failed: 1) }
            endpoints[number]!.probeFailed(at: now)
            // Requests that fail are half of the evidence: one probe is the other.
            let fall = record.hasFailingRequests ? 1 : rule.fall
            if record.state == .healthy && record.probeFailures + 1 >= fall { self.fall(number, reason) }
        }
        setPace(number, failureRun: 0)
    }

    /// Takes an endpoint in again that probes took out, because that is ordered.
    mutating func restore(_ number: Int) {
        change(number, to: .healthy, .frozen, [.text("was", endpoints[number]!.reason)])
    }

    private mutating func riseIfPossible(_ number: Int, _ rule: Topology.ProbeRule) {
        let record = endpoints[number]!
        guard record.probePasses >= record.rise(rule, services[record.service].policy),
            record.state == .down || record.state == .probation
        else { return }
        change(number, to: .healthy, .probeRise, [.count("passes in a row", record.probePasses)])
    }

    /// Probes want it out. Without requests they decide; against requests that succeed they may take out a part of
    /// the region's capacity for each window of time, and never a cell's last endpoint.
    private mutating func fall(_ number: Int, _ reason: String) {
        if isFrozen { return }
        endpoints[number]!.window.advance(to: now)
        let record = endpoints[number]!
        let service = services[record.service]
        var failures = [
            Decision.Evidence.count("failures in a row", record.probeFailures), .text("probe", reason),
        ]
        if record.hasFailingRequests { failures.append(.count("failed requests in a row", record.lastRun)) }
        if own.isHolding { return }
        guard record.answersRequests(service.policy, at: now) else {
            if mayBeOurOwn(silentSince: record.silentSince, region: cells[record.cell].region) { return }
            return change(number, to: .down, .probeFall, failures)
        }
        let answers = [
            Decision.Evidence.count("answered requests", Int(record.window.total.successes)),
            .count("failed requests", Int(record.window.total.failures)),
        ]
        let region = cells[record.cell].region
        let limit = regionWeight(region) * service.policy.probeRemoval / whole
        let removed = regions[region].removals.recent(window: service.policy.removalWindow, at: now)
        let hasOther = cells[record.cell].endpoints.contains {
            $0 != number && endpoints[$0]?.state == .healthy
        }
        if hasOther && removed + record.weight <= limit {
            regions[region].removals.add(weight: record.weight, at: now)
            change(
                number, to: .down, .probeFallWithinLimit,
                failures + answers + [.count("weight removed", removed + record.weight), .count("limit", limit)])
            endpoints[number]!.isOutByProbesAlone = true
        } else if !record.isKeptFromProbes && (share(of: record.cell) > 0 || record.hasAnsweredSinceProbesFailed) {
            // Where nothing is sent any more there is nothing to say of requests.
            endpoints[number]!.isKeptFromProbes = true
            decide(
                subject(record), .state(before: .healthy, after: .healthy), .requestsOutrankProbes,
                failures + answers + [.count("weight removed", removed), .count("limit", limit)])
        }
    }

    private func regionWeight(_ region: Int) -> Int {
        var weight = 0
        for cell in cells where cell.region == region {
            for number in cell.endpoints { weight += endpoints[number]?.weight ?? 0 }
        }
        return weight
    }

    // Time

    mutating func passTime() {
        if isFrozen {
            // What is in use still gets to its full share.
            for number in watched where endpoints[number]?.state == .healthy { tellShare(number) }
            return
        }
        for number in watched {
            guard let record = endpoints[number] else { continue }
            switch record.state {
            case .hanging where now - record.since >= EndpointRecord.hangLimit && !isInGrace:
                eject(number, .hangingLong, [.time("hanging for", now - record.since)])
            case .ejected where now >= record.ejectedUntil:
                change(number, to: .probation, .ejectionOver, [.time("ejected for", now - record.since)])
                if let rule = services[record.service].probe { riseIfPossible(number, rule) }
            case .healthy:
                tellShare(number)
                // A verdict that had to wait for a sign of others.
                if record.silentSince != nil {
                    var report = EndpointTraffic(endpoint: record.id)
                    report.failureRun = record.lastRun
                    judge(number, report, run: endpoints[number]!.failureRun(record.lastRun, answered: false))
                }
            default: break
            }
            setPace(number, failureRun: 0)
        }
        var left: [Int] = []
        for number in watched {
            guard let record = endpoints[number] else { continue }
            if isPlain(record) { endpoints[number]!.isWatched = false } else { left.append(number) }
        }
        watched = left
        passTimeOfRegions()
    }

    /// Time alone will not change it.
    func isPlain(_ record: EndpointRecord) -> Bool {
        record.state == .healthy && record.pace == .normal && record.silentSince == nil
            && (record.toldShare == whole || !record.isRising(services[record.service].policy, at: now))
    }

    /// It is not plainly healthy: time alone may change it.
    private mutating func watch(_ number: Int) {
        if endpoints[number]!.isWatched { return }
        endpoints[number]!.isWatched = true
        watched.append(number)
    }

    // Changes

    private func subject(_ record: EndpointRecord) -> Decision.Subject {
        let service = services[record.service]
        return .endpoint(
            service: service.name, region: regions[cells[record.cell].region].name, address: record.address)
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
        endpoints[number]!.reason = "\(rule.rawValue): \(evidence.map(\.description).joined(separator: ", "))"
        watch(number)
        needsLook(before.service)
        cells[before.cell].needsWeighing = true
        decide(subject(before), .state(before: before.state, after: after), rule, evidence)
        tellShare(number)
    }

    /// What of its weight counts for workers: by its state, and by what is ordered of it.
    func share(of record: EndpointRecord) -> Int {
        let service = services[record.service]
        return record.share(service.policy, isProbed: service.isProbed, at: now) * ordered(endpoint: record.id.number)
            / whole
    }

    /// Tells workers the share of an endpoint, if it is another one now.
    mutating func tellShare(_ number: Int) {
        let service = services[endpoints[number]!.service]
        let share = share(of: endpoints[number]!)
        guard share != endpoints[number]!.toldShare, service.mode == .active else { return }
        endpoints[number]!.toldShare = share
        actions.append(.endpoint(EndpointID(number), share: share))
    }

    private mutating func setPace(_ number: Int, failureRun: Int) {
        guard let record = endpoints[number], let rule = services[record.service].probe else { return }
        let wanted = record.wantedPace(rule, failureRun: failureRun)
        guard wanted != record.pace else { return }
        endpoints[number]!.pace = wanted
        if wanted != .normal { watch(number) }
        actions.append(.probe(record.id, wanted, soon: wanted == .suspect))
    }
}

extension EndpointTraffic {
    /// How requests failed since the last report, for a decision.
    fileprivate var kinds: [Decision.Evidence] {
        let kinds: [(String, Int)] = [
            ("connect failed", connectFailures), ("unreachable", unreachables), ("connect timed out", connectTimeouts),
            ("without a connection", unconnected), ("reset", resets),
            ("truncated", truncations),
            ("response timed out", responseTimeouts), ("502 to 504", gatewayErrors), ("other 5xx", serverErrors),
            ("overstaying", overstaying),
        ]
        return kinds.filter { $0.1 > 0 }.map { .count($0.0, $0.1) }
    }

    /// What is left of it while silence may be our own doing.
    fileprivate var withoutSilence: EndpointTraffic {
        var report = self
        report.attempts -= min(report.attempts, silentFailures + soft)
        report.unreachables = 0
        report.connectTimeouts = 0
        report.unconnected = 0
        report.cellDark = 0
        report.responseTimeouts = 0
        report.overstays = 0
        return report
    }
}
