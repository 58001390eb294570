import Testing

@testable import Wire

@Suite("A response, forwarded,")
struct ForwardedResponseTests {
    static let date = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

    @Test(
        "is framed for its client",
        arguments: [
            (
                Method.get, UInt8(1), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", AnswerFraming.length, true,
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\(date)via: 1.1 spillway\r\n\r\n"
            ),
            (
                .get, 1, "HTTP/1.1 200 OK\r\nContent-Length: 05\r\n\r\n", .length, true,
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\(date)via: 1.1 spillway\r\n\r\n"
            ),
            (
                .get, 1, "HTTP/1.1 404 Not\u{1}Found\r\nTransfer-Encoding: chunked,\r\n\r\n", .chunked, true,
                "HTTP/1.1 404 \r\ntransfer-encoding: chunked\r\n\(date)via: 1.1 spillway\r\n\r\n"
            ),
            (
                .get, 1, "HTTP/1.0 200 OK\r\n\r\n", .chunked, true,
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\(date)via: 1.0 spillway\r\n\r\n"
            ),
            (
                .get, 1, "HTTP/1.2 200 Fine\r\nContent-Length: 5\r\n\r\n", .length, true,
                "HTTP/1.1 200 Fine\r\nContent-Length: 5\r\n\(date)via: 1.1 spillway\r\n\r\n"
            ),
            (
                .get, 0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n", .untilClose, false,
                "HTTP/1.1 200 OK\r\n\(date)via: 1.1 spillway\r\nconnection: close\r\n\r\n"
            ),
            (
                .get, 0, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", .length, true,
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\(date)via: 1.1 spillway\r\nconnection: keep-alive\r\n\r\n"
            ),
            (
                .head, 1, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", .none, true,
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\(date)via: 1.1 spillway\r\n\r\n"
            ),
            (
                .get, 1, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nDate: x\r\n\r\n", .none, true,
                "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nDate: x\r\nvia: 1.1 spillway\r\n\r\n"
            ),
            (
                .get, 1, "HTTP/1.1 204\r\nContent-Length: 5\r\n\r\n", .none, true,
                "HTTP/1.1 204 \r\n\(date)via: 1.1 spillway\r\n\r\n"
            ),
        ] as [(Method, UInt8, String, AnswerFraming, Bool, String)])
    func isFramed(
        method: Method, version: UInt8, text: String, framing: AnswerFraming, keepsAlive: Bool, expected: String
    ) throws {
        let answer = try answered(text, to: method, minorVersion: version)
        #expect(answer.text == expected)
        #expect(answer.framing == framing)
        #expect(answer.keepsAlive == keepsAlive)
    }

    @Test("loses what was meant for us, and takes its edits")
    func losesAndTakes() throws {
        let text =
            "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: x\r\nUpgrade: h2\r\nX-Powered-By: y\r\n"
            + "Content-Length: 0\r\nDate: d\r\n\r\n"
        let edits = CompiledEdits(remove: ["x-powered-by"], set: [("x-new", "1")])
        #expect(
            try answered(text, edits: edits).text
                == "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: d\r\nvia: 1.1 spillway\r\nx-new: 1\r\n\r\n")
    }

    @Test("that is interim goes to the client, a 101 only if it was asked for")
    func forwardsInterim() throws {
        func interim(_ text: String, allowsUpgrade: Bool) throws -> String? {
            let bytes = [UInt8](latin: text)
            var head = ResponseHead(fieldLimit: 8)
            _ = try head.parse(unsafe bytes.span.bytes, forRequest: .get, .upstream)
            var out = WriteBuffer(capacity: 512)
            return encodeInterim(head, unsafe bytes.span.bytes, allowsUpgrade: allowsUpgrade, into: &out)
                ? out.text : nil
        }
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        #expect(try interim(hints, allowsUpgrade: false) == hints)
        let upgrade = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        #expect(try interim(upgrade, allowsUpgrade: false) == nil)
        #expect(
            try interim(upgrade, allowsUpgrade: true)
                == "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
    }

    @Test("of our own says its fault in a field and in a sentence, to HEAD without a body")
    func answersItself() {
        func error(_ method: Method, retryAfter: Int?) -> String {
            var out = WriteBuffer(capacity: 512)
            encodeError(
                status: 503, token: "no-endpoint", sentence: "No endpoint.", retryAfter: retryAfter, method: method,
                minorVersion: 1, keepsAlive: false, date: HTTPDate(unixSeconds: 784_111_777), into: &out)
            return out.text
        }
        let head =
            "HTTP/1.1 503 Service Unavailable\r\nx-spillway-error: no-endpoint\r\nretry-after: 2\r\n"
            + "content-type: text/plain; charset=utf-8\r\ncontent-length: 26\r\n\(Self.date)connection: close\r\n\r\n"
        #expect(error(.head, retryAfter: 2) == head)
        #expect(error(.get, retryAfter: 2) == head + "no-endpoint: No endpoint.\n")
        #expect(!error(.get, retryAfter: nil).contains("retry-after"))
    }

    @Test(
        "has a date that browsers understand",
        arguments: [
            (Int64(0), "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (.max, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (.min, "Sat, 01 Jan 0000 00:00:00 GMT"),
        ] as [(Int64, String)])
    func dates(seconds: Int64, expected: String) {
        let date = HTTPDate(unixSeconds: seconds)
        #expect(String(decoding: (0..<29).map { date.bytes[$0] }, as: UTF8.self) == expected)
    }

    @Test(
        "has numbers as they are written",
        arguments: [
            (UInt64(0), "0", "0"), (9, "9", "9"), (10, "10", "a"), (255, "255", "ff"),
            (.max, "18446744073709551615", "ffffffffffffffff"),
        ])
    func writesNumbers(number: UInt64, decimal: String, hex: String) {
        var out = WriteBuffer(capacity: 64)
        out.append(decimal: number)
        out.append(" ")
        out.append(hex: number)
        #expect(out.text == "\(decimal) \(hex)")
    }
}
