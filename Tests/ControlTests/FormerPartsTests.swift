import Proxy
import RouteTable
import Testing

@testable import Control

struct FormerPartsTests {
    private struct Watch { weak var table: CompiledTable? }

    @Test func `what was replaced is freed by whoever is told to, and not while it is used`() throws {
        var former = FormerParts()
        var used = [CompiledTable(Table())]
        let watch = Watch(table: used[0])
        former.add(used)
        let before = former.takeUnused()
        #expect(before == nil)
        used = []
        let taken = former.takeUnused()
        let unused = try #require(taken)
        let after = former.takeUnused()
        #expect(after == nil)
        #expect(watch.table != nil)
        unused.free()
        #expect(watch.table == nil)
    }
}
