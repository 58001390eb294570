import Failover
import Files
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
        let store = StateDirectory(path: parent.url.appendingPathComponent("a/b").path)
        #expect(try store.lastGoodTable() == nil)
        try store.keepTable("first")
        try store.keepTable("second")
        #expect(try store.lastGoodTable() == "second")
        #expect(try parent.permissions(of: "a/b") == 0o700)
    }

    @Test func `what is no regular file is never waited for, be it read or written`() throws {
        let parent = try TemporaryDirectory()
        let store = StateDirectory(path: parent.url.path)
        for name in ["table.yaml", "names.json", "decisions.jsonl", "evidence-1.log", "lock"] {
            let made = unsafe mkfifo(parent.url.appendingPathComponent(name).path, 0o600)
            #expect(made == 0)
        }
        func problem(_ name: String, _ use: FileProblem.Use) -> FileProblem {
            FileProblem(parent.url.appendingPathComponent(name).path, use, .kind("a pipe"))
        }
        #expect(throws: problem("table.yaml", .read)) { try store.lastGoodTable() }
        #expect(throws: problem("names.json", .read)) { try store.addresses() }
        #expect(throws: problem("evidence-1.log", .read)) {
            try EvidenceLog.read(parent.url.appendingPathComponent("evidence-1.log").path)
        }
        #expect(throws: problem("decisions.jsonl", .read)) { try DecisionJournal.stretch(in: store.path) }
        #expect(throws: problem("decisions.jsonl", .written)) {
            var journal = store.journal()
            try journal.append("line")
        }
        #expect(throws: problem("lock", .written)) { try StateLock.take(in: store, for: "a test") }
        // A file that is replaced whole takes the place of anything.
        try store.keepTable("table")
        #expect(try store.lastGoodTable() == "table")
    }

    @Test func `files that were removed or moved are let go of, and others are not`() throws {
        let parent = try TemporaryDirectory()
        let path = parent.url.appendingPathComponent("state").path
        let store = StateDirectory(path: path)
        guard case .taken(let lock) = try StateLock.take(in: store, for: "a test") else {
            Issue.record("no lock")
            return
        }
        var journal = store.journal()
        try journal.append("one")
        var evidence = store.evidence()
        try evidence.begin(Brain())
        #expect(lock.isInPlace)
        let left = (journal.leaveIfDisplaced(), evidence.leaveIfDisplaced())
        #expect(left == (false, false))
        try FileManager.default.moveItem(atPath: path, toPath: path + ".moved")
        #expect(!lock.isInPlace)
        let gone = (journal.leaveIfDisplaced(), evidence.leaveIfDisplaced())
        #expect(gone == (true, true))
        let wantsSegment = evidence.wantsSegment
        #expect(wantsSegment)
        try journal.append("two")
        #expect(try parent.text(of: "state/decisions.jsonl") == "two\n")
        #expect(try parent.text(of: "state.moved/decisions.jsonl") == "one\n")
    }

    @Test func `what cannot be a directory is told in words, whatever is to be kept there`() throws {
        let parent = try TemporaryDirectory()
        try Data().write(to: parent.url.appendingPathComponent("file"))
        let path = parent.url.appendingPathComponent("file/state").path
        let store = StateDirectory(path: path)
        let problem = FileProblem(path, .created, code: ENOTDIR)
        #expect("\(problem)" == "\(path) cannot be created: Not a directory")
        #expect(throws: problem) { try store.prepare() }
        #expect(throws: problem) { try store.keepTable("table") }
        #expect(throws: FileProblem.self) { try store.lastGoodTable() }
        #expect(throws: problem) {
            var journal = store.journal()
            try journal.append("line")
        }
        #expect(throws: problem) {
            var evidence = store.evidence()
            try evidence.begin(Brain())
        }
        #expect(throws: problem) { try StateLock.take(in: store, for: "a test") }
    }

    @Test func `the directory is one holder's, and who that is is told`() throws {
        let parent = try TemporaryDirectory()
        let store = StateDirectory(path: parent.url.path)
        var first: StateLock.Outcome? = try StateLock.take(in: store, for: "the first")
        guard case .taken = first else { return #expect(Bool(false), "nobody else had it") }
        guard case .held(by: "the first") = try StateLock.take(in: store, for: "the second") else {
            return #expect(Bool(false), "two have it")
        }
        first = nil
        guard case .taken = try StateLock.take(in: store, for: "the second") else {
            return #expect(Bool(false), "nobody has it any more")
        }
    }
}

struct DecisionJournalTests {
    @Test func `lines are appended, across runs`() throws {
        let directory = try TemporaryDirectory()
        for run in 1...2 {
            var journal = DecisionJournal(directory: directory.url.path)
            try journal.append("run \(run), line 1")
            try journal.append("run \(run), line 2")
        }
        #expect(
            try directory.text(of: "decisions.jsonl") == "run 1, line 1\nrun 1, line 2\nrun 2, line 1\nrun 2, line 2\n")
        #expect(try directory.permissions(of: "decisions.jsonl") == 0o600)
    }

    @Test func `a file that has reached its limit makes room, and the one before it goes`() throws {
        let directory = try TemporaryDirectory()
        var journal = DecisionJournal(directory: directory.url.path, bytesLimit: 20)
        for line in 1...9 { try journal.append("line \(line) ..") }
        // Twenty bytes are two lines: 1 and 2 went first, then 3 and 4, and so on.
        #expect(try directory.text(of: "decisions.1.jsonl") == "line 7 ..\nline 8 ..\n")
        #expect(try directory.text(of: "decisions.jsonl") == "line 9 ..\n")
    }

    @Test func `a line that cannot be written is an error, and the next one is tried anew`() throws {
        let directory = try TemporaryDirectory()
        let place = directory.url.appendingPathComponent("state")
        try Data().write(to: place)
        var journal = DecisionJournal(directory: place.path)
        #expect(throws: FileProblem.self) { try journal.append("lost") }
        try FileManager.default.removeItem(at: place)
        try journal.append("kept")
        #expect(try directory.text(of: "state/decisions.jsonl") == "kept\n")
    }
}
