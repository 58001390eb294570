package import Reactor
internal import RouteTable
internal import TLS
internal import Telemetry
internal import Wire

/// What the prober is told.
package enum ProberMessage: Sendable {
    /// Probe exactly these; targets that are known go on in their rhythm.
    case targets([ProbeTarget])
    case cadence(number: Int, ProbeCadence)
    case probeNow(number: Int)
    case stop
}

/// Active health checks for any number of endpoints, on a thread and a loop of their own.
///
/// The prober watches itself: a result that its own lateness may have spoiled is reported as unknown, never as a
/// failure. In October 2025 late results read as failures removed healthy capacity.
package final class Prober: TimerOwner {
    let loop: EventLoop
    let receiveBuffer = ReceiveBuffer(capacity: 131_072)
    let reports: any ProbeReports
    var random: SeededRandom
    /// Parses every probe's answer in turn.
    var head = ResponseHead(fieldLimit: 1_000)
    private(set) lazy var tlsPort = TLSPort()

    private var targets: [Int: TargetState] = [:]
    private var secondTimer: TimerWheel.Handle?
    private var worstLag: Int64 = 0

    private init(seed: UInt64, reports: any ProbeReports) throws(SystemError) {
        loop = try EventLoop()
        self.reports = reports
        random = SeededRandom(seed: seed)
    }

    /// Starts the prober's thread.
    package static func start(
        seed: UInt64, mailbox: Mailbox<ProberMessage>, reports: any ProbeReports
    ) throws(SystemError) {
        try Thread.start(name: "prober") {
            do {
                try run(seed: seed, mailbox: mailbox, reports: reports)
            } catch {
                preconditionFailure("the prober could not start: \(error)")
            }
        }
    }

    /// The same on the calling thread, until it is stopped.
    package static func run(
        seed: UInt64, mailbox: Mailbox<ProberMessage>, reports: any ProbeReports
    ) throws(SystemError) {
        let prober = try Prober(seed: seed, reports: reports)
        try mailbox.attach(to: prober.loop) { prober.receive($0) }
        let timer = prober.loop.timers.add(prober)
        prober.secondTimer = timer
        prober.loop.timers.arm(timer, at: prober.loop.now + 1_000_000_000)
        prober.loop.run()
        // The loop keeps those who keep it.
        prober.loop.dismiss()
    }

    private func receive(_ message: ProberMessage) {
        switch message {
        case .targets(let list): replace(with: list)
        case .cadence(let number, let cadence): targets[number]?.set(cadence)
        case .probeNow(let number): targets[number]?.probeNow()
        case .stop:
            replace(with: [])
            loop.stop()
        }
    }

    private func replace(with list: [ProbeTarget]) {
        var remaining = targets
        targets.removeAll(keepingCapacity: true)
        for target in list {
            if let known = remaining[target.number], known.target.probe == target.probe {
                known.target = target
                targets[target.number] = known
                remaining[target.number] = nil
            } else {
                targets[target.number] = TargetState(prober: self, target: target)
            }
        }
        for state in remaining.values { state.end() }
    }

    /// Notes how late a timer fired.
    func noteLag(_ nanoseconds: Int64) {
        worstLag = max(worstLag, nanoseconds)
    }

    package func deadlineReached() {
        guard let secondTimer else { return }
        reports.lag(nanoseconds: worstLag)
        worstLag = 0
        loop.timers.arm(secondTimer, at: loop.now + 1_000_000_000)
    }
}

/// One target's rhythm, and the probe under way.
final class TargetState: TimerOwner {
    let prober: Prober
    /// Its probe stays the same.
    var target: ProbeTarget
    private var schedule: ProbeSchedule
    private var timer: TimerWheel.Handle?
    private var connection: ProbeConnection?
    private var wantsAnother = false
    /// Somebody waits for the next result.
    private var isAwaited = false
    private var isSuspect = false
    private var lastProbe: Int64 = .min / 2
    private var seen = RequestsSeen()

    init(prober: Prober, target: ProbeTarget) {
        self.prober = prober
        self.target = target
        schedule = ProbeSchedule(probe: target.probe, now: prober.loop.now, random: &prober.random)
        let timer = prober.loop.timers.add(self)
        self.timer = timer
        prober.loop.timers.arm(timer, at: schedule.due)
    }

    func set(_ cadence: ProbeCadence) {
        isSuspect = cadence == .suspect
        schedule.set(cadence, now: prober.loop.now)
        arm()
    }

    func probeNow() {
        wantsAnother = connection != nil
        isAwaited = true
        schedule.probeNow(now: prober.loop.now)
        arm()
    }

    func end() {
        connection?.cancel()
        connection = nil
        if let timer { prober.loop.timers.remove(timer) }
        timer = nil
    }

    private func arm() {
        if connection == nil, let timer { prober.loop.timers.arm(timer, at: schedule.due) }
    }

    func deadlineReached() {
        guard timer != nil, connection == nil else { return }
        let now = prober.loop.now
        let late = now - schedule.due
        if late < 0 { return arm() }
        prober.noteLag(late)
        schedule.probed(now: now, random: &prober.random)
        if isSpared(now: now) { return arm() }
        lastProbe = now
        connection = ProbeConnection(prober: prober, target: target) { [unowned self] finding in
            self.ended(finding)
        }
    }

    /// Requests have shown since the last look what a probe would.
    private func isSpared(now: Int64) -> Bool {
        guard let everyUsed = target.probe.everyUsed else { return false }
        let before = seen
        seen = RequestsSeen(target.counters)
        return schedule.cadence == .normal && !isAwaited && seen.successes > before.successes
            && seen.failures == before.failures && now - lastProbe < ProbeSchedule.nanoseconds(everyUsed)
    }

    private func ended(_ finding: ProbeFinding) {
        connection = nil
        schedule.ended(now: prober.loop.now)
        prober.reports.probed(target.number, finding, isAwaited: isAwaited || isSuspect)
        isAwaited = wantsAnother
        if wantsAnother {
            wantsAnother = false
            schedule.probeNow(now: prober.loop.now)
        }
        arm()
    }
}

/// Requests of an endpoint, as workers have counted them.
struct RequestsSeen {
    var successes: UInt64 = 0
    var failures: UInt64 = 0

    init() {}

    init(_ counters: [EndpointCounters]) {
        for one in counters {
            successes &+= one.successes.count
            failures &+= one.connectFailures.count &+ one.unreachables.count &+ one.connectTimeouts.count
            failures &+= one.resets.count &+ one.truncations.count &+ one.lateBreaks.count
            failures &+= one.responseTimeouts.count
            failures &+= one.gatewayErrors.count &+ one.serverErrors.count &+ one.overstays.count
            failures &+= one.unconnected.count
        }
    }
}

/// The prober's own chance, for jitter: SplitMix64 (Steele, Lea and Flood, 2014).
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
