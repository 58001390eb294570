import Foundation
import Testing

@testable import RouteFiles

@Suite("The schema")
struct SchemaTests {
    @Test("is JSON whose references all lead somewhere, and knows every key of every mapping")
    func isWhole() throws {
        let schema = try #require(
            try JSONSerialization.jsonObject(with: Data(TableSchema.text.utf8)) as? [String: Any])
        let definitions = try #require(schema["$defs"] as? [String: Any])
        var references: Set<String> = []
        func collect(_ value: Any) {
            if let object = value as? [String: Any] {
                if let reference = object["$ref"] as? String { references.insert(reference) }
                object.values.forEach(collect)
            } else if let array = value as? [Any] {
                array.forEach(collect)
            }
        }
        collect(schema)
        #expect(references.count > 10)
        for reference in references {
            let name = try #require(reference.split(separator: "/").last.map(String.init))
            #expect(reference == "#/$defs/\(name)" && definitions[name] != nil, "\(reference)")
        }
        for shape in TableSchema.shapes {
            let definition = try #require(definitions[shape.definition] as? [String: Any])
            let properties = try #require(definition["properties"] as? [String: Any])
            #expect(Set(properties.keys) == Set(shape.fields.map(\.name)))
            #expect(definition["additionalProperties"] as? Bool == false)
        }
    }
}

/// docs/routing-table.md holds a reference of every key, between two marks: made of the shapes that read them, so that
/// it cannot say what is not so. `SPILLWAY_WRITE_DOCS=1 swift test --filter Reference` writes it anew.
@Suite("The reference")
struct ReferenceTests {
    private static let begin = "<!-- reference: made from the code, see Tests/RouteFilesTests/SchemaTests.swift -->\n"
    private static let end = "<!-- end of reference -->\n"

    private var reference: String {
        TableSchema.shapes.map { shape in
            var text = "### \(shape.name)\n\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n"
            for field in shape.fields {
                let standard =
                    field.isRequired
                    ? "required" : field.isNested ? "" : field.defaultText.map { "`\($0)`" } ?? "absent"
                let cells = ["`\(field.name)`", field.type.name, standard, field.meaning]
                text += "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n"
            }
            return text
        }.joined(separator: "\n")
    }

    @Test("in the documentation is what the code says")
    func isTrue() throws {
        let file = root.appending(path: "docs/routing-table.md")
        let text = try String(contentsOf: file, encoding: .utf8)
        let begin = try #require(text.range(of: Self.begin))
        let end = try #require(text.range(of: Self.end))
        let expected = "\n" + reference + "\n"
        if ProcessInfo.processInfo.environment["SPILLWAY_WRITE_DOCS"] != nil {
            try text.replacingCharacters(in: begin.upperBound..<end.lowerBound, with: expected)
                .write(to: file, atomically: true, encoding: .utf8)
            return
        }
        #expect(text[begin.upperBound..<end.lowerBound] == expected)
    }

    @Test("and its examples are tables without mistakes")
    func examplesAreTables() throws {
        let text = try String(contentsOf: root.appending(path: "docs/routing-table.md"), encoding: .utf8)
        let examples = text.components(separatedBy: "```yaml\n").dropFirst().map {
            $0.components(separatedBy: "```")[0]
        }
        #expect(examples.count >= 3)
        for example in examples where example.contains("listeners:") {
            #expect(problems(example) == [], "\(example)")
        }
    }
}
