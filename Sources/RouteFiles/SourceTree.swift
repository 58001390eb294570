internal import RouteTable
internal import Yams

/// Turns files into `SourceNode`s: aliases, merge keys and the environment are filled in here.
struct SourceTree {
    let environment: Environment
    private(set) var problems: [Problem] = []
    private var valuesLeft = SourceLimits.values
    private var names: [String] = []
    /// Where in the file the conversion is, for messages.
    private var path: [PathStep] = []
    private var covered: [YAMLText.Place: String] = [:]

    init(environment: Environment) {
        self.environment = environment
    }

    /// The root of a file; nil when it is empty or cannot be read, and then it is among the problems.
    mutating func read(_ text: String, file name: String) -> SourceNode? {
        let file = names.count
        names.append(name)
        path = []
        var yaml = YAMLText(text)
        do {
            guard let root = try yaml.compose() else { return nil }
            covered = yaml.coveredKeys
            return convert(root, file: file, depth: 0)
        } catch {
            problems.append(
                Problem(
                    file: name, line: error.line, column: error.column, found: error.found, expected: error.expected))
            return nil
        }
    }

    private mutating func report(
        _ position: Position, _ found: String, expected: String? = nil, suggestion: String? = nil
    ) {
        problems.append(
            Problem(
                file: names[position.file], line: position.line, column: position.column, path: path.text,
                found: found, expected: expected, suggestion: suggestion))
    }

    private func position(_ mark: Mark?, file: Int) -> Position {
        Position(file: file, line: mark?.line ?? 1, column: mark?.column ?? 1)
    }

    private mutating func convert(_ node: Node, file: Int, depth: Int) -> SourceNode {
        let position = position(node.mark, file: file)
        valuesLeft -= 1
        if valuesLeft < 0 {
            if valuesLeft == -1 { report(position, "more than \(SourceLimits.values) values, aliases written out") }
            return SourceNode(position: position, content: .broken)
        }
        if depth > SourceLimits.depth {
            report(position, "values nested more than \(SourceLimits.depth) deep")
            return SourceNode(position: position, content: .broken)
        }
        switch node {
        case .scalar(let scalar): return SourceNode(position: position, content: content(scalar, at: position))
        case .sequence(let sequence):
            guard isKnown(sequence.tag, at: position) else { return SourceNode(position: position, content: .broken) }
            var elements: [SourceNode] = []
            for (index, element) in sequence.enumerated() {
                path.append(.index(index))
                elements.append(convert(element, file: file, depth: depth + 1))
                path.removeLast()
            }
            return SourceNode(position: position, content: .sequence(elements))
        case .mapping(let mapping):
            guard isKnown(mapping.tag, at: position) else { return SourceNode(position: position, content: .broken) }
            return SourceNode(position: position, content: .mapping(entries(mapping, file: file, depth: depth)))
        case .alias:
            // Yams puts the aliased node in an alias's place when it composes.
            report(position, "an alias that leads nowhere")
            return SourceNode(position: position, content: .broken)
        }
    }

    /// Tags of YAML's own say what the table's description knows better; others ask for something not done here.
    private mutating func isKnown(_ tag: Tag, at position: Position) -> Bool {
        switch Tag.Name(rawValue: tag.description) {
        case .implicit, .nonSpecific, .str, .int, .float, .bool, .null, .seq, .map, .merge: return true
        default:
            report(position, "the tag \(tag.description.quotedForPeople)", expected: "a value without a tag")
            return false
        }
    }

    private mutating func content(_ scalar: Node.Scalar, at position: Position) -> SourceNode.Content {
        guard isKnown(scalar.tag, at: position) else { return .broken }
        let isPlain = scalar.style == .plain
        if isPlain, Self.nothings.contains(scalar.string) { return .nothing }
        do {
            return .text(try environment.filled(scalar.string), isPlain: isPlain)
        } catch {
            switch error {
            case .unset(let name):
                report(
                    position, "the variable \(name) is not set",
                    expected: "it in the environment, or a default as in ${\(name):-value}",
                    suggestion: NearName.of(name, among: environment.variables.keys.sorted()))
            case .malformed(let reason): report(position, reason)
            }
            return .broken
        }
    }

    private static let nothings: Set<String> = ["", "~", "null", "Null", "NULL"]

    private mutating func entries(_ mapping: Node.Mapping, file: Int, depth: Int) -> [SourceEntry] {
        var own: [SourceEntry] = []
        var merged: [SourceEntry] = []
        var coveredHere: [String: Int] = [:]
        for (keyNode, valueNode) in mapping {
            let place = position(keyNode.mark, file: file)
            guard case .scalar(let scalar) = keyNode else {
                report(place, "a key that is a list or a mapping", expected: "a text")
                continue
            }
            if let original = covered[YAMLText.Place(line: place.line, column: place.column)] {
                coveredHere[original] = place.line
                continue
            }
            let key = scalar.string
            if let first = coveredHere[key] {
                report(place, "the key \(key.quotedForPeople) a second time: it is in line \(first) already")
            }
            if key == "<<", scalar.style == .plain {
                merged += merge(valueNode, file: file, depth: depth)
                continue
            }
            path.append(.key(key))
            let value = convert(valueNode, file: file, depth: depth + 1)
            path.removeLast()
            own.append(SourceEntry(key: key, position: place, value: value))
        }
        if merged.isEmpty { return own }
        var taken = Set(own.map(\.key))
        return merged.filter { taken.insert($0.key).inserted } + own
    }

    /// The entries a merge key brings: of a mapping, or of a list of mappings, of which the first one counts.
    private mutating func merge(_ node: Node, file: Int, depth: Int) -> [SourceEntry] {
        let sources: [Node] = if case .sequence(let sequence) = node { Array(sequence) } else { [node] }
        var entries: [SourceEntry] = []
        for source in sources {
            let converted = convert(source, file: file, depth: depth + 1)
            switch converted.content {
            case .mapping(let merged): entries += merged
            case .broken: continue
            default:
                report(converted.position, converted.phrase, expected: "a mapping, or a list of mappings, to merge")
            }
        }
        return entries
    }
}

/// A step on the way to a value in a table.
enum PathStep: Sendable {
    case key(String)
    case index(Int)
}

extension [PathStep] {
    /// `services.checkout.prefer[1]`.
    var text: String {
        var text = ""
        for step in self {
            switch step {
            case .key(let key): text += text.isEmpty ? key : ".\(key)"
            case .index(let index): text += "[\(index)]"
            }
        }
        return text
    }
}
