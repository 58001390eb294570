import Backends
import Foundation
import Testing

/// What README.md says of a first run, done.
struct ReadmeTests {
    /// `python3 -m http.server`, on a port of its own.
    private final class PythonServer {
        let port: UInt16
        private let process = Process()

        init(in directory: TemporaryDirectory) throws {
            port = try Backend.refusing().port
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["python3", "-m", "http.server", "--bind", "127.0.0.1", "\(port)"]
            process.currentDirectoryURL = URL(fileURLWithPath: directory.path)
            process.standardError = FileHandle.nullDevice
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            let port = port
            guard eventually({ (try? RawConnection(port: port)) != nil }) else {
                throw Failure(what: "python3 -m http.server does not listen")
            }
        }

        func end() {
            guard process.isRunning else { return }
            kill(process.processIdentifier, SIGKILL)
            _ = eventually { !process.isRunning }
        }

        deinit { end() }
    }

    @Test func `its table serves python's http.server from the preferred region, and without it from the other`() throws
    {
        let page = try String(
            contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
                "../../README.md"), encoding: .utf8)
        var table = try #require(page.components(separatedBy: "```yaml\n").dropFirst().first)
            .components(separatedBy: "```")[0].replacing("127.0.0.1:8080", with: "127.0.0.1:0")
        let directory = try TemporaryDirectory()
        let servers = try (0..<3).map { _ in try PythonServer(in: directory) }
        for (name, server) in zip(["9101", "9102", "9201"], servers) {
            #expect(table.contains(":\(name)"))
            table = table.replacing(":\(name)", with: ":\(server.port)")
        }
        try directory.write("tables/table.yaml", table)
        let router = try RouterUnderTest(directory, table: "tables")
        func share(_ region: String) -> Double? {
            router.metric("spillway_split_ratio{service=\"shop\",region=\"\(region)\"}")
        }
        func passes(_ server: PythonServer, _ region: String) -> Bool {
            let labels =
                "{service=\"shop\",region=\"\(region)\",endpoint=\"127.0.0.1:\(server.port)\",result=\"passed\"}"
            return router.metric("spillway_probes_total" + labels) ?? 0 >= 2
        }
        #expect(
            eventually {
                passes(servers[0], "us-east-1") && passes(servers[1], "us-east-1") && passes(servers[2], "us-west-2")
            }, "\((try? router.admin("/metrics").text) ?? "")")
        #expect(share("us-east-1") == 1)
        #expect(try router.get("/").status == 200)
        servers[0].end()
        servers[1].end()
        for _ in 0..<20 { #expect(try router.get("/").status == 200) }
        #expect(eventually { share("us-east-1") == 0 })
        #expect(try router.get("/").status == 200)
    }
}
