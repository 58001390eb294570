package import Failover
package import RouteTable

/// Takes the decisions of a state directory again, from the evidence they were taken on.
package struct Replay {
    let directory: String

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
        /// It cannot be read.
        package let isDamaged: Bool
    }

    /// - Returns: one for each segment, oldest first.
    package func again() throws -> [SegmentResult] {
        let recorded = try journal()
        return EvidenceLog.names(in: directory).map { path in
            guard let segment = try? EvidenceLog.read(path) else {
                let name = String(path.split(separator: "/").last ?? "")
                return SegmentResult(name: name, events: 0, decisions: [], different: [], isDamaged: true)
            }
            var brain = segment.brain
            let decisions = segment.events.flatMap { brain.observe($0.event, at: $0.time).decisions }
            let different = decisions.compactMap { decision in
                recorded[decision.sequence] == decision.json
                    ? nil : (decision: decision, recorded: recorded[decision.sequence])
            }
            return SegmentResult(
                name: segment.name, events: segment.events.count, decisions: decisions, different: different,
                isDamaged: false)
        }
    }

    /// What was decided, and what would have been under another table.
    package struct Comparison {
        package var recorded: [Decision] = []
        package var changed: [Decision] = []
        /// As they were, and would have been, in the end.
        package var brain = Brain()
        package var otherBrain = Brain()
    }

    /// The decisions of all segments, and those that would have been taken under another table.
    package func under(_ table: Table) throws -> Comparison {
        var result = Comparison()
        var other: Brain?
        for path in EvidenceLog.names(in: directory) {
            let segment = try EvidenceLog.read(path)
            var brain = segment.brain
            var another = other ?? segment.brain
            if other == nil, !brain.topology.services.isEmpty {
                _ = another.observe(.topology(brain.topology.under(table)), at: brain.lastTime)
            }
            for (event, time) in segment.events {
                result.recorded += brain.observe(event, at: time).decisions
                if case .topology(let topology) = event {
                    result.changed += another.observe(.topology(topology.under(table)), at: time).decisions
                } else {
                    result.changed += another.observe(event, at: time).decisions
                }
            }
            other = another
            result.brain = brain
            result.otherBrain = another
        }
        return result
    }

    /// Lines by sequence. A state directory that was begun anew has numbers twice; the later ones count.
    private func journal() throws -> [UInt64: String] {
        var lines: [UInt64: String] = [:]
        for line in try DecisionJournal.lines(in: directory) {
            guard
                let number = line.dropFirst("{\"sequence\":".count).split(separator: ",").first.flatMap({ UInt64($0) })
            else { continue }
            lines[number] = line
        }
        return lines
    }
}

extension [Action] {
    var decisions: [Decision] {
        compactMap { if case .decision(let decision) = $0 { decision } else { nil } }
    }
}
