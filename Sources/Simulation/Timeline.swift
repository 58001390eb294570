internal import Failover
internal import RouteTable

/// A run for a person to read: what happened, what the router decided, and once a second, while anything changes, how
/// requests fared.
package struct Timeline {
    package let lines: [String]

    /// - Parameter every: seconds between two lines of figures while nothing changes.
    package init(_ record: Record, of scenario: Scenario, every: Int = 10) {
        var entries: [(at: Int64, rank: Int, text: String)] = []
        for event in record.events { entries.append((event.at, 0, "! \(event.text)")) }
        for (at, answer) in record.answers { entries.append((at, 1, "  \(Self.text(answer))")) }
        for timed in record.decisions { entries.append((timed.at, 1, "  \(timed.decision)")) }
        let ends = record.seconds.indices.map { Int64($0 + 1) * 1_000_000_000 }
        var last: [Int] = []
        for (index, end) in ends.enumerated() where end <= record.length {
            let second = record.seconds[index]
            let isBusy = entries.contains { $0.rank < 2 && $0.at > end - 1_000_000_000 && $0.at <= end }
            let shape = Self.shape(second)
            if isBusy || shape != last || (index + 1) % every == 0 {
                entries.append((end, 2, Self.figures(second, in: scenario)))
            }
            last = shape
        }
        let sorted = entries.enumerated().sorted {
            ($0.element.at, $0.element.rank, $0.offset) < ($1.element.at, $1.element.rank, $1.offset)
        }
        lines = sorted.map { Self.stamp($0.element.at) + " " + $0.element.text }
    }

    /// What makes a second worth a line: whether something failed or was shed, and where most of the traffic went.
    private static func shape(_ second: Second) -> [Int] {
        let sent = max(second.sent.reduce(0, +), 1)
        return second.services.map { min($0.failed, 1) + 2 * min($0.shed, 1) } + second.sent.map { $0 * 5 / sent }
    }

    private static func figures(_ second: Second, in scenario: Scenario) -> String {
        var all = Tally()
        var latency = Latency()
        for tally in second.services { all += tally }
        for one in second.latencies { latency += one }
        let regions = zip(scenario.table.regions, second.sent).map { "\($0.name) \($1)" }.joined(separator: ", ")
        var text = "· \(all.requests) requests; sent: \(regions)"
        if all.failed > 0 { text += "; \(all.failed) FAILED" }
        if all.shed > 0 {
            let shed = zip(scenario.table.services, second.services).filter { $0.1.shed > 0 }
                .map { "\($0.name) \($1.shed)" }
            text += "; shed: \(shed.joined(separator: ", "))"
        }
        return text + "; p99 \(milliseconds(latency.percentile(9_900)))"
    }

    private static func text(_ answer: OrderAnswer) -> String {
        switch answer {
        case .accepted: "the order is accepted"
        case .refused(let reason): "the order is refused: \(reason)"
        }
    }

    /// `  12.3 s`.
    private static func stamp(_ nanoseconds: Int64) -> String {
        let text = seconds(nanoseconds)
        return String(repeating: " ", count: max(8 - text.count, 0)) + text
    }
}

func milliseconds(_ nanoseconds: Int64) -> String { "\(nanoseconds / 1_000_000) ms" }
