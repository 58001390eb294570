import Backends
import Foundation
import Reactor
import Synchronization
import Testing

@testable import Control

struct LineOutputTests {
    /// Both ends of a pipe that never blocks.
    private final class NarrowPipe {
        let reading: Int32
        let writing: Int32

        init() {
            var ends: [Int32] = [0, 0]
            _ = unsafe pipe(&ends)
            for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
            (reading, writing) = (ends[0], ends[1])
        }

        deinit {
            close(reading)
            close(writing)
        }

        func fill() {
            for size in [4_096, 1] {
                let bytes = [UInt8](repeating: 0x2e, count: size)
                while unsafe write(writing, bytes, size) > 0 {}
            }
        }

        /// What is in it now, without what filled it.
        func read() -> String {
            var bytes = [UInt8](repeating: 0, count: 1 << 20)
            let count = unsafe Foundation.read(reading, &bytes, bytes.count)
            return String(decoding: bytes.prefix(max(count, 0)).drop { $0 == 0x2e }, as: UTF8.self)
        }
    }

    @Test func `lines that find no room are counted, and one line says so once there is room`() async throws {
        let pipe = NarrowPipe()
        pipe.fill()
        let output = try LineOutput(descriptor: pipe.writing, bytesLimit: 100) { "lost \($0): \($1)" }
        output.write("first")
        // The thread has taken it, and stands still; what comes now waits, as far as there is room.
        pause(milliseconds: 50)
        for number in 0..<20 { output.write("line \(number) of 20") }
        #expect(output.lostLines > 10)
        var text = pipe.read()
        #expect(
            eventually {
                text += pipe.read()
                return text.contains("lost \(output.lostLines): there was no room for them\n")
            }, "\(text)")
        #expect(text.hasPrefix("first\nline 0 of 20\n"))
        await output.finish()
    }

    @Test func `what a descriptor refuses is counted, and whoever asks learns that the reader is gone`() async throws {
        signal(SIGPIPE, SIG_IGN)
        let pipe = Pipe()
        try pipe.fileHandleForReading.close()
        let output = try LineOutput(descriptor: pipe.fileHandleForWriting.fileDescriptor) { "lost \($0): \($1)" }
        #expect(!output.isReaderGone)
        for _ in 0..<3 { output.write("line") }
        #expect(eventually { output.lostLines == 3 && output.isReaderGone })
        await output.finish()
    }

    @Test func `to finish takes no longer than it may, though nobody reads`() async throws {
        let pipe = NarrowPipe()
        pipe.fill()
        let output = try LineOutput(descriptor: pipe.writing) { "\($0)\($1)" }
        output.write("line")
        await output.finish(within: .milliseconds(100))
        #expect(!pipe.read().contains("line"), "it did not wait for the line to be read")
    }

    /// A line is cut by a full disk: the next write ends it, and the rest of one whose beginning was lost is left out.
    @Test func `what comes out are whole lines, and a cut one has a line of its own`() {
        let pipe = NarrowPipe()
        pipe.fill()
        // Room for the beginning of a line: a pipe's pages are freed whole.
        var page = [UInt8](repeating: 0, count: 4_096)
        _ = unsafe Foundation.read(pipe.reading, &page, page.count)
        var sink = LineSink(descriptor: pipe.writing, isOwned: false)
        let long = String(repeating: "a", count: 5_000)
        var outcome = sink.write(Array("\(long)\nsecond\nthi".utf8)) { false }
        #expect(outcome.lostLines == 2)
        #expect(outcome.error?.code == EAGAIN)
        let before = pipe.read()
        #expect(before == String(repeating: "a", count: 4_096))
        outcome = sink.write(Array("rd\nfourth\n".utf8)) { false }
        #expect(outcome.lostLines == 1)
        #expect(outcome.error == nil)
        #expect(pipe.read() == "\nfourth\n")
    }

    @Test func `work is done in order, and what is more than may wait is refused`() async throws {
        let thread = try WorkThread(name: "test", costLimit: 10)
        let done = Mutex<[Int]>([])
        let gate = DispatchSemaphore(value: 0)
        #expect(thread.add(cost: 6) { gate.wait() })
        #expect(thread.add(cost: 4) { done.withLock { $0.append(1) } })
        #expect(!thread.add(cost: 1) { done.withLock { $0.append(2) } })
        gate.signal()
        #expect(eventually { done.withLock { $0 } == [1] })
        #expect(eventually { thread.add(cost: 10) { done.withLock { $0.append(3) } } })
        await thread.finish(within: .seconds(2))
        #expect(done.withLock { $0 } == [1, 3])
        #expect(!thread.add {})
    }
}
