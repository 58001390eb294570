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
            await chores.carryOut { chore in
                if chore == .reload(.signal) { chores.add(.reload(.files)) }
                see.yield(chore)
            }
        }
        var done: [Chores.Chore] = []
        for await chore in seen.prefix(2) { done.append(chore) }
        task.cancel()
        #expect(done == [.reload(.signal), .reload(.files)])
    }
}
