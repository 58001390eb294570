internal import Reactor
internal import RouteTable
internal import Telemetry
internal import Wire

/// Where the request goes, and where it goes next when that failed or takes too long.
extension Exchange {
    // Starting

    /// The first attempt, while the parsed head is at hand.
    func startFirstAttempt(_ head: borrowing RequestHead, _ bytes: RawSpan) {
        guard let service else { return }
        let now = worker.loop.now
        let drawn = service.drawCell(&worker.random)
        guard let (cell, endpoint) = place(in: service, from: drawn, now: now) else {
            return answerOwn(.noEndpoint)
        }
        guard let upstream = connection(to: endpoint, in: cell, service) else { return }
        launch(upstream, endpoint, cell)
        if upstream.isConnected { send(on: upstream, head, bytes) }
    }

    /// An endpoint for a first attempt: in the drawn cell; if nothing there is fit right now, in the next cells by
    /// preference; and if nothing is fit anywhere, anything.
    private func place(in service: WorkerService, from drawn: Int, now: Int64) -> (WorkerCell, WorkerEndpoint)? {
        if let endpoint = service.cells[drawn].pick(
            key: hashKey, now: now, cautious: isCautious, random: &worker.random)
        {
            return (service.cells[drawn], endpoint)
        }
        for cell in service.cells where cell !== service.cells[drawn] {
            if let endpoint = cell.pick(key: hashKey, now: now, cautious: isCautious, random: &worker.random) {
                return (cell, endpoint)
            }
        }
        if let endpoint = service.cells[drawn].anything(random: &worker.random) {
            return (service.cells[drawn], endpoint)
        }
        for cell in service.cells {
            if let endpoint = cell.anything(random: &worker.random) { return (cell, endpoint) }
        }
        return nil
    }

    /// A pooled connection, or one that is being opened. Nil: the request waits for one, or was refused.
    private func connection(
        to endpoint: WorkerEndpoint, in cell: WorkerCell, _ service: WorkerService
    ) -> UpstreamConnection? {
        while let pooled = endpoint.takeIdle() {
            // What cannot be repeated must not meet a connection that was closed a moment ago.
            if method.isIdempotent || pooled.isQuiet { return pooled }
            pooled.close()
        }
        if cell.load.openConnections < cell.connectionLimit {
            return UpstreamConnection(worker: worker, service: service, cell: cell, endpoint: endpoint)
        }
        guard service.load.pending.count < service.pendingLimit else {
            service.counters.overflows.add()
            answerOwn(.overflow)
            return nil
        }
        isPending = true
        // As long as a connect may take, and no longer.
        overstayDeadline = worker.loop.now + service.connectTimeout
        service.load.pending.append(self)
        service.counters.pending.set(service.load.pending.count)
        return nil
    }

    /// A connection became free, or may be opened: the turn of this exchange in the queue has come.
    func resumePending() {
        isPending = false
        if let service { service.counters.pending.set(service.load.pending.count) }
        startAnotherAttempt()
        armTimer()
    }

    private func launch(_ upstream: UpstreamConnection, _ endpoint: WorkerEndpoint, _ cell: WorkerCell) {
        guard let service else { return }
        let now = worker.loop.now
        attempts += 1
        endpoint.attemptBegan()
        tried.insert(endpoint.number)
        if first == nil { first = upstream } else { second = upstream }
        overstayDeadline = now + service.hedgeDelay(cell)
        upstream.assign(
            self, now: now, deadline: now + (upstream.isConnected ? service.responseTimeout : service.connectTimeout))
    }

    private func send(on upstream: UpstreamConnection, _ head: borrowing RequestHead, _ bytes: RawSpan) {
        upstream.sendRequest(self, head, bytes)
        upstream.isSent = true
        upstream.deadline = worker.loop.now + upstream.service.responseTimeout
        if !method.isIdempotent && isRequestComplete { keptBody.removeAll(keepingCapacity: true) }
    }

    /// Another attempt, from what was kept of the request.
    private func startAnotherAttempt() {
        guard let service else { return }
        let now = worker.loop.now
        let drawn = service.drawCell(&worker.random)
        guard let (cell, endpoint) = place(in: service, from: drawn, now: now) else { return answerOwn(.noEndpoint) }
        start(at: endpoint, in: cell, service)
    }

    private func start(at endpoint: WorkerEndpoint, in cell: WorkerCell, _ service: WorkerService) {
        guard let upstream = connection(to: endpoint, in: cell, service) else { return }
        launch(upstream, endpoint, cell)
        if upstream.isConnected { sendKept(on: upstream) }
    }

