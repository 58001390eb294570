import Failover
import RouteTable

/// The CPU time of the brain for all evidence of a tenth of a second.
struct BrainScale {
    let services: Int
    let regions: Int
    let endpoints: Int
    /// Endpoints are probed this often; so a hundredth of them in each step.
    private let probeEvery = 10

    init(services: Int, regions: Int, endpoints: Int) {
        self.services = services
        self.regions = regions
        self.endpoints = endpoints
    }

    private var topology: Topology {
        var next = 0
        var topology = Topology(
            regions: (0..<regions).map { Topology.Region(name: "region-\($0)", capacity: 1_000_000) })
        topology.services = (0..<services).map { service in
            let cells = (0..<regions).map { region in
                let first = next
                next += endpoints
                return Topology.Cell(
                    region: region,
                    endpoints: (first..<next).map {
                        Topology.Endpoint(id: EndpointID($0), address: "10.0.0.\($0):80", weight: 1)
                    })
            }
            return Topology.Service(
                name: "service-\(service)", policy: FailoverPolicy(),
                probe: Topology.ProbeRule(every: .seconds(probeEvery), fall: 2, rise: 2), cells: cells)
        }
        return topology
    }

    /// Five requests for each endpoint that has some.
    private func traffic(in region: Int, fails: Bool, step: Int) -> Traffic {
        var traffic = Traffic()
        for service in 0..<services {
            traffic.services.append(ServiceTraffic(service: service, requests: 5 * endpoints))
            let first = (service * regions + region) * endpoints
            for number in first..<first + endpoints {
                var report = EndpointTraffic(endpoint: EndpointID(number))
                report.attempts = 5
                if fails {
                    report.connectFailures = 5
                    report.failureRun = 5 * (step + 1)
                } else {
                    report.successes = 5
                }
                traffic.endpoints.append(report)
            }
            if step % 10 == 0 {
                var cell = CellTraffic(service: service, position: region)
                cell.answers = 50 * endpoints
                cell.median = 1_000
                cell.tail = 2_000
                traffic.cells.append(cell)
            }
        }
        return traffic
    }

    func measure() -> String {
        var brain = Brain()
        var now = Instant(nanoseconds: 1_000_000_000_000)
        let all = services * regions * endpoints
        let before = Usage.ofThread
        var actions = brain.observe(.topology(topology), at: now).count
        let adoption = Usage.ofThread - before
        var probed = 0
        func step(_ traffic: Traffic) -> Int64 {
            now = now + .milliseconds(100)
            let before = Usage.ofThread
            for _ in 0..<all / probeEvery / 10 {
                actions += brain.observe(.probe(EndpointID(probed), .passed), at: now).count
                probed = (probed + 1) % all
            }
            actions += brain.observe(.traffic(traffic), at: now).count
            actions += brain.observe(.tick, at: now).count
            return Usage.ofThread - before
        }
        var steady: [Int64] = []
        for number in 0..<300 { steady.append(step(traffic(in: 0, fails: false, step: number))) }
        // The first region fails for all at once.
        var failing: [Int64] = []
        for number in 0..<5 { failing.append(step(traffic(in: 0, fails: true, step: number))) }
        let moved = (0..<services).count { brain.split(ofService: $0)[0] == 0 }
        var after: [Int64] = []
        for number in 0..<100 { after.append(step(traffic(in: 1, fails: false, step: number))) }
        return """
            {"steady_ms": \(median(steady)), "steady_worst_ms": \(milliseconds(steady.max()!)), \
            "failing_ms": \(milliseconds(failing.max()!)), "moved": \(moved), "after_ms": \(median(after)), \
            "adoption_ms": \(milliseconds(adoption)), "endpoints": \(all), "actions": \(actions), \
            "peak_mib": \(Usage.peakMemoryMiB)}
            """
    }

    private func median(_ times: [Int64]) -> Double { milliseconds(times.sorted()[times.count / 2]) }

    private func milliseconds(_ nanoseconds: Int64) -> Double { Double(nanoseconds / 1_000) / 1_000 }
}
