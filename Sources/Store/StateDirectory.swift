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

    /// What the brain is told from now on.
    package func evidence() -> EvidenceLog {
        EvidenceLog(directory: URL(fileURLWithPath: path))
    }

    /// To be called before what the last run knew is read; false if that was begun before and never ended.
    package func beginRemembering() -> Bool {
        let mark = url("remembering").path
        if FileManager.default.fileExists(atPath: mark) {
            endRemembering()
            return false
        }
        return FileManager.default.createFile(atPath: mark, contents: nil)
    }

    package func endRemembering() {
        try? FileManager.default.removeItem(at: url("remembering"))
    }

    private func url(_ name: String) -> URL {
        URL(fileURLWithPath: path).appendingPathComponent(name)
    }
}
