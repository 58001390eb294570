internal import Foundation

/// The decisions a router took, one JSON line each, in the state directory.
///
/// Append-only. When the file has reached its limit it becomes `decisions.1.jsonl`, in place of the one before, so that
/// at most twice the limit is kept.
package struct DecisionJournal: ~Copyable {
    private let url: URL
    private let older: URL
    private let bytesLimit: Int
    private var file: FileHandle?
    private var bytes = 0

    init(directory: URL, bytesLimit: Int = 16 * 1_048_576) {
        url = directory.appendingPathComponent("decisions.jsonl")
        older = directory.appendingPathComponent("decisions.1.jsonl")
        self.bytesLimit = bytesLimit
    }

    /// All lines that are kept, oldest first.
    static func lines(in directory: URL) throws -> [String] {
        try ["decisions.1.jsonl", "decisions.jsonl"].flatMap { name in
            let url = directory.appendingPathComponent(name)
            guard FileManager.default.fileExists(atPath: url.path) else { return [String]() }
            return String(decoding: try Data(contentsOf: url), as: UTF8.self).split(separator: "\n").map(String.init)
        }
    }

    /// Appends a line, which reaches the system before this returns. Throws what the disk says; later lines are tried
    /// anew.
    package mutating func append(_ line: String) throws {
        do {
            if bytes >= bytesLimit { try rotate() }
            let file = try file ?? open()
            self.file = file
            let data = Data((line + "\n").utf8)
            try file.write(contentsOf: data)
            bytes += data.count
        } catch {
            // A full disk may have taken a part of the line.
            try? file?.truncate(atOffset: UInt64(bytes))
            file = nil
            throw error
        }
    }

    private mutating func open() throws -> FileHandle {
        if !FileManager.default.fileExists(atPath: url.path) {
            try Data().write(to: url)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: url.path)
        }
        let file = try FileHandle(forWritingTo: url)
        bytes = Int(try file.seekToEnd())
        return file
    }

    private mutating func rotate() throws {
        try file?.close()
        file = nil
        bytes = 0
        try? FileManager.default.removeItem(at: older)
        try FileManager.default.moveItem(at: url, to: older)
    }
}
