package import RouteTable

/// A table with the files it was read from.
package struct TableSource: Sendable {
    package let table: Table
    package let files: [String]
    /// By file, in the order read, then by place.
    package let warnings: [TableWarning]
}

/// Reads a table from YAML files (JSON among them): all of it, or every reason why not.
package struct TableReader: Sendable {
    private let environment: Environment

    /// - Parameter environment: what `${NAME}` is filled in from.
    package init(environment: [String: String]) {
        self.environment = Environment(variables: environment)
    }

    /// Reads a file, or all `.yaml`, `.yml` and `.json` files of a directory, in the order of their names, as one table.
    package func read(path: String) -> Result<TableSource, Problems> {
        switch TableFiles.texts(at: path) {
        case .failure(let problems): .failure(problems)
        case .success(let texts): read(texts: texts, of: path)
        }
    }

    /// Reads texts as if they were files of these names.
    /// - Parameter whole: what all of them together are called, for messages; nil: as the first of them.
    package func read(texts: [(name: String, text: String)], of whole: String? = nil) -> Result<TableSource, Problems> {
        var tree = SourceTree(environment: environment)
        let roots = texts.map { tree.read($0.text, file: $0.name) }
        let files = texts.map(\.name)
        var draft = TableDraft(reading: Reading(files: files))
        let table = draft.read(roots.compactMap { $0 })
        var problems = tree.problems + draft.reading.problems + Self.emptyFiles(texts)
        // Where there is another mistake, it may be why something is missing.
        if problems.isEmpty { problems = draft.missingSections(of: whole ?? files.first ?? "") }
        guard problems.isEmpty else { return .failure(Problems(problems, inOrderOf: files)) }
        let warnings = draft.warnings(of: table) + Self.silentFiles(texts, roots)
        return .success(TableSource(table: table, files: files, warnings: warnings.sorted(inOrderOf: files)))
    }

    /// There is nothing in them but comments.
    private static func silentFiles(
        _ texts: [(name: String, text: String)], _ roots: [SourceNode?]
    ) -> [TableWarning] {
        zip(texts, roots).filter { $1?.isEmpty ?? true }.map { file, _ in
            TableWarning(
                file: file.name, line: 0, column: 0, path: "",
                text: "nothing is in this file but comments; delete it if it is not needed")
        }
    }

    /// A file is emptied by mistakes (`generate > table.yaml` when `generate` fails, a full disk) more often than on
    /// purpose, and would take its part of the table with it.
    private static func emptyFiles(_ texts: [(name: String, text: String)]) -> [Problem] {
        texts.filter { $0.text.unicodeScalars.allSatisfy { $0.properties.isWhitespace || $0 == "\u{FEFF}" } }.map {
            Problem(
                file: $0.name, found: "an empty file",
                expected: "a part of the table, or at least a comment; a file that is not needed is to be deleted")
        }
    }
}

extension [TableWarning] {
    fileprivate func sorted(inOrderOf files: [String]) -> [TableWarning] {
        let order = Dictionary(files.enumerated().map { ($1, $0) }) { first, _ in first }
        return enumerated().sorted { a, b in
            let (x, y) = (a.element, b.element)
            return (order[x.file] ?? 0, x.line, x.column, a.offset) < (order[y.file] ?? 0, y.line, y.column, b.offset)
        }.map(\.element)
    }
}

extension Problems {
    /// By file in the order read, then by place; not more than people can read.
    init(_ problems: [Problem], inOrderOf files: [String]) {
        let order = Dictionary(files.enumerated().map { ($1, $0) }) { first, _ in first }
        let sorted = problems.enumerated().sorted { a, b in
            let (x, y) = (a.element, b.element)
            return (order[x.file] ?? 0, x.line, x.column, a.offset) < (order[y.file] ?? 0, y.line, y.column, b.offset)
        }.map(\.element)
        guard sorted.count > SourceLimits.problems else {
            self.init(sorted)
            return
        }
        let rest = Problem(
            file: sorted[SourceLimits.problems].file, found: "\(sorted.count - SourceLimits.problems) further mistakes")
        self.init(sorted.prefix(SourceLimits.problems) + [rest])
    }
}
