internal import Failover
internal import RouteTable
internal import Telemetry

/// What the workers' counters say of the cells, since it was last asked: overload at once, times once a second.
struct CellEvidence {
    private struct Seen {
        let service: Int
        let position: Int
        let counters: [CellCounters]
        var overloads: UInt64
        var nanoseconds: UInt64
        /// By bucket, of all workers together.
        var times: [UInt64]
        /// When they were last told, or given up.
        var timesAt: Int64 = 0
    }

    private var cells: [Seen] = []
    private var timesReadAt: Int64 = 0

    /// Answers it takes to say how long they take.
    private static let answersMinimum = 10
    /// Fewer than that within so long say nothing: they are not kept until others come.
    private static let timesKept: Int64 = 10_000_000_000

    /// Begins anew with a table's cells: what they counted before is not said again.
    mutating func adopt(_ table: Table, _ registry: Registry) {
        cells = []
        for (index, service) in table.services.enumerated() {
            for (position, cell) in service.cells.enumerated() {
                let key = Registry.CellKey(service: service.name, region: table.regions[cell.region].name)
                guard let counters = registry.cells[key] else { continue }
                cells.append(
                    Seen(
                        service: index, position: position, counters: counters, overloads: Self.overloads(counters),
                        nanoseconds: Self.nanoseconds(counters), times: Self.times(counters)))
            }
        }
    }

    /// - Parameter clock: nanoseconds.
    mutating func take(at clock: Int64) -> [CellTraffic] {
        let readsTimes = clock - timesReadAt >= 1_000_000_000
        if readsTimes { timesReadAt = clock }
        var reports: [CellTraffic] = []
        for index in cells.indices {
            if let report = take(index, clock, readsTimes: readsTimes) { reports.append(report) }
        }
        return reports
    }

    private mutating func take(_ index: Int, _ clock: Int64, readsTimes: Bool) -> CellTraffic? {
        let counters = cells[index].counters
        var report = CellTraffic(service: cells[index].service, position: cells[index].position)
        let overloads = Self.overloads(counters)
        report.overloads = Int(clamping: overloads &- cells[index].overloads)
        cells[index].overloads = overloads
        if readsTimes && Self.nanoseconds(counters) != cells[index].nanoseconds { takeTimes(index, clock, &report) }
        if report.overloads == 0 && report.answers == 0 { return nil }
        report.concurrencyLimit = counters.reduce(0) { $0 + $1.concurrencyLimit.level }
        return report
    }

    private mutating func takeTimes(_ index: Int, _ clock: Int64, _ report: inout CellTraffic) {
        let times = Self.times(cells[index].counters)
        let since = zip(times, cells[index].times).map { $0 &- $1 }
        let answers = since.reduce(0, &+)
        // Few answers wait for more, but not for long.
        let isEnough = answers >= UInt64(Self.answersMinimum)
        guard isEnough || clock - cells[index].timesAt >= Self.timesKept else { return }
        cells[index].timesAt = clock
        cells[index].nanoseconds = Self.nanoseconds(cells[index].counters)
        cells[index].times = times
        guard isEnough else { return }
        report.answers = Int(clamping: answers)
        report.median = Self.quantile(since, of: answers, hundredths: 50)
        report.tail = Self.quantile(since, of: answers, hundredths: 95)
    }

    /// Microseconds: the upper edge of the bucket in which the quantile lies.
    static func quantile(_ buckets: [UInt64], of all: UInt64, hundredths: UInt64) -> Int {
        let rank = (all * hundredths + 99) / 100
        var below: UInt64 = 0
        for (bucket, count) in buckets.enumerated() {
            below += count
            if below >= rank {
                return Int(min(Histogram.upperEdge(of: bucket), Histogram.upperEdge(of: buckets.count - 2)) / 1_000)
            }
        }
        return 0
    }

    private static func overloads(_ counters: [CellCounters]) -> UInt64 {
        counters.reduce(0) { $0 &+ $1.overloads.count }
    }

    private static func nanoseconds(_ counters: [CellCounters]) -> UInt64 {
        counters.reduce(0) { $0 &+ $1.attemptTime.sumNanoseconds }
    }

    private static func times(_ counters: [CellCounters]) -> [UInt64] {
        (0..<Histogram.bucketCount).map { bucket in
            counters.reduce(0) { $0 &+ $1.attemptTime.count(inBucket: bucket) }
        }
    }
}
