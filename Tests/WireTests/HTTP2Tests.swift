import Testing

@testable import Wire

@Suite("Fields of HTTP/2")
struct HTTP2FieldsTests {
    private static let get = [(":method", "GET"), (":scheme", "http"), (":path", "/a?b"), (":authority", "x.example")]

    private func write(_ fields: [(String, String)], hasBody: Bool = false) throws(Malformed) -> String {
        var collected = HTTP2RequestFields()
        collected.begin()
        for (name, value) in fields {
            unsafe collected.add(Array(name.utf8).span.bytes, Array(value.utf8).span.bytes)
        }
        var out = WriteBuffer(capacity: 65_536)
        try collected.write(hasBody: hasBody, into: &out)
        return out.withBytes { bytes in
            String(decoding: bytes.byteOffsets.map { bytes.byte(at: $0) }, as: UTF8.self)
        }
    }

    @Test(
        "become the HTTP/1.1 head that means the same",
        arguments: [
            (get, false, "GET /a?b HTTP/1.1\r\nhost: x.example\r\n\r\n"),
            (get + [("accept", "*/*")], false, "GET /a?b HTTP/1.1\r\nhost: x.example\r\naccept: */*\r\n\r\n"),
            // RFC 9113, 8.3.1: Host stands where there is no :authority.
            (
                Array(get.prefix(3)) + [("host", "y.example")], false,
                "GET /a?b HTTP/1.1\r\nhost: y.example\r\n\r\n"
            ),
            (get + [("host", "X.example")], false, "GET /a?b HTTP/1.1\r\nhost: x.example\r\n\r\n"),
            // RFC 9113, 8.2.3: crumbs are one cookie.
            (
                get + [("cookie", "a=1"), ("b", "2"), ("cookie", "c=3")], false,
                "GET /a?b HTTP/1.1\r\nhost: x.example\r\ncookie: a=1; c=3\r\nb: 2\r\n\r\n"
            ),
            (get, true, "GET /a?b HTTP/1.1\r\nhost: x.example\r\ntransfer-encoding: chunked\r\n\r\n"),
            (
                get + [("content-length", "3")], true,
                "GET /a?b HTTP/1.1\r\nhost: x.example\r\ncontent-length: 3\r\n\r\n"
            ),
            (get + [("te", "trailers")], false, "GET /a?b HTTP/1.1\r\nhost: x.example\r\nte: trailers\r\n\r\n"),
            (
                [(":method", "OPTIONS"), (":scheme", "https"), (":path", "*"), (":authority", "x")], false,
                "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n"
            ),
            (
                [(":method", "CONNECT"), (":authority", "x:443")], false,
                "CONNECT x:443 HTTP/1.1\r\nhost: x:443\r\n\r\n"
            ),
            // RFC 8441: what HTTP/1.1 asks for by Upgrade; the key is chance.
            (
                [
                    (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/chat"),
                    (":authority", "x"), ("sec-websocket-key", "theirs"), ("sec-websocket-version", "13"),
                ], true,
                "GET /chat HTTP/1.1\r\nhost: x\r\nsec-websocket-version: 13\r\nconnection: upgrade\r\n"
                    + "upgrade: websocket\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            ),
        ] as [([(String, String)], Bool, String)])
    func become(fields: [(String, String)], hasBody: Bool, head: String) throws {
        #expect(try write(fields, hasBody: hasBody) == head)
    }

    @Test(
        "are refused where they could be read in two ways",
        arguments: [
            (get + [("connection", "close")], .fieldNameInvalid),
            (get + [("transfer-encoding", "chunked")], .fieldNameInvalid),
            (get + [("te", "gzip")], .fieldValueInvalid),
            (get + [("host", "z.example")], .hostInvalid),
            (get + [("host", "x.example"), ("host", "x.example")], .hostDuplicate),
            (get + [(":status", "200")], .fieldNameInvalid),
            (get + [("a", "b\r\nc: d")], .fieldValueInvalid),
            (get + [("a", "b\0")], .fieldValueInvalid),
            (get + [("cookie", "b\n")], .fieldValueInvalid),
            ([(":method", "G T"), (":scheme", "http"), (":path", "/"), (":authority", "x")], .methodInvalid),
            ([(":method", "GET"), (":scheme", "http"), (":path", "/ HTTP/1.1"), (":authority", "x")], .targetInvalid),
            ([(":method", "GET"), (":scheme", "http"), (":path", "http://y/"), (":authority", "x")], .targetInvalid),
            ([(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "x")], .targetInvalid),
            ([(":method", "GET"), (":path", "/"), (":authority", "x")], .targetInvalid),
            ([(":method", "GET"), (":scheme", "http"), (":path", "/")], .hostMissing),
            ([(":method", "CONNECT"), (":scheme", "http")], .authorityInvalid),
            (get + [("a", String(repeating: "b", count: 40_000))], .headTooLarge),
        ] as [([(String, String)], Malformed)])
    func refused(fields: [(String, String)], reason: Malformed) {
        #expect(throws: reason) { try write(fields) }
    }

    @Test("of an answer become its head")
    func answers() throws {
        func answer(_ fields: [(String, String)], isEmpty: Bool, _ method: Method = .get) throws(Malformed) -> String {
            var collected = HTTP2ResponseFields()
            collected.begin()
            for (name, value) in fields {
                unsafe collected.add(Array(name.utf8).span.bytes, Array(value.utf8).span.bytes)
            }
            var out = WriteBuffer(capacity: 4_096)
            try collected.write(isEmpty: isEmpty, forRequest: method, into: &out)
            return out.withBytes { bytes in
                String(decoding: bytes.byteOffsets.map { bytes.byte(at: $0) }, as: UTF8.self)
            }
        }
        #expect(
            try answer([(":status", "200"), ("a", "b")], isEmpty: false)
                == "HTTP/1.1 200 OK\r\na: b\r\ntransfer-encoding: chunked\r\n\r\n")
        #expect(
            try answer([(":status", "404")], isEmpty: true) == "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        #expect(try answer([(":status", "304")], isEmpty: true) == "HTTP/1.1 304 Not Modified\r\n\r\n")
        #expect(try answer([(":status", "103")], isEmpty: false) == "HTTP/1.1 103 Early Hints\r\n\r\n")
        #expect(try answer([(":status", "200")], isEmpty: true, .head) == "HTTP/1.1 200 OK\r\n\r\n")
        #expect(throws: Malformed.statusInvalid) { try answer([(":status", "20")], isEmpty: true) }
        #expect(throws: Malformed.statusInvalid) { try answer([("a", "b")], isEmpty: true) }
        #expect(throws: Malformed.fieldNameInvalid) { try answer([(":status", "200"), (":path", "/")], isEmpty: true) }
    }

    @Test("of an answer are not kept without end")
    func answersHaveALimit() {
        var collected = HTTP2ResponseFields()
        collected.begin()
        unsafe collected.add(Array(":status".utf8).span.bytes, Array("200".utf8).span.bytes)
        let value = Array(String(repeating: "v", count: 4_000).utf8)
        for _ in 0..<300 { unsafe collected.add(Array("x".utf8).span.bytes, value.span.bytes) }
        #expect(throws: Malformed.headTooLarge) {
            var out = WriteBuffer(capacity: 4_194_304)
            try collected.write(isEmpty: true, forRequest: .get, into: &out)
        }
    }

