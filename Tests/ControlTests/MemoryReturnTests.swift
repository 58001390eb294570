import Testing

@testable import Control

struct MemoryReturnTests {
    @Test func `memory is given back when many connections have closed, and not again before as many more have`() {
        var memoryReturn = MemoryReturn()
        for (open, isDue) in [
            (0, false), (120, false), (21, false), (20, true), (0, false), (119, false), (0, true), (0, false),
        ] {
            #expect(memoryReturn.isDue(open: open) == isDue, "at \(open) open")
        }
    }

    @Test func `of thousands, a quarter may come and go, but no more than a portion is given back at once`() {
        var memoryReturn = MemoryReturn()
        for (open, isDue) in [
            (2_000, false), (1_600, false), (2_000, false), (1_500, true), (1_400, false), (40_000, false),
            (39_001, false), (39_000, true),
        ] {
            #expect(memoryReturn.isDue(open: open) == isDue, "at \(open) open")
        }
    }
}
