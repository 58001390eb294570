internal import Picking
internal import Reactor
internal import RouteTable
internal import Telemetry
internal import Wire

/// Where a request is to be sent.
struct Place {
    let cell: Uncounted<WorkerCell>
    let endpoint: Uncounted<WorkerEndpoint>
}

/// Where the request goes, and where it goes next when that failed or takes too long.
extension Exchange {
    // Starting

    /// The first attempt, while the parsed head is at hand.
    func startFirstAttempt(
        _ service: WorkerService, in drawn: Int, _ head: borrowing RequestHead, _ bytes: RawSpan
    ) {
        guard let place = place(in: service, from: drawn, now: worker.loop.now) else { return answerOwn(.noEndpoint) }
        connection(to: place, service)?.lend { upstream in
            launch(upstream, service, place.cell)
            if upstream.isConnected { send(on: upstream, head, bytes) }
        }
    }

    /// The first attempt of a tunnel.
    func startTunnel(_ service: WorkerService, in drawn: Int) {
        guard let place = place(in: service, from: drawn, now: worker.loop.now) else { return answerOwn(.noEndpoint) }
        start(at: place, service)
    }

    /// An endpoint for a first attempt: in the drawn cell, or if that is full, in another that has a share and room; if
    /// nothing there is fit right now, in the next cells by preference; and if nothing is fit anywhere, anything.
    private func place(in service: WorkerService, from drawn: Int, now: Int64) -> Place? {
        let isFull = Uncounted(service.cells[drawn]).lend { $0.isFull }
        let drawn = isFull ? service.cellWithRoom ?? drawn : drawn
        let cell = Uncounted(service.cells[drawn])
        if let endpoint = cell.lend({
            $0.pick(key: hashKey, now: now, cautious: isCautious, random: &worker.random)
        }) {
            return Place(cell: cell, endpoint: endpoint)
        }
        return placeElsewhere(in: service, from: drawn, now: now)
    }

    private func placeElsewhere(in service: WorkerService, from drawn: Int, now: Int64) -> Place? {
        for (index, cell) in service.cells.enumerated() where index != drawn {
            if let endpoint = cell.pick(key: hashKey, now: now, cautious: isCautious, random: &worker.random) {
                return Place(cell: Uncounted(cell), endpoint: endpoint)
            }
        }
        for cell in [service.cells[drawn]] + service.cells {
            if let endpoint = cell.anything(random: &worker.random) {
                return Place(cell: Uncounted(cell), endpoint: endpoint)
            }
        }
        return nil
    }

    /// A pooled connection, or one that is being opened. Nil: the request waits for one, or was refused.
    private func connection(to place: Place, _ service: WorkerService) -> Uncounted<Upstream>? {
        if let connection = presentConnection(to: place, service) { return connection }
        wait(service, for: place.cell.counted)
        return nil
    }

    /// The same, without waiting. Nil: there is none, and none may be opened.
    private func presentConnection(to place: Place, _ service: WorkerService) -> Uncounted<Upstream>? {
        if service.isHTTP2, !isTunnel { return stream(to: place, service) }
        if !isTunnel, let pooled = pooled(at: place, service) { return pooled.lend { Uncounted($0) } }
        let cell = place.cell.counted
        if cell.load.openConnections < cell.connectionLimit || cell.closeIdlest() {
            // The loop keeps it.
            let endpoint = place.endpoint.counted
            return isTunnel
                ? Uncounted(TunnelUpstream(worker: worker, service: service, cell: cell, endpoint: endpoint))
                : Uncounted(UpstreamConnection(worker: worker, service: service, cell: cell, endpoint: endpoint))
        }
        return nil
    }

    /// Whether a connection can be had there without waiting.
    private func hasRoom(at place: Place, _ service: WorkerService) -> Bool {
        let cell = place.cell.counted
        if cell.load.openConnections < cell.connectionLimit { return true }
        if service.isHTTP2, !isTunnel { return place.endpoint.lend { $0.sharedConnection(for: service) != nil } }
        return cell.hasIdle
    }

    /// What cannot be repeated must not meet a connection that was closed a moment ago, or is about to be; nor what has
    /// met one already.
    private func pooled(at place: Place, _ service: WorkerService) -> Uncounted<UpstreamConnection>? {
        if avoidsKept { return nil }
        return place.endpoint.lend {
            method.isIdempotent
                ? $0.takeIdle(for: client, of: service) : $0.takeSafe(for: client, of: service, now: worker.loop.now)
        }
    }