    @Test("of trailers are passed on unless they would change what was said before")
    func trailers() throws {
        var collected = HTTP2RequestFields()
        collected.begin()
        for (name, value) in [("grpc-status", "0"), ("content-length", "5"), ("x-a", "b")] {
            unsafe collected.add(Array(name.utf8).span.bytes, Array(value.utf8).span.bytes)
        }
        var lines: [String] = []
        try collected.visitTrailers { line in
            lines.append(String(decoding: line.byteOffsets.map { line.byte(at: $0) }, as: UTF8.self))
        }
        #expect(lines == ["grpc-status: 0\r\n", "x-a: b\r\n"])
    }
}

@Suite("Frames of HTTP/2")
struct HTTP2FrameScannerTests {
    @Test("are found however the bytes are cut", arguments: 1...40)
    func cut(size: Int) {
        let frames: [HTTP2FrameScanner.Frame] = [
            .init(length: 0, type: 4, flags: 0, stream: 0), .init(length: 5, type: 1, flags: 5, stream: 1),
            .init(length: 300, type: 0, flags: 1, stream: 0x7fff_ffff), .init(length: 8, type: 6, flags: 0, stream: 0),
        ]
        var bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        for frame in frames {
            bytes += [UInt8(frame.length >> 16), UInt8(frame.length >> 8 & 255), UInt8(frame.length & 255)]
            bytes += [frame.type, frame.flags]
            bytes += (0..<4).map { UInt8(truncatingIfNeeded: frame.stream >> (24 - 8 * $0)) }
            bytes += [UInt8](repeating: 0xff, count: frame.length)
        }
        var scanner = HTTP2FrameScanner(prefaceBytes: HTTP2Preface.byteCount)
        var found: [HTTP2FrameScanner.Frame] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            let piece = Array(bytes[start..<min(start + size, bytes.count)])
            var offset = 0
            while let (_, frame) = unsafe scanner.next(in: piece.span.bytes, from: &offset) { found.append(frame) }
        }
        #expect(found == frames)
    }

    @Test(
        "begin with a preface that is told from every request",
        arguments: [
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0", HTTP2Preface.Comparison.complete), ("P", .incomplete),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n", .incomplete), ("PRI * HTTP/1.1\r\n\r\n", .differs),
            ("GET / HTTP/1.1\r\n", .differs), ("PRINT / HTTP/1.1", .differs), ("POST", .differs),
        ])
    func preface(text: String, comparison: HTTP2Preface.Comparison) {
        #expect(unsafe HTTP2Preface.compare(Array(text.utf8).span.bytes) == comparison)
    }
}

