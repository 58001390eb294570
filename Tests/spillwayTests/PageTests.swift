import Backends
import Foundation
import Testing

/// Pages of a router with many endpoints.
struct PageTests {
    /// A table of so many endpoints, of which none needs to be there.
    private static func table(endpoints: Int) -> String {
        let services = (0..<20).map { service in
            let addresses = (0..<endpoints / 20).map { "\"127.0.0.1:\(1_024 + service * endpoints / 20 + $0)\"" }
            return "  s\(service): { probe: none, endpoints: { east: [\(addresses.joined(separator: ","))] } }\n"
        }
        return """
            listeners: { web: { bind: 127.0.0.1:0 } }
            regions: { east: {} }
            services:
            \(services.joined())routes: [ { to: s0 } ]

            """
    }

    /// `/ready` is answered by who decides: it waits for whatever keeps the brain from looking. The mark is that of a debug
    /// build among other tests; when pages were made on the brain's own thread, the metrics of so many endpoints took it
    /// for the better part of a second.
    @Test func `while long pages are made, what decides goes on`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", Self.table(endpoints: 6_000))
        let router = try RouterUnderTest(directory)
        let (port, admin) = (router.adminPort, router.adminAddress)
        for path in ["/metrics", "/api/v1/status", "/api/v1/explain"] {
            let isDone = Switch()
            try inBackground {
                for _ in 0..<3 { _ = try? RouterUnderTest.ask(port, path, host: admin) }
                isDone.set()
            }
            var longest = Duration.zero
            while !isDone.isOn {
                let asked = ContinuousClock.now
                #expect(try router.admin("/ready").status == 200)
                longest = max(longest, ContinuousClock.now - asked)
            }
            #expect(longest < .milliseconds(200), "\(path)")
        }
    }

    @Test func `metrics are compressed for who takes gzip, and say the same`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", Self.table(endpoints: 200))
        let router = try RouterUnderTest(directory)
        let plain = try router.admin("/metrics")
        #expect(plain["content-encoding"] == nil)
        #expect(plain["vary"] == "accept-encoding")
        for accepted in ["gzip", "deflate, gzip;q=0.5"] {
            let packed = try router.admin("/metrics", ["accept-encoding: \(accepted)"])
            #expect(packed["content-encoding"] == "gzip")
            #expect(packed.body.count < plain.body.count / 10)
            let file = directory.path + "/page.gz"
            try Data(packed.body).write(to: URL(fileURLWithPath: file))
            let unpacked = try Self.output(of: "gzip", "-dc", file)
            #expect(Self.names(unpacked) == Self.names(plain.text))
        }
        for accepted in ["identity", "gzip;q=0", "br"] {
            #expect(try router.admin("/metrics", ["accept-encoding: \(accepted)"])["content-encoding"] == nil)
        }
    }

    /// What is on a page, without its figures, which change.
    private static func names(_ page: String) -> [Substring] {
        page.split(separator: "\n").map { $0.hasPrefix("#") ? $0 : $0.prefix { $0 != " " } }
    }

    private static func output(of command: String...) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return text
    }
}
