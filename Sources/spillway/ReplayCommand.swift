internal import ArgumentParser
internal import Failover
internal import Foundation
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
        for segment in try replay.again() {
            decisions += segment.decisions.count
            different += segment.different.count
            let verdict = segment.different.isEmpty ? "equal" : "\(segment.different.count) DIFFERENT"
            print("\(segment.name): \(segment.events) events, \(segment.decisions.count) decisions, \(verdict)")
            for (decision, recorded) in segment.different {
                print("- \(recorded ?? "not in the journal")\n+ \(decision.json)")
            }
        }
        print("\(decisions) decisions taken again, \(different) different")
        if different > 0 { throw ExitCode(1) }
    }

    private func compare(_ replay: Replay, _ path: String) throws {
        let source = try TableReader(environment: ProcessInfo.processInfo.environment).read(path: path).get()
        let (recorded, changed) = try replay.under(source.table)
        let sentences = { (decisions: [Decision]) in decisions.map { "\($0.time.date)  \($0)" } }
        let difference = sentences(changed).difference(from: sentences(recorded))
        let lines = difference.map { change in
            switch change {
            case .remove(_, let text, _): (text: text, mark: "-")
            case .insert(_, let text, _): (text: text, mark: "+")
            }
        }
        for (text, mark) in lines.sorted(by: { ($0.text.prefix(24), $0.mark) < ($1.text.prefix(24), $1.mark) }) {
            print("\(mark) \(text)")
        }
        print(
            "\(recorded.count) decisions were taken; \(changed.count) would have been; \(difference.removals.count) would "
                + "not have been taken and \(difference.insertions.count) would have been instead")
    }
}
