import Backends
import Foundation
import Testing

@testable import spillway

/// How a router is asked, and what is said when what answers is none.
struct AdminClientTests {
    private static let own = "HTTP/1.1 200 OK\r\nserver: spillway\r\n"

    private func client(_ backend: Backend) -> AdminClient {
        AdminClient(
            address: "127.0.0.1:\(backend.port)", patience: .milliseconds(300), longest: .milliseconds(600),
            answerLimit: 1_000_000)
    }

    /// What asking comes to, as the command says it.
    private func complaint(of client: AdminClient) async -> String {
        do {
            _ = try await client.get("/api/v1/status")
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test func `an answer is read whole, however it is framed`() async throws {
        for framing in [
            "content-length: 4\r\n\r\nbody", "transfer-encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
            "connection: close\r\n\r\nbody",
        ] {
            let backend = try Backend(Backend.says(Self.own + framing, thenCloses: true))
            #expect(try await client(backend).get("/a") == Data("body".utf8), "\(framing)")
            #expect(backend.requests.first?.text == "", "a GET has no body")
        }
    }

    @Test func `an order is sent with its body, and a refusal is told with its reason`() async throws {
        let backend = try Backend { request, connection in
            let status = request.text == "good" ? "200 OK" : "409 Conflict"
            connection.send("HTTP/1.1 \(status)\r\nserver: spillway\r\ncontent-length: 6\r\n\r\ndone\r\n")
            return false
        }
        #expect(try await client(backend).post("/b", Data("good".utf8)) == "done")
        do {
            _ = try await client(backend).post("/b", Data("bad".utf8))
            Issue.record("a refusal was taken for obedience")
        } catch {
            #expect("\(error)" == "refused: done")
        }
    }

    @Test(arguments: [
        ("SSH-2.0-OpenSSH_9.2\r\n", "what answers there does not speak HTTP/1.1"),
        ("\u{0}\u{1}\u{2}\u{3}", "what answers there does not speak HTTP/1.1"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone", "what answers there is not Spillway"),
        ("HTTP/1.1 404 Not Found\r\nserver: nginx\r\ncontent-length: 0\r\n\r\n", "what answers there is not Spillway"),
        (own + "content-length: 10\r\n\r\nhalf", "the connection ended before the answer did"),
        ("", "the connection ended before the answer did"),
        (own + "content-length: 99999999\r\n\r\n", "its answer is larger than 1000000 bytes"),
        (own + "content-length: 1\r\ncontent-length: 2\r\n\r\n", "what answers there does not speak HTTP/1.1"),
    ])
    func `what is not a router's answer is told as what it is`(answer: String, reason: String) async throws {
        let backend = try Backend(Backend.says(answer, thenCloses: true))
        #expect(
            await complaint(of: client(backend))
                == "no router answers on 127.0.0.1:\(backend.port): \(reason)", "\(answer)")
    }

    @Test func `nobody is waited for without end`() async throws {
        let silent = try Backend(Backend.hangs)
        #expect(await complaint(of: client(silent)).hasSuffix("what listens there has said nothing for 300 ms"))
        // One that always says a little is ended by the time for the whole.
        for (head, more) in [
            ("", "HTTP/1.1 100 Continue\r\n\r\n"), (Self.own + "transfer-encoding: chunked\r\n\r\n", "1\r\na\r\n"),
        ] {
            let dripping = try Backend { _, connection in
                connection.send(head)
                // Ends when the other side has closed.
                while connection.send(Array(more.utf8)) == more.utf8.count { usleep(20_000) }
                return false
            }
            #expect(
                await complaint(of: client(dripping)).hasSuffix("its answer has not ended within 600 ms"), "\(more)")
        }
        let endless = try Backend { _, connection in
            connection.send(Self.own + "transfer-encoding: chunked\r\n\r\n")
            let chunk = "10000\r\n" + String(repeating: "a", count: 65_536) + "\r\n"
            while connection.send(Array(chunk.utf8)) == chunk.utf8.count {}
            return false
        }
        #expect(await complaint(of: client(endless)).hasSuffix("its answer is larger than 1000000 bytes"))
    }

    @Test func `an address nobody listens on, or that is none, is named`() async throws {
        let nobody = try Backend.refusing()
        #expect(await complaint(of: client(nobody)).hasSuffix(": Connection refused"))
        #expect(await complaint(of: AdminClient(address: "nowhere")).contains("nowhere is not an address"))
        #expect(
            await complaint(of: AdminClient(address: "no-such-name.invalid:1")).hasSuffix(
                "no-such-name.invalid has no address"))
    }

    @Test func `what an answer says is printed, and not obeyed by a terminal`() async throws {
        let hostile = "no\u{1b}]0;mine\u{7}\u{9b}2J."
        let head = "HTTP/1.1 409 Conflict\r\nserver: spillway\r\ncontent-length: \(hostile.utf8.count)\r\n\r\n"
        let backend = try Backend(Backend.says(head + hostile))
        #expect(await complaint(of: client(backend)) == "no\\u{1b}]0;mine\\u{7}\\u{9b}2J.")
    }

    @Test func `a question that no router would read is not asked`() async throws {
        let backend = try Backend()
        do {
            _ = try await client(backend).get("/" + String(repeating: "z", count: 100_000))
            Issue.record("it was asked")
        } catch {
            #expect("\(error)" == "the question has 100001 bytes, and a router reads at most 65536")
        }
        #expect(backend.requests.isEmpty)
    }

    @Test func `an answer of another version is not read`() throws {
        #expect(throws: (any Error).self) {
            try AdminClient(address: "127.0.0.1:1").read([String].self, from: Data("{\"a\":1}".utf8))
        }
    }

    @Test func `names are encoded for a query`() {
        #expect(AdminClient.escaped("a-b_c.~9") == "a-b_c.~9")
        #expect(AdminClient.escaped("a&b=c d\n+%é") == "a%26b%3Dc%20d%0A%2B%25%C3%A9")
    }
}
