import Foundation
import RouteTable
import Testing

@testable import RouteFiles

/// Files that somebody mistyped, or damaged: they are refused with a reason, and end no process.
struct HostileFileTests {
    private static let numbers = [
        "9223372036854775.807", "9223372036854775.808", "9223372036854775.999", "92233720368547758.07",
        "92233720368547758.08", "92233720368547758.99", "9223372036854775807", "9223372036854775808",
        "999999999999999999.999", "999999999999999999", "0.000", ".", "..", "", "1.", ".1", "-1", "1e9",
    ]

    @Test(
        "a number at the end of its range is a number or none, whatever its unit",
        arguments: ["", "us", "ms", "s", "m", "h", "%", "KiB", "MiB", "GiB"])
    func numbers(unit: String) {
        for number in Self.numbers {
            _ = NumberText.duration(number + unit)
            _ = NumberText.durationMeant(number + unit)
            _ = NumberText.share(number + unit)
            _ = NumberText.size(number + unit)
            _ = NumberText.sizeMeant(number + unit)
            _ = NumberText.thousandths(number + unit)
        }
        #expect(NumberText.duration("9223372036854775.999ms") == nil)
        #expect(NumberText.duration("9223372036854775.807us") == nil)
        #expect(NumberText.thousandths("9223372036854775.807") == .max)
    }

    @Test func `what is no file in a table's directory is told, and not waited for`() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("spillway-\(UUID().uuidString)")
            .path
        try FileManager.default.createDirectory(atPath: directory + "/a.yaml", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let made = unsafe mkfifo(directory + "/b.yaml", 0o600)
        #expect(made == 0)
        try FileManager.default.createSymbolicLink(atPath: directory + "/c.yaml", withDestinationPath: "/dev/zero")
        try FileManager.default.createSymbolicLink(atPath: directory + "/d.yaml", withDestinationPath: "nowhere")
        guard case .failure(let problems) = TableReader(environment: [:]).read(path: directory) else {
            Issue.record("it was read")
            return
        }
        #expect(
            problems.all.map(\.description) == [
                "\(directory)/a.yaml: a directory; expected a regular file",
                "\(directory)/b.yaml: a pipe; expected a regular file",
                "\(directory)/c.yaml: a device; expected a regular file",
                "\(directory)/d.yaml: no such file or directory",
            ])
        guard case .failure(let pipe) = ScenarioReader(environment: [:]).read(path: directory + "/b.yaml") else {
            Issue.record("it was read")
            return
        }
        #expect(pipe.description == "\(directory)/b.yaml: a pipe; expected a regular file")
    }

    @Test func `no change of a table's bytes ends the process that reads it`() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let pieces = [
            "99999999999999999", "9223372036854775.999s", "/999", "::", "[", "{", "*a", "&a ", "-", "\0", "${", "%",
        ]
        for name in ["transports", "three-regions"] {
            let file = root.appendingPathComponent("routes/\(name)/table.yaml")
            let whole = Array(try Data(contentsOf: file))
            var random = SplitMix(state: 7)
            for _ in 0..<60 {
                var bytes = whole
                for _ in 0...random.below(3) {
                    let at = random.below(bytes.count)
                    switch random.below(4) {
                    case 0: bytes[at] = UInt8(truncatingIfNeeded: random.next())
                    case 1: bytes.removeSubrange(at..<min(at + 1 + random.below(40), bytes.count))
                    case 2: bytes.insert(contentsOf: Array(pieces[random.below(pieces.count)].utf8), at: at)
                    default: bytes.swapAt(at, random.below(bytes.count))
                    }
                }
                let text = String(decoding: bytes, as: UTF8.self)
                guard case .success(let source) = reader().read(texts: [("t.yaml", text)]) else { continue }
                _ = RouteMatcher(source.table)
            }
        }
    }
}

/// Steele, Lea and Flood, 2014.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}
