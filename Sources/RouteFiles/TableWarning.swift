/// Something in a table that is no mistake, and hardly what was meant: where it is, what it means, and what to do.
package struct TableWarning: Sendable, Hashable, CustomStringConvertible {
    /// The file as it was named to the reader.
    package let file: String
    /// Counted from 1; 0 when it is about the file as a whole.
    package let line: Int
    package let column: Int
    /// Where in the table, such as `services.checkout`; empty when it is not about a value.
    package let path: String
    /// What is there, what comes of it, and what to do.
    package let text: String

    /// What it is about and what it says: the same wherever it moves in its file.
    package var subject: String { "\(path): \(text)" }

    /// `routes/web.yaml:12:3: services.shop: no probe: …`, on one line.
    package var description: String {
        file + (line > 0 ? ":\(line):\(column)" : "") + (path.isEmpty ? "" : ": \(path)") + ": \(text)"
    }
}
