/// Writes a request head as it goes to an upstream.
///
/// Always HTTP/1.1 with exactly one Host, in origin form (or `*`); hop-by-hop fields are gone, and what Connection
/// names; framing is written from `head.body`: a body without a length goes in chunks (`head.sendsChunks`). Via,
/// Forwarded and X-Forwarded-… are added to, kept or replaced as `client.isTrusted` has it. Fields that stay are
/// copied in runs, from one that is dropped to the next.
///
/// - Parameters:
///   - head: as parsed from `bytes`. Not of a CONNECT, which is not forwarded. `maxForwards` is not 0.
///   - rewrite: replaces the beginning of the path.
///   - host: the line of Host that is sent in place of the client's, with its line end; nil: the client's.
///   - keepsUpgrade: passes on `head.upgrade`, if there is one.
///   - out: has `overflowed` if it was too small, and then holds no part of the head's last piece.
package func encodeRequest(
    _ head: borrowing RequestHead, _ bytes: RawSpan, client: ClientContext, rewrite: PathRewrite? = nil,
    edits: borrowing CompiledEdits, host: [UInt8]? = nil, keepsUpgrade: Bool = false, into out: inout WriteBuffer
) {
    precondition(head.method != .connect, "CONNECT is not forwarded")
    var drop = FieldSet.hopByHop
    drop.bits |= FieldID.underscoreAlias.bit | FieldID.expect.bit
    drop.formUnion(edits.replaced)
    if client.isTrusted {
        drop.bits |= FieldID.xForwardedFor.bit | FieldID.forwarded.bit
    } else {
        drop.formUnion(.forwarding)
    }
    let writesHost = host != nil || head.targetForm == .absolute || !head.fields.present.contains(.host)
    if writesHost { drop.insert(.host) }
    let keepsLength = head.keepsLengthLine(bytes)
    if !keepsLength { drop.insert(.contentLength) }
    let hops = head.maxForwards(bytes)
    if hops != nil { drop.insert(.maxForwards) }

    let keepsStartLine = rewrite == nil && host == nil && head.minorVersion == 1 && head.targetForm != .absolute
    if !keepsStartLine { writeRequestLine(head, bytes, rewrite, into: &out) }
    if let host {
        out.append(host.span)
    } else if writesHost && !edits.replaced.contains(.host) {
        out.append("host: ")
        out.append(bytes, head.authority)
        out.append("\r\n")
    }
    let start = keepsStartLine ? Int(head.methodRange.start) : head.fields.start(orEnd: head.byteCount)
    copyKept(
        head.fields, bytes, from: start, to: head.byteCount, dropping: drop, named: head.connection.namesFields, edits,
        into: &out)

    switch head.body {
    case .chunked: out.append("transfer-encoding: chunked\r\n")
    case .length(let length) where !keepsLength:
        out.append("content-length: ")
        out.append(decimal: length)
        out.append("\r\n")
    default: break
    }
    if head.expectsContinue { out.append("expect: 100-continue\r\n") }
    if let hops {
        out.append("max-forwards: ")
        out.append(decimal: hops == 0 ? 0 : hops &- 1)
        out.append("\r\n")
    }
    if keepsUpgrade, let upgrade = head.upgrade {
        out.append("connection: upgrade\r\nupgrade: ")
        out.append(bytes, upgrade)
        out.append("\r\n")
    }
    writeForwarding(head, bytes, client, edits, into: &out)
    if !edits.replaced.contains(.via) {
        out.append(viaMinorVersion: head.minorVersion, isHTTP2: client.speaksHTTP2, by: client.pseudonym)
    }
    if !client.identity.isEmpty { out.append(client.identity.span) }
    if !edits.lines.isEmpty { out.append(edits.lines.span) }
    out.append("\r\n")
}

extension RequestHead {
    /// Whether the Content-Length line is passed on as it is, being what would be written.
    fileprivate func keepsLengthLine(_ bytes: RawSpan) -> Bool {
        guard case .length = body else { return false }
        return Framing.isCanonicalLength(fields, bytes)
    }
}

extension FieldTable {
    /// Where the first field line begins; without fields, the empty line of a head of that size.
    func start(orEnd byteCount: Int) -> Int {
        count > 0 ? Int(self[0].lineStart) : byteCount &- 2
    }
}

private func writeRequestLine(
    _ head: borrowing RequestHead, _ bytes: RawSpan, _ rewrite: PathRewrite?, into out: inout WriteBuffer
) {
    out.append(bytes, head.methodRange)
    out.append(byte: .space)
    if head.targetForm == .asterisk {
        out.append("*")
    } else if head.path.isEmpty && head.query.isEmpty && head.method == .options {
        // RFC 9112, 3.2.4: an absolute target without path and query stands for `*`.
        out.append("*")
    } else {
        if let rewrite {
            rewrite.write(head.path, of: bytes, into: &out)
        } else if head.path.isEmpty {
            out.append("/")
        } else {
            out.append(bytes, head.path)
        }
        out.append(bytes, head.query)
    }
    out.append(" HTTP/1.1\r\n")
}

