package import Files

/// The decisions a router took, one JSON line each, in the state directory.
///
/// Append-only. When the file has reached its limit it becomes `decisions.1.jsonl`, in place of the one before, so that
/// at most twice the limit is kept.
package struct DecisionJournal: ~Copyable {
    private let path: String
    private let older: String
    private let bytesLimit: Int
    private var file: OpenFile?
    private var bytes = 0

    init(directory: String, bytesLimit: Int = 16 * 1_048_576) {
        path = "\(directory)/decisions.jsonl"
        older = "\(directory)/decisions.1.jsonl"
        self.bytesLimit = bytesLimit
    }

    /// Of each file, four times what is written to it.
    private static let readLimit = 64 << 20

    /// All lines that are kept, oldest first.
    static func lines(in directory: String) throws(FileProblem) -> [String] {
        var lines: [String] = []
        for name in ["decisions.1.jsonl", "decisions.jsonl"] {
            guard let bytes = try StateFiles.readEnd("\(directory)/\(name)", atMost: readLimit) else { continue }
            lines += String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        }
        return lines
    }

    /// Appends a line, which reaches the system before this returns. Throws what the disk says; later lines are tried
    /// anew.
    package mutating func append(_ line: String) throws(FileProblem) {
        if bytes >= bytesLimit { try rotate() }
        var open = file.take()
        if open == nil {
            let fresh = try OpenFile(appendingTo: path)
            bytes = try fresh.size()
            open = consume fresh
        }
        let line = Array((line + "\n").utf8)
        do throws(FileProblem) {
            try open?.write(line)
        } catch {
            // A full disk may have taken a part of the line.
            open?.truncate(to: bytes)
            throw error
        }
        bytes += line.count
        file = open
    }

    /// Lets go of a file that is not where it was made: the next line makes another. True if there was one.
    package mutating func leaveIfDisplaced() -> Bool {
        guard let isInPlace = file?.isInPlace, !isInPlace else { return false }
        file = nil
        return true
    }

    private mutating func rotate() throws(FileProblem) {
        file = nil
        bytes = 0
        try StateFiles.rename(path, to: older)
    }
}
