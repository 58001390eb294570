internal import Dispatch
internal import Glibc
package import Reactor
internal import Synchronization

/// Lines on their way to a descriptor (the log, what the demo says), written by a thread of its own: whoever has something
/// to say never waits for a disk or a reader.
///
/// At most `bytesLimit` bytes wait. What finds no room, and what the descriptor does not take, is lost and counted; as soon
/// as something can be written again, one line says how much was lost and why.
package final class LineOutput: Sendable {
    private struct State {
        var waiting: [UInt8] = []
        /// Lines that found no room, and were not told of yet.
        var refused = 0
        var isOver = false
        /// The thread has ended.
        var hasEnded = false
    }

    /// Lost lines that nobody was told of yet.
    private struct Loss {
        var lines: Int
        var reason: String
    }

    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)
    private let lost = Atomic<UInt64>(0)
    private let hasNoReader = Atomic<Bool>(false)
    private let bytesLimit: Int
    private let lossLine: @Sendable (_ lines: Int, _ reason: String) -> String

    /// - Parameters:
    ///   - bytesLimit: how much may wait.
    ///   - lossLine: the line that says how many lines were lost, and why.
    package init(
        descriptor: Int32, bytesLimit: Int = 1 << 20, lossLine: @escaping @Sendable (Int, String) -> String
    ) throws(SystemError) {
        self.bytesLimit = bytesLimit
        self.lossLine = lossLine
        try Thread.start(name: "line output") { [self] in
            var sink = LineSink(descriptor: descriptor, isOwned: false)
            var loss: Loss?
            while writeWaiting(to: &sink, &loss) {}
            state.withLock { $0.hasEnded = true }
        }
    }

    /// Lines that were lost since the start.
    package var lostLines: UInt64 { lost.load(ordering: .relaxed) }

    /// The last write found a pipe without a reader.
    package var isReaderGone: Bool { hasNoReader.load(ordering: .relaxed) }

    package func write(_ line: String) {
        state.withLock { state in
            if state.isOver || state.waiting.count + line.utf8.count >= bytesLimit {
                state.refused += 1
                lost.add(1, ordering: .relaxed)
            } else {
                state.waiting.append(contentsOf: line.utf8)
                state.waiting.append(0x0a)
            }
        }
        wake.signal()
    }

    /// Takes no more lines, and returns when those that wait are written, or could not be in time.
    package func finish(within limit: Duration = .seconds(1)) async {
        state.withLock { $0.isOver = true }
        wake.signal()
        let end = ContinuousClock.now + limit
        while !state.withLock({ $0.hasEnded }), ContinuousClock.now < end {
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    private var isOver: Bool { state.withLock { $0.isOver } }

    // On the thread

    /// Waits for lines, or until it is time to try again what could not be written. False when all is over.
    private func writeWaiting(to sink: inout LineSink, _ loss: inout Loss?) -> Bool {
        _ = wake.wait(timeout: .now() + .seconds(1))
        let (batch, refused, isOver) = state.withLock { state in
            defer {
                state.waiting = []
                state.refused = 0
            }
            return (state.waiting, state.refused, state.isOver)
        }
        tell(&loss, to: &sink)
        if loss == nil {
            write(batch, to: &sink, &loss)
        } else {
            lose(batch.count { $0 == 0x0a }, &loss)
        }
        if refused > 0 {
            loss = Loss(lines: refused + (loss?.lines ?? 0), reason: loss?.reason ?? "there was no room for them")
            tell(&loss, to: &sink)
        }
        return !isOver
    }

    private func write(_ lines: [UInt8], to sink: inout LineSink, _ loss: inout Loss?) {
        let outcome = sink.write(lines) { !isOver }
        hasNoReader.store(outcome.error?.code == EPIPE, ordering: .relaxed)
        guard let error = outcome.error else { return }
        loss = Loss(lines: loss?.lines ?? 0, reason: "\(error)")
        lose(outcome.lostLines, &loss)
    }

    private func lose(_ lines: Int, _ loss: inout Loss?) {
        loss?.lines += lines
        lost.add(UInt64(lines), ordering: .relaxed)
    }

    /// Says what was lost; `loss` stays when that cannot be said yet.
    private func tell(_ loss: inout Loss?, to sink: inout LineSink) {
        guard let untold = loss else { return }
        let outcome = sink.write(Array("\(lossLine(untold.lines, untold.reason))\n".utf8)) { !isOver }
        if outcome.error == nil { loss = nil }
        hasNoReader.store(outcome.error?.code == EPIPE, ordering: .relaxed)
    }
}