/// Copies the lines from `start` to the empty line before `end`, without those to be dropped.
func copyKept(
    _ fields: borrowing FieldTable, _ bytes: RawSpan, from start: Int, to end: Int, dropping drop: FieldSet,
    named namesFields: Bool, _ edits: borrowing CompiledEdits, into out: inout WriteBuffer
) {
    let comparesNames = namesFields || edits.dropsNames
    var run = start
    if comparesNames || !fields.present.isDisjoint(with: drop) {
        for i in 0..<fields.count {
            let record = fields[i]
            let isDropped =
                drop.contains(record.id)
                || (comparesNames && record.id.isShared
                    && isNamed(record, fields, bytes, namesFields, edits))
            if isDropped {
                out.append(bytes, run, Int(record.lineStart))
                run = Int(record.lineEnd)
            }
        }
    }
    out.append(bytes, run, end &- 2)
}

@inline(never)
private func isNamed(
    _ record: FieldTable.Record, _ fields: borrowing FieldTable, _ bytes: RawSpan, _ namesFields: Bool,
    _ edits: borrowing CompiledEdits
) -> Bool {
    if edits.drops(record.name, of: bytes) { return true }
    return namesFields && record.id == .other && ConnectionOptions.name(record.name.bounds, in: fields, bytes)
}

/// Forwarded (RFC 7239) and its older kin. Of a trusted peer, lists are continued, and what it says of scheme and
/// host stands; of others, nothing is left.
@inline(__always)
private func writeForwarding(
    _ head: borrowing RequestHead, _ bytes: RawSpan, _ client: ClientContext, _ edits: borrowing CompiledEdits,
    into out: inout WriteBuffer
) {
    let isPlain = !client.isTrusted || head.fields.present.isDisjoint(with: .forwarding)
    guard isPlain, edits.replaced.isDisjoint(with: .forwarding), !head.authority.isEmpty else {
        return continueForwarding(head, bytes, client, edits, into: &out)
    }
    out.append(client.prelude.span.extracting(0..<client.preludeCount))
    if head.isAuthorityToken {
        out.append(bytes, head.authority)
        out.append("\r\nx-forwarded-host: ")
    } else {
        out.append("\"")
        out.append(bytes, head.authority)
        out.append("\"\r\nx-forwarded-host: ")
    }
    out.append(bytes, head.authority)
    out.append("\r\n")
}

/// The same line by line.
@inline(never)
private func continueForwarding(
    _ head: borrowing RequestHead, _ bytes: RawSpan, _ client: ClientContext, _ edits: borrowing CompiledEdits,
    into out: inout WriteBuffer
) {
    let believed = client.isTrusted ? head.fields.present : FieldSet()
    if !edits.replaced.contains(.xForwardedFor), client.addressCount > 0 || believed.contains(.xForwardedFor) {
        out.append("x-forwarded-for: ")
        if joinValues(of: .xForwardedFor, believed, head.fields, bytes, into: &out), client.addressCount > 0 {
            out.append(", ")
        }
        out.append(client.address.span.extracting(0..<client.addressCount))
        out.append("\r\n")
    }
    if !edits.replaced.contains(.xForwardedProto), !believed.contains(.xForwardedProto) {
        out.append("x-forwarded-proto: ")
        out.append(client.scheme.text)
        out.append("\r\n")
    }
    if !edits.replaced.contains(.xForwardedHost), !believed.contains(.xForwardedHost), !head.authority.isEmpty {
        out.append("x-forwarded-host: ")
        out.append(bytes, head.authority)
        out.append("\r\n")
    }
    guard !edits.replaced.contains(.forwarded) else { return }
    out.append("forwarded: ")
    if joinValues(of: .forwarded, believed, head.fields, bytes, into: &out) { out.append(", ") }
    out.append(client.prelude.span.extracting(client.element))
    if !head.authority.isEmpty {
        out.append(";host=\"")
        out.append(bytes, head.authority)
        out.append("\"")
    }
    out.append("\r\n")
}

/// All values of a list-valued field as one, if it is believed. False: there is nothing to be continued.
private func joinValues(
    of id: FieldID, _ believed: FieldSet, _ fields: borrowing FieldTable, _ bytes: RawSpan,
    into out: inout WriteBuffer
) -> Bool {
    guard believed.contains(id) else { return false }
    var index = fields.firstIndex(of: id)
    var isFirst = true
    while let i = index {
        if !fields[i].value.isEmpty {
            if !isFirst { out.append(", ") }
            out.append(bytes, fields[i].value)
            isFirst = false
        }
        index = fields.nextIndex(of: id, from: i &+ 1)
    }
    return !isFirst
}
