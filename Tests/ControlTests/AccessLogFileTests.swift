import Backends
import Foundation
import Reactor
import Testing

@testable import Control
@testable import Proxy

struct AccessLogFileTests {
    private let ring = AccessLogRing()
    private let losses = AccessLogLosses()

    private func append(_ line: String, to ring: AccessLogRing) -> Bool {
        Array(line.utf8).withBytes { ring.append($0) }
    }

    /// What is told when what is in the ring is written.
    private func write(_ pen: inout AccessLogPen) -> [AccessLogPen.News] {
        var told: [AccessLogPen.News] = []
        pen.write(from: [ring], { told.append($0) }) { false }
        return told
    }

    @Test func `lines of all workers reach the file`() throws {
        let path = NSTemporaryDirectory() + "spillway-\(UUID().uuidString).log"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file = try AccessLogFile(path: path, workers: 2, lost: losses) { news in Issue.record("\(news)") }
        for worker in 0..<2 { #expect(append("worker \(worker)\n", to: file.ring(worker))) }
        file.end()
        #expect(eventually { file.hasEnded })
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "worker 0\nworker 1\n")
        #expect(losses.count == 0)
    }

    @Test func `a full disk loses lines, counts them, and says so once`() throws {
        var pen = AccessLogPen(path: "/dev/full", lost: losses)
        for _ in 0..<3 { #expect(append("line\n", to: ring)) }
        #expect(write(&pen) == [.cannotWrite(SystemError(code: ENOSPC))])
        #expect(losses.count == 3)
        #expect(append("line\n", to: ring))
        #expect(write(&pen) == [])
        #expect(losses.count == 4)
    }

    @Test func `what cannot be opened is told once, and how much was lost when it can be`() throws {
        let directory = NSTemporaryDirectory() + "spillway-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var pen = AccessLogPen(path: directory + "/access.log", lost: losses)
        #expect(append("early\n", to: ring))
        #expect(write(&pen) == [.cannotOpen(SystemError(code: ENOENT))])
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        #expect(append("too soon to try again\n", to: ring))
        #expect(write(&pen) == [])
        #expect(losses.count == 2)
        var told: [AccessLogPen.News] = []
        #expect(
            eventually {
                _ = append("late\n", to: ring)
                told = write(&pen)
                return !told.isEmpty
            })
        #expect(told == [.writtenAgain(lostLines: Int(losses.count))])
        #expect(try String(contentsOfFile: directory + "/access.log", encoding: .utf8) == "late\n")
    }

    @Test func `a log that no listener has any more ends when the last connection of the listener has`() throws {
        let path = NSTemporaryDirectory() + "spillway-\(UUID().uuidString).log"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file = try AccessLogFile(path: path, workers: 1, lost: losses) { _ in }
        var held: AccessLogRing? = file.ring(0)
        file.retire()
        pause(milliseconds: 200)
        #expect(!file.hasEnded)
        #expect(append("the last\n", to: held!))
        held = nil
        #expect(eventually { file.hasEnded })
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "the last\n")
    }
}
