import Testing

@testable import Control

struct ChoresTests {
    @Test func `what is asked for many times is done once, and nothing that is asked for is dropped`() {
        let chores = Chores()
        for _ in 0..<100 {
            chores.add(.certificates("files changed"))
            chores.add(.reload(.files))
        }
        #expect(chores.takeFirst() == .reload(.files))
        #expect(chores.takeFirst() == .certificates("files changed"))
        #expect(chores.takeFirst() == nil)
    }

    @Test func `a reload comes before what else is due, and is the operator's if he asked for it`() {
        let chores = Chores()
        chores.add(.certificates("files changed"))
        chores.add(.reload(.signal))
        chores.add(.reload(.files))
        #expect(chores.takeFirst() == .reload(.signal))
        #expect(chores.takeFirst() == .certificates("files changed"))
    }

    @Test func `what is asked for before anybody carries it out, or while it is being done, is done after it`() async {
        let chores = Chores()
        chores.add(.reload(.signal))
        let (seen, see) = AsyncStream.makeStream(of: Chores.Chore.self)
        let task = Task {
            await chores.carryOut(patience: .seconds(60), onSlow: { _ in }) { chore in
                if chore == .reload(.signal) { chores.add(.reload(.files)) }
                see.yield(chore)
            }
        }
        var done: [Chores.Chore] = []
        for await chore in seen.prefix(2) { done.append(chore) }
        task.cancel()
        #expect(done == [.reload(.signal), .reload(.files)])
    }

    @Test func `a chore that stands still is told once while it does, and one that does not is not`() async {
        let chores = Chores()
        let (told, tell) = AsyncStream.makeStream(of: Chores.Chore.self)
        let (ends, end) = AsyncStream.makeStream(of: Void.self)
        let (seen, see) = AsyncStream.makeStream(of: Chores.Chore.self)
        chores.add(.reload(.files))
        let task = Task {
            await chores.carryOut(patience: .milliseconds(20), onSlow: { _ = tell.yield($0) }) { chore in
                if chore == .reload(.files) { _ = await ends.first { _ in true } }
                see.yield(chore)
            }
        }
        // It goes on only now that it was told.
        #expect(await told.first { _ in true } == .reload(.files))
        chores.add(.certificates("files changed"))
        end.yield()
        var done: [Chores.Chore] = []
        for await chore in seen.prefix(2) { done.append(chore) }
        #expect(done == [.reload(.files), .certificates("files changed")])
        task.cancel()
        await task.value
        tell.finish()
        #expect(await told.first { _ in true } == nil)
    }
}
