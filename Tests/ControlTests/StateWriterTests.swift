import Backends
import Foundation
import Logging
import RouteTable
import Store
import Synchronization
import Testing

@testable import Control

/// What is kept in the state directory when it, or room in it, comes and goes.
struct StateWriterTests {
    private let files: Files
    private let log = Log()

    init() throws {
        files = try Files()
    }

    private var state: String { files.path("place/state") }

    /// Looks at the directory before everything that it writes.
    private func writer(retryPause: UInt64 = 0) throws -> StateWriter {
        try StateWriter(
            store: StateDirectory(path: state), holder: "a test",
            logger: Logger(label: "test") { _ in Keeper(lines: log) },
            lookPause: 0, retryPause: retryPause)
    }

    private func read(_ name: String) -> String {
        (try? String(contentsOfFile: state + "/" + name, encoding: .utf8)) ?? ""
    }

    private static let table = Table(listeners: [Listener(name: "kept", bind: .ip(address: "127.0.0.1", port: 1))])

    @Test func `nothing is written to another router's directory, and all is when that router has gone`() throws {
        var other: StateLock.Outcome? = try StateLock.take(in: StateDirectory(path: state), for: "another")
        let writer = try writer()
        writer.write("one")
        writer.keep(Self.table)
        #expect(eventually { writer.lostDecisions == 1 && log.has("could not be kept") })
        #expect(log.has("the state directory \(state) is in use by another now: nothing is kept in it"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: state) == ["lock"])
        if case .taken? = other { other = nil } else { Issue.record("nobody else had it") }
        writer.write("two")
        #expect(eventually { read("decisions.jsonl") == "two\n" })
        #expect(read("table.yaml").contains("kept"))
        #expect(log.has("decisions are kept in \(state) again; 1 were lost"))
    }

    @Test func `a directory that can be made only later is locked before anything is written to it`() throws {
        try files.write("place", "")
        let writer = try writer()
        writer.write("one")
        writer.keep(Self.table)
        #expect(eventually { writer.lostDecisions == 1 && log.has("\(state) cannot be created: Not a directory") })
        try FileManager.default.removeItem(atPath: files.path("place"))
        writer.write("two")
        #expect(eventually { read("decisions.jsonl") == "two\n" })
        #expect(read("table.yaml").contains("kept"))
        #expect(log.has("the state directory \(state) can be used now: all is kept in it"))
        guard case .held(by: "a test") = try StateLock.take(in: StateDirectory(path: state), for: "another") else {
            Issue.record("written without the lock")
            return
        }
    }

    @Test func `a table that could not be kept is kept later`() throws {
        // A directory in its place stands for a disk without room.
        try files.write("place/state/table.yaml.new/a", "")
        let writer = try writer()
        writer.keep(Self.table)
        #expect(eventually { log.has("the last good table could not be kept in \(state): ") })
        try FileManager.default.removeItem(atPath: state + "/table.yaml.new")
        writer.write("anything")
        #expect(eventually { log.has("the last good table is kept in \(state) again") })
        #expect(read("table.yaml").contains("kept"))
    }

    @Test func `what could not be kept is tried at once when something else finds room again`() throws {
        for name in ["table.yaml.new", "names.json.new", "decisions.jsonl"] {
            try files.write("place/state/\(name)/a", "")
        }
        let writer = try writer(retryPause: .max / 2)
        writer.keep(Self.table)
        writer.keep(["a.example": ["192.0.2.1"]])
        writer.write("lost")
        #expect(eventually { writer.lostDecisions == 1 })
        for name in ["table.yaml.new", "names.json.new", "decisions.jsonl"] {
            try FileManager.default.removeItem(atPath: state + "/" + name)
        }
        for line in ["one", "two"] { writer.write(line) }
        #expect(eventually { read("table.yaml").contains("kept") && read("names.json").contains("192.0.2.1") })
        #expect(read("decisions.jsonl") == "one\ntwo\n")
    }

    @Test func `what could not be kept is tried once more at the end`() async throws {
        try files.write("place/state/table.yaml.new/a", "")
        let writer = try writer(retryPause: .max / 2)
        writer.keep(Self.table)
        #expect(eventually { log.has("could not be kept") })
        try FileManager.default.removeItem(atPath: state + "/table.yaml.new")
        await writer.finish(within: .seconds(5))
        #expect(read("table.yaml").contains("kept"))
    }
}

/// Lines that were logged.
private final class Log: Sendable {
    private let text = Mutex("")

    func add(_ line: String) { text.withLock { $0 += line + "\n" } }

    func has(_ part: String) -> Bool { text.withLock { $0.contains(part) } }
}

private struct Keeper: LogHandler {
    let lines: Log
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { lines.add(event.message.description) }
}
