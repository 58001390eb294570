import Glibc
import Probes
import Reactor
import RouteTable
import Synchronization

/// The CPU time of probing many endpoints every ten seconds, each by HTTP on a connection of its own.
final class ProbeScale: ProbeReports {
    private let targets: Int
    private let port: UInt16
    private let passed = Atomic<Int>(0)
    private let failed = Atomic<Int>(0)
    private let unknown = Atomic<Int>(0)
    private let worstLag = Atomic<Int64>(0)

    init(targets: Int, port: UInt16) {
        self.targets = targets
        self.port = port
    }

    func probed(_ number: Int, _ finding: ProbeFinding, isAwaited: Bool) {
        switch finding {
        case .passed: passed.add(1, ordering: .relaxed)
        case .failed: failed.add(1, ordering: .relaxed)
        case .unknown: unknown.add(1, ordering: .relaxed)
        }
    }

    func lag(nanoseconds: Int64) {
        worstLag.store(max(worstLag.load(ordering: .relaxed), nanoseconds), ordering: .relaxed)
    }

    /// Endpoints have addresses of their own within 127.0.0.0/8, all answered by whoever listens on the port.
    private func list() -> [ProbeTarget] {
        var probe = Probe(kind: .http(HTTPProbe(path: "/healthz")))
        probe.every = .seconds(10)
        return (0..<targets).map { number in
            let ip = "127.\(1 + number / 62_500).\(number / 250 % 250).\(1 + number % 250)"
            return ProbeTarget(
                number: number, address: SocketAddress(ip: ip, port: port)!, authority: "\(ip):\(port)", probe: probe)
        }
    }

    func measure(seconds: Int) throws -> String {
        let mailbox = try Mailbox<ProberMessage>()
        try Prober.start(seed: 1, mailbox: mailbox, reports: self)
        mailbox.post(.targets(list()))
        // The first round is spread over one interval; the second is the rhythm.
        sleep(11)
        let (cpu, count, wall) = (Usage.ofProcess, counted, EventLoop.clock())
        worstLag.store(0, ordering: .relaxed)
        sleep(UInt32(seconds))
        let spent = Usage.ofProcess - cpu
        let probes = counted - count
        let time = EventLoop.clock() - wall
        return """
            {"probes_per_second": \(probes * 1_000_000_000 / Int(time)), \
            "cpu_us_per_probe": \(Double(spent) / 1_000 / Double(max(probes, 1))), \
            "core_share": \(Double(spent) / Double(time)), "passed": \(passed.load(ordering: .relaxed)), \
            "failed": \(failed.load(ordering: .relaxed)), "unknown": \(unknown.load(ordering: .relaxed)), \
            "worst_lag_ms": \(Double(worstLag.load(ordering: .relaxed)) / 1e6)}
            """
    }

    private var counted: Int {
        passed.load(ordering: .relaxed) + failed.load(ordering: .relaxed) + unknown.load(ordering: .relaxed)
    }
}
