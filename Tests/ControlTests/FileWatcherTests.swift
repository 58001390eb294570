import Backends
import Foundation
import Synchronization
import Testing

@testable import Control

@Suite("A change of files")
struct FileWatcherTests {
    /// A way in which files are kept and replaced. Each writes version after version; `path` is what is watched.
    struct Way: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var path = "routes"
        /// Makes version 0.
        let begin: @Sendable (Files) throws -> Void
        /// Makes the next version, in each of the ways in turn.
        let change: [@Sendable (Files, String) throws -> Void]
    }

    static let ways: [Way] = [
        Way(
            testDescription: "written in place",
            begin: { try $0.write("routes/t.yaml", "0") }, change: [{ try $0.write("routes/t.yaml", $1) }]),
        Way(
            testDescription: "renamed over",
            begin: { try $0.write("routes/t.yaml", "0") },
            change: [
                {
                    try $0.write("routes/.new", $1)
                    try $0.rename("routes/.new", "routes/t.yaml")
                }
            ]),
        Way(
            testDescription: "one file that is named itself, renamed over", path: "routes/t.yaml",
            begin: { try $0.write("routes/t.yaml", "0") },
            change: [
                {
                    try $0.write("routes/.new", $1)
                    try $0.rename("routes/.new", "routes/t.yaml")
                }
            ]),
        Way(
            testDescription: "the directory replaced by another, and edited after that",
            begin: { try $0.write("routes/t.yaml", "0") },
            change: [
                {
                    try $0.write("new/t.yaml", $1)
                    try $0.rename("routes", "old-\($1)")
                    try $0.rename("new", "routes")
                }, { try $0.write("routes/t.yaml", $1) },
            ]),
        Way(
            testDescription: "the directory removed and made again",
            begin: { try $0.write("routes/t.yaml", "0") },
            change: [
                {
                    try $0.remove("routes")
                    try $0.write("routes/t.yaml", $1)
                }, { try $0.write("routes/t.yaml", $1) },
            ]),
        Way(
            testDescription: "the directory's parent replaced by another", path: "site/routes",
            begin: { try $0.write("site/routes/t.yaml", "0") },
            change: [
                {
                    try $0.write("new/routes/t.yaml", $1)
                    try $0.rename("site", "old-\($1)")
                    try $0.rename("new", "site")
                }
            ]),
        Way(
            testDescription: "a link to a release pointed to another", path: "current/",
            begin: {
                try $0.write("releases/0/t.yaml", "0")
                try $0.link("current", to: "releases/0")
            },
            change: [
                {
                    try $0.write("releases/\($1)/t.yaml", $1)
                    try $0.link("next", to: "releases/\($1)")
                    try $0.rename("next", "current")
                }, { try $0.write("current/t.yaml", $1) },
            ]),
        Way(
            testDescription: "a configuration map's ..data swapped",
            begin: {
                try $0.write("routes/..0/t.yaml", "0")
                try $0.link("routes/..data", to: "..0")
                try $0.link("routes/t.yaml", to: "..data/t.yaml")
            },
            change: [
                { files, version in
                    try files.write("routes/..\(version)/t.yaml", version)
                    try files.link("routes/..data_tmp", to: "..\(version)")
                    let old = try files.target("routes/..data")
                    try files.rename("routes/..data_tmp", "routes/..data")
                    try files.remove("routes/\(old)")
                }
            ]),
        Way(
            testDescription: "a linked file edited where it lies, and linked to another",
            begin: {
                try $0.write("real/0.yaml", "0")
                try FileManager.default.createDirectory(atPath: $0.path("routes"), withIntermediateDirectories: true)
                try $0.link("routes/t.yaml", to: "../real/0.yaml")
            },
            change: [
                { try $0.write("routes/t.yaml", $1) },
                {
                    try $0.write("real/\($1).yaml", $1)
                    try $0.link("routes/.tmp", to: $0.path("real/\($1).yaml"))
                    try $0.rename("routes/.tmp", "routes/t.yaml")
                },
            ]),
        Way(
            testDescription: "a file added to the directory, and taken away",
            begin: { try $0.write("routes/t.yaml", "0") },
            change: [{ try $0.write("routes/u.yaml", $1) }, { files, _ in try files.remove("routes/u.yaml") }]),
    ]

    @Test("is noticed each time, with inotify and without", arguments: ways, [true, false])
    func isNoticed(way: Way, listens: Bool) async throws {
        let files = try Files()
        try way.begin(files)
        let path = files.path(way.path)
        let changes = try Changes(of: path, lookInterval: listens ? 60_000_000_000 : 50_000_000, listens: listens)
        // A parent's parent is only looked at.
        guard !listens || way.path != "site/routes" else { return }
        for version in 1...4 {
            let before = changes.count
            try way.change[(version - 1) % way.change.count](files, "\(version)")
            await changes.wait(for: before + 1)
        }
    }

    @Test func `made while nobody watched yet is told`() async throws {
        let files = try Files()
        try files.write("routes/t.yaml", "0")
        let readAt = Int64(Date.now.timeIntervalSince1970 * 1e9)
        // Clocks of file systems stand still between two ticks.
        try await Task.sleep(for: .milliseconds(50))
        try files.write("routes/t.yaml", "1")
        let changes = try Changes(of: files.path("routes"), since: readAt)
        await changes.wait(for: 1)
        let later = try Changes(
            of: files.path("routes"), since: Int64(Date.now.timeIntervalSince1970 * 1e9) + 1_000_000_000)
        try await Task.sleep(for: .milliseconds(300))
        #expect(later.count == 0, "it is not older than what was read")
    }

    @Test func `of files that are not there yet is that they come`() async throws {
        let files = try Files()
        let changes = try Changes(of: files.path("routes/t.yaml"), lookInterval: 50_000_000)
        try files.write("routes/t.yaml", "1")
        await changes.wait(for: 1)
    }

    @Test func `of other files in the directory is none`() async throws {
        let files = try Files()
        try files.write("routes/t.yaml", "0")
        let changes = try Changes(of: files.path("routes"))
        try files.write("routes/notes.txt", "1")
        try files.write("routes/.t.yaml.swp", "1")
        try files.write("routes/t.yaml", "1")
        await changes.wait(for: 1)
        try files.write("routes/log", "2")
        try await Task.sleep(for: .milliseconds(400))
        #expect(changes.count == 1)
    }

    @Test func `is told once for files that are written one after the other`() async throws {
        let files = try Files()
        try files.write("routes/0.yaml", "0")
        let changes = try Changes(of: files.path("routes"), quiet: 1_000_000_000)
        try Self.writeSlowly(8, to: files)
        #expect(changes.count == 0)
        await changes.wait(for: 1)
        try await Task.sleep(for: .milliseconds(1_500))
        #expect(changes.count == 1)
    }

    /// On this thread: a sleeping task waits for its turn besides.
    private static func writeSlowly(_ count: Int, to files: Files) throws {
        for number in 0..<count {
            try files.write("routes/\(number).yaml", "1")
            Thread.sleep(forTimeInterval: 0.1)
        }
    }
}

