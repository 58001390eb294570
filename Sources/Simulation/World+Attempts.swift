internal import Failover
internal import Picking
internal import RouteTable

/// What one request meets: the rules of `Proxy.Exchange`, step by step, with the same parts of `Picking`.
extension World {
    // Starting

    /// A worker takes the request on.
    func forward(_ index: Int, patience: Int64) {
        let worker = chance.below(workers.count)
        requests[index].worker = worker
        let service = workers[worker].services[requests[index].service]
        asked[requests[index].service] += 1
        guard service.inFlight < service.requestLimit else { return fail(index) }
        service.inFlight += 1
        requests[index].isAdmitted = true
        if service.hashes { requests[index].key = chance.next() }
        guard let drawn = service.split.draw(key: requests[index].key) else {
            service.inFlight -= 1
            requests[index].isAdmitted = false
            return shed(index, retryAfter: 1 + workers[worker].random.below(3))
        }
        service.budget.countRequest(now: now)
        requests[index].retriesLeft = service.retryAttempts
        requests[index].deadline = now + min(patience, service.requestTimeout ?? .max)
        guard let place = place(index, service, from: drawn) else { return fail(index) }
        start(index, service, at: place)
    }

    struct Place {
        let cell: WorkerCell
        let endpoint: WorkerEndpoint
    }

    private func worker(of index: Int) -> Worker { workers[requests[index].worker] }

    private func service(of index: Int) -> WorkerService { worker(of: index).services[requests[index].service] }

    /// An endpoint for a first attempt: in the drawn cell, or if that is full, in another that has a share and room; if
    /// nothing there is fit right now, in the next cells by preference; and if nothing is fit anywhere, anything.
    private func place(_ index: Int, _ service: WorkerService, from drawn: Int) -> Place? {
        let worker = worker(of: index)
        let (key, cautious) = (requests[index].key, requests[index].isWrite)
        let first = service.cells[drawn].isFull ? service.cellWithRoom ?? drawn : drawn
        let cell = service.cells[first]
        if let endpoint = cell.pick(key: key, now: now, cautious: cautious, random: &worker.random) {
            return Place(cell: cell, endpoint: endpoint)
        }
        for (position, cell) in service.cells.enumerated() where position != first {
            if let endpoint = cell.pick(key: key, now: now, cautious: cautious, random: &worker.random) {
                return Place(cell: cell, endpoint: endpoint)
            }
        }
        for cell in [cell] + service.cells {
            if let endpoint = cell.anything(random: &worker.random) { return Place(cell: cell, endpoint: endpoint) }
        }
        return nil
    }

    private func start(_ index: Int, _ service: WorkerService, at place: Place) {
        // There is no queue for connections here: when all are in use, the request is refused.
        guard place.cell.inFlight < place.cell.connectionLimit else {
            return requests[index].first == nil ? fail(index) : arm(index)
        }
        let number = place.endpoint.number
        let (outcome, time) = meet(backend: number)
        let isSent = outcome.isSent(to: backends[number])
        let attempt = Attempt(
            id: requests[index].nextAttempt, cell: place.cell.position, endpoint: number, began: now,
            deadline: now + (isSent ? service.responseTimeout : service.connectTimeout), isSent: isSent,
            outcome: outcome)
        requests[index].nextAttempt += 1
        requests[index].tried.insert(number)
        if requests[index].first == nil { requests[index].first = attempt } else { requests[index].second = attempt }
        requests[index].hedgeDeadline = now + service.hedgeDelay(place.cell)
        requests[index].overstayDeadline = requests[index].hedgeDeadline
        if !isSent {
            requests[index].overstayDeadline = min(
                requests[index].overstayDeadline, now + service.connectPatience(place.cell))
        }
        place.endpoint.inFlight += 1
        place.cell.inFlight += 1
        change(number) { $0.attempts += 1 }
        backends[number].inFlight += 1
        backends[number].sent += 1
        record.seconds[second(of: now)].sent[backends[number].region] += 1
        if let time {
            queue.put(.attempt(request: index, generation: requests[index].generation, attempt: attempt.id), at: time)
        } else if backends[number].fault == .hangs {
            backends[number].held.append((index, requests[index].generation, attempt.id))
        }
        arm(index)
    }

    // What comes back

    /// Something was to come of an attempt now; unless it was given up, or its backend has failed meanwhile.
    func attemptEnds(_ index: Int, _ generation: UInt32, _ id: Int32) {
        guard requests[index].generation == generation, requests[index].isActive,
            let attempt = [requests[index].first, requests[index].second].lazy.compactMap({ $0 }).first(where: {
                $0.id == id
            })
        else { return }
        let fault = backends[attempt.endpoint].fault
        if isCut || fault == .drops { return }
        if fault == .hangs {
            backends[attempt.endpoint].held.append((index, generation, id))
            return
        }
        if fault == .refuses, case .answered = attempt.outcome { return attemptFailed(index, attempt, .reset) }
        switch attempt.outcome {
        case .answered(let status): answered(index, attempt, status)
        // What was held while it hung.
        case .nothing: answered(index, attempt, 200)
        case .refused: attemptFailed(index, attempt, .connectFailed)
        case .reset: attemptFailed(index, attempt, .reset)
        case .truncated: answerBroken(index, attempt)
        }
    }