    /// A connection that was being opened for this exchange is open.
    func upstreamConnected(_ upstream: UpstreamConnection) {
        sendKept(on: upstream)
        armTimer()
        downstream?.resumeRequestBody()
    }

    /// Parses the kept head again, which is much cheaper than what made it necessary, and sends.
    private func sendKept(on upstream: UpstreamConnection) {
        keptHead.withBytes { bytes in
            guard case .complete? = try? worker.keptRequestHead.parse(bytes, .unlimited) else {
                preconditionFailure("a head that was parsed once is no longer one")
            }
            send(on: upstream, worker.keptRequestHead, bytes)
        }
        upstream.flush()
    }

    // Failing

    /// An attempt failed before its answer's head was accepted.
    func attemptFailed(_ upstream: UpstreamConnection, _ failure: AttemptFailure) {
        guard remove(upstream) else { return }
        let now = worker.loop.now
        lastFailure = failure
        let wasStale = failure == .reset && upstream.wasReused && upstream.isSent
        if wasStale {
            // A pooled connection that the other side had just closed tells nothing about the endpoint.
            upstream.endpoint.counters.abandoned.add()
        } else {
            count(failure, at: upstream.endpoint.counters)
            worker.report(upstream.endpoint, failures: upstream.endpoint.failed(now: now), overstaying: false)
        }
        if first != nil { return armTimer() }
        guard let service, !upstream.isSent || isRepeatable else { return answerOwn(.failed(failure)) }
        if wasStale && freeRetryLeft {
            freeRetryLeft = false
            startAnotherAttempt()
            return armTimer()
        }
        guard retriesLeft > 0, service.retries(failure) else { return answerOwn(.failed(failure)) }
        guard service.budget.take(now: now) else {
            service.counters.budgetExhausted.add()
            return answerOwn(.failed(failure))
        }
        retry(after: upstream, service)
    }

    /// Tries again on another endpoint of the same cell; the last time, or when there is none, in another region.
    private func retry(after attempt: UpstreamConnection, _ service: WorkerService) {
        retriesLeft -= 1
        attempt.cell.counters.retries.add()
        let now = worker.loop.now
        if retriesLeft > 0,
            let endpoint = attempt.cell.another(
                excluding: tried, now: now, cautious: isCautious, random: &worker.random)
        {
            start(at: endpoint, in: attempt.cell, service)
        } else if let (cell, endpoint) = elsewhere(than: attempt.cell, service, now: now) {
            start(at: endpoint, in: cell, service)
        } else if let endpoint = attempt.cell.another(
            excluding: tried, now: now, cautious: isCautious, random: &worker.random)
            ?? attempt.cell.anything(random: &worker.random)
        {
            start(at: endpoint, in: attempt.cell, service)
        } else {
            answerOwn(.failed(lastFailure ?? .reset))
        }
        armTimer()
    }

    /// An endpoint in another region: those with a share of the split first, in order of preference.
    private func elsewhere(
        than cell: WorkerCell, _ service: WorkerService, now: Int64
    ) -> (WorkerCell, WorkerEndpoint)? {
        for wantsShare in [true, false] {
            for (index, other) in service.cells.enumerated() where other !== cell {
                guard (service.split[index] > 0) == wantsShare else { continue }
                if let endpoint = other.another(
                    excluding: tried, now: now, cautious: isCautious, random: &worker.random)
                {
                    return (other, endpoint)
                }
            }
        }
        return nil
    }

    /// Whether the answer with this status is better not passed on but tried again; takes the retry if so.
    func retriesInstead(of status: Int, from upstream: UpstreamConnection) -> Bool {
        guard let service, service.retries(status: status), isRepeatable, isRequestComplete else { return false }
        // Another attempt is still under way: its answer may be better.
        if second != nil { return true }
        guard retriesLeft > 0 else { return false }
        guard service.budget.take(now: worker.loop.now) else {
            service.counters.budgetExhausted.add()
            return false
        }
        return true
    }

    /// The answer of `upstream` was not passed on (see `retriesInstead`).
    func answerDeclined(by upstream: UpstreamConnection) {
        guard remove(upstream), let service else { return }
        if first != nil { return armTimer() }
        lastFailure = .reset
        retry(after: upstream, service)
    }

    // Overstaying