@Suite("gRPC")
struct GRPCTests {
    @Test("statuses are read, and nothing that is none")
    func statuses() {
        func status(_ line: String) -> GRPCStatus? { unsafe GRPCStatus(trailerLine: Array(line.utf8).span.bytes) }
        #expect(status("grpc-status: 0\r\n") == .ok)
        #expect(status("Grpc-Status:14\r\n") == .unavailable)
        #expect(status("grpc-status: 16\r\n") == .unauthenticated)
        for line in ["grpc-status: 17\r\n", "grpc-status: 014\r\n", "grpc-status: x\r\n", "grpc-statu: 0\r\n", ""] {
            #expect(status(line) == nil)
        }
    }

    @Test(
        "deadlines are read in every unit, and a value that is none is no deadline",
        arguments: [
            ("1H", 3_600_000_000_000), ("2M", 120_000_000_000), ("3S", 3_000_000_000), ("4m", 4_000_000),
            ("5u", 5_000), ("6n", 6), ("99999999H", 3_600_000_000_000_000_000), ("123456789S", nil), ("S", nil),
            ("1", nil), ("-1S", nil), ("1s", nil),
        ] as [(String, Int64?)])
    func deadlines(text: String, nanoseconds: Int64?) throws {
        var head = RequestHead(fieldLimit: 20)
        let bytes = Array(
            "POST /a.B/C HTTP/1.1\r\nhost: x\r\ncontent-type: application/grpc+proto\r\ngrpc-timeout: \(text)\r\n\r\n"
                .utf8)
        _ = unsafe try head.parse(bytes.span.bytes, .unlimited)
        #expect(unsafe head.isGRPC(bytes.span.bytes))
        #expect(unsafe head.grpcTimeout(bytes.span.bytes) == nanoseconds)
    }
}