    /// A stream on a connection that is shared, open or being opened; or on another one.
    private func stream(to place: Place, _ service: WorkerService) -> Uncounted<Upstream>? {
        let cell = place.cell.counted
        let endpoint = place.endpoint.counted
        var connection = endpoint.sharedConnection(for: service)?.counted
        if connection == nil, cell.load.openConnections < cell.connectionLimit {
            let made = HTTP2UpstreamConnection(worker: worker, service: service, cell: cell, endpoint: endpoint)
            endpoint.addShared(made)
            connection = made
        }
        guard let connection else { return nil }
        // The connection keeps it.
        return Uncounted(HTTP2UpstreamStream(of: connection, service: service, cell: cell))
    }

    /// Waits for a connection, with a key for one of `cell`, or is refused. Nothing of the request is under way: whoever
    /// waits has no attempt, and who has one waits for nothing else.
    private func wait(_ service: WorkerService, for cell: WorkerCell) {
        if first != nil || pendingLoad != nil { return }
        guard service.load.waiting < service.pendingLimit else {
            service.counters.overflows.add()
            return answerOwn(.overflow)
        }
        // As long as a connect may take, and no longer.
        overstayDeadline = worker.loop.now + service.connectTimeout
        service.load.append(self, at: hashKey == nil ? nil : cell.load)
        tellWaiting()
    }

    /// How many wait has changed.
    func tellWaiting() {
        service?.lend { $0.counters.pending.set($0.load.waiting) }
    }

    /// It waits with a key for an endpoint that has no room still: connections that are shared are not closed for another's.
    var waitsInVain: Bool {
        guard let key = hashKey, let cell = pendingCell, let service = presentService(), service.isHTTP2, !isTunnel,
            let home = service.cells.first(where: { $0.load === cell })
        else { return false }
        let now = worker.loop.now
        guard let endpoint = home.pick(key: key, now: now, cautious: isCautious, random: &worker.random) else {
            return false
        }
        return !hasRoom(at: Place(cell: Uncounted(home), endpoint: endpoint), service)
    }

    /// A connection of that cell became free, or may be opened: the turn of this exchange in the queue has come.
    func resumePending(in freed: CellLoad) {
        guard phase == .waiting, first == nil, let service = presentService() else { return }
        tellWaiting()
        let now = worker.loop.now
        let deadline = overstayDeadline
        // Who has a key waits for its own place; others go where there is room, if anything is to go there.
        let index = service.cells.firstIndex { $0.load === freed }
        if hashKey == nil, let index, service.split.shares[index] > 0,
            let place = fitPlace(in: service.cells[index], now)
        {
            start(at: place, service)
        } else {
            startAnotherAttempt(service)
        }
        // Still nothing: no time is added to what it has waited.
        if pendingLoad != nil { overstayDeadline = deadline }
        armTimer()
    }

    private func fitPlace(in cell: WorkerCell, _ now: Int64) -> Place? {
        cell.pick(key: nil, now: now, cautious: isCautious, random: &worker.random).map {
            Place(cell: Uncounted(cell), endpoint: $0)
        }
    }

    /// The service by which later attempts go: as in the table that is served now, which has its endpoints, split and
    /// limits, if the table has changed since the request began. Once: attempts under way are of tables that are kept.
    func presentService() -> WorkerService? {
        guard let service = service?.counted, let table else { return nil }
        if laterTable != nil || table.isSame(as: worker.table) { return service }
        guard let present = worker.table.service(named: service.name) else { return service }
        laterTable = worker.lendTable()
        self.service = Uncounted(present)
        return present
    }

    private func launch(_ upstream: Upstream, _ service: WorkerService, _ cell: Uncounted<WorkerCell>) {
        let now = worker.loop.now
        attempts += 1
        upstream.endpoint.attemptBegan()
        cell.lend { Uncounted($0.load).lend { $0.inFlight += 1 } }
        tried.insert(upstream.endpoint.number)
        if first == nil { first = Uncounted(upstream) } else { second = Uncounted(upstream) }
        hedgeDeadline = now + cell.lend { service.hedgeDelay($0) }
        overstayDeadline = hedgeDeadline
        if !upstream.isReached {
            overstayDeadline = min(overstayDeadline, now + cell.lend { service.connectPatience($0) })
        }
        upstream.assign(self, service, cell, now: now)
    }

    private func send(on upstream: Upstream, _ head: borrowing RequestHead, _ bytes: RawSpan) {
        upstream.sendRequest(self, head, bytes)
        upstream.isSent = true
        upstream.sentAt = worker.loop.now
        upstream.deadline = worker.loop.now + upstream.attemptService.lend { $0.responseTimeout }
        if isRequestComplete, !keepsBody { keptBody.removeAll(keepingCapacity: true) }
        if bytesFromClient > UploadProgress.firstFlight {
            lookDeadline = UploadProgress.firstLook(now: worker.loop.now)
        }
    }

