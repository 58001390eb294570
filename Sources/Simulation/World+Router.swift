internal import Failover
internal import Picking
internal import RouteTable

/// The router's steering: what `Control` does.
extension World {
    // Starting

    /// Starts the router; from nothing, or with the brain it has kept.
    func startRouter(isFirst: Bool) {
        isDown = false
        findings = []
        orders = []
        asked = asked.map { _ in 0 }
        isUrgentLookDue = false
        if isFirst { takeMembers() }
        estimates = table.services.map { $0.cells.map { _ in SharedEstimate() } }
        cellEvidence = table.services.map { $0.cells.map { _ in CellEvidence() } }
        let actions = tell(.topology(topology))
        workers = (0..<scenario.workers).map { _ in makeWorker() }
        publish()
        for index in table.services.indices {
            let split = brain.publishedSplit(ofService: index)
            record.splits.append(.init(at: now, service: index, shares: split.shares, shed: split.shed))
        }
        carryOut(actions)
        if isFirst {
            queue.put(.look, at: now + 100_000_000)
            queue.put(.second, at: now + 1_000_000_000)
            queue.put(.proberSecond, at: now + 1_000_000_000)
        }
        startProber()
    }

    private func makeWorker() -> Worker {
        let services = table.services.enumerated().map { index, service in
            let split = brain.publishedSplit(ofService: index)
            let cells = service.cells.indices.map { position in
                WorkerCell(
                    position: position, balance: service.balance, connectionLimit: service.limits.connections,
                    shared: estimates[index][position])
            }
            return WorkerService(
                service, cells: cells, split: ServiceSplit(shares: split.shares, shed: split.shed),
                workers: scenario.workers)
        }
        return Worker(services: services, seed: chance.next())
    }

    /// Gives workers the endpoints there are now.
    private func publish() {
        for worker in workers {
            for (index, service) in table.services.enumerated() {
                for position in service.cells.indices {
                    worker.services[index].cells[position].set(
                        backends.filter { $0.service == index && $0.cell == position && $0.isMember }
                            .map { endpoint(for: $0, of: worker) })
                }
            }
        }
    }

    private func endpoint(for backend: Backend, of worker: Worker) -> WorkerEndpoint {
        let share = brain.view(of: EndpointID(backend.number))?.share ?? whole
        if worker.endpoints.indices.contains(backend.number), let known = worker.endpoints[backend.number] {
            known.share = share
            return known
        }
        let made = WorkerEndpoint(
            number: backend.number, address: backend.address, weight: backend.weight, share: share)
        worker.add(made)
        return made
    }

    // Who there is

    /// The addresses an endpoint of the table stands for now.
    private func addresses(of endpoint: Endpoint) -> [String] {
        switch endpoint.host {
        case .ip, .unix: ["\(endpoint.host)"]
        case .name(let name, let port):
            names.first { $0.name == name.withoutFinalDot }?.known.addresses.map {
                "\(EndpointHost.ip(address: $0, port: port))"
            }
                ?? ["\(endpoint.host)"]
        }
    }

    /// Brings the backends up to date with what names stand for.
    func takeMembers() {
        for number in backends.indices { backends[number].isMember = false }
        for (index, service) in table.services.enumerated() {
            for (position, cell) in service.cells.enumerated() {
                let members = cell.endpoints.flatMap { endpoint in
                    addresses(of: endpoint).map { (address: $0, weight: endpoint.weight) }
                }
                for member in members {
                    join(member.address, weight: member.weight, members.count, index, position, cell)
                }
            }
        }
        refreshFaults()
    }

    private func join(_ address: String, weight: Int, _ count: Int, _ service: Int, _ position: Int, _ cell: Cell) {
        let known = backends.firstIndex { $0.service == service && $0.cell == position && $0.address == address }
        if let known {
            backends[known].isMember = true
            return
        }
        let capacity =
            scenario.backends.cells.first { $0.service == service && $0.region == cell.region }?.perSecond
            ?? cell.capacity
        backends.append(
            Backend(
                number: backends.count, service: service, cell: position, region: cell.region, address: address,
                weight: weight, capacity: capacity.map { max($0 / max(count, 1), 1) }))
        faults.meets(&backends[backends.count - 1])
    }

    var topology: Topology {
        Topology(table) { service, cell in
            backends.filter { $0.service == service && $0.cell == cell && $0.isMember }
                .map { .init(id: EndpointID($0.number), address: $0.address, weight: $0.weight) }
        }
    }

    /// A name's answer is in.
    func resolve(_ name: String, _ addresses: [String]) {
        guard let index = names.firstIndex(where: { $0.name == name }) else {
            // It stood for itself so far.
            guard !addresses.isEmpty else { return }
            names.append((name, KnownAddresses()))
            return resolve(name, addresses)
        }
        guard names[index].known.answered(addresses) == .changed else { return }
        let before = backends.map(\.isMember)
        takeMembers()
        let joined = backends.indices.filter { backends[$0].isMember && !(before.indices.contains($0) && before[$0]) }
        for number in joined {
            // A set that is replaced as a whole is assumed to be well.
            backends[number].isNew =
                !isKnown(number)
                && backends.indices.contains {
                    backends[$0].service == backends[number].service && backends[$0].cell == backends[number].cell
                        && backends[$0].isMember && isKnown($0)
                }
            backends[number].probePasses = 0
        }
        if isDown { return }
        let actions = tell(.topology(topology))
        publish()
        carryOut(actions)
        for number in joined { scheduleProbe(number) }
    }

