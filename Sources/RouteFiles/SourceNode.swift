/// A place in one of the files of a table.
struct Position: Sendable, Hashable, Comparable {
    /// Index of the file among those read.
    let file: Int
    /// Counted from 1.
    let line: Int
    /// In Unicode scalars, counted from 1.
    let column: Int

    static func < (a: Position, b: Position) -> Bool {
        (a.file, a.line, a.column) < (b.file, b.line, b.column)
    }
}

/// A value of a table's files, with its place: YAML after aliases, merge keys and the environment have been filled in,
/// but before anything is known about what it means.
struct SourceNode: Sendable {
    let position: Position
    let content: Content

    enum Content: Sendable {
        /// Nothing at all, `~` or `null`.
        case nothing
        /// A text; numbers, durations and the like are read from it. `isPlain`: it was not in quotes.
        case text(String, isPlain: Bool)
        case sequence([SourceNode])
        case mapping([SourceEntry])
        /// Something that cannot be used, which has been reported.
        case broken
    }

    /// What it is, as a phrase for a message.
    var phrase: String {
        switch content {
        case .nothing: "found nothing"
        case .text(let text, _): "found \(text.quotedForPeople)"
        case .sequence: "found a list"
        case .mapping: "found a mapping"
        case .broken: "found something unreadable"
        }
    }

    /// Nothing, or a list or mapping without elements.
    var isEmpty: Bool {
        switch content {
        case .nothing: true
        case .sequence(let elements): elements.isEmpty
        case .mapping(let entries): entries.isEmpty
        case .text, .broken: false
        }
    }

    /// The text of a scalar.
    var text: String? { if case .text(let text, _) = content { text } else { nil } }

    /// The entries of a mapping; of nothing, none.
    var entries: [SourceEntry]? {
        switch content {
        case .mapping(let entries): entries
        case .nothing: []
        default: nil
        }
    }

    /// The value of a key of a mapping.
    subscript(key: String) -> SourceNode? {
        entries?.first { $0.key == key }?.value
    }
}

/// A key of a mapping with its value.
struct SourceEntry: Sendable {
    let key: String
    let position: Position
    let value: SourceNode
}
