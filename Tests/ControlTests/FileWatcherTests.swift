import Foundation
import Testing

@testable import Control

struct FileWatcherTests {
    private func temporaryDirectory() throws -> URL {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("spillway-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        return url
    }

    @Test func `a burst of changes is one change`() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        var changes = try FileWatcher(path: directory.path, quietMilliseconds: 300).changes().makeAsyncIterator()
        for i in 0..<20 { try Data().write(to: directory.appendingPathComponent("\(i).yaml")) }
        await changes.next()
        // The next one is told only after the next change.
        let began = ContinuousClock.now
        async let writing: Void = {
            try await Task.sleep(for: .milliseconds(900))
            try Data().write(to: directory.appendingPathComponent("late.yaml"))
        }()
        await changes.next()
        try await writing
        #expect(ContinuousClock.now - began >= .milliseconds(900))
    }

    @Test func `a directory that is never quiet is still heard`() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        var changes = try FileWatcher(path: directory.path, quietMilliseconds: 300).changes().makeAsyncIterator()
        let writing = Task {
            while !Task.isCancelled {
                try Data().write(to: directory.appendingPathComponent("log"))
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        await changes.next()
        writing.cancel()
    }

    @Test func `what is not there cannot be watched`() {
        #expect(throws: (any Error).self) { _ = try FileWatcher(path: "/nonexistent/table/dir").changes() }
    }
}