    /// The brain knows of it already.
    private func isKnown(_ number: Int) -> Bool { brain.view(of: EndpointID(number)) != nil }

    // Looking

    /// Collects what workers and prober have to tell, lets the brain judge it, and does what it says.
    func look() {
        if isDown { return }
        for (order, isForced) in orders { carryOut(tell(.order(order, isForced: isForced))) }
        orders = []
        for (number, outcome) in findings { carryOut(tell(.probe(EndpointID(number), outcome))) }
        findings = []
        carryOut(tell(.traffic(takeTraffic())))
        carryOut(tell(.tick))
        checkLaws()
    }

    /// Something cannot wait for the next look.
    func lookSoon() {
        if isUrgentLookDue { return }
        isUrgentLookDue = true
        queue.put(.urgentLook, at: now + 200_000)
    }

    private func takeTraffic() -> Traffic {
        var reports: [EndpointTraffic] = []
        for number in backends.indices where !backends[number].isReported || backends[number].overstaying > 0 {
            var report = backends[number].report
            report.inFlight = backends[number].inFlight
            report.overstaying = backends[number].overstaying
            report.failureRun = failureRun(of: number)
            backends[number].report = EndpointTraffic(endpoint: EndpointID(number))
            backends[number].isReported = true
            backends[number].toldRun = report.failureRun
            guard backends[number].isMember else { continue }
            laws.note(report, of: backends[number])
            backends[number].failsInTrial += report.failures + report.overstays + report.unconnected - report.successes
            reports.append(report)
        }
        var services: [ServiceTraffic] = []
        for service in asked.indices where asked[service] > 0 {
            services.append(ServiceTraffic(service: service, requests: asked[service]))
            asked[service] = 0
        }
        return Traffic(reports, services: services, cells: takeCellEvidence())
    }

    /// What answers from cells were like: overload at once, times once a second.
    private func takeCellEvidence() -> [CellTraffic] {
        let readsTimes = now - timesReadAt >= 1_000_000_000
        if readsTimes { timesReadAt = now }
        var reports: [CellTraffic] = []
        for (index, service) in table.services.enumerated() {
            for position in service.cells.indices {
                var report = CellTraffic(service: index, position: position)
                let limits = workers.map { $0.services[index].cells[position].concurrency }
                let overloads = limits.reduce(0) { $0 + $1.overloads }
                report.overloads = overloads - cellEvidence[index][position].overloads
                cellEvidence[index][position].overloads = overloads
                if readsTimes { takeTimes(index, position, &report) }
                if report.overloads == 0 && report.answers == 0 { continue }
                report.concurrencyLimit = limits.reduce(0) { $0 + ($1.inForce ?? 0) }
                reports.append(report)
            }
        }
        return reports
    }

    /// Answers it takes to say how long they take, and how long they are waited for.
    private static let answersMinimum = 10
    private static let timesKept: Int64 = 10_000_000_000

    private func takeTimes(_ service: Int, _ position: Int, _ report: inout CellTraffic) {
        let evidence = cellEvidence[service][position]
        let isEnough = evidence.times.count >= Self.answersMinimum
        guard evidence.times.count > 0, isEnough || now - evidence.timesAt >= Self.timesKept else { return }
        cellEvidence[service][position].timesAt = now
        cellEvidence[service][position].times = Latency()
        guard isEnough else { return }
        report.answers = evidence.times.count
        report.median = Int(evidence.times.percentile(5_000) / 1_000)
        report.tail = Int(evidence.times.percentile(9_500) / 1_000)
    }

    /// Failures in a row, of all workers together.
    func failureRun(of number: Int) -> Int {
        workers.reduce(0) { sum, worker in
            sum + (worker.endpoints.indices.contains(number) ? worker.endpoints[number]?.rest.failureRun ?? 0 : 0)
        }
    }

    func tell(_ event: Event) -> [Action] {
        told?.append((event, instant))
        return brain.observe(event, at: instant)
    }

    // Carrying out

    func carryOut(_ actions: [Action]) {
        for action in actions {
            switch action {
            case .split(let service, let shares, let shed):
                for worker in workers { worker.services[service].split.set(shares, shed: shed) }
                record.splits.append(.init(at: now, service: service, shares: shares, shed: shed))
            case .endpoint(let id, let share): set(share, of: id.number)
            case .probe(let id, let pace, let soon): setPace(pace, soon: soon, of: id.number)
            // Connections cost nothing here.
            case .warm: break
            case .decision(let decision):
                record.decisions.append(.init(at: now, decision: decision))
                check(decision)
            case .answer(let answer): record.answers.append((now, answer))
            }
        }
    }

    private func set(_ share: Int, of number: Int) {
        for worker in workers {
            guard worker.endpoints.indices.contains(number), let endpoint = worker.endpoints[number] else { continue }
            endpoint.share = share
            worker.services[backends[number].service].cells[backends[number].cell].endpointsChanged()
        }
        noteOuts()
    }

    /// How many endpoints are out of use, by region.
    private func noteOuts() {
        var outs = table.regions.map { _ in 0 }
        for backend in backends where backend.isMember && !backend.isNew {
            if brain.view(of: EndpointID(backend.number))?.share == 0 { outs[backend.region] += 1 }
        }
        if record.outs.last?.byRegion != outs { record.outs.append(.init(at: now, byRegion: outs)) }
    }

    // Ending

    /// The router ends: what is under way breaks.
    func stopRouter() {
        isDown = true
        for index in requests.indices where requests[index].isActive { fail(index) }
    }
}
