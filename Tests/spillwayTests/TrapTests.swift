import Foundation
import Testing

/// docs/threat-model.md explains every line that could end the process, in the modules that see bytes of others, and in
/// those that work with what came of them.
struct TrapTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    private static let modules = [
        "Wire", "Proxy", "Probes", "Names", "TLS", "Reactor", "Control", "Files", "RouteFiles", "Store", "AdminAPI",
        "RouteTable", "Picking", "Failover", "Telemetry",
    ]

    /// Preconditions and forced unwraps of a source, without those in comments and texts.
    private static func traps(in source: String) -> Int {
        let trap = /\bprecondition(Failure)?\(|\bfatalError\(|\btry!|\bas!|[\w\)\]]!(?![=\w])|unsafelyUnwrapped/
        return source.split(separator: "\n").reduce(0) { count, line in
            let code = line.replacing(/"(\\.|[^"\\])*"/, with: "\"\"").replacing(/\/\/.*/, with: "")
            return count + code.matches(of: trap).count
        }
    }

    @Test func `every line that may trap is explained in the threat model`() throws {
        var found: [String: Int] = [:]
        for module in Self.modules {
            let directory = Self.root.appendingPathComponent("Sources/\(module)")
            for name in try FileManager.default.contentsOfDirectory(atPath: directory.path)
            where name.hasSuffix(".swift") {
                let count = Self.traps(
                    in: try String(contentsOf: directory.appendingPathComponent(name), encoding: .utf8))
                if count > 0 { found["\(module)/\(name)"] = count }
            }
        }
        let page = try String(
            contentsOf: Self.root.appendingPathComponent("docs/threat-model.md"), encoding: .utf8)
        var explained: [String: Int] = [:]
        for row in page.matches(of: /\n\| `(\w+\/[\w+]+\.swift)` \| (\d+) \| \S/) {
            explained[String(row.1)] = Int(row.2)
        }
        #expect(found == explained)
    }

    @Test func `every test that the threat model names is there`() throws {
        let page = try String(
            contentsOf: Self.root.appendingPathComponent("docs/threat-model.md"), encoding: .utf8)
        let names = Set(page.matches(of: /`(\w+Tests)`/).map { String($0.1) })
        #expect(names.count > 20)
        let files = try #require(FileManager.default.enumerator(atPath: Self.root.path + "/Tests"))
        let paths = files.compactMap { $0 as? String }
        let there = Set(paths.map { URL(fileURLWithPath: $0).deletingPathExtension().lastPathComponent })
        #expect(names.subtracting(there) == [])
    }

    @Test func `what may trap is recognized, and what looks like it is not`() {
        let lines = [
            ("let a = b!", 1), ("try! c()", 1), ("d as! E", 1), ("f[0]!.g", 1), ("precondition(h, \"i!\")", 1),
            ("fatalError()", 1),
            ("if a != b {", 0), ("// no!", 0), ("let j = \"k!\"", 0), ("if !l {", 0), ("m = !n", 0),
        ]
        for (line, count) in lines { #expect(Self.traps(in: line) == count, "\(line)") }
    }
}
