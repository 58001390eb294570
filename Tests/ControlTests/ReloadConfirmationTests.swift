import RouteTable
import Testing

@testable import Control

@Suite("A table that would close every listener")
struct ReloadConfirmationTests {
    private static let minute = ReloadConfirmation.lifetime
    private static let one = Table(regions: [Region(name: "a")])
    private static let other = Table(regions: [Region(name: "b")])

    private func answers(_ asked: [(table: Table, prompt: ReloadPrompt, at: Int64)]) -> [Bool] {
        var confirmation = ReloadConfirmation()
        return asked.map { confirmation.confirms($0.table, by: $0.prompt, now: $0.at) }
    }

    @Test func `is confirmed by the second SIGHUP within a minute, once`() {
        let asked: [(Table, ReloadPrompt, Int64)] = [
            (Self.one, .signal, 0), (Self.one, .signal, Self.minute), (Self.one, .signal, Self.minute + 1),
        ]
        #expect(answers(asked) == [false, true, false])
    }

    @Test func `is not confirmed later, by a change of files, or by a SIGHUP for another table`() {
        let late = Self.minute + 1
        #expect(
            answers([(Self.one, .signal, 0), (Self.one, .signal, late), (Self.one, .signal, late)])
                == [false, false, true], "the late one is the first of two again")
        #expect(
            answers([(Self.one, .files, 0), (Self.one, .files, 1), (Self.one, .signal, 2)]) == [false, false, false])
        #expect(
            answers([(Self.one, .signal, 0), (Self.other, .signal, 1), (Self.one, .signal, 2), (Self.one, .signal, 3)])
                == [false, false, false, true])
    }
}
