/// The JSON Schema (2020-12) of a table's files, for editors: made of the same shapes that read them.
package enum TableSchema {
    package static var text: String { value.text() + "\n" }

    /// The shapes of a table's sections.
    static let sections: [(name: String, shape: ShapeDescription)] = [
        ("listeners", Shapes.listener.description), ("regions", Shapes.region.description),
        ("services", Shapes.service.description), ("routes", Shapes.route.description),
        ("cascade", Shapes.cascade.description), ("defaults", Shapes.settings.description),
    ]

    /// Every shape there is, each once, those of the sections first.
    static let shapes: [ShapeDescription] = {
        var found: [ShapeDescription] = []
        var waiting = sections.map(\.shape)
        while !waiting.isEmpty {
            let next = waiting.removeFirst()
            if found.contains(where: { $0.name == next.name }) { continue }
            found.append(next)
            waiting += next.fields.flatMap(\.type.shapes)
        }
        return found
    }()

    static var value: JSONValue {
        .object([
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Spillway routing table",
            "type": "object",
            "additionalProperties": .bool(false),
            "properties": .object(
                sections.map { section in
                    let reference = SharedSchema.reference(section.shape.definition)
                    let meaning = TableDraft.sections.first { $0.name == section.name }?.meaning ?? ""
                    let schema: JSONValue =
                        switch section.name {
                        case "routes":
                            .object([
                                "type": .array(["array", "null"]), "items": reference, "description": .string(meaning),
                            ])
                        case "cascade", "defaults":
                            .object(["anyOf": .array([reference]), "description": .string(meaning)])
                        default:
                            .object([
                                "type": .array(["object", "null"]), "additionalProperties": reference,
                                "description": .string(meaning),
                            ])
                        }
                    return JSONMember(name: section.name, value: schema)
                }),
            "$defs": .object(
                SharedSchema.definitions + shapes.map { JSONMember(name: $0.definition, value: $0.schema) }),
        ])
    }
}

extension ShapeDescription {
    /// Unknown keys are refused, here as by the reader.
    fileprivate var schema: JSONValue {
        var members = [
            JSONMember(
                name: "type", value: .array(fields.contains(where: \.isRequired) ? ["object"] : ["object", "null"])),
            JSONMember(name: "additionalProperties", value: .bool(false)),
            JSONMember(
                name: "properties",
                value: .object(fields.map { JSONMember(name: $0.name, value: $0.schema) })),
        ]
        let required = fields.filter(\.isRequired).map { JSONValue.string($0.name) }
        if !required.isEmpty { members.append(JSONMember(name: "required", value: .array(required))) }
        return .object(members)
    }
}

extension FieldDescription {
    fileprivate var schema: JSONValue {
        var members = [JSONMember(name: "anyOf", value: .array([type.schema]))]
        members.append(JSONMember(name: "description", value: .string(meaning)))
        if let defaultText {
            members.append(
                JSONMember(name: "markdownDescription", value: .string("\(meaning) Default: `\(defaultText)`.")))
        }
        return .object(members)
    }
}
