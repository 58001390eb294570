internal import RouteTable

/// What reading a table's values has come to: the problems so far, where it is, and the names that may be used.
struct Reading {
    /// Problems for which a near name is looked for; each look goes over all names there are.
    private static let suggestionLimit = 200

    let files: [String]
    var names = TableNames()
    private(set) var problems: [Problem] = []
    private var path: [PathStep] = []

    init(files: [String]) {
        self.files = files
    }

    /// - Parameter within: the key all that is read belongs to.
    init(files: [String], within: String) {
        self.init(files: files)
        path = [.key(within)]
    }

    /// Goes on with what lies outside of all keys.
    mutating func leaveAll() {
        path = []
    }

    /// Reads something that belongs to a key.
    mutating func at<Result>(_ key: String, _ body: (inout Reading) -> Result) -> Result {
        path.append(.key(key))
        defer { path.removeLast() }
        return body(&self)
    }

    /// Reads something that is an element of a list.
    mutating func at<Result>(_ index: Int, _ body: (inout Reading) -> Result) -> Result {
        path.append(.index(index))
        defer { path.removeLast() }
        return body(&self)
    }

    mutating func report(_ position: Position, _ found: String, expected: String? = nil, suggestion: String? = nil) {
        problems.append(
            Problem(
                file: files[position.file], line: position.line, column: position.column, path: path.text,
                found: found, expected: expected, suggestion: suggestion))
    }

    /// Reports a value that is not what it should be, unless it has been reported already.
    mutating func report(_ node: SourceNode, expected: String, suggestion: String? = nil) {
        if case .broken = node.content { return }
        report(node.position, node.phrase, expected: expected, suggestion: suggestion)
    }

    /// A near name, as long as there are not too many problems to look for one.
    func nearName(of word: String, among candidates: some Sequence<String>) -> String? {
        problems.count < Self.suggestionLimit ? NearName.of(word, among: candidates) : nil
    }

    /// Where a value defined before is, for a message.
    func place(_ position: Position) -> String {
        "\(files[position.file]):\(position.line):\(position.column)"
    }
}

/// What a name can be the name of.
enum NameKind: String, Sendable, CaseIterable {
    case listener, region, service

    var plural: String { rawValue + "s" }
}

/// The names of a table, which its values may refer to.
struct TableNames {
    private var lists: [NameKind: [String]] = [:]
    private var indices: [NameKind: [String: (index: Int, position: Position)]] = [:]

    init() {}

    func list(_ kind: NameKind) -> [String] { lists[kind] ?? [] }

    func index(_ kind: NameKind, _ name: String) -> Int? { indices[kind]?[name]?.index }

    func position(_ kind: NameKind, _ name: String) -> Position? { indices[kind]?[name]?.position }

    mutating func add(_ kind: NameKind, _ name: String, at position: Position) {
        indices[kind, default: [:]][name] = (list(kind).count, position)
        lists[kind, default: []].append(name)
    }
}
