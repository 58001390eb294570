internal import ArgumentParser
internal import Failover
internal import FoundationEssentials
internal import Store

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say why traffic is where it is, now or at a time that is past.",
        discussion: """
            Now is asked of the running router, over its admin address; a past time is replayed from the evidence in the \
            state directory, with or without a running router. Times are UTC.
            """)

    @Argument(help: "A service or region; without, all that are not as preferred.")
    var name: String?

    @Option(help: ArgumentHelp("14:05, 14:05:30 or 2026-01-02T14:05:00Z.", valueName: "time"))
    var at: String?

    @OptionGroup var state: StateOption
    @OptionGroup var admin: AdminOption

    @Flag(help: "The explanation as JSON.")
    var json = false

    func run() async throws {
        let page: ExplanationPage
        if let at {
            page = try past(at)
        } else {
            let path = "/api/v1/explain" + (name.map { "?name=\(AdminClient.escaped($0))" } ?? "")
            page = ExplanationPage(try await admin.client().get(path, as: Explanations.self))
        }
        print((json ? try page.json : page.text).printable, terminator: "")
    }

    private func past(_ text: String) throws -> ExplanationPage {
        guard let time = MomentText.moment(text, now: .now) else {
            throw ValidationError("--at: found \"\(text)\", expected \(MomentText.expectation)")
        }
        let moment = try Replay(directory: state.path()).moment(at: time)
        let explanations =
            if let name { try moment.brain.explanations(of: name, moment.decisions) } else {
                moment.brain.explanations(moment.decisions)
            }
        let silence = time - moment.lastTold
        return ExplanationPage(
            explanations,
            remark: silence > .seconds(2)
                ? "The router was told nothing in the \(silence.phrase) before \(time.date): this is what it thought last."
                : nil)
    }
}

/// Where the evidence and the journal are: the router's state directory.
struct StateOption: ParsableArguments {
    @Option(help: ArgumentHelp("The router's state directory, as for `spillway run`.", valueName: "dir"))
    var state: String?

    /// The default is that of `spillway run`.
    func path() throws -> String {
        if let state { return state }
        let environment = ProcessInfo.processInfo.environment
        do {
            return try Settings(flags: [:], environment: environment, file: environment["SPILLWAY_SETTINGS"]).state
        } catch {
            throw ValidationError(error.description)
        }
    }
}

/// Where a running router is asked.
struct AdminOption: ParsableArguments {
    @Option(help: ArgumentHelp("The router's admin address.", valueName: "host:port"))
    var admin: String?

    func client() -> AdminClient {
        AdminClient(address: admin ?? ProcessInfo.processInfo.environment["SPILLWAY_ADMIN"] ?? Settings.defaultAdmin)
    }
}

/// Explanations, for a terminal.
struct ExplanationPage {
    let explanations: Explanations
    var remark: String?

    init(_ explanations: Explanations, remark: String? = nil) {
        self.explanations = explanations
        self.remark = remark
    }

    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(explanations), as: UTF8.self) + "\n"
        }
    }

    var text: String {
        var lines = ["at \(explanations.time)"]
        if let remark { lines.append(remark) }
        for note in explanations.notes { lines += told(note, indent: "") }
        for subject in explanations.subjects {
            lines.append("")
            lines += told(subject.headline, indent: "")
            for section in subject.sections {
                lines.append("")
                lines.append("  \(section.title):")
                for statement in section.statements { lines += told(statement, indent: "    ") }
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func told(_ statement: Explanation.Statement, indent: String) -> [String] {
        [indent + statement.text] + statement.evidence.map { "\(indent)      \($0)" }
    }
}
