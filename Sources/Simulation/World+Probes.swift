internal import Failover
internal import RouteTable

/// The prober, as `Probes` has it: its own rhythm for each endpoint, and the knowledge of its own lateness.
struct ProberState {
    /// It does nothing before then.
    var standsUntil: Int64 = 0
    /// How late it was at worst since it last said so.
    var worstLag: Int64 = 0
    var toldLag: Int64 = 0
    /// It looks at everything so much too late.
    var lag: Int64 = 0
}

/// What a probe finds, if it is looked at in time.
struct ProbeResult {
    enum Finding { case passed, failed(String, answered: Bool), timedOut }

    let finding: Finding
    /// When its time-out runs out.
    let deadline: Int64
    let timeout: Int64
    /// How late the prober was when it began.
    var lag: Int64 = 0
    let router: UInt32
}

extension World {
    func startProber() {
        prober = ProberState()
        for number in backends.indices {
            scheduleProbe(number)
        }
    }

    /// The first round is spread over an interval, lest all be probed in step.
    func scheduleProbe(_ number: Int) {
        guard backends[number].isMember, let probe = table.services[backends[number].service].probe else { return }
        let generation = backends[number].probe.generation
        backends[number].probe = ProbeRhythm(
            due: now + chance.below(max(probe.every.nanoseconds, 1)), generation: generation)
        putProbe(number)
    }

    private func putProbe(_ number: Int) {
        backends[number].probe.generation &+= 1
        queue.put(
            .probe(number: number, generation: backends[number].probe.generation),
            at: max(backends[number].probe.due, now))
    }

    private func interval(of number: Int) -> Int64 {
        guard let probe = table.services[backends[number].service].probe else { return .max / 4 }
        return switch backends[number].probe.pace {
        case .normal: probe.every.nanoseconds
        case .suspect: min(probe.everySuspect, probe.every).nanoseconds
        case .down: probe.everyDown.nanoseconds
        }
    }

    /// A faster pace takes effect at once.
    func setPace(_ pace: ProbePace, soon: Bool, of number: Int) {
        backends[number].probe.pace = pace
        backends[number].probe.due = min(backends[number].probe.due, now + interval(of: number))
        if soon {
            backends[number].probe.wantsAnother = backends[number].probe.isUnderWay
            backends[number].probe.isAwaited = true
            backends[number].probe.due = min(backends[number].probe.due, now)
        }
        if !backends[number].probe.isUnderWay { putProbe(number) }
    }

    /// A probe is due.
    func probe(_ number: Int, _ generation: UInt32) {
        guard backends[number].probe.generation == generation, backends[number].isMember, !isDown,
            let probe = table.services[backends[number].service].probe
        else { return }
        if now < prober.standsUntil {
            return queue.put(.probe(number: number, generation: generation), at: prober.standsUntil)
        }
        prober.worstLag = max(prober.worstLag, now - backends[number].probe.due)
        let interval = interval(of: number)
        backends[number].probe.due = now + interval - interval / 10 + chance.below(max(interval / 5, 1))
        backends[number].probe.isUnderWay = true
        let timeout = probe.timeout.nanoseconds
        let (finding, time) = find(number, timeout: timeout)
        let result = ProbeResult(
            finding: finding, deadline: now + timeout, timeout: timeout, lag: prober.lag,
            router: UInt32(record.restarts.count))
        queue.put(.probed(number: number, result), at: now + time + prober.lag)
    }

    /// What a probe finds, and after what time.
    private func find(_ number: Int, timeout: Int64) -> (ProbeResult.Finding, Int64) {
        let backend = backends[number]
        let way = distance(to: backend.region)
        if isCut { return (.timedOut, timeout) }
        switch backend.lie {
        case .fails: return (.failed("status 503", answered: true), way)
        case .passes: return (.passed, way)
        case nil: break
        }
        switch backend.fault {
        case .refuses: return (.failed("connection refused", answered: true), way)
        case .drops, .hangs: return (.timedOut, timeout)
        case .resets, .truncates: return (.failed("closed", answered: true), way)
        case .errs(let share, let status) where chance.hits(share):
            return (.failed("status \(status)", answered: true), way)
        case .slows(let delay) where delay.nanoseconds + way >= timeout: return (.timedOut, timeout)
        default: break
        }
        let wait = max(backend.queue.backlog(at: now), regionQueues[backend.region].backlog(at: now))
        return wait + way < timeout ? (.passed, wait + way) : (.timedOut, timeout)
    }

    /// A probe's result is there; the prober may see it too late to say more than that.
    func probed(_ number: Int, _ result: ProbeResult) {
        guard result.router == UInt32(record.restarts.count), !isDown else { return }
        if now < prober.standsUntil { return queue.put(.probed(number: number, result), at: prober.standsUntil) }
        if isCut, now < result.deadline {
            // Its answer is lost on the way.
            let lost = ProbeResult(
                finding: .timedOut, deadline: result.deadline, timeout: result.timeout, router: result.router)
            return queue.put(.probed(number: number, lost), at: result.deadline)
        }
        let late = max(now - result.deadline, 0)
        prober.worstLag = max(prober.worstLag, late)
        let outcome: ProbeOutcome =
            switch result.finding {
            case .passed: .passed
            case .failed(let reason, let answered): .failed(reason, answered: answered)
            case .timedOut: late > result.timeout / 2 ? .unknown : .failed("timeout", answered: false)
            }
        report(outcome, of: number, result)
    }

    private func report(_ found: ProbeOutcome, of number: Int, _ result: ProbeResult) {
        var rhythm = backends[number].probe
        // It noticed the connection so late that the time was over before the request was sent.
        let outcome = result.lag > result.timeout * 3 / 2 ? ProbeOutcome.unknown : found
        findings.append((number, outcome))
        laws.noteProbe(outcome, of: &backends[number])
        if rhythm.isAwaited || rhythm.pace == .suspect { lookSoon() }
        rhythm.isUnderWay = false
        rhythm.isAwaited = rhythm.wantsAnother
        // What had to wait for its predecessor is not late.
        rhythm.due = rhythm.wantsAnother ? now : max(rhythm.due, now)
        rhythm.wantsAnother = false
        backends[number].probe = rhythm
        putProbe(number)
    }

    /// Once a second it says how late it was.
    func proberSecond() {
        if now < prober.standsUntil { return queue.put(.proberSecond, at: prober.standsUntil) }
        if !isDown {
            let lag = max(prober.worstLag, prober.lag)
            if lag != prober.toldLag || lag > 0 { carryOut(tell(.proberLag(.nanoseconds(lag)))) }
            prober.toldLag = lag
        }
        prober.worstLag = 0
        queue.put(.proberSecond, at: now + 1_000_000_000)
    }
}
