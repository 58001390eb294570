/// How a request's body is framed.
package enum RequestBody: Sendable, Equatable {
    /// There is none, and nothing said so.
    case none
    /// Content-Length; may be 0.
    case length(UInt64)
    case chunked
}

/// A parsed request head: where everything lies in the bytes it was parsed from, and what it means.
///
/// Reused from message to message; after `parse` has returned `complete` it describes that message until the next
/// call. Ranges are offsets into the bytes given to `parse`. Parsing neither allocates nor keeps the bytes.
package struct RequestHead: ~Copyable {
    package private(set) var method = Method.get
    /// The method as sent.
    package private(set) var methodRange = ByteRange()
    /// All bytes of the head, with empty lines before it and the one behind it.
    package private(set) var byteCount = 0
    /// 0 or 1.
    package private(set) var minorVersion: UInt8 = 1
    package private(set) var body = RequestBody.none
    /// Whether the client wants to go on with this connection; a body must have been read to its end before.
    package private(set) var isPersistent = true
    /// The client waits for `100 Continue` before it sends the body. Never set for HTTP/1.0 (RFC 9110, 10.1.1).
    package private(set) var expectsContinue = false
    /// What the client would change to: the value of the Upgrade field, if Connection names it. Nil for HTTP/1.0, for
    /// repeated fields, and when `h2c` is among the protocols, which is never forwarded.
    package private(set) var upgrade: ByteRange?

    private(set) var parts = RequestTarget()
    private(set) var fields: FieldTable
    private(set) var connection = ConnectionOptions()
    private var authorityRange = ByteRange()
    private var hostCount = 0
    /// The authority may be written in a `token` or `quoted-string` place without quotes.
    private(set) var isAuthorityToken = false

    /// Empty lines before a request line that are overlooked (RFC 9112, 2.2): some clients send one behind a body.
    static let emptyLineLimit = 8

    /// `fieldLimit`: how many fields a head may have, whatever the limits given to `parse` say. Memory is allocated
    /// for as many at once: 20 bytes each.
    package init(fieldLimit: Int) {
        fields = FieldTable(capacity: fieldLimit)
    }

    // The target

    package var targetForm: TargetForm { parts.form }

    /// The target as sent.
    package var target: ByteRange { parts.target }

    /// The path part of the target as sent: nothing is decoded, no dot segment or doubled slash removed, so what is
    /// matched here is what is forwarded.
    ///
    /// Empty for `*` and authority form, and for an absolute target without one (`http://host?q`), which stands for
    /// `/` and is forwarded so (or as `*`, if the method is OPTIONS and there is no query).
    package var path: ByteRange { parts.path }

    /// With its `?`; empty if there is none.
    package var query: ByteRange { parts.query }

    /// `host[:port]`: the target's, in absolute and authority form, whatever Host says; else the value of Host, which
    /// an HTTP/1.0 client may have left out, and then this is empty.
    package var authority: ByteRange { authorityRange }

    /// The authority without its port; brackets of an IPv6 address are kept.
    package var host: ByteRange {
        ByteRange(start: authorityRange.start, count: UInt32(truncatingIfNeeded: hostCount))
    }

    /// Whether the client's own connection was encrypted: this one, or the one that a trusted proxy tells of
    /// (X-Forwarded-Proto, whose first element is the client's).
    package func isSecure(_ bytes: RawSpan, _ client: ClientContext) -> Bool {
        guard client.isTrusted, let told = firstField(.xForwardedProto) else { return client.scheme == .https }
        let end = told.bounds.first { bytes.byte(at: $0) == UInt8(ascii: ",") || bytes.byte(at: $0) == 0x20 }
        return bytes.isToken(told.bounds.lowerBound..<(end ?? told.bounds.upperBound), "https")
    }

    // Fields

    package var fieldCount: Int { fields.count }

    /// The field at `index` (below `fieldCount`), in the order sent.
    package func field(_ index: Int) -> Field { fields[index].field }

    /// The value of the first field of that identity. Of Host and Content-Length there is at most one.
    package func firstField(_ id: FieldID) -> ByteRange? {
        fields.firstIndex(of: id).map { fields[$0].value }
    }

    /// The next field of this name, given in lower case, at `index` or behind it: all values of a field are visited by
    /// going on behind the one found.
    package func nextField(named name: RawSpan, from index: Int, in bytes: RawSpan) -> Int? {
        fields.nextIndex(named: name, from: index, in: bytes)
    }

    package var hasBody: Bool {
        switch body {
        case .none: false
        case .length(let length): length > 0
        case .chunked: true
        }
    }

    /// Whether the body is forwarded in chunks: `encodeRequest` has written `transfer-encoding: chunked`.
    package var sendsChunks: Bool { body == .chunked }

    /// The value of Max-Forwards, for the methods it is defined for (TRACE and OPTIONS, RFC 9110, 7.6.2), if it has
    /// one. With 0 the request must not be forwarded: the caller answers it.
    package func maxForwards(_ bytes: RawSpan) -> UInt64? {
        guard method == .trace || method == .options, let value = firstField(.maxForwards), !value.isEmpty else {
            return nil
        }
        var number: UInt64 = 0
        for i in value.bounds {
            let byte = bytes.byte(at: i)
            guard byte.isDigit else { return nil }
            // More hops than anybody has: the number stays where it is.
            number = min(number &* 10 &+ UInt64(byte &- 0x30), 1_000_000)
        }
        return number
    }

    /// The client says that it takes trailers (TE, RFC 9110, 10.1.4), which gRPC servers insist on.
    package func acceptsTrailers(_ bytes: RawSpan) -> Bool {
        guard let value = firstField(.te) else { return false }
        var members = ListMembers(of: value)
        while let member = members.next(in: bytes) {
            if bytes.isToken(member, "trailers") { return true }
        }
        return false
    }

    // Parsing

    /// Parses the head that begins with the first of `bytes`.
    ///
    /// Given part of a head, `incomplete` is returned unless the part is already refused; parse again from the same
    /// first byte when there is more. What follows a complete head is not looked at.
    package mutating func parse(_ bytes: RawSpan, _ limits: HeadLimits) throws(Malformed) -> HeadProgress {
        if bytes.byteCount > HeadLimits.largest { throw .headTooLarge }
        guard let start = try Self.skipEmptyLines(bytes),
            let fieldsStart = try parseRequestLine(bytes, from: start, limits),
            let end = try fields.parse(bytes, from: fieldsStart, countLimit: limits.fieldCount)
        else {
            if bytes.byteCount >= limits.headBytes { throw .headTooLarge }
            return .incomplete
        }
        if end > limits.headBytes { throw .headTooLarge }
        byteCount = end
        try readAuthority(bytes)
        try readFraming(bytes)
        try readConnection(bytes)
        return .complete(headBytes: end)
    }

    @inline(__always)
    private static func skipEmptyLines(_ bytes: RawSpan) throws(Malformed) -> Int? {
        let first = bytes.byte(at: 0)
        return first == .carriageReturn || first == .lineFeed ? try emptyLinesEnd(bytes) : 0
    }

    private static func emptyLinesEnd(_ bytes: RawSpan) throws(Malformed) -> Int? {
        var offset = 0
        while Words.keep(bytes.word(at: offset), 2) == Words.word("\r\n") {
            offset &+= 2
            if offset > 2 &* emptyLineLimit { throw .requestLineInvalid }
        }
        let byte = bytes.byte(at: offset)
        guard byte == .carriageReturn || byte == .lineFeed else { return offset }
        try FieldLine.refuseUnlessIncomplete(bytes, at: offset, .requestLineInvalid)
        return nil
    }

    /// RFC 9112, 3: `method SP request-target SP HTTP-version CRLF`, with exactly one space in each place.
    @inline(__always)
    private mutating func parseRequestLine(
        _ bytes: RawSpan, from start: Int, _ limits: HeadLimits
    ) throws(Malformed) -> Int? {
        let methodCount: Int
        if let (known, count) = Method.known(bytes.word(at: start)) {
            method = known
            methodCount = count
        } else {
            guard let count = try Self.otherMethodCount(bytes, start) else { return nil }
            method = .other
            methodCount = count
        }
        methodRange = ByteRange(start, start &+ methodCount)
        let targetStart = start &+ methodCount &+ 1
        guard let (targetEnd, queryStart) = try RequestTarget.scan(bytes, from: targetStart) else {
            if bytes.byteCount &- targetStart > limits.targetBytes { throw .targetTooLong }
            return nil
        }
        if targetEnd &- targetStart > limits.targetBytes { throw .targetTooLong }
        parts = try RequestTarget(bytes, from: targetStart, end: targetEnd, queryStart: queryStart, method: method)

        let version = bytes.word(at: targetEnd &+ 1)
        if version == Words.word("HTTP/1.1") {
            minorVersion = 1
        } else if version == Words.word("HTTP/1.0") {
            minorVersion = 0
        } else {
            try Self.refuseVersion(bytes, targetEnd &+ 1)
            return nil
        }
        let lineEnd = targetEnd &+ 9
        if Words.keep(bytes.word(at: lineEnd), 2) == Words.word("\r\n") { return lineEnd &+ 2 }
        try FieldLine.refuseUnlessIncomplete(bytes, at: lineEnd, .requestLineInvalid)
        return nil
    }

    /// Any token is a method; nil if the space behind it has not come yet.
    private static func otherMethodCount(_ bytes: RawSpan, _ start: Int) throws(Malformed) -> Int? {
        var end = start
        while bytes.byte(at: end).isTokenByte { end &+= 1 }
        if end >= bytes.byteCount { return nil }
        switch bytes.byte(at: end) {
        case .space where end > start: return end &- start
        case .carriageReturn where bytes.byte(at: end &+ 1) == .lineFeed: throw .requestLineInvalid
        case .carriageReturn, .lineFeed:
            try FieldLine.refuseUnlessIncomplete(bytes, at: end, .methodInvalid)
            return nil
        default: throw .methodInvalid
        }
    }

    /// A version that is neither 1.0 nor 1.1: refused, unless it may still become one.
    private static func refuseVersion(_ bytes: RawSpan, _ start: Int) throws(Malformed) {
        let expected: StaticString = "HTTP/"
        for i in 0..<5 {
            let offset = start &+ i
            if offset >= bytes.byteCount { return }
            // Within the literal: it has five bytes.
            let byte = unsafe expected.utf8Start[i]
            if bytes.byte(at: offset) != byte {
                try FieldLine.refuseUnlessIncomplete(bytes, at: offset, .requestLineInvalid)
                return
            }
        }
        if start &+ 8 > bytes.byteCount { return }
        guard bytes.byte(at: start &+ 5).isDigit, bytes.byte(at: start &+ 6) == UInt8(ascii: "."),
            bytes.byte(at: start &+ 7).isDigit
        else { throw .requestLineInvalid }
        throw .versionUnsupported
    }

    // What the fields mean

    @inline(__always)
    private mutating func readAuthority(_ bytes: RawSpan) throws(Malformed) {
        guard let index = fields.firstIndex(of: .host) else {
            if minorVersion > 0 { throw .hostMissing }
            authorityRange = parts.authority
            hostCount = parts.hostCount
            isAuthorityToken = parts.isToken
            return
        }
        if fields.repeated.contains(.host) { throw .hostDuplicate }
        let value = fields[index].value
        guard let shape = Authority(bytes, value.bounds) else { throw .hostInvalid }
        if parts.form == .absolute || parts.form == .authority {
            // RFC 9112, 3.2.2: the target's authority is the one that counts.
            authorityRange = parts.authority
            hostCount = parts.hostCount
            isAuthorityToken = parts.isToken
        } else {
            authorityRange = value
            hostCount = shape.hostCount
            isAuthorityToken = shape.isPlain && !shape.hasPort && !value.isEmpty
        }
    }

    @inline(__always)
    private mutating func readFraming(_ bytes: RawSpan) throws(Malformed) {
        if fields.present.contains(.transferEncoding) {
            if fields.present.contains(.contentLength) { throw .lengthAndEncoding }
            if minorVersion == 0 { throw .encodingInHTTP10 }
            try Framing.checkTransferEncoding(fields, bytes)
            body = .chunked
        } else if fields.present.contains(.contentLength) {
            body = .length(try Framing.contentLength(fields, bytes))
        } else {
            body = .none
        }
    }

    @inline(__always)
    private mutating func readConnection(_ bytes: RawSpan) throws(Malformed) {
        connection = fields.present.contains(.connection) ? try ConnectionOptions(fields, bytes) : ConnectionOptions()
        isPersistent = !connection.close && (minorVersion > 0 || connection.keepAlive)
        expectsContinue = fields.present.contains(.expect) ? try readExpectation(bytes) : false
        upgrade = connection.upgrade ? upgradeValue(bytes) : nil
    }

    /// Only `100-continue` is defined; what is nearly that is treated differently by different servers, which then
    /// disagree on whether a body follows. So everything else is refused, as RFC 9110, 10.1.1 allows.
    private func readExpectation(_ bytes: RawSpan) throws(Malformed) -> Bool {
        if minorVersion == 0 { return false }
        var index = fields.firstIndex(of: .expect)
        while let i = index {
            if !bytes.isToken(fields[i].value.bounds, "100-continue") { throw .expectationUnknown }
            index = fields.nextIndex(of: .expect, from: i &+ 1)
        }
        return true
    }

    private func upgradeValue(_ bytes: RawSpan) -> ByteRange? {
        guard minorVersion > 0, let value = firstField(.upgrade), !fields.repeated.contains(.upgrade) else {
            return nil
        }
        var members = ListMembers(of: value)
        while let member = members.next(in: bytes) {
            if member.isEmpty || bytes.isToken(member, "h2c") { return nil }
        }
        return value
    }

    /// Whether every protocol that `answer`, a 101, changes to is among those that this request's `upgrade` names.
    package func asksFor(_ answer: borrowing ResponseHead, _ answerBytes: RawSpan, in bytes: RawSpan) -> Bool {
        guard let upgrade, let chosen = answer.firstField(.upgrade), !answer.fields.repeated.contains(.upgrade) else {
            return false
        }
        var members = ListMembers(of: chosen)
        while let member = members.next(in: answerBytes) {
            let name = answerBytes.extracting(member)
            var asked = ListMembers(of: upgrade)
            var isAsked = false
            while let one = asked.next(in: bytes) { isAsked = isAsked || bytes.extracting(one).isSameToken(as: name) }
            if member.isEmpty || !isAsked { return false }
        }
        return true
    }
}
