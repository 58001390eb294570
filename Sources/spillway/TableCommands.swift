internal import ArgumentParser
internal import Control
internal import FoundationEssentials
internal import RouteFiles
internal import RouteTable

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say whether a table has mistakes.",
        discussion: """
            Every mistake is one line with file, line, column, what was found and what was expected. What is hardly meant,
            such as a route that never matches, is a warning with what to do about it. Certificates and keys that the table
            names are read as well.
            """)

    @Argument(help: "The table: a directory of YAML files, or one file.")
    var table: String

    @Flag(help: "Leave certificates and keys alone: they may be on another machine.")
    var withoutCertificates = false

    @Flag(help: "End with status 1 when there is a warning, too.")
    var strict = false

    func run() throws {
        let source = try read(table)
        let found = source.table
        var warnings = source.warnings.map(\.description)
        if !withoutCertificates {
            do {
                warnings += try Encryption.check(found)
            } catch {
                try end(table, error)
            }
        }
        for warning in warnings { StandardStreams.tell("warning: \(warning)") }
        let parts = [
            count(found.listeners.count, "listener"), count(found.regions.count, "region"),
            count(found.services.count, "service"), count(found.routes.count, "route"),
        ]
        let warned = warnings.isEmpty ? "" : "; \(count(warnings.count, "warning"))"
        let files = count(source.files.count, "file")
        print("\(table): no mistakes in \(files): \(parts.joined(separator: ", "))\(warned)")
        if strict && !warnings.isEmpty { throw ExitCode(1) }
    }
}

struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print a table in normal form, defaults filled in.")

    @Argument(help: "The table: a directory of YAML files, or one file.")
    var table: String

    func run() throws {
        print(NormalForm.text(of: try read(table).table), terminator: "")
    }
}

struct Schema: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the JSON Schema of tables, for editors.",
        discussion: """
            Save it, and begin a table's files with

              # yaml-language-server: $schema=FILE
            """)

    func run() {
        print(TableSchema.text, terminator: "")
    }
}

private func count(_ number: Int, _ noun: String) -> String { number == 1 ? "1 \(noun)" : "\(number) \(noun)s" }

/// Reads a table, or prints its mistakes and ends with status 1.
private func read(_ path: String) throws -> TableSource {
    switch TableReader(environment: ProcessInfo.processInfo.environment).read(path: path) {
    case .success(let source): return source
    case .failure(let problems): try end(path, problems)
    }
}

private func end(_ path: String, _ problems: Problems) throws -> Never {
    for problem in problems.all { StandardStreams.tell("\(problem)") }
    StandardStreams.tell("\(path): \(count(problems.all.count, "mistake"))")
    throw ExitCode(1)
}
