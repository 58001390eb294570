/// A frame of HTTP/2 as a test says or sees it (RFC 9113, 4.1): any bytes, good or bad.
package struct HTTP2Speech: Sendable, Equatable {
    package enum Kind {
        package static let data: UInt8 = 0
        package static let headers: UInt8 = 1
        package static let priority: UInt8 = 2
        package static let reset: UInt8 = 3
        package static let settings: UInt8 = 4
        package static let ping: UInt8 = 6
        package static let goAway: UInt8 = 7
        package static let windowUpdate: UInt8 = 8
        package static let continuation: UInt8 = 9
        package static let altSvc: UInt8 = 10
    }

    package static let endStream: UInt8 = 1
    package static let acknowledge: UInt8 = 1
    package static let endHeaders: UInt8 = 4
    package static let padded: UInt8 = 8

    package var kind: UInt8
    package var flags: UInt8
    package var stream: UInt32
    package var payload: [UInt8]

    package init(_ kind: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) {
        self.kind = kind
        self.flags = flags
        self.stream = stream
        self.payload = payload
    }

    package var bytes: [UInt8] {
        Self.bigEndian(UInt32(payload.count)).dropFirst() + [kind, flags] + Self.bigEndian(stream) + payload
    }

    package static func bigEndian(_ number: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
    }

    // What is often said

    package static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    package static let settings = HTTP2Speech(Kind.settings)

    package static func settings(_ number: UInt16, _ value: UInt32) -> HTTP2Speech {
        HTTP2Speech(Kind.settings, [UInt8(number >> 8), UInt8(number & 0xff)] + bigEndian(value))
    }

    /// A head of fields that are all written out (RFC 7541, 6.2.2).
    package static func headers(
        stream: UInt32, _ fields: [(String, String)], flags: UInt8 = endHeaders | endStream
    ) -> HTTP2Speech {
        HTTP2Speech(Kind.headers, flags: flags, stream: stream, fields.flatMap { literal($0.0, $0.1) })
    }

    package static func literal(_ name: String, _ value: String) -> [UInt8] {
        [0] + string(name) + string(value)
    }

    private static func string(_ text: String) -> [UInt8] {
        precondition(text.utf8.count < 127, "longer texts have a length of several bytes")
        return [UInt8(text.utf8.count)] + Array(text.utf8)
    }

    package static func get(stream: UInt32, flags: UInt8 = endHeaders | endStream) -> HTTP2Speech {
        headers(
            stream: stream,
            [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a.example")], flags: flags)
    }

    /// `:status: 200`; with the stream's end, unless flags say otherwise.
    package static func ok(stream: UInt32, flags: UInt8 = endHeaders | endStream) -> HTTP2Speech {
        HTTP2Speech(Kind.headers, flags: flags, stream: stream, [0x88])
    }

    package static func reset(stream: UInt32, code: UInt32) -> HTTP2Speech {
        HTTP2Speech(Kind.reset, stream: stream, bigEndian(code))
    }

    package static func goAway(lastStream: UInt32, code: UInt32 = 0) -> HTTP2Speech {
        HTTP2Speech(Kind.goAway, bigEndian(lastStream) + bigEndian(code))
    }

    /// The error code of a RST_STREAM or GOAWAY.
    package var code: UInt32? {
        let start = kind == Kind.reset ? 0 : kind == Kind.goAway ? 4 : payload.count
        guard payload.count >= start + 4 else { return nil }
        return payload[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
}

extension RawConnection {
    package func say(_ frames: HTTP2Speech...) {
        send(frames.flatMap(\.bytes))
    }

    /// The next frame; nil at the end.
    package func readFrame() -> HTTP2Speech? {
        let head = read(9)
        guard head.count == 9 else { return nil }
        let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
        let payload = read(length)
        guard payload.count == length else { return nil }
        let stream = head[5...8].reduce(0) { $0 << 8 | UInt32($1) }
        return HTTP2Speech(head[3], flags: head[4], stream: stream, payload)
    }

    /// The next frame for which this holds; nil at the end.
    package func readFrame(_ isWanted: (HTTP2Speech) -> Bool) -> HTTP2Speech? {
        while let frame = readFrame() {
            if isWanted(frame) { return frame }
        }
        return nil
    }
}
