/// Fills `${NAME}` and `${NAME:-default}` in from an environment; `$${` stands for `${`.
///
/// As in a shell, the default is taken when the variable is unset or empty, and there is no default of a default. What
/// is filled in is text: it cannot bring along keys, lists or further variables.
struct Environment: Sendable {
    let variables: [String: String]

    /// Why a text cannot be filled in.
    enum Mistake: Error, Equatable {
        case unset(name: String)
        case malformed(String)
    }

    func filled(_ text: String) throws(Mistake) -> String {
        guard text.utf8.contains(UInt8(ascii: "$")) else { return text }
        var result = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$${") {
                result += "${"
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("${") {
                guard let end = rest.firstIndex(of: "}") else {
                    throw .malformed("this `${` has no `}`; write `$${` for the characters")
                }
                result += try value(rest[rest.index(dollar, offsetBy: 2)..<end])
                rest = rest[rest.index(after: end)...]
            } else {
                result += "$"
                rest = rest.dropFirst()
            }
        }
        return result + rest
    }

    /// The value of what stands between the braces.
    private func value(_ inside: Substring) throws(Mistake) -> String {
        let name = inside.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
        guard let first = name.first, !first.isNumber else {
            throw .malformed("this is not the name of a variable: `${\(inside)}`")
        }
        let tail = inside[name.endIndex...]
        let value = variables[String(name)]
        if tail.isEmpty {
            guard let value else { throw .unset(name: String(name)) }
            return value
        }
        guard tail.hasPrefix(":-") else {
            throw .malformed("only `${NAME}` and `${NAME:-default}` are understood, not `${\(inside)}`")
        }
        if let value, !value.isEmpty { return value }
        return String(tail.dropFirst(2))
    }

    /// The text that gives `text` when it is filled in.
    static func escaped(_ text: String) -> String {
        text.split(separator: "${", omittingEmptySubsequences: false).joined(separator: "$${")
    }
}
