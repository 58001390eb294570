internal import RouteTable

/// A mapping with known keys: what is read into a value, and printed of it.
///
/// Reading changes only what the mapping names, so that a value made of defaults keeps the rest: that is how
/// `defaults` and a service's own settings come together, key by key and mapping by mapping.
struct Shape<Root: Sendable>: Sendable {
    /// For messages and the reference, as in `a service's timeouts`.
    let name: String
    /// A value with every default in place.
    let fresh: Root
    let fields: [Field<Root>]
    /// What must hold between the fields; gives the key to blame, what is found and what is expected.
    let law: @Sendable (Root) -> [Breach]

    init(
        _ name: String, _ fresh: Root, _ fields: [Field<Root>],
        law: @escaping @Sendable (Root) -> [Breach] = { _ in [] }
    ) {
        self.name = name
        self.fresh = fresh
        self.fields = fields
        self.law = law
    }

    /// Reads a mapping into a value; false when there was something to report.
    @discardableResult
    func read(_ node: SourceNode, into root: inout Root, _ reading: inout Reading) -> Bool {
        guard let entries = node.entries else {
            reading.report(node, expected: "a mapping with \(keyList)")
            return false
        }
        let before = reading.problems.count
        for entry in entries {
            reading.at(entry.key) { reading in
                guard let field = fields.first(where: { $0.name == entry.key }) else {
                    reading.report(
                        entry.position, "unknown key \(entry.key.quotedForPeople)", expected: "one of \(keyList)",
                        suggestion: reading.nearName(of: entry.key, among: fields.map(\.name)))
                    return
                }
                field.read(entry.value, &root, &reading)
            }
        }
        for field in fields where field.isRequired && !entries.contains(where: { $0.key == field.name }) {
            reading.report(node.position, "no `\(field.name)`", expected: field.type.expectation)
        }
        guard reading.problems.count == before else { return false }
        for breach in law(root) {
            let entry = entries.first { $0.key == breach.key }
            reading.at(breach.key) {
                $0.report(entry?.value.position ?? node.position, breach.found, expected: breach.expected)
            }
        }
        return reading.problems.count == before
    }

    func write(_ root: Root, _ writing: Writing) -> OutputNode {
        .mapping(
            fields.compactMap { field in field.write(root, writing).map { OutputEntry(key: field.name, value: $0) } })
    }

    private var keyList: String { fields.map(\.name).joined(separator: ", ", last: " and ") }

    var description: ShapeDescription {
        let defaults = Writing(table: Table())
        return ShapeDescription(
            name: name,
            fields: fields.map { field in
                let value = field.isRequired ? nil : field.write(fresh, defaults).map(YAMLPrinter.flow)
                return FieldDescription(
                    name: field.name, type: field.type, defaultText: field.isNested ? nil : value,
                    isRequired: field.isRequired, isNested: field.isNested, meaning: field.meaning)
            })
    }

    /// The shape as the type of a field.
    var type: FormType {
        FormType(
            name: "mapping, see \(name)", expectation: "a mapping with \(keyList)",
            schema: SharedSchema.reference(description.definition), shapes: [description])
    }

    /// The shape as a form whose values begin with every default in place.
    var form: Form<Root> {
        Form(type) { node, reading in
            var root = fresh
            return read(node, into: &root, &reading) ? root : nil
        } write: { root, writing in
            write(root, writing)
        }
    }
}

/// What does not hold between the fields of a mapping.
struct Breach {
    /// The field to blame.
    let key: String
    let found: String
    let expected: String?
}

/// The shapes of a table's mappings.
enum Shapes {}

/// A key of a mapping.
struct Field<Root: Sendable>: Sendable {
    let name: String
    let type: FormType
    let isRequired: Bool
    /// Whether its value is a mapping with keys of its own, which are merged with defaults.
    let isNested: Bool
    /// For the reference and editors: what it means, and its consequences.
    let meaning: String
    let read: @Sendable (SourceNode, inout Root, inout Reading) -> Void
    /// nil: there is nothing to print.
    let write: @Sendable (Root, Writing) -> OutputNode?

    /// A key whose value goes to a property.
    init<Value: Sendable>(
        _ name: String, _ property: any (WritableKeyPath<Root, Value> & Sendable), _ form: Form<Value>,
        isRequired: Bool = false,
        _ meaning: String
    ) {
        self.init(name, form.type, isRequired: isRequired, meaning) { node, root, reading in
            if let value = form.read(node, &reading) { root[keyPath: property] = value }
        } write: { root, writing in
            form.write(root[keyPath: property], writing)
        }
    }

    /// A key that need not be there, and is not printed when there is no value.
    init<Value: Sendable>(
        optional name: String, _ property: any (WritableKeyPath<Root, Value?> & Sendable), _ form: Form<Value>,
        _ meaning: String
    ) {
        self.init(name, form.type, meaning) { node, root, reading in
            if let value = form.read(node, &reading) { root[keyPath: property] = value }
        } write: { root, writing in
            root[keyPath: property].map { form.write($0, writing) }
        }
    }

    /// A key whose value is a mapping that changes what it names of a property.
    init<Value: Sendable>(
        nested name: String, _ property: any (WritableKeyPath<Root, Value> & Sendable), _ shape: Shape<Value>,
        _ meaning: String
    ) {
        self.init(name, shape.type, isNested: true, meaning) { node, root, reading in
            shape.read(node, into: &root[keyPath: property], &reading)
        } write: { root, writing in
            shape.write(root[keyPath: property], writing)
        }
    }

    init(
        _ name: String, _ type: FormType, isRequired: Bool = false, isNested: Bool = false, _ meaning: String,
        read: @escaping @Sendable (SourceNode, inout Root, inout Reading) -> Void,
        write: @escaping @Sendable (Root, Writing) -> OutputNode?
    ) {
        self.name = name
        self.type = type
        self.isRequired = isRequired
        self.isNested = isNested
        self.meaning = meaning
        self.read = read
        self.write = write
    }

    /// The same key in a value that holds this one's.
    func lifted<Outer: Sendable>(to property: any (WritableKeyPath<Outer, Root> & Sendable)) -> Field<Outer> {
        Field<Outer>(name, type, isRequired: isRequired, isNested: isNested, meaning) { node, outer, reading in
            read(node, &outer[keyPath: property], &reading)
        } write: { outer, writing in
            write(outer[keyPath: property], writing)
        }
    }
}

/// A shape without its values' type: what the schema and the reference are made of.
struct ShapeDescription: Sendable {
    let name: String
    let fields: [FieldDescription]

    /// Its name in the schema.
    var definition: String { name.split(separator: " ").joined(separator: "-") }
}

struct FieldDescription: Sendable {
    let name: String
    let type: FormType
    let defaultText: String?
    let isRequired: Bool
    let isNested: Bool
    let meaning: String
}
