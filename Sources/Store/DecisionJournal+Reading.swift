package import Failover
package import Files

/// The journal read back.
extension DecisionJournal {
    package struct Entry: Sendable {
        /// As it is in the file.
        package let line: String
        package let decision: Decision
    }

    /// What a stretch of the journal has.
    package struct Stretch: Sendable {
        package var entries: [Entry] = []
        /// Lines that no router of this version has written, or not to their end.
        package var unreadable = 0
    }

    /// The decisions of a state directory within a stretch of time, oldest first.
    package static func stretch(
        in directory: String, from first: Instant? = nil, to last: Instant? = nil
    ) throws(FileProblem) -> Stretch {
        var stretch = Stretch()
        for line in try lines(in: directory) {
            guard let decision = Decision(json: line) else {
                stretch.unreadable += 1
                continue
            }
            if let first, decision.time < first { continue }
            if let last, decision.time > last { continue }
            stretch.entries.append(Entry(line: line, decision: decision))
        }
        return stretch
    }

    /// The last so many decisions at most, oldest first; none when they cannot be read.
    package static func latest(_ limit: Int, in directory: String) -> [Entry] {
        // A line is some 400 bytes; more than this is not read at a start.
        let read = try? StateFiles.readEnd("\(directory)/decisions.jsonl", atMost: 1_048_576)
        let lines = String(decoding: read ?? [], as: UTF8.self).split(separator: "\n").suffix(limit)
        return lines.compactMap { line in
            Decision(json: String(line)).map { Entry(line: String(line), decision: $0) }
        }
    }
}
