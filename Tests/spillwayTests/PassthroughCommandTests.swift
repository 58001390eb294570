import Backends
import Foundation
import Testing

/// TLS passed on as it comes, between `openssl s_client` and `openssl s_server`, through the built command.
struct PassthroughCommandTests {
    @Test func `a TLS client reaches the server it names, and moves on when that one's region refuses`() throws {
        let directory = try TemporaryDirectory()
        let one = try TLSServer("one.example", directory)
        let two = try TLSServer("two.example", directory)
        let refusing = try Backend.refusing()
        try directory.write(
            "table.yaml",
            """
            listeners: { web: { bind: 127.0.0.1:0, protocol: tls_passthrough } }
            regions: { east: {}, west: {} }
            services:
              one: { endpoints: { east: [127.0.0.1:\(refusing.port)], west: [127.0.0.1:\(one.port)] } }
              two: { endpoints: { east: [127.0.0.1:\(two.port)] } }
            routes:
              - { match: { listener: web, host: one.example }, to: one }
              - { match: { listener: web, host: "*.example", alpn: [h2, http/1.1] }, to: two }
            """)
        let router = try RouterUnderTest(directory)
        func ask(_ name: String, _ more: String...) throws -> String {
            try openssl(
                ["s_client", "-connect", "127.0.0.1:\(router.port)", "-servername", name, "-ign_eof"] + more,
                input: "GET / HTTP/1.0\r\n\r\n")
        }
        for version in ["-tls1_2", "-tls1_3"] {
            let answer = try ask("one.example", version)
            #expect(answer.contains("CN = one.example") && answer.contains("HTTP/1.0 200 ok"), "\(answer)")
        }
        #expect(try ask("two.example", "-alpn", "http/1.1").contains("CN = two.example"))
        #expect(try !ask("two.example").contains("CN = "))
        #expect(try !ask("other.org", "-alpn", "h2").contains("CN = "))
        #expect(router.metric("spillway_listener_unrouted_total{listener=\"web\"}") == 2)
        // Whichever side was the first to end.
        let ends = ["client", "server", "client-reset", "server-reset"].map {
            "spillway_tunnels_ended_total{listener=\"web\",reason=\"\($0)\"}"
        }
        #expect(eventually { ends.reduce(0) { $0 + (router.metric($1) ?? 0) } == 3 })
        #expect(router.metric("spillway_retries_total{service=\"one\",region=\"east\"}") ?? 0 >= 1)
    }
}

/// `openssl s_server` on a port of its own, with a certificate of its own.
private final class TLSServer {
    let port: UInt16
    private let process = Process()

    init(_ name: String, _ directory: TemporaryDirectory) throws {
        let certificate = "\(directory.path)/\(name).pem", key = "\(directory.path)/\(name).key"
        _ = try openssl(
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=\(name)", "-keyout", key, "-out", certificate,
            ])
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", certificate, "-key", key, "-www",
        ]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        // `ACCEPT 127.0.0.1:43210` once it listens.
        var said = ""
        while !said.contains(/ACCEPT .*\n/), case let data = output.fileHandleForReading.availableData, !data.isEmpty {
            said += String(decoding: data, as: UTF8.self)
        }
        guard let port = said.firstMatch(of: /ACCEPT .*:(\d+)\n/).flatMap({ UInt16($0.1) }) else {
            throw Failure(what: "openssl s_server: \(said)")
        }
        self.port = port
    }

    deinit {
        // It may have inherited that it is not to be asked.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}

/// What the command says of itself, on both outputs, when it has been given `input`.
private func openssl(_ arguments: [String], input: String = "") throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["timeout", "5", "openssl"] + arguments
    let output = Pipe(), source = Pipe()
    process.standardInput = source
    process.standardOutput = output
    process.standardError = output
    try process.run()
    // Broken off before it was read: the output tells.
    try? source.fileHandleForWriting.write(contentsOf: Data(input.utf8))
    try? source.fileHandleForWriting.close()
    let said = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: said, as: UTF8.self)
}
