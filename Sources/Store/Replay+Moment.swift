package import Failover
internal import FoundationEssentials

/// What a router knew and thought at a moment that is past.
extension Replay {
    package struct Moment {
        /// As it was then.
        package let brain: Brain
        /// Taken until then, oldest first.
        package let decisions: [Decision]
        /// When it was last told anything before then.
        package let lastTold: Instant
    }

    /// Why there is nothing to say of a moment.
    package struct NoEvidence: Error, CustomStringConvertible {
        package let description: String
    }

    /// Replays the evidence up to a moment.
    package func moment(at time: Instant) throws -> Moment {
        let paths = EvidenceLog.names(in: directory)
        guard !paths.isEmpty else { throw NoEvidence(description: "there is no evidence in \(directory)") }
        var earliest: Instant?
        for path in paths.reversed() {
            // A segment that was being begun, or is damaged, says nothing; the one before it may.
            guard let segment = try? EvidenceLog.read(path), let first = segment.events.first?.time else { continue }
            earliest = first
            if first > time { continue }
            var brain = segment.brain
            var taken: [Decision] = []
            for (event, moment) in segment.events where moment <= time {
                taken += brain.observe(event, at: moment).decisions
            }
            // What came before is in the journal alone.
            let known = (try? DecisionJournal.stretch(in: directory, to: time)) ?? DecisionJournal.Stretch()
            let earlier = known.entries.map(\.decision).filter { $0.time < first }
            return Moment(brain: brain, decisions: earlier + taken, lastTold: brain.lastTime)
        }
        guard let earliest else { throw NoEvidence(description: "the evidence in \(directory) cannot be read") }
        throw NoEvidence(
            description: "the evidence in \(directory) begins at \(earliest.date); nothing is known of \(time.date)")
    }
}
