/// The fields of an HTTP/2 request, or of the trailers behind it, collected one by one, and written as the HTTP/1.1 head that means the same: so
/// whatever holds for a request, holds for it however it came (RFC 9113, 8.3 and 10.3).
///
/// Used for one request after the other: it keeps its memory.
package struct HTTP2RequestFields {
    private var method: [UInt8] = []
    private var path: [UInt8] = []
    private var scheme: [UInt8] = []
    private var authority: [UInt8] = []
    private var host: [UInt8]?
    /// The extension of CONNECT that is asked for (RFC 8441).
    private var connectProtocol: [UInt8] = []
    private var cookie: [UInt8] = []
    private var lines = FieldLines()
    private var byteCount = 0
    /// Fields that came, those that are not kept among them.
    package private(set) var fieldCount = 0

    /// Bytes of names and values together, and the 32 for each field that RFC 9113, 6.5.2 counts, which an HTTP/2 request
    /// may have: more is not kept, and `write` says so.
    package var byteLimit = 32_768

    package init() {}

    /// Forgets what was collected.
    package mutating func begin() {
        method.removeAll(keepingCapacity: true)
        path.removeAll(keepingCapacity: true)
        scheme.removeAll(keepingCapacity: true)
        authority.removeAll(keepingCapacity: true)
        connectProtocol.removeAll(keepingCapacity: true)
        cookie.removeAll(keepingCapacity: true)
        lines.removeAll()
        host = nil
        byteCount = 0
        fieldCount = 0
    }

    /// More came than is kept.
    package var isTooLarge: Bool { byteCount > byteLimit }

    /// It is a CONNECT that opens a WebSocket (RFC 8441), which HTTP/1.1 asks for with GET and Upgrade.
    package var asksForWebSocket: Bool {
        !connectProtocol.isEmpty && connectProtocol.elementsEqual("websocket".utf8) && isMethod("CONNECT")
    }

    /// It is a well-formed CONNECT for another protocol than WebSocket, which nobody here speaks.
    package var asksForOtherProtocol: Bool {
        !connectProtocol.isEmpty && isMethod("CONNECT") && !asksForWebSocket && !isTooLarge && lines.problem == nil
    }

    /// It calls for gRPC, as far as it is kept.
    package var announcesGRPC: Bool {
        guard isMethod("POST") else { return false }
        // Bytes have no padding to look into.
        let bytes = unsafe lines.bytes.span.bytes
        var offset = 0
        while offset < bytes.byteCount, case .field(let record)? = try? FieldLine.parse(bytes, at: offset) {
            if record.id == .contentType { return bytes.namesGRPC(record.value) }
            offset = Int(record.lineEnd)
        }
        return false
    }

    /// Takes a field, pseudo-fields (whose names begin with a colon) among them. Returns how many times over the limit
    /// that is, with all that came before; 0 while it is not.
    @discardableResult
    package mutating func add(_ name: RawSpan, _ value: RawSpan) -> Int {
        byteCount &+= name.byteCount &+ value.byteCount &+ 32
        fieldCount &+= 1
        if isTooLarge { return byteCount / max(byteLimit, 1) }
        keep(name, value)
        return 0
    }

    private mutating func keep(_ name: RawSpan, _ value: RawSpan) {
        if name.byte(at: 0) == .colon { return addPseudo(name, value) }
        let id = FieldID.named(name, at: 0, count: name.byteCount, first: name.word(at: 0))
        switch id {
        case .host:
            if host != nil || value.hasControl { lines.problem = .hostDuplicate }
            host = []
            host?.append(value)
        case .cookie:
            // RFC 9113, 8.2.3: crumbs are put together again.
            if !cookie.isEmpty { cookie.append(literal: "; ") }
            cookie.append(value)
            if value.hasControl { lines.problem = .fieldValueInvalid }
        case .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade:
            // RFC 9113, 8.2.2.
            lines.problem = .fieldNameInvalid
        case .te where !value.isToken(0..<value.byteCount, "trailers"):
            lines.problem = .fieldValueInvalid
        default:
            // A key of the client's would be a second one.
            if asksForWebSocket, name.isToken(0..<name.byteCount, "sec-websocket-key") { return }
            lines.append(name, value)
        }
    }

    private mutating func addPseudo(_ name: RawSpan, _ value: RawSpan) {
        switch name.byteCount {
        case 5 where name.isToken(0..<5, ":path"): path.append(value)
        case 7 where name.isToken(0..<7, ":method"): method.append(value)
        case 7 where name.isToken(0..<7, ":scheme"): scheme.append(value)
        case 9 where name.isToken(0..<9, ":protocol"): connectProtocol.append(value)
        case 10 where name.isToken(0..<10, ":authority"): authority.append(value)
        default: lines.problem = .fieldNameInvalid
        }
    }

    /// Writes the head: request line, Host, the fields, and the framing of a body that is to come in pieces.
    ///
    /// Throws what makes it no request; nothing of use is written then. What else may be wrong with it, parsing tells.
    /// - Parameter webSocketKey: chance, for a key that proves nothing here but must be there (RFC 6455, 4.1).
    package func write(
        hasBody: Bool, webSocketKey: (UInt64, UInt64) = (0, 0), into out: inout WriteBuffer
    ) throws(Malformed) {
        if isTooLarge { throw .headTooLarge }
        if let problem = lines.problem { throw problem }
        guard !method.isEmpty, method.allSatisfy(\.isTokenByte) else { throw .methodInvalid }
        let isConnect = isMethod("CONNECT") && !asksForWebSocket
        if asksForWebSocket { out.append("GET") } else { out.append(method.span) }
        out.append(" ")
        if isConnect {
            guard !authority.isEmpty, authority.allSatisfy(\.isVisible) else { throw .authorityInvalid }
            out.append(authority.span)
        } else {
            // RFC 9113, 8.3.1.
            guard !scheme.isEmpty, path.first == UInt8(ascii: "/") || path == [UInt8(ascii: "*")],
                path.allSatisfy(\.isVisible)
            else { throw .targetInvalid }
            out.append(path.span)
        }
        out.append(" HTTP/1.1\r\n")
        try writeHost(into: &out)
        if !cookie.isEmpty {
            out.append("cookie: ")
            out.append(cookie.span)
            out.append("\r\n")
        }
        out.append(lines.bytes.span)
        if asksForWebSocket {
            out.append("connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ")
            out.append(base64: webSocketKey)
            out.append("\r\n")
        } else if hasBody, !lines.hasLength {
            out.append("transfer-encoding: chunked\r\n")
        }
        out.append("\r\n")
        if out.overflowed { throw .headTooLarge }
    }

    /// Visits the lines of a trailer section that may be passed on, each with its line end (see `FieldID`). Throws what
    /// makes it none.
    package func visitTrailers(_ visit: (RawSpan) -> Void) throws(Malformed) {
        if isTooLarge { throw .trailersTooLarge }
        guard method.isEmpty, path.isEmpty, scheme.isEmpty, authority.isEmpty, host == nil else {
            throw .fieldNameInvalid
        }
        try lines.visitTrailers(visit)
    }

    /// One Host, which `:authority` decides (RFC 9113, 8.3.1).
    private func writeHost(into out: inout WriteBuffer) throws(Malformed) {
        if let host, !authority.isEmpty, !isSameHost(host, authority) { throw .hostInvalid }
        let value = authority.isEmpty ? host ?? [] : authority
        guard !value.isEmpty else { throw .hostMissing }
        out.append("host: ")
        out.append(value.span)
        out.append("\r\n")
    }

    private func isSameHost(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        a.elementsEqual(b) { $0 | ($0.isLetter ? 0x20 : 0) == $1 | ($1.isLetter ? 0x20 : 0) }
    }

    private func isMethod(_ name: String) -> Bool { method.elementsEqual(name.utf8) }
}

extension WriteBuffer {
    /// Sixteen bytes in base64 (RFC 4648, 4): 24 characters.
    fileprivate mutating func append(base64 words: (UInt64, UInt64)) {
        let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        for i in 0..<22 {
            let digit: UInt64
            switch 6 * i {
            case ..<60: digit = words.0 >> UInt64(58 - 6 * i)
            case 60: digit = words.0 << 2 | words.1 >> 62
            case 126: digit = words.1 << 4
            default: digit = words.1 >> UInt64(122 - 6 * i)
            }
            // Within the alphabet: six bits.
            append(byte: unsafe alphabet.utf8Start[Int(digit & 63)])
        }
        append("==")
    }
}

extension UInt8 {
    var isVisible: Bool { self > 0x20 && self != 0x7f }
}