    /// An answer's head, and at once its end.
    private func answered(_ index: Int, _ attempt: Attempt, _ status: Int) {
        let service = service(of: index)
        let cell = service.cells[attempt.cell]
        let latency = now - attempt.began
        cellEvidence[requests[index].service][attempt.cell].times.add(nanoseconds: latency)
        if cell.answered(after: latency, status: status, now: now) { lookSoon() }
        judge(status, index, attempt)
        if attempt.id > 0 { service.budget.extraEnded(helped: !service.retries(.status(status))) }
        if retriesInstead(of: status, index, service) { return declined(index, attempt, service) }
        cell.record(responseTime: latency, now: now)
        if status < 500 {
            change(attempt.endpoint) { $0.successes += 1 }
            backends[attempt.endpoint].noteAnswer(at: now)
            worker(of: index).endpoints[attempt.endpoint]?.rest.succeeded()
            if let second = requests[index].second, second.id == attempt.id, let first = requests[index].first {
                lostRace(index, first, to: latency, service)
            }
            for case let other? in [requests[index].first, requests[index].second] where other.id != attempt.id {
                calledOff(index, other, service)
            }
        }
        remove(index, attempt)
        if status < 500 { answer(index) } else { fail(index) }
    }

    /// What the status says about the endpoint.
    private func judge(_ status: Int, _ index: Int, _ attempt: Attempt) {
        switch status {
        case 502, 503, 504:
            change(attempt.endpoint) { $0.gatewayErrors += 1 }
            guard let endpoint = worker(of: index).endpoints[attempt.endpoint] else { return }
            endpoint.rest.answeredUnavailable()
            report(endpoint)
        case 500...599: change(attempt.endpoint) { $0.serverErrors += 1 }
        default: worker(of: index).endpoints[attempt.endpoint]?.rest.answered(now: now)
        }
    }

    /// The backend broke within its answer: nothing can be repeated.
    private func answerBroken(_ index: Int, _ attempt: Attempt) {
        let service = service(of: index)
        service.cells[attempt.cell].record(responseTime: now - attempt.began, now: now)
        worker(of: index).endpoints[attempt.endpoint]?.rest.answered(now: now)
        remove(index, attempt)
        change(attempt.endpoint) { $0.truncations += 1 }
        noteFailure(index, attempt)
        fail(index)
    }

    private func noteFailure(_ index: Int, _ attempt: Attempt) {
        guard let endpoint = worker(of: index).endpoints[attempt.endpoint] else { return }
        endpoint.rest.failed(now: now)
        report(endpoint)
    }

    /// The beginning of a run of failures cannot wait.
    private func report(_ endpoint: WorkerEndpoint) {
        backends[endpoint.number].isReported = false
        if [1, 2, 5].contains(endpoint.rest.failureRun) { lookSoon() }
    }

    // Failing

    private func attemptFailed(_ index: Int, _ attempt: Attempt, _ failure: RetryPolicy.Condition.Failure) {
        remove(index, attempt)
        change(attempt.endpoint) { failure.count(in: &$0) }
        noteFailure(index, attempt)
        let service = service(of: index)
        if attempt.id > 0 { service.budget.extraEnded(helped: false) }
        if requests[index].first != nil { return arm(index) }
        guard !attempt.isSent || !requests[index].isWrite, requests[index].retriesLeft > 0,
            service.retries(failure.condition), service.budget.take(now: now)
        else { return fail(index) }
        retry(index, after: attempt, service)
    }

    /// Tries again on another endpoint of the same cell; the last time, or when there is none, in another region.
    private func retry(_ index: Int, after attempt: Attempt, _ service: WorkerService) {
        requests[index].retriesLeft -= 1
        let cell = service.cells[attempt.cell]
        let place =
            (requests[index].retriesLeft > 0 ? another(index, in: cell) : nil)
            ?? elsewhere(index, than: cell, service) ?? another(index, in: cell)
            ?? cell.anything(random: &worker(of: index).random).map { Place(cell: cell, endpoint: $0) }
        if let place { start(index, service, at: place) } else { fail(index) }
    }

    private func another(_ index: Int, in cell: WorkerCell) -> Place? {
        cell.another(
            excluding: requests[index].tried, now: now, cautious: requests[index].isWrite,
            random: &worker(of: index).random
        ).map { Place(cell: cell, endpoint: $0) }
    }

