internal import RouteTable

/// How soon an endpoint is to be probed again.
package enum ProbeCadence: Sendable {
    case normal, suspect, down
}

/// When a target's next probe is due: its interval with jitter of up to a tenth either way, the first round spread
/// over one interval, so that thousands of targets, and many routers, do not probe in step.
struct ProbeSchedule {
    private let probe: Probe
    private(set) var cadence = ProbeCadence.normal
    /// Nanoseconds of the loop's clock.
    private(set) var due: Int64

    init(probe: Probe, now: Int64, random: inout some RandomNumberGenerator) {
        self.probe = probe
        due = now + Int64.random(in: 0...max(Self.nanoseconds(probe.every), 1), using: &random)
    }

    var interval: Int64 {
        switch cadence {
        case .normal: Self.nanoseconds(probe.every)
        case .suspect: min(Self.nanoseconds(probe.everySuspect), Self.nanoseconds(probe.every))
        case .down: Self.nanoseconds(probe.everyDown)
        }
    }

    mutating func probed(now: Int64, random: inout some RandomNumberGenerator) {
        let tenth = interval / 10
        due = now + interval + Int64.random(in: -tenth...tenth, using: &random)
    }

    /// A probe has ended. If the next was due before, the time is now: what had to wait for its predecessor is not late.
    mutating func ended(now: Int64) {
        due = max(due, now)
    }

    /// A faster cadence takes effect at once.
    mutating func set(_ cadence: ProbeCadence, now: Int64) {
        self.cadence = cadence
        due = min(due, now + interval)
    }

    mutating func probeNow(now: Int64) {
        due = min(due, now)
    }

    static func nanoseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
