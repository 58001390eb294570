/// How a response's body is framed.
package enum ResponseBody: Sendable, Equatable {
    /// By the request's method or the status there is none, whatever the fields say.
    case none
    case length(UInt64)
    case chunked
    /// All that comes until the connection is closed.
    case untilClose
}

/// A parsed response head; see `RequestHead` for how it is used.
package struct ResponseHead: ~Copyable {
    /// 100 to 599.
    package private(set) var status: UInt16 = 200
    /// The reason phrase as sent; empty if there is none, or a control byte in it.
    package private(set) var reason = ByteRange()
    /// All bytes of the head, with the empty line behind it.
    package private(set) var byteCount = 0
    /// 0 or 1.
    package private(set) var minorVersion: UInt8 = 1
    /// It was written down from an HTTP/2 answer. To be set after each `parse`.
    package var cameInHTTP2 = false
    package private(set) var body = ResponseBody.none
    /// Whether another request may follow on this connection once the body has been read to its end.
    package private(set) var isPersistent = true

    private(set) var fields: FieldTable
    private(set) var connection = ConnectionOptions()
    /// The status line can be passed on as it is, if its version can: it has the space behind the status that RFC 9112,
    /// 4 demands, and no control byte in its reason.
    private(set) var isStatusLineValid = true
    /// The version is one that is spoken here, and can be passed on as it is.
    private(set) var isVersionSpoken = true
    /// What a HEAD or 304 response says about the length of a body it does not have.
    private(set) var declaredLength: UInt64?

    /// `fieldLimit`: how many fields a head may have, whatever the limits given to `parse` say. Memory is allocated
    /// for as many at once: 20 bytes each.
    package init(fieldLimit: Int) {
        fields = FieldTable(capacity: fieldLimit)
    }

    /// Another response follows this one. True for 101 as well, behind which no response comes at all.
    package var isInterim: Bool { status < 200 }

    package var fieldCount: Int { fields.count }

    /// The field at `index` (below `fieldCount`), in the order sent.
    package func field(_ index: Int) -> Field { fields[index].field }

    /// The value of the first field of that identity.
    package func firstField(_ id: FieldID) -> ByteRange? {
        fields.firstIndex(of: id).map { fields[$0].value }
    }

    /// The next field of this name, given in lower case, at `index` or behind it.
    package func nextField(named name: RawSpan, from index: Int, in bytes: RawSpan) -> Int? {
        fields.nextIndex(named: name, from: index, in: bytes)
    }

    /// Parses the head that begins with the first of `bytes`, of a response to a request with that method.
    ///
    /// Given part of a head, `incomplete` is returned unless the part is already refused; parse again from the same
    /// first byte when there is more. What follows a complete head is not looked at.
    package mutating func parse(
        _ bytes: RawSpan, forRequest method: Method, _ limits: HeadLimits
    ) throws(Malformed) -> HeadProgress {
        if bytes.byteCount > HeadLimits.largest { throw .headTooLarge }
        guard let fieldsStart = try parseStatusLine(bytes),
            let end = try fields.parse(bytes, from: fieldsStart, countLimit: limits.fieldCount)
        else {
            if bytes.byteCount >= limits.headBytes { throw .headTooLarge }
            return .incomplete
        }
        if end > limits.headBytes { throw .headTooLarge }
        byteCount = end
        cameInHTTP2 = false
        connection = fields.present.contains(.connection) ? try ConnectionOptions(fields, bytes) : ConnectionOptions()
        isPersistent = !connection.close && (minorVersion > 0 || connection.keepAlive)
        try readFraming(bytes, method)
        return .complete(headBytes: end)
    }

    /// RFC 9112, 4: `HTTP-version SP status-code SP [ reason-phrase ] CRLF`; the second space may be missing together
    /// with the reason, as many servers have it. A reason with control bytes is dropped: nobody acts upon its text.
    @inline(__always)
    private mutating func parseStatusLine(_ bytes: RawSpan) throws(Malformed) -> Int? {
        let version = bytes.word(at: 0)
        if version == Words.word("HTTP/1.1") {
            minorVersion = 1
        } else if version == Words.word("HTTP/1.0") {
            minorVersion = 0
        } else if Words.keep(version, 7) == Words.word("HTTP/1."), bytes.byte(at: 7).isDigit {
            // RFC 9110, 2.5: a higher minor version is read as the highest that is spoken.
            minorVersion = 1
        } else {
            try Self.refuseVersion(bytes)
            return nil
        }
        isVersionSpoken = bytes.byte(at: 7) <= UInt8(ascii: "1")
        // " 200 OK\r\n" and the like.
        guard bytes.byte(at: 8) == .space else {
            try FieldLine.refuseUnlessIncomplete(bytes, at: 8, .statusLineInvalid)
            return nil
        }
        var number: UInt16 = 0
        for i in 9..<12 {
            let byte = bytes.byte(at: i)
            guard byte.isDigit else {
                try FieldLine.refuseUnlessIncomplete(bytes, at: i, .statusInvalid)
                return nil
            }
            number = number &* 10 &+ UInt16(byte &- 0x30)
        }
        if number < 100 || number > 599 { throw .statusInvalid }
        var end = 12
        let hasReason = bytes.byte(at: end) == .space
        isStatusLineValid = hasReason
        if hasReason {
            end = FieldLine.textEnd(bytes, from: 13, bytes.word(at: 13))
        }
        if Words.keep(bytes.word(at: end), 2) != Words.word("\r\n") {
            guard hasReason, let lineEnd = try Self.spoiltReasonEnd(bytes, from: end) else {
                if !hasReason { try FieldLine.refuseUnlessIncomplete(bytes, at: end, .statusInvalid) }
                return nil
            }
            isStatusLineValid = false
            end = lineEnd
        }
        status = number
        reason = isStatusLineValid ? ByteRange(13, end) : ByteRange()
        return end &+ 2
    }

    /// Where the line ends whose reason has a control byte at `start`; nil if that has not come yet.
    private static func spoiltReasonEnd(_ bytes: RawSpan, from start: Int) throws(Malformed) -> Int? {
        var end = start
        while end < bytes.byteCount, bytes.byte(at: end) != .carriageReturn, bytes.byte(at: end) != .lineFeed {
            end = FieldLine.textEnd(bytes, from: end &+ 1, bytes.word(at: end &+ 1))
        }
        if Words.keep(bytes.word(at: end), 2) == Words.word("\r\n") { return end }
        try FieldLine.refuseUnlessIncomplete(bytes, at: end, .statusLineInvalid)
        return nil
    }

    /// No version that is spoken here: refused, unless it may still become one.
    private static func refuseVersion(_ bytes: RawSpan) throws(Malformed) {
        let expected: StaticString = "HTTP/1."
        for i in 0..<7 {
            if i >= bytes.byteCount { return }
            // Within the literal: it has seven bytes.
            let byte = unsafe expected.utf8Start[i]
            if bytes.byte(at: i) != byte {
                try FieldLine.refuseUnlessIncomplete(bytes, at: i, .statusLineInvalid)
                return
            }
        }
        if bytes.byteCount > 7 { throw .statusLineInvalid }
    }

    /// RFC 9112, 6.3, without its recoveries: what says two things about its length is refused.
    @inline(__always)
    private mutating func readFraming(_ bytes: RawSpan, _ method: Method) throws(Malformed) {
        declaredLength = nil
        let hasEncoding = fields.present.contains(.transferEncoding)
        let hasLength = fields.present.contains(.contentLength)
        if method == .head || status < 200 || status == 204 || status == 304 {
            return try readBodiless(bytes, hasEncoding, hasLength)
        }
        if hasEncoding {
            if hasLength { throw .lengthAndEncoding }
            if minorVersion == 0 { throw .encodingInHTTP10 }
            try Framing.checkTransferEncoding(fields, bytes)
            body = .chunked
        } else if hasLength {
            body = .length(try Framing.contentLength(fields, bytes))
        } else {
            body = .untilClose
            isPersistent = false
        }
    }

    private mutating func readBodiless(
        _ bytes: RawSpan, _ hasEncoding: Bool, _ hasLength: Bool
    ) throws(Malformed) {
        body = .none
        if status < 200, hasEncoding || hasLength { throw .framingOnInterim }
        if hasLength {
            let length = try Framing.contentLength(fields, bytes)
            if !hasEncoding { declaredLength = length }
            // A body that must not be there may follow all the same.
            if status == 204, length > 0 { isPersistent = false }
        }
        if hasEncoding, hasLength || status == 204 || minorVersion == 0 { isPersistent = false }
    }
}
