/// How a response's body is framed toward the client.
package enum AnswerFraming: UInt8, Sendable {
    /// There is no body.
    case none
    /// As many bytes as Content-Length says.
    case length
    /// Each piece as a chunk: size in hexadecimal, CRLF, bytes, CRLF; then a chunk of size 0, trailers, and CRLF.
    case chunked
    /// As it is; the end of the connection is its end.
    case untilClose
}

/// Writes the head of a final response as it goes to a client, and says how its body must be framed.
///
/// Hop-by-hop fields are gone, and what Connection names; Via is added, and Date if there is none. A body whose
/// length is not known goes in chunks to HTTP/1.1 clients, and until the close to HTTP/1.0 clients.
///
/// - Parameters:
///   - head: as parsed from `bytes`; not of an interim response (`encodeInterim`).
///   - minorVersion: the client's.
///   - method: the request's.
///   - keepsAlive: whether the client's connection stays open; becomes false if the framing does not allow it.
///   - date: now.
///   - out: has `overflowed` if it was too small, and then holds no part of the head's last piece.
package func encodeResponse(
    _ head: borrowing ResponseHead, _ bytes: RawSpan, toMinorVersion minorVersion: UInt8, method: Method,
    keepsAlive: inout Bool, date: HTTPDate, edits: borrowing CompiledEdits, into out: inout WriteBuffer
) -> AnswerFraming {
    precondition(!head.isInterim, "an interim response is not an answer")
    let framing: AnswerFraming
    switch head.body {
    case .none: framing = .none
    case .length: framing = .length
    case .chunked, .untilClose: framing = minorVersion == 1 ? .chunked : .untilClose
    }
    if framing == .untilClose { keepsAlive = false }

    var drop = FieldSet.hopByHop
    drop.formUnion(edits.replaced)
    let length = head.lengthToWrite(method)
    if length == nil || !Framing.isCanonicalLength(head.fields, bytes) { drop.insert(.contentLength) }
    if framing != .chunked { drop.insert(.trailer) }
    let start = writeStatusLine(head, bytes, into: &out)
    copyKept(
        head.fields, bytes, from: start, to: head.byteCount, dropping: drop, named: head.connection.namesFields, edits,
        into: &out)

    if framing == .chunked { out.append("transfer-encoding: chunked\r\n") }
    if let length, drop.contains(.contentLength) {
        out.append("content-length: ")
        out.append(decimal: length)
        out.append("\r\n")
    }
    if !head.fields.present.contains(.date), !edits.replaced.contains(.date) { out.append(date) }
    if !edits.replaced.contains(.via) { out.append(viaMinorVersion: head.minorVersion, isHTTP2: head.cameInHTTP2) }
    out.append(persistence: keepsAlive, minorVersion: minorVersion)
    if !edits.lines.isEmpty { out.append(edits.lines.span) }
    out.append("\r\n")
    return framing
}

/// Writes an interim (1xx) response as it goes to an HTTP/1.1 client. False, and nothing is written: it is a `101` and
/// no upgrade is allowed.
@discardableResult
package func encodeInterim(
    _ head: borrowing ResponseHead, _ bytes: RawSpan, allowsUpgrade: Bool = false, into out: inout WriteBuffer
) -> Bool {
    precondition(head.isInterim, "a final response is not an interim one")
    if head.status == 101, !allowsUpgrade { return false }
    var drop = FieldSet.hopByHop
    drop.insert(.trailer)
    let start = writeStatusLine(head, bytes, into: &out)
    copyKept(
        head.fields, bytes, from: start, to: head.byteCount, dropping: drop, named: head.connection.namesFields,
        CompiledEdits(), into: &out)
    if head.status == 101 {
        out.append("connection: upgrade\r\n")
        if let protocols = head.firstField(.upgrade) {
            out.append("upgrade: ")
            out.append(bytes, protocols)
            out.append("\r\n")
        }
    }
    out.append("\r\n")
    return true
}

extension ResponseHead {
    /// The Content-Length the client is to see: the body's; or, of a body that is not sent, what the upstream said of
    /// it in answer to HEAD, or with 304 (RFC 9110, 8.6).
    fileprivate func lengthToWrite(_ method: Method) -> UInt64? {
        switch body {
        case .length(let length): length
        case .none where method == .head || status == 304: status == 204 ? nil : declaredLength
        default: nil
        }
    }
}

/// Writes the status line unless it can be copied as it is. Returns where copying begins.
@inline(__always)
private func writeStatusLine(
    _ head: borrowing ResponseHead, _ bytes: RawSpan, into out: inout WriteBuffer
) -> Int {
    if head.minorVersion == 1, head.isStatusLineValid, head.isVersionSpoken { return 0 }
    out.append("HTTP/1.1 ")
    out.append(decimal: UInt64(head.status))
    out.append(" ")
    out.append(bytes, head.reason)
    out.append("\r\n")
    return head.fields.start(orEnd: head.byteCount)
}

extension WriteBuffer {
    mutating func append(_ date: HTTPDate) {
        append("date: ")
        append(date.bytes.span)
        append("\r\n")
    }

    /// RFC 9110, 7.6.3: the version a message came in, and who passed it on.
    @inline(__always)
    mutating func append(viaMinorVersion minorVersion: UInt8, isHTTP2: Bool) {
        if isHTTP2 {
            append("via: 2.0 spillway\r\n")
        } else if minorVersion == 1 {
            append("via: 1.1 spillway\r\n")
        } else {
            append("via: 1.0 spillway\r\n")
        }
    }

    /// What HTTP/1.1 clients take for granted is not said.
    @inline(__always)
    mutating func append(persistence keepsAlive: Bool, minorVersion: UInt8) {
        if !keepsAlive {
            append("connection: close\r\n")
        } else if minorVersion == 0 {
            append("connection: keep-alive\r\n")
        }
    }
}
