/// How large a table's files may be: enough for hundreds of thousands of endpoints, and an end for a mistake.
package enum SourceLimits {
    /// Bytes of one file.
    package static let fileBytes = 16 << 20
    /// Bytes of all files together.
    package static let totalBytes = 64 << 20
    /// Files of one table.
    package static let files = 4_096
    /// Values nested in each other.
    package static let depth = 32
    /// Values of all files together, each use of an alias counted again.
    package static let values = 4_000_000
    /// Problems that are described; further ones are only counted.
    package static let problems = 10_000
}
