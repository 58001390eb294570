internal import Failover
internal import Logging
internal import Probes
internal import Proxy
internal import Reactor
internal import RouteTable
internal import Store
internal import Telemetry

/// The brain's ears and hands: evidence in, actions out.
extension Control {
    /// Collects what workers and prober have to tell, lets the brain judge it, and does what it says.
    func step() {
        let clock = EventLoop.clock()
        lag.look(at: clock)
        let now = now
        let (reports, dropped) = inbox.takeAll()
        droppedReports += dropped
        for report in reports { take(report, now) }
        let traffic = Traffic(endpointTraffic(), services: serviceTraffic(), cells: cellEvidence.take(at: clock))
        carryOut(tell(.traffic(traffic), at: now))
        carryOut(tell(.tick, at: now))
        if clock - handshakesTold >= 10_000_000_000 {
            handshakesTold = clock
            tellHandshakes()
        }
        if clock - rates.refreshed >= 1_000_000_000 { rates.refresh(to: totals(), at: clock) }
    }

    private func take(_ report: Inbox.Report, _ now: Instant) {
        switch report {
        // It has woken us; the counters, which are read next, say the rest.
        case .urgent: break
        case .probed(let number, let finding):
            guard endpointPlaces[number] != nil else { return }
            probeCounts.add(finding, of: number)
            carryOut(tell(.probe(EndpointID(number), finding.outcome), at: now))
        case .proberLag(let nanoseconds):
            probeCounts.lag = nanoseconds
            carryOut(tell(.proberLag(.nanoseconds(nanoseconds)), at: now))
        case .published(let generation): logger.debug("a worker serves table \(generation)")
        case .listenerFailed(let name, let error): logger.error("listener \(name) failed: \(error)")
        case .exhausted(let what): tell(what)
        case .workerEnded: workerEnded()
        }
    }

    /// Says what has run out, once a minute each.
    private func tell(_ what: Exhaustion) {
        let now = EventLoop.clock()
        if let told = exhaustionTold[what], now - told < 60_000_000_000 { return }
        exhaustionTold[what] = now
        switch what {
        case .clients:
            logger.warning(
                "as many clients are connected as the limit of open files allows (\(descriptors.clients)): others wait")
        case .sockets:
            logger.warning(
                "no connection to an endpoint can be opened: the limit of open files (\(descriptors.limit)) is reached")
        case .system(let error): logger.warning("connections cannot be opened or accepted: \(error)")
        }
    }

    /// What every endpoint's requests met since the last look.
    private func endpointTraffic() -> [EndpointTraffic] {
        var reports: [EndpointTraffic] = []
        for entry in servedEndpoints {
            // Most of many have nothing to say, and are not asked everything.
            if entry.isQuiet && entry.attempts == entry.seen.attempts { continue }
            let totals = EndpointTotals(entry.counters)
            let seen = entry.seen
            entry.seen = totals
            entry.isQuiet = totals == seen && totals.inFlight == 0
            if totals == seen && totals.overstaying == 0 { continue }
            reports.append(totals.since(seen, endpoint: EndpointID(entry.number)))
        }
        return reports
    }

    /// What clients have asked since the last look.
    private func serviceTraffic() -> [ServiceTraffic] {
        var reports: [ServiceTraffic] = []
        for (index, service) in table.services.enumerated() {
            let requests = requestsSeen.since(service.name, [registry.requests(of: service.name)])[0]
            if requests > 0 { reports.append(ServiceTraffic(service: index, requests: Int(clamping: requests))) }
        }
        return reports
    }

    func carryOut(_ actions: [Action]) {
        for action in actions {
            switch action {
            case .split(let service, let shares, let shed):
                for mailbox in mailboxes {
                    mailbox.post(.split(service: service, shares: shares, shed: shed, generation: generation))
                }
            case .endpoint(let id, let share):
                for mailbox in mailboxes { mailbox.post(.endpoint(number: id.number, share: share)) }
            case .probe(let id, let pace, let soon):
                proberMailbox.post(.cadence(number: id.number, pace.cadence))
                if soon { proberMailbox.post(.probeNow(number: id.number)) }
            case .warm(let service, let position, let share):
                for mailbox in mailboxes {
                    mailbox.post(.warm(service: service, cell: position, share: share, generation: generation))
                }
            case .decision(let decision): announce(decision)
            // Whoever gave the order reads it.
            case .answer: break
            }
        }
    }

    /// Carries out an operator's order, unless it is unsafe and not forced.
    package func carryOut(_ request: OrderRequest) -> OrderOutcome {
        let order: Order
        switch request.parsed() {
        case .failure(let problem): return .malformed(problem.description)
        case .success(let parsed): order = parsed
        }
        let actions = tell(.order(order, isForced: request.force ?? false), at: now)
        carryOut(actions)
        for case .answer(.refused(let reason)) in actions { return .refused(reason) }
        return .done
    }

    /// Journal, log, counters, whoever listens.
    private func announce(_ decision: Decision) {
        decisionCounts[decision.rule.rawValue, default: 0] += 1
        memory.add(decision)
        latestDecisions.append(RouterStatus.Decision(time: decision.time.date, text: "\(decision)"))
        if latestDecisions.count > 100 { latestDecisions.removeFirst(50) }
        let json = decision.json
        stateWriter.write(json)
        logger.notice("decision \(decision.sequence): \(decision)", metadata: ["decision": "\(json)"])
        onDecision?("\(decision)")
    }

