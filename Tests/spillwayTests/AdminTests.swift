import Backends
import Foundation
import Testing

/// Who may ask the admin address, and how.
struct AdminTests {
    private let directory: TemporaryDirectory
    private let router: RouterUnderTest
    private var port: UInt16 { UInt16(router.adminAddress.split(separator: ":")[1]) ?? 0 }

    init() throws {
        directory = try TemporaryDirectory()
        try directory.write("table.yaml", CommandTests.table)
        router = try RouterUnderTest(directory, settings: ["--admin-hosts", "router.example,*.internal"])
    }

    private func ask(_ line: String, _ fields: [String], body: String = "") throws -> Message {
        let connection = try RawConnection(port: port)
        let head = ["\(line) HTTP/1.1"] + fields + ["connection: close", "content-length: \(body.utf8.count)", "", ""]
        connection.send(head.joined(separator: "\r\n") + body)
        guard let answer = connection.readMessage(hasBody: !line.hasPrefix("HEAD ")) else {
            throw Failure(what: "\(line): no answer")
        }
        return answer
    }

    /// A page whose name is made to resolve to the admin address asks under its own name.
    @Test func `names that nobody has allowed are refused, whatever is asked`() throws {
        for host in [
            "evil.example", "evil.example:\(port)", "localhost.evil.example", "127.0.0.1.evil.example", "internal",
        ] {
            for path in ["/metrics", "/live", "/api/v1/status", "/none"] {
                let answer = try ask("GET \(path)", ["host: \(host)"])
                #expect(answer.status == 421, "\(host)\(path)")
                #expect(answer.text.contains("--admin-hosts"), "\(answer.text)")
            }
        }
        for host in [
            "127.0.0.1:\(port)", "10.1.2.3", "[::1]:\(port)", "localhost", "LOCALHOST:80", "router.example",
            "router.example.:\(port)", "a.internal",
        ] {
            #expect(try ask("GET /live", ["host: \(host)"]).status == 200, "\(host)")
        }
    }

    @Test func `an order from a page of another origin is refused, and carried out for everybody else`() throws {
        let freeze = "{\"order\": \"freeze\", \"seconds\": 60}"
        let usual = ["host: 127.0.0.1:\(port)", "content-type: application/json"]
        for foreign in [
            "origin: http://evil.example", "origin: null", "origin: http://127.0.0.1:1", "sec-fetch-site: cross-site",
            "sec-fetch-site: same-site",
        ] {
            #expect(try ask("POST /api/v1/orders", usual + [foreign], body: freeze).status == 403, "\(foreign)")
        }
        #expect(router.metric("spillway_override_seconds_left{subject=\"router\",kind=\"freeze\"}") == nil)
        for own in ["x-none: none", "origin: http://127.0.0.1:\(port)", "sec-fetch-site: same-origin"] {
            #expect(try ask("POST /api/v1/orders", usual + [own], body: freeze).status == 200, "\(own)")
        }
        #expect(router.metric("spillway_override_seconds_left{subject=\"router\",kind=\"freeze\"}") ?? 0 > 0)
    }

    @Test(arguments: ["/metrics", "/live", "/ready", "/api/v1/status", "/api/v1/explain", "/api/v1/what-if?lose=east"])
    func `HEAD answers as GET does, without the body`(_ path: String) throws {
        let answer = try ask("HEAD \(path)", ["host: localhost"])
        #expect(answer.status == 200)
        #expect(answer.text.isEmpty)
        #expect(try ask("GET \(path)", ["host: localhost"]).status == 200)
    }
}
