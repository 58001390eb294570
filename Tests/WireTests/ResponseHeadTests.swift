import Testing

@testable import Wire

@Suite("A response head")
struct ResponseHeadTests {
    @Test("tells status, reason, fields and where it ends")
    func readsWhole() throws {
        let text = "HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Length: 3\r\n\r\nabc"
        let head = try #require(response(text).head)
        #expect(head.status == 404)
        #expect(head.reason == "Not Found")
        #expect(head.fields == ["Server=x", "Content-Length=3"])
        #expect(head.body == .length(3))
        #expect(head.byteCount == text.utf8.count - 3)
    }

    @Test(
        "with a status line that is none is refused",
        arguments: [
            ("HTTP/1.1 200 OK\nA: b\r\n\r\n", .bareLineFeed),
            ("HTTP/1.1  200 OK\r\n\r\n", .statusInvalid),
            ("HTTP/1.1 20 OK\r\n\r\n", .statusInvalid),
            ("HTTP/1.1 2000 OK\r\n\r\n", .statusInvalid),
            ("HTTP/1.1 099 Low\r\n\r\n", .statusInvalid),
            ("HTTP/1.1 600 High\r\n\r\n", .statusInvalid),
            ("HTTP/1.1 +20 OK\r\n\r\n", .statusInvalid),
            ("HTTP/2.0 200 OK\r\n\r\n", .statusLineInvalid),
            ("HTTP/1.x 200 OK\r\n\r\n", .statusLineInvalid),
            ("HTTP/1.12 200 OK\r\n\r\n", .statusLineInvalid),
            ("HTTP/0.9 200 OK\r\n\r\n", .statusLineInvalid),
            ("http/1.1 200 OK\r\n\r\n", .statusLineInvalid),
            ("ICY 200 OK\r\n\r\n", .statusLineInvalid),
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", .statusLineInvalid),
            ("HTTP/1.1 200 O\u{0}K\n\r\n", .bareLineFeed),
            ("HTTP/1.1 200 O\u{1}\rK\r\n\r\n", .bareCarriageReturn),
            ("HTTP/1.1 200\u{1}\r\n\r\n", .statusInvalid),
            ("HTTP/1.1 200 OK\r\nX : y\r\n\r\n", .blankBeforeColon),
            ("HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", .lineFolded),
            ("HTTP/1.1 200 OK\r\nX: y\rz\r\n\r\n", .bareCarriageReturn),
            ("<html>", .statusLineInvalid),
        ] as [(String, Malformed)])
    func refuses(text: String, reason: Malformed) {
        #expect(response(text).reason == reason)
    }

    // RFC 9110, 2.5.
    @Test(
        "of a later minor version is one of HTTP/1.1", arguments: ["HTTP/1.2 200 OK\r\n\r\n", "HTTP/1.9 200\r\n\r\n"])
    func takesLaterVersions(text: String) throws {
        let head = try #require(response(text).head)
        #expect(head.status == 200)
    }

    @Test("may lack its reason, and the space before it", arguments: ["HTTP/1.1 200 \r\n\r\n", "HTTP/1.1 200\r\n\r\n"])
    func takesNoReason(text: String) {
        #expect(response(text).head?.reason == "")
    }

    @Test(
        "loses its reason if there is a control byte in it",
        arguments: [
            "O\u{0}K", "O\u{1}K", "\u{7f}", "\u{1b}[31m\u{7}OK\u{1f}", "a longer reason with one at its end\u{8}",
        ])
    func dropsReason(reason: String) throws {
        let text = "HTTP/1.1 200 \(reason)\r\nX: y\r\n\r\n"
        let head = try #require(response(text).head)
        #expect(head.status == 200)
        #expect(head.reason == "")
        #expect(head.fields == ["X=y"])
        #expect(head.byteCount == text.utf8.count)
    }

    @Test(
        "says how its body ends, which depends on the request",
        arguments: [
            (Method.get, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ResponseBody.length(5), true),
            (.get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .chunked, true),
            (.get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: ,chunked,\r\n\r\n", .chunked, true),
            (.get, "HTTP/1.1 200 OK\r\n\r\n", .untilClose, false),
            (.get, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", .untilClose, false),
            (.get, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n", .length(5), true),
            (.get, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", .length(5), false),
            (.get, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", .length(5), false),
            (.head, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", .none, true),
            (.head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .none, true),
            (.head, "HTTP/1.1 200 OK\r\n\r\n", .none, true),
            (.get, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", .none, true),
            (.get, "HTTP/1.1 204 No Content\r\n\r\n", .none, true),
            (.get, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", .none, true),
            (.get, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", .none, false),
            (.get, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", .none, false),
            (.get, "HTTP/1.1 100 Continue\r\n\r\n", .none, true),
        ] as [(Method, String, ResponseBody, Bool)])
    func readsFraming(method: Method, text: String, body: ResponseBody, isPersistent: Bool) throws {
        let head = try #require(response(text, to: method).head)
        #expect(head.body == body)
        #expect(head.isPersistent == isPersistent)
    }

    @Test(
        "is refused if two readers could frame its body differently",
        arguments: [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", .lengthAndEncoding),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", .lengthDuplicate),
            ("Content-Length: 5, 5\r\n", .lengthDuplicate),
            ("Content-Length: five\r\n", .lengthInvalid),
            ("Transfer-Encoding: gzip\r\n", .encodingUnsupported),
            ("Transfer-Encoding: chunked, gzip\r\n", .encodingInvalid),
        ] as [(String, Malformed)])
    func refusesFraming(fields: String, reason: Malformed) {
        #expect(response("HTTP/1.1 200 OK\r\n\(fields)\r\n").reason == reason)
    }

    @Test("of HTTP/1.0 has no chunked body, and an interim one has no body at all")
    func refusesFramingOutOfPlace() {
        #expect(response("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").reason == .encodingInHTTP10)
        #expect(response("HTTP/1.1 103 Hints\r\nContent-Length: 0\r\n\r\n").reason == .framingOnInterim)
        #expect(response("HTTP/1.1 100 Go\r\nTransfer-Encoding: chunked\r\n\r\n").reason == .framingOnInterim)
    }

    @Test("says the same however it was cut on its way")
    func isIndependentOfCuts() {
        let texts = [
            "HTTP/1.1 200 OK\r\nServer: some\r\nContent-Length: 5\r\nConnection: x\r\n\r\n",
            "HTTP/1.0 204\r\n\r\n", "HTTP/1.1 200 \u{1}O\u{2}K\r\nX: y\r\n\r\n", "HTTP/1.1 200 \u{1}\rK\r\n\r\n",
            "HTTP/1.1 1000 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nX\r\n\r\n", "HTTP/3 200 OK\r\n\r\n",
        ]
        for text in texts {
            let bytes = [UInt8](latin: text)
            let whole = bytes.readResponse()
            for count in 0..<bytes.count {
                let part = Array(bytes.prefix(count)).readResponse()
                if case .read = whole {
                    #expect(part == .incomplete, "\(count) bytes of \(text)")
                } else {
                    #expect(part == .incomplete || part == whole, "\(count) bytes of \(text)")
                }
            }
        }
    }
}
