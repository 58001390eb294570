package import Files
internal import Foundation
internal import RouteTable

/// The directory in which a router keeps what must outlive it. Each file is replaced whole or not at all.
///
/// It is made when something is to be kept in it. Whatever cannot be kept, because the directory cannot be made or written,
/// is an error for whoever wanted to keep it, and nothing more.
package struct StateDirectory: Sendable {
    package let path: String

    /// Bytes of what is read from it, at most: far more than a router writes, and an end for what another program left.
    static let readLimit = 256 << 20

    package init(path: String) {
        self.path = path
    }

    /// Makes the directory, readable by its owner alone, if it is not there, and shows that files can be written in it.
    package func prepare() throws(FileProblem) {
        try StateFiles.makeDirectory(path)
        try StateFiles.replace(file("probe"), with: [])
        try StateFiles.remove(file("probe"))
    }

    /// The table that was last accepted, in normal form; nil if there never was one.
    package func lastGoodTable() throws(FileProblem) -> String? {
        try StateFiles.read(file("table.yaml"), atMost: Self.readLimit).map { String(decoding: $0, as: UTF8.self) }
    }

    package func keepTable(_ normalForm: String) throws(FileProblem) {
        try StateFiles.makeDirectory(path)
        try StateFiles.replace(file("table.yaml"), with: Array(normalForm.utf8))
    }

    /// The addresses behind names of endpoints, as last known; empty if there never were any.
    package func addresses() throws -> [String: [String]] {
        guard let bytes = try StateFiles.read(file("names.json"), atMost: Self.readLimit) else { return [:] }
        let kept = try JSONDecoder().decode([String: [String]].self, from: Data(bytes))
        return kept.mapValues { $0.filter { IPAddress($0) != nil } }
    }

    package func keepAddresses(_ addresses: [String: [String]]) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try StateFiles.makeDirectory(path)
        try StateFiles.replace(file("names.json"), with: Array(encoder.encode(addresses)))
    }

    /// The journal of decisions, which begins where an earlier run left off.
    package func journal() -> DecisionJournal {
        DecisionJournal(directory: path)
    }

    /// What the brain is told from now on.
    package func evidence() -> EvidenceLog {
        EvidenceLog(directory: path)
    }

    /// To be called before what the last run knew is read; false if that was begun before and never ended.
    package func beginRemembering() -> Bool {
        let mark = file("remembering")
        if StateFiles.exists(mark) {
            endRemembering()
            return false
        }
        // Where nothing can be written, nobody can have left a mark either.
        try? StateFiles.replace(mark, with: [])
        return true
    }

    package func endRemembering() {
        try? StateFiles.remove(file("remembering"))
    }

    private func file(_ name: String) -> String { "\(path)/\(name)" }
}
