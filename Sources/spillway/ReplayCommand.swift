internal import ArgumentParser
internal import Failover
internal import FoundationEssentials
internal import RouteFiles
internal import Store

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Take the decisions of a router again, from its evidence; or see what another table had done.",
        discussion: """
            Without --table every decision is taken again and compared with its line in the journal, byte for byte; exit 1 \
            when one differs. With --table it prints what would have been decided otherwise: `-` was decided, `+` would \
            have been.
            """)

    @Argument(help: ArgumentHelp("The state directory of the router.", valueName: "state"))
    var directory: String

    @Option(help: ArgumentHelp("A table with other policies, capacities or needs.", valueName: "dir"))
    var table: String?

    func run() throws {
        let replay = Replay(directory: directory)
        guard !EvidenceLog.names(in: directory).isEmpty else { throw Failure("there is no evidence in \(directory)") }
        if let table {
            try compare(replay, table)
        } else {
            try verify(replay)
        }
    }

    private func verify(_ replay: Replay) throws {
        var different = 0
        var decisions = 0
        var damaged = 0
        for segment in try replay.again() {
            if segment.isDamaged {
                damaged += 1
                print("\(segment.name): DAMAGED, it cannot be read")
                continue
            }
            decisions += segment.decisions.count
            different += segment.different.count
            let verdict = segment.different.isEmpty ? "equal" : "\(segment.different.count) DIFFERENT"
            print("\(segment.name): \(segment.events) events, \(segment.decisions.count) decisions, \(verdict)")
            for (decision, recorded) in segment.different {
                print("- \(recorded?.printable ?? "not in the journal")\n+ \(decision.json)")
            }
        }
        let note = damaged == 0 ? "" : ", \(damaged) segments damaged"
        print("\(decisions) decisions taken again, \(different) different\(note)")
        if different > 0 || damaged > 0 { throw ExitCode(1) }
    }

    private func compare(_ replay: Replay, _ path: String) throws {
        let source = try TableReader(environment: ProcessInfo.processInfo.environment).read(path: path).get()
        let comparison = try replay.under(source.table)
        print(ComparisonPage(comparison, table: path, directory: directory).text.printable, terminator: "")
    }
}

/// What another table would have made of the same evidence, for a terminal.
struct ComparisonPage {
    let comparison: Replay.Comparison
    let table: String
    let directory: String

    init(_ comparison: Replay.Comparison, table: String, directory: String) {
        self.comparison = comparison
        self.table = table
        self.directory = directory
    }

    var text: String {
        let (recorded, changed) = (comparison.recorded, comparison.changed)
        let difference = sentences(changed).difference(from: sentences(recorded))
        guard !difference.isEmpty else {
            return "Under \(table) all \(recorded.count) decisions would have been the same.\n"
        }
        let changes = difference.map { change in
            switch change {
            case .remove(let offset, let text, _): (text: text, mark: "-", offset: offset)
            case .insert(let offset, let text, _): (text: text, mark: "+", offset: offset)
            }
        }.sorted { ($0.text.prefix(24), $0.mark, $0.offset) < ($1.text.prefix(24), $1.mark, $1.offset) }
        var lines = ["- decided, on the evidence in \(directory)", "+ would have been decided under \(table)", ""]
        lines += changes.map { "\($0.mark) \($0.text)" }
        lines.append("")
        lines.append(
            "\(recorded.count) decisions were taken; \(changed.count) would have been: \(difference.removals.count) not, "
                + "\(difference.insertions.count) instead or besides")
        return (lines + ends).joined(separator: "\n") + "\n"
    }

    private func sentences(_ decisions: [Decision]) -> [String] {
        decisions.map { "\($0.time.date)  \($0)" }
    }

    /// Where services would have ended instead.
    private var ends: [String] {
        let (was, other) = (comparison.brain.splits, comparison.otherBrain.splits)
        let moved = zip(was, other).filter { $0.0.text != $0.1.text }.map { was, other in
            "\(was.service) ended with \(was.text); it would have ended with \(other.text)"
        }
        return moved.isEmpty ? ["every service would have ended where it did"] : moved
    }
}
