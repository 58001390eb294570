internal import RouteTable

/// A value on its way to a file.
enum OutputNode: Sendable, Equatable {
    /// A number, a keyword, a duration: something that is never in quotes.
    case word(String)
    /// A text, in quotes where YAML would take it for something else.
    case text(String)
    case sequence([OutputNode])
    case mapping([OutputEntry])

    /// A mapping of what is there.
    static func mapping(_ entries: [(String, OutputNode?)]) -> OutputNode {
        .mapping(entries.compactMap { key, value in value.map { OutputEntry(key: key, value: $0) } })
    }
}

struct OutputEntry: Sendable, Equatable {
    let key: String
    let value: OutputNode
}

/// What writing needs to know: the names behind the numbers.
struct Writing: Sendable {
    let table: Table

    func name(_ kind: NameKind, _ index: Int) -> String {
        switch kind {
        case .listener: table.listeners[index].name
        case .region: table.regions[index].name
        case .service: table.services[index].name
        }
    }
}