    /// An endpoint in another region: those with a share of the split first, in order of preference.
    private func elsewhere(_ index: Int, than cell: WorkerCell, _ service: WorkerService) -> Place? {
        for wantsShare in [true, false] {
            for (position, other) in service.cells.enumerated() where position != cell.position {
                guard (service.split.shares[position] > 0) == wantsShare else { continue }
                if let place = another(index, in: other) { return place }
            }
        }
        return nil
    }

    /// Whether the answer with this status is better not passed on but tried again; takes the retry if so.
    private func retriesInstead(of status: Int, _ index: Int, _ service: WorkerService) -> Bool {
        guard status >= 300, service.retries(.status(status)), !requests[index].isWrite else { return false }
        if requests[index].second != nil { return true }
        return requests[index].retriesLeft > 0 && service.budget.take(now: now)
    }

    private func declined(_ index: Int, _ attempt: Attempt, _ service: WorkerService) {
        remove(index, attempt)
        if requests[index].first != nil { return arm(index) }
        retry(index, after: attempt, service)
    }

    // Overstaying

    func timerFires(_ index: Int, _ generation: UInt32) {
        guard requests[index].generation == generation, requests[index].isActive else { return }
        requests[index].timerAt = .max
        if now >= requests[index].deadline { return timedOut(index) }
        if now >= requests[index].overstayDeadline, !isConnectOver(requests[index]) {
            requests[index].overstayDeadline = .max
            overstayed(index)
            guard requests[index].generation == generation, requests[index].isActive else { return }
        }
        for attempt in [requests[index].second, requests[index].first] {
            guard let attempt, now >= attempt.deadline else { continue }
            attemptFailed(index, attempt, attempt.isSent ? .responseTimedOut : .connectTimedOut)
            guard requests[index].generation == generation, requests[index].isActive else { return }
        }
        arm(index)
    }

    /// The time for a connection is over: that is no overstay.
    private func isConnectOver(_ request: Request) -> Bool {
        request.second == nil && request.first.map { !$0.isSent && now >= $0.deadline } ?? false
    }

    /// The answer has not come for long: ask somebody else as well if that is safe, and where the usual time is known, say
    /// that it is over.
    private func overstayed(_ index: Int) {
        let service = service(of: index)
        for isFirst in [true, false] {
            guard let attempt = isFirst ? requests[index].first : requests[index].second, !attempt.hasOverstayed,
                attempt.isSent, let limit = service.overstay(service.cells[attempt.cell])
            else { continue }
            guard now - attempt.began >= limit else {
                requests[index].overstayDeadline = min(requests[index].overstayDeadline, attempt.began + limit)
                continue
            }
            if isFirst {
                requests[index].first?.hasOverstayed = true
            } else {
                requests[index].second?.hasOverstayed = true
            }
            backends[attempt.endpoint].overstaying += 1
            countOverstay(index, attempt)
        }
        guard let attempt = requests[index].second ?? requests[index].first, service.hedges else { return }
        let hasSecond = requests[index].second != nil
        let isDark = !attempt.isSent && requests[index].darkAttempts < Self.darkLimit
        guard isDark ? !hasSecond || requests[index].first?.isSent == false : !hasSecond && !requests[index].isHedged,
            !requests[index].isWrite || !attempt.isSent,
            let place = isDark ? addressPlace(index, attempt, service) : hedgePlace(index, attempt, service),
            service.budget.take(now: now)
        else { return }
        requests[index].isHedged = true
        if isDark {
            requests[index].darkAttempts += 1
            if place.cell.position != attempt.cell {
                let attempts = requests[index].darkAttempts
                change(attempt.endpoint) { $0.cellDark += attempts }
            }
        }
        // Of requests of which nothing was sent, those that must not be doubled move instead; and of two attempts without a
        // connection the older one makes room.
        if requests[index].isWrite || hasSecond, let oldest = requests[index].first {
            calledOff(index, oldest, service)
            remove(index, oldest)
        }
        start(index, service, at: place)
    }

    /// Attempts that are made because others have no connection.
    private static let darkLimit = 2

    /// There is no connection so far: another address of the cell is asked; another region only if that gives no connection
    /// either, or if there is none and the time has come in which an answer is expected.
    private func addressPlace(_ index: Int, _ attempt: Attempt, _ service: WorkerService) -> Place? {
        let cell = service.cells[attempt.cell]
        if requests[index].darkAttempts == 0 {
            if let other = another(index, in: cell) { return other }
            guard now >= requests[index].hedgeDeadline else {
                requests[index].overstayDeadline = requests[index].hedgeDeadline
                return nil
            }
        }
        return elsewhere(index, than: cell, service) ?? another(index, in: cell)
    }

