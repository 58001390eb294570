internal import Failover
internal import Foundation
internal import RouteTable
package import Simulation

/// Reads a scenario: a table, or where one is, and what happens to a world that is as it says. Every mistake is named
/// as those of tables are.
package struct ScenarioReader: Sendable {
    private let environment: Environment

    /// - Parameter environment: what `${NAME}` is filled in from.
    package init(environment: [String: String]) {
        self.environment = Environment(variables: environment)
    }

    /// - Parameter table: a table in place of the scenario's own: a directory or a file.
    package func read(path: String, table: String? = nil) -> Result<Scenario, Problems> {
        switch TableFiles.texts(at: path) {
        case .failure(let problems): return .failure(problems)
        case .success(let texts):
            guard texts.count == 1 else {
                return .failure(Problems([Problem(file: path, found: "a directory", expected: "a scenario's file")]))
            }
            return read(text: texts[0].text, file: path, table: table)
        }
    }

    /// Reads a text as if it were a file of this name.
    package func read(text: String, file: String, table: String? = nil) -> Result<Scenario, Problems> {
        var tree = SourceTree(environment: environment)
        guard let root = tree.read(text, file: file) else {
            return .failure(Problems(tree.problems.isEmpty ? [Problem(file: file, found: "nothing")] : tree.problems))
        }
        var files = [file]
        var tables: [SourceNode] = []
        var isInline = false
        let named = root["table"]
        if let path = table ?? named?.text.map({ Self.path($0, beside: file) }) {
            switch TableFiles.texts(at: path) {
            case .failure(let problems): return .failure(problems)
            case .success(let texts):
                files += texts.map(\.name)
                tables = texts.compactMap { tree.read($0.text, file: $0.name) }
            }
        } else if let named {
            isInline = true
            tables = [named]
        }
        var draft = TableDraft(reading: isInline ? Reading(files: files, within: "table") : Reading(files: files))
        let table = draft.read(tables)
        draft.reading.leaveAll()
        var scenario = ScenarioDraft(scenario: Scenario(name: Self.name(of: file), table: table))
        if draft.reading.problems.isEmpty || !table.services.isEmpty {
            Shapes.scenario.read(root, into: &scenario, &draft.reading)
            Self.checkDependencies(of: scenario.scenario, root, &draft.reading)
        }
        let problems = tree.problems + draft.reading.problems
        guard problems.isEmpty else { return .failure(Problems(problems, inOrderOf: files)) }
        return .success(scenario.finished)
    }

    /// What happens to a dependency happens to one there is.
    private static func checkDependencies(of scenario: Scenario, _ root: SourceNode, _ reading: inout Reading) {
        guard case .sequence(let elements)? = root["timeline"]?.content else { return }
        let names = scenario.dependencies.map(\.name)
        for (index, element) in elements.enumerated() {
            guard let node = element["dependency"], let name = node.text, !names.contains(name) else { continue }
            reading.at("timeline") {
                $0.at(index) {
                    $0.at("dependency") {
                        $0.report(
                            node.position, "unknown dependency \(name.quotedForPeople)",
                            expected: "one of `dependencies`", suggestion: $0.nearName(of: name, among: names))
                    }
                }
            }
        }
    }

    private static func path(_ text: String, beside file: String) -> String {
        if text.hasPrefix("/") { return text }
        let directory = (file as NSString).deletingLastPathComponent
        return directory.isEmpty ? text : "\(directory)/\(text)"
    }

    private static func name(of file: String) -> String {
        ((file as NSString).lastPathComponent as NSString).deletingPathExtension
    }
}
