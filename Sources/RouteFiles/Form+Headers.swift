internal import RouteTable

extension Forms {
    /// A field's value, or `{ present: true }` for any value.
    private static let headerValue = Form<String?>(
        FormType(
            name: "text, or `{ present: true }`", expectation: "a text, or { present: true } for any value",
            schema: .object([
                "anyOf": .array([
                    SharedSchema.reference("text"),
                    .object([
                        "type": "object", "properties": .object(["present": .object(["const": .bool(true)])]),
                        "required": .array(["present"]), "additionalProperties": .bool(false),
                    ]),
                ])
            ]))
    ) { node, reading in
        if case .mapping(let entries) = node.content, entries.count == 1, entries[0].key == "present",
            entries[0].value.text == "true"
        {
            return .some(nil)
        }
        guard node.text != nil else {
            reading.report(node, expected: "a text, or { present: true } for any value")
            return nil
        }
        return fieldValue.read(node, &reading).map { .some($0) }
    } write: { value, _ in
        value.map { .text($0) } ?? .mapping([OutputEntry(key: "present", value: .word("true"))])
    }

    /// Conditions on fields, sorted by name.
    static let headerMatches =
        headerValue
        .map(by: fieldName, "mapping of field names", of: "field names and values", limit: 64)
        .mapped { pairs in
            pairs.map { HeaderMatch(name: $0.key, value: $0.value) }.sorted { $0.name < $1.name }
        } _: { matches in
            matches.map { PlacedPair(key: $0.name, value: $0.value) }
        }
}

extension Shapes {
    static let requestHeaders = headerEdits("request")
    static let responseHeaders = headerEdits("response")

    private static func headerEdits(_ message: String) -> Shape<HeaderEdits> {
        Shape<HeaderEdits>(
            "\(message) headers", HeaderEdits(),
            [
                Field(
                    "set", \.set, Forms.headerValues,
                    "Fields that replace all of their name."),
                Field(
                    "add", \.add, Forms.manyHeaderValues,
                    "Fields put beside those of their name; a list adds several."),
                Field(
                    "remove", \.remove, Forms.editableField.list(0...64, of: "field names"),
                    "Fields taken away, before others are set and added."),
            ])
    }
}

extension Forms {
    /// Fields that frame messages or belong to one connection: the proxy makes these itself, and a table that changed
    /// them could make one message look like two.
    private static let ownFields: Set<String> = [
        "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    ]

    /// Names of fields that a route may change.
    fileprivate static let editableField = Form<String>(fieldName.type) { node, reading in
        guard let name = fieldName.read(node, &reading) else { return nil }
        if ownFields.contains(name) {
            reading.report(
                node.position, "the field \(name.quotedForPeople)",
                expected: name == "host"
                    ? "`host` of the service or of an endpoint: `keep`, `endpoint`, or a name"
                    : "another field: this one the router makes itself")
            return nil
        }
        return name
    } write: { name, _ in
        .text(name)
    }

    fileprivate static let headerValues =
        fieldValue
        .map(by: editableField, "mapping of field names", of: "field names and values", limit: 64)
        .mapped { pairs in
            pairs.map { HeaderValue(name: $0.key, value: $0.value) }
        } _: { values in
            values.map { PlacedPair(key: $0.name, value: $0.value) }
        }

    fileprivate static let manyHeaderValues = fieldValue.oneOrMany(of: "texts")
        .map(by: editableField, "mapping of field names", of: "field names and values", limit: 64)
        .mapped { pairs in
            pairs.flatMap { pair in pair.value.map { HeaderValue(name: pair.key, value: $0) } }
        } _: { values in
            var names: [String] = []
            var texts: [String: [String]] = [:]
            for value in values {
                if texts[value.name] == nil { names.append(value.name) }
                texts[value.name, default: []].append(value.value)
            }
            return names.map { PlacedPair(key: $0, value: texts[$0] ?? []) }
        }
}
