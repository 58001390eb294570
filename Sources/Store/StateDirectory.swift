internal import Foundation

/// The directory in which a router keeps what must outlive it. Each file is replaced whole or not at all.
package struct StateDirectory: Sendable {
    package let path: String

    /// Creates the directory, readable by its owner alone, if it does not exist.
    package init(path: String) throws {
        self.path = path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    /// The table that was last accepted, in normal form; nil if there never was one.
    package func lastGoodTable() throws -> String? {
        let file = url("table.yaml")
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        return try String(contentsOf: file, encoding: .utf8)
    }

    package func keepTable(_ normalForm: String) throws {
        try Data(normalForm.utf8).write(to: url("table.yaml"), options: .atomic)
    }

    /// The journal of decisions, which begins where an earlier run left off.
    package func journal() -> DecisionJournal {
        DecisionJournal(directory: URL(fileURLWithPath: path))
    }

    private func url(_ name: String) -> URL {
        URL(fileURLWithPath: path).appendingPathComponent(name)
    }
}
