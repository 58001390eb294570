import Foundation
import Reactor
import Testing

@testable import Control
@testable import Proxy

struct AccessLogFileTests {
    private func append(_ line: String, to file: AccessLogFile, worker: Int = 0) -> Bool {
        Array(line.utf8).withBytes { file.rings[worker].append($0) }
    }

    @Test func `lines of all workers reach the file`() throws {
        let path = NSTemporaryDirectory() + "spillway-\(UUID().uuidString).log"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file = try AccessLogFile(path: path, workers: 2)
        for worker in 0..<2 { #expect(append("worker \(worker)\n", to: file, worker: worker)) }
        #expect(file.write() == nil)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "worker 0\nworker 1\n")
        #expect(file.lostLines == 0)
    }

    @Test func `a full disk loses lines, counts them, and says so once`() throws {
        let file = try AccessLogFile(path: "/dev/full", workers: 1)
        for _ in 0..<3 { #expect(append("line\n", to: file)) }
        #expect(file.write()?.code == ENOSPC)
        #expect(file.lostLines == 3)
        #expect(append("line\n", to: file))
        #expect(file.write() == nil)
        #expect(file.lostLines == 4)
    }

    @Test func `what cannot be opened is an error`() {
        #expect(throws: (any Error).self) { try AccessLogFile(path: "/nonexistent/dir/access.log", workers: 1) }
    }
}
