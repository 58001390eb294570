package import Failover
internal import Foundation
package import RouteTable

/// Takes the decisions of a state directory again, from the evidence they were taken on.
package struct Replay {
    private let directory: String

    package init(directory: String) {
        self.directory = directory
    }

    /// What replaying a segment gave, beside what the journal has.
    package struct SegmentResult {
        package let name: String
        package let events: Int
        package let decisions: [Decision]
        /// Those whose line in the journal is another one, or not there any more.
        package let different: [(decision: Decision, recorded: String?)]
    }

    /// - Returns: one for each segment, oldest first.
    package func again() throws -> [SegmentResult] {
        let recorded = try journal()
        return try EvidenceLog.names(in: directory).map { path in
            let segment = try EvidenceLog.read(path)
            var brain = segment.brain
            let decisions = segment.events.flatMap { brain.observe($0.event, at: $0.time).decisions }
            let different = decisions.compactMap { decision in
                recorded[decision.sequence] == decision.json
                    ? nil : (decision: decision, recorded: recorded[decision.sequence])
            }
            return SegmentResult(
                name: segment.name, events: segment.events.count, decisions: decisions, different: different)
        }
    }

    /// The decisions of all segments, and those that would have been taken under another table.
    package func under(_ table: Table) throws -> (recorded: [Decision], changed: [Decision]) {
        var recorded: [Decision] = []
        var changed: [Decision] = []
        var other: Brain?
        for path in EvidenceLog.names(in: directory) {
            let segment = try EvidenceLog.read(path)
            var brain = segment.brain
            var another = other ?? segment.brain
            if other == nil, !brain.topology.services.isEmpty {
                _ = another.observe(.topology(brain.topology.under(table)), at: brain.lastTime)
            }
            for (event, time) in segment.events {
                recorded += brain.observe(event, at: time).decisions
                if case .topology(let topology) = event {
                    changed += another.observe(.topology(topology.under(table)), at: time).decisions
                } else {
                    changed += another.observe(event, at: time).decisions
                }
            }
            other = another
        }
        return (recorded, changed)
    }

    /// Lines by sequence. A state directory that was begun anew has numbers twice; the later ones count.
    private func journal() throws -> [UInt64: String] {
        var lines: [UInt64: String] = [:]
        for line in try DecisionJournal.lines(in: URL(fileURLWithPath: directory)) {
            guard
                let number = line.dropFirst("{\"sequence\":".count).split(separator: ",").first.flatMap({ UInt64($0) })
            else { continue }
            lines[number] = line
        }
        return lines
    }
}

extension [Action] {
    fileprivate var decisions: [Decision] {
        compactMap { if case .decision(let decision) = $0 { decision } else { nil } }
    }
}
