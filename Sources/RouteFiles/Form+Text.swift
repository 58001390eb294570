internal import RouteTable

extension Form where Value == String {
    /// Any text of some length without control characters, line breaks excepted where they are allowed.
    static func text(
        _ name: String = "text", length: ClosedRange<Int>, linesAllowed: Bool = false
    ) -> Form {
        let type = FormType(
            name: name,
            expectation: "a text of \(length.lowerBound) to \(length.upperBound) bytes"
                + (linesAllowed ? "" : " on one line"),
            schema: SharedSchema.reference("text"))
        return .parsed(type) { text in
            guard length.contains(text.utf8.count) else {
                return .wrong("a text of \(text.utf8.count) bytes", expected: nil)
            }
            let isPrintable = text.utf8.allSatisfy {
                $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 || linesAllowed && ($0 == 0x0A || $0 == 0x0D)
            }
            return isPrintable ? .value(text) : .nothing(suggestion: nil)
        } write: {
            .text($0)
        }
    }

    /// A text that `parse` understands.
    static func text(
        _ name: String, expectation: String, pattern: String? = nil,
        parse: @escaping @Sendable (String) -> Parsed<String>
    ) -> Form {
        var schema: [JSONMember] = [JSONMember(name: "type", value: "string")]
        if let pattern { schema.append(JSONMember(name: "pattern", value: .string(pattern + #"|\$\{"#))) }
        return .parsed(FormType(name: name, expectation: expectation, schema: .object(schema)), parse: parse) {
            .text($0)
        }
    }
}

extension Form where Value: Sendable {
    /// One of a few words. `schema`: what they are in JSON, if not strings.
    static func words(_ words: KeyValuePairs<String, Value>, schema: JSONValue? = nil) -> Form where Value: Equatable {
        let names = words.map(\.key)
        let values = words.map(\.value)
        let type = FormType(
            name: names.map { "`\($0)`" }.joined(separator: ", "),
            expectation: names.joined(separator: ", ", last: " or "),
            schema: SharedSchema.orEnvironment(schema ?? .object(["enum": .array(names.map { .string($0) })])))
        return .parsed(type) { text in
            if let index = names.firstIndex(of: text) { return .value(values[index]) }
            return .nothing(suggestion: NearName.of(text, among: names))
        } write: { value in
            // Every value has its word.
            .word(values.firstIndex(of: value).map { names[$0] } ?? "")
        }
    }
}

extension Form where Value == Int {
    /// The name of a listener, region or service of this table, as its index.
    static func reference(_ kind: NameKind) -> Form {
        let type = FormType(
            name: "name of a \(kind)", expectation: "one of the \(kind.plural) of this table",
            schema: .object(["type": "string"]))
        return Form(type) { node, reading in
            guard let name = node.text else {
                reading.report(node, expected: "the name of one of the \(kind.plural) of this table")
                return nil
            }
            return reading.index(of: kind, name, at: node.position)
        } write: { index, writing in
            .text(writing.name(kind, index))
        }
    }
}

extension Reading {
    /// The index of a name; reports one that is not known.
    mutating func index(of kind: NameKind, _ name: String, at position: Position) -> Int? {
        if let index = names.index(kind, name) { return index }
        report(
            position, "unknown \(kind) \(name.quotedForPeople)", expected: "one of the \(kind.plural) of this table",
            suggestion: nearName(of: name, among: names.list(kind)))
        return nil
    }
}

extension [String] {
    /// `a, b or c`.
    func joined(separator: String, last: String) -> String {
        guard count > 1, let end = self.last else { return first ?? "" }
        return dropLast().joined(separator: separator) + last + end
    }
}