    /// Another attempt, from what was kept of the request.
    private func startAnotherAttempt(_ service: WorkerService) {
        let drawn = service.split.drawAgain(key: hashKey)
        guard let place = place(in: service, from: drawn, now: worker.loop.now) else { return answerOwn(.noEndpoint) }
        start(at: place, service)
    }

    private func start(at place: Place, _ service: WorkerService) {
        connection(to: place, service)?.lend { upstream in
            launch(upstream, service, place.cell)
            if upstream.isConnected { sendKept(on: upstream) }
        }
    }

    /// A connection that was being opened for this exchange is open.
    func upstreamConnected(_ upstream: Upstream) {
        upstream.load.connectTime.record(nanoseconds: worker.loop.now - upstream.began)
        // It may have had less time than an answer has.
        if second == nil { overstayDeadline = hedgeDeadline }
        sendKept(on: upstream)
        armTimer()
        if isTunnel, let choice = (upstream as? TunnelUpstream)?.lostPlace { lostPlace(choice) }
    }

    /// Parses the kept head again, which is much cheaper than what made it necessary, and sends.
    private func sendKept(on upstream: Upstream) {
        if isTunnel { return sendSpeech(on: upstream) }
        keptHead.withBytes { bytes in
            guard case .complete? = try? worker.keptRequestHead.parse(bytes, .unlimited) else {
                preconditionFailure("a head that was parsed once is no longer one")
            }
            send(on: upstream, worker.keptRequestHead, bytes)
        }
        upstream.flush()
        downstream?.lend { $0.resumeRequestBody() }
    }

    // Failing

    /// An attempt failed before its answer's head was accepted.
    func attemptFailed(_ upstream: Upstream, _ failure: AttemptFailure) {
        let outcome = end(of: upstream, failure)
        guard end(upstream, outcome) else { return }
        if let failure = upstream.tlsFailure { tlsFailure = failure }
        let now = worker.loop.now
        lastFailure = failure
        let wasStale = outcome == .leftOut
        if !wasStale, attempts > 1 { upstream.service.load.budget.extraEnded(helped: false) }
        if first != nil { return armTimer() }
        guard let service = presentService() else { return }
        let wasRefused = failure == .refused || failure == .leftOut
        let isUntouched = !upstream.isSent || wasRefused && !bodyExceedsKept
        guard isUntouched || isRepeatable else { return answerOwn(.failed(failure)) }
        if wasStale || wasRefused, freeRetryLeft {
            freeRetryLeft = false
            avoidsKept = wasStale
            startAnotherAttempt(service)
            return armTimer()
        }
        guard retriesLeft > 0, service.retries(failure) else { return answerOwn(.failed(failure)) }
        guard service.load.budget.take(now: now) else {
            service.counters.budgetExhausted.add()
            return answerOwn(.failed(failure))
        }
        retry(after: upstream, service)
    }

    /// Tries again on another endpoint of the same cell; the last time, or when there is none, in another region.
    private func retry(after attempt: Upstream, _ service: WorkerService) {
        retriesLeft -= 1
        attempt.cell.counters.retries.add()
        let now = worker.loop.now
        let cell = service.cell(in: attempt.cell.region)
        let place =
            (retriesLeft > 0 ? another(in: cell, now: now) : nil)
            ?? elsewhere(than: cell, service, now: now) ?? another(in: cell, now: now) ?? anything(in: cell)
        if let place {
            start(at: place, service)
        } else {
            answerOwn(.failed(lastFailure ?? .reset))
        }
        armTimer()
    }

    /// An endpoint of this cell that was not tried yet.
    func another(in cell: WorkerCell?, now: Int64) -> Place? {
        guard let cell else { return nil }
        return cell.another(excluding: tried, now: now, cautious: isCautious, random: &worker.random).map {
            Place(cell: Uncounted(cell), endpoint: $0)
        }
    }

    private func anything(in cell: WorkerCell?) -> Place? {
        guard let cell else { return nil }
        return cell.anything(random: &worker.random).map { Place(cell: Uncounted(cell), endpoint: $0) }
    }

    /// An endpoint in another region: those with a share of the split first, in order of preference.
    func elsewhere(than cell: WorkerCell?, _ service: WorkerService, now: Int64) -> Place? {
        for wantsShare in [true, false] {
            for (index, other) in service.cells.enumerated() where other !== cell {
                guard (service.split.shares[index] > 0) == wantsShare else { continue }
                if let place = another(in: other, now: now) { return place }
            }
        }
        return nil
    }