@Suite("The quiet after a change")
struct QuietTimeTests {
    private static let bounds = QuietTime.Bounds(shortest: 100, longest: 300, limit: 1_000)

    @Test(
        "lasts as long as the writing took, within bounds",
        arguments: [
            ([], nil), ([7], 107), ([0, 50], 150), ([0, 150], 300), ([0, 150, 290], 290 + 290),
            // Not longer than the longest, and not beyond the limit from the first change on.
            ([0, 290, 580], 580 + 300), ([0, 200, 400, 600, 800], 1_000), ([0, 999], 1_000),
        ] as [([Int64], Int64?)])
    func lasts(changes: [Int64], end: Int64?) {
        var quiet = QuietTime(Self.bounds)
        for change in changes { quiet.changed(at: change) }
        #expect(quiet.end == end)
    }
}

/// What a watcher has told.
private final class Changes: Sendable {
    private let told = Mutex(0)
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(
        of path: String, since: Int64? = nil, quiet: Int64 = 100_000_000, lookInterval: Int64 = 60_000_000_000,
        listens: Bool = true
    ) throws {
        let watcher = FileWatcher(
            paths: [path], isRead: { $0.hasSuffix(".yaml") && !$0.hasPrefix(".") },
            bounds: QuietTime.Bounds(shortest: quiet, longest: quiet, limit: 10_000_000_000),
            lookInterval: lookInterval, listens: listens)
        let stream = try watcher.changes(
            since: since ?? .max, seen: FileLook([path], isRead: watcher.isRead))
        let counter = Task { [weak self] in for await _ in stream { self?.told.withLock { $0 += 1 } } }
        task.withLock { $0 = counter }
    }

    deinit { task.withLock { $0?.cancel() } }

    var count: Int { told.withLock { $0 } }

    func wait(for count: Int) async {
        for _ in 0..<1_000 where self.count < count { try? await Task.sleep(for: .milliseconds(10)) }
        #expect(self.count >= count)
    }
}

/// A directory of a test's own, gone with it.
final class Files: Sendable {
    private let root: URL

    init() throws {
        root = FileManager.default.temporaryDirectory.appendingPathComponent("spillway-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: root) }

    func path(_ name: String) -> String { root.path + "/" + name }

    /// In place.
    func write(_ name: String, _ text: String) throws {
        let url = URL(fileURLWithPath: path(name))
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    /// In place of what is there.
    func rename(_ old: String, _ new: String) throws {
        let result = unsafe Foundation.rename(path(old), path(new))
        if result != 0 { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    }

    func link(_ name: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: path(name), withDestinationPath: target)
    }

    func target(_ name: String) throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: path(name))
    }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: path(name)) }
}
