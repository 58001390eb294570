import Telemetry
import Testing

struct CodeCountsTests {
    private static func read(_ counts: borrowing CodeCounts) -> [(Int?, UInt64)] {
        var all: [(Int?, UInt64)] = []
        counts.forEach { all.append(($0, $1)) }
        return all
    }

    @Test func `each code is counted by itself, and only those that occurred are told`() {
        let counts = CodeCounts()
        #expect(Self.read(counts).isEmpty)
        for code in [200, 503, 200, 100, 999, 200] { counts.add(code) }
        let all = Self.read(counts)
        #expect(all.map(\.0) == [200, 503, 100, 999])
        #expect(all.map(\.1) == [3, 1, 1, 1])
    }

    @Test func `codes beyond the first 31, and what is no code, are counted together`() {
        let counts = CodeCounts()
        for code in 200..<240 { for _ in 0..<2 { counts.add(code) } }
        for code in [0, -1, 99, 1_000, .max, .min] { counts.add(code) }
        counts.add(200)
        let all = Self.read(counts)
        #expect(all.map(\.0) == (200..<231).map { $0 } + [nil])
        #expect(all.map(\.1) == [3] + Array(repeating: 2, count: 30) + [24])
    }
}