    func deadlineReached() {
        guard phase != .free else { return }
        let now = worker.loop.now
        if now >= requestDeadline { return timedOut(.requestTimeout) }
        if phase == .answering {
            if now >= idleDeadline { return answerStalled() }
            return armTimer()
        }
        if isPending {
            if now < overstayDeadline { return armTimer() }
            service?.counters.overflows.add()
            return answerOwn(.overflow)
        }
        if now >= overstayDeadline {
            overstayDeadline = .max
            overstayed(now: now)
            if phase != .waiting { return }
        }
        for attempt in [second, first] {
            if let attempt, now >= attempt.deadline {
                attempt.giveUp()
                attemptFailed(attempt, attempt.isSent ? .responseTimedOut : .connectTimedOut)
                if phase != .waiting { return }
            }
        }
        armTimer()
    }

    /// The answer's head has not come within the usual time: say so, and ask somebody else as well if that is safe.
    private func overstayed(now: Int64) {
        for index in 0..<2 {
            guard let attempt = index == 0 ? first : second, !attempt.hasOverstayed else { continue }
            attempt.hasOverstayed = true
            attempt.endpoint.counters.overstays.add()
            attempt.endpoint.counters.overstaying.add(1)
            if let run = attempt.endpoint.overstayed(began: attempt.began, now: now) {
                worker.report(attempt.endpoint, failures: run, overstaying: true)
            }
        }
        guard let service, let attempt = first, second == nil, !isHedged, service.hedges else { return }
        guard isWholeRequestKept, method.isIdempotent || !attempt.isSent else { return }
        guard let (cell, endpoint) = hedgePlace(for: attempt, service, now: now) else { return }
        guard service.budget.take(now: now) else {
            service.counters.budgetExhausted.add()
            return
        }
        isHedged = true
        attempt.cell.counters.hedges.add()
        if !method.isIdempotent {
            // Nothing was sent yet, and nothing will be: the attempt moves instead of being doubled.
            remove(attempt)
            attempt.endpoint.counters.connectTimeouts.add()
            attempt.giveUp()
        }
        start(at: endpoint, in: cell, service)
    }

    /// Where to hedge: a neighbor that answered something while this request waited has shown that the region is
    /// alive; without such a sign another region is asked.
    private func hedgePlace(
        for attempt: UpstreamConnection, _ service: WorkerService, now: Int64
    ) -> (WorkerCell, WorkerEndpoint)? {
        if let endpoint = attempt.cell.alive(since: attempt.began, excluding: tried) { return (attempt.cell, endpoint) }
        if let place = elsewhere(than: attempt.cell, service, now: now) { return place }
        return attempt.cell.another(excluding: tried, now: now, cautious: isCautious, random: &worker.random).map {
            (attempt.cell, $0)
        }
    }

    private func timedOut(_ answer: OwnAnswer) {
        if phase == .answering { return answerStalled() }
        for attempt in [first, second] {
            attempt?.endpoint.counters.responseTimeouts.add()
        }
        answerOwn(answer)
    }

    /// The earliest thing to wait for.
    func armTimer() {
        guard phase != .free, let timer else { return }
        var deadline = min(requestDeadline, phase == .answering ? idleDeadline : overstayDeadline)
        if phase == .waiting {
            if let first { deadline = min(deadline, first.deadline) }
            if let second { deadline = min(deadline, second.deadline) }
        }
        if deadline == .max { worker.loop.timers.disarm(timer) } else { worker.loop.timers.arm(timer, at: deadline) }
    }

    // Letting go

    /// Takes an attempt out; the hedge moves up. False if it is none of ours.
    @discardableResult
    func remove(_ attempt: UpstreamConnection) -> Bool {
        if attempt === first {
            first = second
        } else if attempt !== second {
            return false
        }
        second = nil
        attempt.endpoint.attemptEnded()
        if attempt.hasOverstayed { attempt.endpoint.counters.overstaying.add(-1) }
        return true
    }

    /// Ends whatever is under way without a verdict.
    func abandonAttempts() {
        while let attempt = first {
            remove(attempt)
            attempt.endpoint.counters.abandoned.add()
            attempt.giveUp()
        }
    }

    private func count(_ failure: AttemptFailure, at counters: EndpointCounters) {
        switch failure {
        case .connectFailed: counters.connectFailures.add()
        case .connectTimedOut: counters.connectTimeouts.add()
        case .reset, .malformed: counters.resets.add()
        case .responseTimedOut: counters.responseTimeouts.add()
        }
    }
}