    /// Whether the answer with this status is better not passed on but tried again; takes the retry if so.
    func retriesInstead(of status: Int, from upstream: Upstream) -> Bool {
        let service = upstream.service
        // A call that was ended without a message by whoever cannot serve it now has not been served.
        let isUnserved = isGRPC && grpcStatus == .unavailable && !bodyExceedsKept
        guard service.retries(status: status), isRepeatable || isUnserved, isRequestComplete else { return false }
        // Another attempt is still under way: its answer may be better.
        if second != nil { return true }
        guard retriesLeft > 0 else { return false }
        guard service.load.budget.take(now: worker.loop.now) else {
            service.counters.budgetExhausted.add()
            return false
        }
        return true
    }

    /// The answer of `upstream` was not passed on (see `retriesInstead`).
    func answerDeclined(by upstream: Upstream) {
        guard remove(upstream) else { return }
        // A status that is a failure was counted as it came.
        if upstream.countedAs == nil { count(.replaced, of: upstream) }
        if first != nil { return armTimer() }
        lastFailure = .reset
        if let service = presentService() { retry(after: upstream, service) }
    }

    // Overstaying

    func deadlineReached() {
        guard phase != .free else { return }
        let now = worker.loop.now
        if lookDeadline != .max { lookAtUpload(now: now) }
        if now >= requestDeadline { return timedOut(.requestTimeout) }
        if isTunnel, tunnelTimedOut(now: now) { return }
        if phase == .answering {
            if now >= tunnel.closeDeadline { return callLeft() }
            if now >= idleDeadline {
                if isClientFull {
                    renewIdleDeadline()
                } else if !isClientAwaited(now: now), !isTaken(now: now) {
                    grpcStatus = nil
                    return answerStalled(.stoodStill(service?.lend { $0.idleTimeout } ?? .max))
                }
            }
            return armTimer()
        }
        if pendingLoad != nil {
            if now < overstayDeadline { return armTimer() }
            service?.lend { $0.counters.overflows.add() }
            return answerOwn(.overflow)
        }
        if now >= overstayDeadline, let first, let later = first.lend({ laterOverstay(of: $0, now: now) }) {
            overstayDeadline = later
        } else if now >= overstayDeadline, !isConnectOver(now: now) {
            overstayDeadline = .max
            overstayed(now: now)
            if phase != .waiting { return }
        }
        for attempt in [second?.counted, first?.counted] {
            if let attempt, now >= attempt.deadline {
                if isClientAwaited(by: attempt, now: now) {
                    attempt.deadline = now + attempt.service.responseTimeout
                    continue
                }
                // It was the client, or the way of the request, that took its time: the endpoint is to have its own.
                let isJudged = attempt.isSent && !isTunnel && !isClientOwing(attempt)
                let left = isJudged ? attempt.service.responseTimeout - endpointWait(attempt, now: now) : 0
                if left > 0 {
                    attempt.deadline = now + left
                    continue
                }
                attempt.giveUp()
                attemptFailed(attempt, attempt.isSent ? .responseTimedOut : .connectTimedOut)
                if phase != .waiting { return }
            }
        }
        armTimer()
    }

    /// The delay is the client's. Clients are waited for as long as their listener has it, calls as long as they may rest.
    func isClientAwaited(by attempt: Upstream, now: Int64) -> Bool {
        isClientOwing(attempt) && (!isGRPC || now < began + listener.tunnelTimeout)
    }

    /// The same within an answer, which endpoints may begin before they have all of the request.
    private func isClientAwaited(now: Int64) -> Bool {
        guard !restsOnPurpose, let first, first.lend({ isClientAwaited(by: $0, now: now) }) else { return false }
        renewIdleDeadline()
        return true
    }

