/// One mistake in a table's files: where it is, what was found there, and what would be right.
package struct Problem: Sendable, Hashable, CustomStringConvertible {
    /// The file as it was named to the reader.
    package let file: String
    /// Counted from 1; 0 when the problem is with the file as a whole.
    package let line: Int
    /// In Unicode scalars, counted from 1; 0 with the line.
    package let column: Int
    /// Where in the table, such as `services.checkout.prefer[1]`; empty when it is not about a value.
    package let path: String
    /// What is there, as a phrase: `unknown region "us-esat-1"`.
    package let found: String
    /// What would be right, as a phrase; absent when the finding says it all.
    package let expected: String?
    /// What was probably meant.
    package let suggestion: String?

    package init(
        file: String, line: Int = 0, column: Int = 0, path: String = "", found: String, expected: String? = nil,
        suggestion: String? = nil
    ) {
        self.file = file
        self.line = line
        self.column = column
        self.path = path
        self.found = found
        self.expected = expected
        self.suggestion = suggestion
    }

    /// `routes/web.yaml:12:18: services.checkout.prefer[1]: unknown region "us-esat-1"; expected one of the regions of
    /// this table; did you mean "us-east-1"?`, on one line.
    package var description: String {
        var text = file
        if line > 0 { text += ":\(line):\(column)" }
        if !path.isEmpty { text += ": \(path)" }
        text += ": \(found)"
        if let expected { text += "; expected \(expected)" }
        if let suggestion { text += "; did you mean \(suggestion.quotedForPeople)?" }
        return text
    }
}

/// Every mistake found in a table's files, by file (in the order they were read), line and column.
package struct Problems: Error, Sendable, Equatable, CustomStringConvertible {
    /// At least one.
    package let all: [Problem]

    package init(_ all: [Problem]) {
        self.all = all
    }

    /// One line each.
    package var description: String { all.map(\.description).joined(separator: "\n") }
}

extension String {
    /// In double quotes, on one line, shortened if it is long: for messages.
    var quotedForPeople: String {
        let limit = 60
        var text = "\""
        var count = 0
        for scalar in unicodeScalars {
            if count == limit { return text + "…\"" }
            count += 1
            switch scalar {
            case "\n": text += "\\n"
            case "\t": text += "\\t"
            case "\r": text += "\\r"
            case "\"": text += "\\\""
            default:
                if scalar.properties.generalCategory == .control {
                    text += "\\u{" + String(scalar.value, radix: 16) + "}"
                } else {
                    text.unicodeScalars.append(scalar)
                }
            }
        }
        return text + "\""
    }
}
