internal import RouteTable

/// How values of one kind are written in a table's files: what is read, what is printed, and what the schema and the
/// reference say of it, all from one place.
struct Form<Value>: Sendable {
    let type: FormType
    /// Reads a value; reports what is wrong and gives nil.
    let read: @Sendable (SourceNode, inout Reading) -> Value?
    let write: @Sendable (Value, Writing) -> OutputNode

    init(
        _ type: FormType, read: @escaping @Sendable (SourceNode, inout Reading) -> Value?,
        write: @escaping @Sendable (Value, Writing) -> OutputNode
    ) {
        self.type = type
        self.read = read
        self.write = write
    }
}

/// Forms that need no arguments.
enum Forms {}

/// What is known of a form without its values' type.
struct FormType: Sendable {
    /// For the reference: `duration, 1ms to 1m`.
    let name: String
    /// For a message after “expected”: `a duration such as 500ms, 2s or 1m, from 1ms to 1m`.
    let expectation: String
    let schema: JSONValue
    /// Mappings the schema refers to by name.
    var shapes: [ShapeDescription] = []
}

extension Form where Value: Sendable {
    /// A form for texts that mean something; `parse` gives nil, perhaps with a suggestion, when they do not.
    static func parsed(
        _ type: FormType, parse: @escaping @Sendable (String) -> Parsed<Value>,
        write: @escaping @Sendable (Value) -> OutputNode
    ) -> Form {
        Form(type) { node, reading in
            guard let text = node.text else {
                reading.report(node, expected: type.expectation)
                return nil
            }
            switch parse(text) {
            case .value(let value): return value
            case .nothing(let suggestion):
                reading.report(node, expected: type.expectation, suggestion: suggestion)
                return nil
            case .wrong(let found, let expected):
                reading.report(node.position, found, expected: expected ?? type.expectation)
                return nil
            }
        } write: { value, _ in
            write(value)
        }
    }

    /// The same value under another type.
    func mapped<Other>(
        _ there: @escaping @Sendable (Value) -> Other, _ back: @escaping @Sendable (Other) -> Value
    ) -> Form<Other> {
        Form<Other>(type) { node, reading in
            read(node, &reading).map(there)
        } write: { value, writing in
            write(back(value), writing)
        }
    }

    /// A word may stand for nil.
    func or(_ word: String) -> Form<Value?> {
        let type = FormType(
            name: "\(type.name), or `\(word)`", expectation: "\(type.expectation), or \(word)",
            schema: .object(["anyOf": .array([type.schema, .object(["const": .string(word)])])]), shapes: type.shapes)
        return Form<Value?>(type) { node, reading in
            if node.text == word { return .some(nil) }
            return read(node, &reading).map { .some($0) }
        } write: { value, writing in
            value.map { write($0, writing) } ?? .word(word)
        }
    }
}

/// What became of a text.
enum Parsed<Value> {
    case value(Value)
    /// It is nothing of the kind; perhaps something near it was meant.
    case nothing(suggestion: String?)
    /// It is of the kind and still wrong: what is found, and what is expected instead of the usual expectation.
    case wrong(String, expected: String?)
}

/// Names of schemas that many fields share.
enum SharedSchema {
    static func reference(_ name: String) -> JSONValue { .object(["$ref": .string("#/$defs/\(name)")]) }

    /// A text with a variable in it can be anything.
    static let environment = reference("environment")

    static func orEnvironment(_ schema: JSONValue) -> JSONValue {
        .object(["anyOf": .array([schema, environment])])
    }

    static let definitions: [JSONMember] = [
        JSONMember(
            name: "environment",
            value: .object([
                "type": "string", "pattern": #"\$\{"#, "description": "A text with ${NAME} or ${NAME:-default} in it.",
            ])),
        JSONMember(
            name: "duration",
            value: .object([
                "type": "string", "pattern": #"^[0-9]+(\.[0-9]+)?(us|ms|s|m|h)$|\$\{"#,
                "description": "A duration such as 500ms, 2s or 1m.",
            ])),
        JSONMember(
            name: "size",
            value: .object([
                "type": .array(["string", "integer"]), "pattern": #"^[0-9]+(KiB|MiB|GiB)?$|\$\{"#,
                "minimum": .number(0),
                "description": "A number of bytes such as 32KiB, 1MiB or 1000.",
            ])),
        JSONMember(
            name: "percentage",
            value: .object([
                "type": "string", "pattern": #"^[0-9]+(\.[0-9]{1,2})?%$|\$\{"#,
                "description": "A percentage such as 20% or 0.5%.",
            ])),
        JSONMember(
            name: "text",
            value: .object([
                "type": .array(["string", "number", "boolean"]), "description": "A text; numbers are taken as written.",
            ])),
    ]
}

extension JSONValue: ExpressibleByStringLiteral {
    init(stringLiteral value: String) {
        self = .string(value)
    }
}
