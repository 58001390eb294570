import Foundation
import Testing

@testable import Store

/// A directory of a test's own, gone with it.
final class TemporaryDirectory {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("spillway-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: url)
    }

    func text(of name: String) throws -> String {
        try String(contentsOf: url.appendingPathComponent(name), encoding: .utf8)
    }

    func permissions(of name: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: url.appendingPathComponent(name).path)[.posixPermissions]
            as? Int
    }
}

struct StateDirectoryTests {
    @Test func `the last good table is kept, whole, and for its owner's eyes alone`() throws {
        let parent = try TemporaryDirectory()
        let store = try StateDirectory(path: parent.url.appendingPathComponent("a/b").path)
        #expect(try store.lastGoodTable() == nil)
        try store.keepTable("first")
        try store.keepTable("second")
        #expect(try store.lastGoodTable() == "second")
        #expect(try parent.permissions(of: "a/b") == 0o700)
    }

    @Test func `what cannot be a directory is an error, not a crash`() throws {
        let parent = try TemporaryDirectory()
        try Data().write(to: parent.url.appendingPathComponent("file"))
        #expect(throws: (any Error).self) {
            try StateDirectory(path: parent.url.appendingPathComponent("file/state").path)
        }
    }
}

struct DecisionJournalTests {
    @Test func `lines are appended, across runs`() throws {
        let directory = try TemporaryDirectory()
        for run in 1...2 {
            var journal = DecisionJournal(directory: directory.url)
            try journal.append("run \(run), line 1")
            try journal.append("run \(run), line 2")
        }
        #expect(
            try directory.text(of: "decisions.jsonl") == "run 1, line 1\nrun 1, line 2\nrun 2, line 1\nrun 2, line 2\n")
        #expect(try directory.permissions(of: "decisions.jsonl") == 0o600)
    }

    @Test func `a file that has reached its limit makes room, and the one before it goes`() throws {
        let directory = try TemporaryDirectory()
        var journal = DecisionJournal(directory: directory.url, bytesLimit: 20)
        for line in 1...9 { try journal.append("line \(line) ..") }
        // Twenty bytes are two lines: 1 and 2 went first, then 3 and 4, and so on.
        #expect(try directory.text(of: "decisions.1.jsonl") == "line 7 ..\nline 8 ..\n")
        #expect(try directory.text(of: "decisions.jsonl") == "line 9 ..\n")
    }

    @Test func `a line that cannot be written is an error, and the next one is tried anew`() throws {
        let directory = try TemporaryDirectory()
        let place = directory.url.appendingPathComponent("state")
        var journal = DecisionJournal(directory: place)
        #expect(throws: (any Error).self) { try journal.append("lost") }
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: false)
        try journal.append("kept")
        #expect(try directory.text(of: "state/decisions.jsonl") == "kept\n")
    }
}