    /// An attempt is about to be called off. Without a connection for long, that is held against its endpoint.
    private func calledOff(_ index: Int, _ attempt: Attempt, _ service: WorkerService) {
        guard !attempt.isSent, now - attempt.began >= service.connectPatience(service.cells[attempt.cell]) else {
            return
        }
        change(attempt.endpoint) { $0.unconnected += 1 }
        if let endpoint = worker(of: index).endpoints[attempt.endpoint],
            endpoint.rest.unconnected(began: attempt.began, now: now)
        {
            report(endpoint)
        }
    }

    private func countOverstay(_ index: Int, _ attempt: Attempt) {
        change(attempt.endpoint) { $0.overstays += 1 }
        if let endpoint = worker(of: index).endpoints[attempt.endpoint],
            endpoint.rest.overstayed(began: attempt.began, now: now)
        {
            report(endpoint)
        }
    }

    /// An attempt that is still without an answer is about to be called off: the hedge has been answered.
    private func lostRace(_ index: Int, _ attempt: Attempt, to other: Int64, _ service: WorkerService) {
        guard attempt.isSent, !attempt.hasOverstayed,
            service.cells[attempt.cell].lostRace(
                waited: now - attempt.began, other: other, limit: service.responseTimeout)
        else { return }
        countOverstay(index, attempt)
    }

    /// Where to hedge: a neighbor that answered something late in this request's wait has shown that the region is
    /// alive; without such a sign another region is asked.
    private func hedgePlace(_ index: Int, _ attempt: Attempt, _ service: WorkerService) -> Place? {
        let cell = service.cells[attempt.cell]
        let sign = HedgeDelay.signOfLife(began: attempt.began, now: now)
        if let endpoint = cell.alive(since: sign, excluding: requests[index].tried) {
            return Place(cell: cell, endpoint: endpoint)
        }
        return elsewhere(index, than: cell, service) ?? another(index, in: cell)
    }

    /// The request's own time-out, or the end of its client's patience: which is no verdict on anybody.
    private func timedOut(_ index: Int) {
        if now - requests[index].began >= service(of: index).requestTimeout ?? .max {
            for case let attempt? in [requests[index].first, requests[index].second] {
                change(attempt.endpoint) { $0.responseTimeouts += 1 }
            }
        }
        fail(index)
    }

    /// Sees to it that a timer fires at the earliest thing to wait for.
    private func arm(_ index: Int) {
        let request = requests[index]
        guard request.isActive else { return }
        var due = min(request.deadline, request.overstayDeadline)
        if let first = request.first { due = min(due, first.deadline) }
        if let second = request.second { due = min(due, second.deadline) }
        guard due < request.timerAt else { return }
        requests[index].timerAt = due
        queue.put(.timer(request: index, generation: request.generation), at: max(due, now))
    }

    // Letting go

    /// Takes an attempt out; the hedge moves up.
    private func remove(_ index: Int, _ attempt: Attempt) {
        var attempt = attempt
        if let first = requests[index].first, first.id == attempt.id {
            attempt = first
            requests[index].first = requests[index].second
        } else if let second = requests[index].second {
            attempt = second
        }
        requests[index].second = nil
        worker(of: index).endpoints[attempt.endpoint]?.inFlight -= 1
        service(of: index).cells[attempt.cell].inFlight -= 1
        backends[attempt.endpoint].inFlight -= 1
        if attempt.hasOverstayed { backends[attempt.endpoint].overstaying -= 1 }
        backends[attempt.endpoint].isReported = false
    }

    /// Ends whatever is under way without a verdict.
    func abandonAttempts(_ index: Int) {
        while let attempt = requests[index].first { remove(index, attempt) }
    }

    private func change(_ number: Int, _ change: (inout EndpointTraffic) -> Void) {
        change(&backends[number].report)
        backends[number].isReported = false
    }
}

extension AttemptOutcome {
    /// Whether the request reached a connection.
    fileprivate func isSent(to backend: Backend) -> Bool {
        switch self {
        case .refused: false
        case .nothing: backend.fault != .drops
        default: true
        }
    }
}

extension RetryPolicy.Condition {
    /// How an attempt fails before its answer's head.
    enum Failure {
        case connectFailed, connectTimedOut, reset, responseTimedOut

        var condition: RetryPolicy.Condition {
            switch self {
            case .connectFailed, .connectTimedOut: .connect
            case .reset: .reset
            case .responseTimedOut: .timeout
            }
        }

        func count(in traffic: inout EndpointTraffic) {
            switch self {
            case .connectFailed: traffic.connectFailures += 1
            case .connectTimedOut: traffic.connectTimeouts += 1
            case .reset: traffic.resets += 1
            case .responseTimedOut: traffic.responseTimeouts += 1
            }
        }
    }
}