    /// The answer's head has not come for long: ask somebody else as well if that is safe, and where the usual time is
    /// known, say that it is over.
    private func overstayed(now: Int64) {
        for index in 0..<2 {
            guard let attempt = (index == 0 ? first : second)?.counted, !attempt.hasOverstayed, attempt.isReached,
                let limit = overstay(of: attempt)
            else { continue }
            let waited = endpointWait(attempt, now: now)
            guard waited >= limit else {
                overstayDeadline = min(overstayDeadline, now + limit - waited)
                continue
            }
            attempt.hasOverstayed = true
            attempt.endpoint.counters.overstaying.add(1)
            countOverstay(of: attempt, now: now)
        }
        guard let attempt = (second ?? first)?.counted, attempt.service.hedges else { return }
        let isDark = !attempt.isReached && darkAttempts < Self.darkLimit
        guard isDark ? second == nil || first?.lend({ !$0.isReached }) == true : second == nil && !isHedged else {
            return
        }
        guard let service = presentService() else { return }
        guard isWholeRequestKept, method.isIdempotent || !attempt.isSent else { return }
        let found =
            isDark ? addressPlace(for: attempt, service, now: now) : hedgePlace(for: attempt, service, now: now)
        // It is a bet, for which nothing is waited.
        guard let place = found, hasRoom(at: place, service) else { return }
        guard service.load.budget.take(now: now) else {
            service.counters.budgetExhausted.add()
            return
        }
        isHedged = true
        if isDark { foundDark(attempt, service, goesTo: place) }
        attempt.cell.counters.hedges.add()
        // Of requests of which nothing was sent, those that must not be doubled move instead; and of two attempts without a
        // connection the older one makes room.
        if !method.isIdempotent || second != nil, let oldest = first?.counted {
            end(oldest, end(of: oldest, .calledOff))
            oldest.giveUp()
        }
        start(at: place, service)
    }

    private func countOverstay(of attempt: Upstream, now: Int64) {
        attempt.endpoint.counters.overstays.add()
        if let run = attempt.endpoint.overstayed(began: attempt.began, now: now) {
            worker.report(attempt.endpoint, failures: run, overstaying: true)
        }
    }

    /// An attempt that is still without an answer is about to be called off: the hedge has been answered. As long as the
    /// usual time is unknown, this is what shows that its endpoint hangs.
    func lostRace(_ attempt: Upstream, to hedge: Upstream, now: Int64) {
        guard attempt.isSent, !attempt.hasOverstayed,
            attempt.cell.lostRace(
                waited: endpointWait(attempt, now: now), other: now - hedge.began,
                limit: attempt.service.responseTimeout)
        else { return }
        countOverstay(of: attempt, now: now)
    }

    /// Where to hedge: a neighbor that answered something late in this request's wait has shown that the region is
    /// alive; without such a sign another region is asked.
    private func hedgePlace(for attempt: Upstream, _ service: WorkerService, now: Int64) -> Place? {
        let sign = HedgeDelay.signOfLife(began: attempt.began, now: now)
        let cell = service.cell(in: attempt.cell.region)
        if let cell, let endpoint = cell.alive(since: sign, excluding: tried) {
            return Place(cell: Uncounted(cell), endpoint: endpoint)
        }
        return elsewhere(than: cell, service, now: now) ?? another(in: cell, now: now)
    }

    private func timedOut(_ answer: OwnAnswer) {
        grpcStatus = .deadlineExceeded
        let cause: AttemptCause = isGRPC ? .callerTimedOut : .requestTimedOut(requestDeadline - began)
        if phase == .answering {
            if isGRPC { callExpired() } else { answerStalled(cause) }
            return
        }
        while let attempt = first?.counted {
            end(attempt, end(of: attempt, cause))
            attempt.giveUp()
        }
        answerOwn(answer)
    }

    /// The earliest thing to wait for.
    func armTimer() {
        guard phase != .free, let timer else { return }
        var deadline = min(requestDeadline, phase == .answering ? idleDeadline : overstayDeadline)
        deadline = min(deadline, lookDeadline)
        if isTunnel { deadline = min(deadline, idleDeadline) }
        if phase == .answering || isTunnel { deadline = min(deadline, tunnel.closeDeadline) }
        if phase == .waiting {
            if let first { deadline = min(deadline, first.lend { $0.deadline }) }
            if let second { deadline = min(deadline, second.lend { $0.deadline }) }
        }
        if deadline == .max { worker.disarm(timer) } else { worker.arm(timer, at: deadline) }
    }

    // Letting go

    /// Takes an attempt out; the hedge moves up. False if it is none of ours.
    @discardableResult
    func remove(_ attempt: Upstream) -> Bool {
        if first?.isSame(as: attempt) == true {
            first = second
        } else if second?.isSame(as: attempt) != true {
            return false
        }
        second = nil
        attempt.endpoint.attemptEnded()
        attempt.attemptCell.lend { Uncounted($0.load).lend { $0.inFlight -= 1 } }
        endWait(for: attempt)
        return true
    }

    /// It has answered, or is over: either way nothing is awaited of it.
    @inline(__always)
    func endWait(for attempt: Upstream) {
        guard attempt.hasOverstayed else { return }
        attempt.hasOverstayed = false
        attempt.endpoint.counters.overstaying.add(-1)
    }

    /// Ends whatever is under way, for reasons that are none of its own.
    func abandonAttempts(_ reason: AttemptEnd) {
        while let attempt = first?.counted {
            end(attempt, reason)
            attempt.giveUp()
        }
    }
}
