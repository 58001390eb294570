internal import RouteTable

/// A value and where it stands.
struct Placed<Value> {
    let value: Value
    let position: Position
}

extension Placed: Sendable where Value: Sendable {}

extension Form where Value: Sendable {
    /// A list of this form's values.
    func list(_ count: ClosedRange<Int> = 0...100_000, of plural: String) -> Form<[Value]> {
        placedList(count, of: plural).mapped {
            $0.map(\.value)
        } _: { values in
            values.map { Placed(value: $0, position: Position(file: 0, line: 0, column: 0)) }
        }
    }

    /// A list of this form's values with their places.
    func placedList(_ count: ClosedRange<Int> = 0...100_000, of plural: String) -> Form<[Placed<Value>]> {
        let bounds = count.lowerBound > 0 ? ", at least \(count.lowerBound)" : ""
        var schema = [JSONMember(name: "type", value: "array"), JSONMember(name: "items", value: type.schema)]
        if count.lowerBound > 0 { schema.append(JSONMember(name: "minItems", value: .number(count.lowerBound))) }
        let listType = FormType(
            name: "list of \(type.name)", expectation: "a list of \(plural)\(bounds)", schema: .object(schema),
            shapes: type.shapes)
        return Form<[Placed<Value>]>(listType) { node, reading in
            guard case .sequence(let elements) = node.content, count.contains(elements.count) else {
                reading.report(node, expected: listType.expectation)
                return nil
            }
            var values: [Placed<Value>] = []
            for (index, element) in elements.enumerated() {
                guard let value = reading.at(index, { read(element, &$0) }) else { continue }
                values.append(Placed(value: value, position: element.position))
            }
            return values.count == elements.count ? values : nil
        } write: { values, writing in
            .sequence(values.map { write($0.value, writing) })
        }
    }

    /// One value, or a list of several.
    func oneOrMany(of plural: String) -> Form<[Value]> {
        let many = list(1...1_000, of: plural)
        let both = FormType(
            name: "\(type.name), or a list", expectation: "\(type.expectation), or a list of \(plural)",
            schema: .object(["anyOf": .array([type.schema, many.type.schema])]), shapes: type.shapes)
        return Form<[Value]>(both) { node, reading in
            switch node.content {
            case .sequence: many.read(node, &reading)
            case .text: read(node, &reading).map { [$0] }
            case .mapping where !type.shapes.isEmpty: read(node, &reading).map { [$0] }
            default:
                { () -> [Value]? in
                    reading.report(node, expected: both.expectation)
                    return nil
                }()
            }
        } write: { values, writing in
            if values.count == 1 { return write(values[0], writing) }
            return .sequence(values.map { write($0, writing) })
        }
    }

    /// A mapping from names to this form's values; each name is read by `key`, too, and may occur once.
    func map<Key: Hashable & Sendable>(
        by key: Form<Key>, _ name: String, of what: String, limit: Int = 100_000
    ) -> Form<[PlacedPair<Key, Value>]> {
        let mapType = FormType(
            name: name, expectation: "a mapping of \(what)",
            schema: .object(["type": .array(["object", "null"]), "additionalProperties": type.schema]),
            shapes: type.shapes)
        return Form<[PlacedPair<Key, Value>]>(mapType) { node, reading in
            guard let entries = node.entries, entries.count <= limit else {
                reading.report(node, expected: mapType.expectation)
                return nil
            }
            var pairs: [PlacedPair<Key, Value>] = []
            var places: [Key: Position] = [:]
            for entry in entries {
                reading.at(entry.key) { reading in
                    let keyNode = SourceNode(position: entry.position, content: .text(entry.key, isPlain: false))
                    let key = key.read(keyNode, &reading)
                    guard let value = read(entry.value, &reading), let key else { return }
                    if let first = places[key] {
                        reading.report(entry.position, "the same as \(reading.place(first))")
                        return
                    }
                    places[key] = entry.position
                    pairs.append(PlacedPair(key: key, value: value, position: entry.position))
                }
            }
            return pairs.count == entries.count ? pairs : nil
        } write: { pairs, writing in
            .mapping(
                pairs.map { pair in
                    let name =
                        switch key.write(pair.key, writing) {
                        case .word(let text), .text(let text): text
                        default: ""
                        }
                    return OutputEntry(key: name, value: write(pair.value, writing))
                })
        }
    }
}

/// An entry of a mapping whose keys mean something.
struct PlacedPair<Key: Sendable, Value: Sendable>: Sendable {
    let key: Key
    let value: Value
    /// Of the key.
    let position: Position

    init(key: Key, value: Value, position: Position = Position(file: 0, line: 0, column: 0)) {
        self.key = key
        self.value = value
        self.position = position
    }
}
