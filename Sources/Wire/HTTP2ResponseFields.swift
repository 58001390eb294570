/// The fields of an HTTP/2 answer, or of the trailers behind it, collected one by one, and written as the HTTP/1.1 head
/// that means the same (compare `HTTP2RequestFields`).
package struct HTTP2ResponseFields {
    private var status: [UInt8] = []
    private var lines = FieldLines()
    private var byteCount = 0

    /// Bytes of names and values together, and 32 for each field: more is not kept, and makes the answer none. A few bytes
    /// can stand for many (RFC 7541, 7.3).
    private static let byteLimit = 1_048_576

    package init() {}

    package mutating func begin() {
        status.removeAll(keepingCapacity: true)
        lines.removeAll()
        byteCount = 0
    }

    /// False: it is more than is kept, and the answer none.
    @discardableResult
    package mutating func add(_ name: RawSpan, _ value: RawSpan) -> Bool {
        byteCount &+= name.byteCount &+ value.byteCount &+ 32
        if byteCount > Self.byteLimit {
            lines.problem = .headTooLarge
            return false
        }
        guard name.byte(at: 0) == .colon else {
            lines.append(name, value)
            return true
        }
        if name.isToken(0..<name.byteCount, ":status"), status.isEmpty {
            for i in 0..<min(value.byteCount, 4) { status.append(value.byte(at: i)) }
        } else {
            lines.problem = .fieldNameInvalid
        }
        return true
    }

    /// Writes the head. A body whose length is not told is framed in chunks, and that there is none is said.
    package func write(isEmpty: Bool, forRequest method: Method, into out: inout WriteBuffer) throws(Malformed) {
        if let problem = lines.problem { throw problem }
        guard status.count == 3, status.allSatisfy(\.isDigit) else { throw .statusInvalid }
        out.append("HTTP/1.1 ")
        out.append(status.span)
        out.append(" ")
        out.append(reasonPhrase(of: status.reduce(0) { $0 * 10 + Int($1 &- 0x30) }))
        out.append("\r\n")
        out.append(lines.bytes.span)
        let isBodiless = status[0] == UInt8(ascii: "1") || status == Array("204".utf8) || status == Array("304".utf8)
        if !isBodiless, method != .head, !lines.hasLength {
            out.append(isEmpty ? "content-length: 0\r\n" : "transfer-encoding: chunked\r\n")
        }
        out.append("\r\n")
        if out.overflowed { throw .headTooLarge }
    }

    /// Visits the lines of a trailer section that may be passed on (see `FieldID`).
    package func visitTrailers(_ visit: (RawSpan) -> Void) throws(Malformed) {
        guard status.isEmpty else { throw .fieldNameInvalid }
        try lines.visitTrailers(visit)
    }
}