    /// Tells the brain what there is.
    func tellBrain(_ resolved: [[[ResolvedEndpoint]]]) {
        let topology = Topology(table) { service, cell in
            resolved[service][cell].map { endpoint in
                let name: String? = if case .name(let name, _) = endpoint.host { name } else { nil }
                return .init(
                    id: EndpointID(endpoint.entry.number), address: endpoint.name, weight: endpoint.weight, name: name)
            }
        }
        topologyActions = tell(.topology(topology), at: now)
    }

    /// Does what the brain said to the topology, once the workers have been told of it.
    func carryOutTopologyActions() {
        carryOut(topologyActions)
        topologyActions = []
    }

    // What the brain thinks

    func share(ofEndpoint number: Int) -> Int { brain.view(of: EndpointID(number))?.share ?? 10_000 }

    func split(ofService index: Int) -> (shares: [Int], shed: Int) { brain.publishedSplit(ofService: index) }

    // Rates

    private func totals() -> [Rates.Key: UInt64] {
        var totals: [Rates.Key: UInt64] = [:]
        // Summed by cell before anything is looked up by name: there may be tens of thousands of endpoints.
        for (service, cells) in resolved.enumerated() {
            for (position, members) in cells.enumerated() {
                let region = table.regions[table.services[service].cells[position].region].name
                let cell = Registry.CellKey(service: table.services[service].name, region: region)
                var (attempts, failures): (UInt64, UInt64) = (0, 0)
                for member in members {
                    attempts &+= member.entry.seen.attempts
                    failures &+= member.entry.seen.failures
                }
                totals[.attempts(cell)] = attempts
                totals[.failures(cell)] = failures
            }
        }
        for (cell, counters) in registry.cells {
            totals[.retries(cell.service), default: 0] += counters.reduce(0) { $0 + $1.retries.count + $1.hedges.count }
        }
        for (listener, counters) in registry.listeners {
            totals[.requests(listener)] = counters.reduce(0) { $0 + $1.requests.count }
        }
        return totals
    }
}

/// What happens per second, of things that are only counted; refreshed about once a second.
struct Rates {
    enum Key: Hashable {
        case attempts(Registry.CellKey)
        case failures(Registry.CellKey)
        /// Retries and hedges of a service.
        case retries(String)
        /// Of a listener.
        case requests(String)
    }

    /// Nanoseconds of the monotonic clock.
    private(set) var refreshed: Int64 = 0
    private var totals: [Key: UInt64] = [:]
    private var perSecond: [Key: Double] = [:]

    subscript(_ key: Key) -> Double { perSecond[key] ?? 0 }

    mutating func refresh(to new: [Key: UInt64], at now: Int64) {
        let seconds = Double(now - refreshed) / 1e9
        perSecond = [:]
        for (key, value) in new {
            // What is counted for the first time, or anew under an old name, has no rate yet.
            if let before = totals[key], value >= before { perSecond[key] = Double(value - before) / seconds }
        }
        totals = new
        refreshed = now
    }
}

/// What probes found, counted.
struct ProbeCounts {
    struct Results {
        var passed: UInt64 = 0
        var failed: UInt64 = 0
        var unknown: UInt64 = 0
    }

    var byEndpoint: [Int: Results] = [:]
    /// Nanoseconds, as last reported.
    var lag: Int64 = 0

    mutating func add(_ finding: ProbeFinding, of number: Int) {
        switch finding {
        case .passed: byEndpoint[number, default: Results()].passed += 1
        case .failed: byEndpoint[number, default: Results()].failed += 1
        case .unknown: byEndpoint[number, default: Results()].unknown += 1
        }
    }

    mutating func keep(_ numbers: some Collection<Int>) {
        let live = Set(numbers)
        byEndpoint = byEndpoint.filter { live.contains($0.key) }
    }
}

extension ProbeFinding {
    fileprivate var outcome: ProbeOutcome {
        switch self {
        case .passed: .passed
        case .failed(let failure): .failed("\(failure)", answered: failure.isAnswer)
        case .unknown: .unknown
        }
    }
}

extension ProbePace {
    fileprivate var cadence: ProbeCadence {
        switch self {
        case .normal: .normal
        case .suspect: .suspect
        case .down: .down
        }
    }
}

extension EndpointTotals {
    var failures: UInt64 {
        connectFailures + unreachables + connectTimeouts + resets + truncations + lateBreaks + responseTimeouts
            + gatewayErrors + serverErrors
    }

    /// What came since `seen`, and the levels now.
    fileprivate func since(_ seen: EndpointTotals, endpoint: EndpointID) -> EndpointTraffic {
        var traffic = EndpointTraffic(endpoint: endpoint)
        func delta(_ field: KeyPath<EndpointTotals, UInt64>) -> Int {
            Int(clamping: self[keyPath: field] &- seen[keyPath: field])
        }
        traffic.attempts = delta(\.attempts)
        traffic.successes = delta(\.successes)
        traffic.connectFailures = delta(\.connectFailures)
        traffic.unreachables = delta(\.unreachables)
        traffic.connectTimeouts = delta(\.connectTimeouts)
        traffic.unconnected = delta(\.unconnected)
        traffic.cellDark = delta(\.cellDark)
        traffic.resets = delta(\.resets)
        // To the brain it is the same when an answer breaks off.
        traffic.truncations = delta(\.truncations) + delta(\.lateBreaks)
        traffic.responseTimeouts = delta(\.responseTimeouts)
        traffic.gatewayErrors = delta(\.gatewayErrors)
        traffic.serverErrors = delta(\.serverErrors)
        traffic.overstays = delta(\.overstays)
        traffic.inFlight = inFlight
        traffic.overstaying = overstaying
        traffic.failureRun = failureRun
        return traffic
    }
}
