/// Texts that YAML takes for something else because they are not in quotes: `*.example.com`, and `${NAME}` or a pattern
/// with brackets within `{ }` and `[ ]`.
extension YAMLText {
    /// What would be right where YAML stumbles over a text without quotes; nil where it stumbles over something else.
    /// - Parameters:
    ///   - problem: libyaml's words for it.
    ///   - index: of the character that libyaml names.
    func quotes(for problem: String, at index: Int) -> String? {
        let start: Int?
        if problem.contains("alphabetic or numeric character") {
            // An alias or an anchor without a name: it names the character after its sign.
            start = [index - 1, index].first {
                scalars.indices.contains($0) && "*&".unicodeScalars.contains(scalars[$0])
            }
        } else if problem.contains("cannot start any token") {
            start = index
        } else if problem.contains("expected ',' or") {
            start = startOfText(before: index)
        } else {
            start = nil
        }
        guard let start, let text = text(from: start) else { return nil }
        return "quotes around the text: \(Self.quoted(text))"
    }

    /// Where a text begins that goes on with a bracket; nil if the bracket begins something itself.
    private func startOfText(before index: Int) -> Int? {
        guard scalars.indices.contains(index), "{[".unicodeScalars.contains(scalars[index]) else { return nil }
        var start = index
        while start > 0, !Self.endsText(scalars[start - 1]) { start -= 1 }
        return start < index ? start : nil
    }

    /// A text without blanks, with the brackets that belong to it.
    private func text(from start: Int) -> String? {
        var text = String.UnicodeScalarView()
        var depth = 0
        for scalar in scalars[start...].prefix(200) {
            if " \t\r\n".unicodeScalars.contains(scalar) || depth == 0 && ",]}".unicodeScalars.contains(scalar) {
                break
            }
            if "[{".unicodeScalars.contains(scalar) { depth += 1 }
            if "]}".unicodeScalars.contains(scalar) { depth -= 1 }
            text.append(scalar)
        }
        return text.isEmpty ? nil : String(text)
    }

    private static func endsText(_ scalar: Unicode.Scalar) -> Bool { " \t\r\n,".unicodeScalars.contains(scalar) }

    /// In double quotes, in which a backslash would mean something, or in single ones.
    private static func quoted(_ text: String) -> String {
        text.contains("\\") || text.contains("\"") ? "'" + text.replacing("'", with: "''") + "'" : "\"\(text)\""
    }
}
