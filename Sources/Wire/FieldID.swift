/// A field that something in Spillway knows by name. Anything else is `other`.
///
/// A field with an identity is never dropped because a Connection field names it (unless it is hop-by-hop anyway),
/// and never passed on as a trailer: only fields that nobody here or behind us acts upon early are.
package enum FieldID: UInt8, Sendable, Hashable, CaseIterable {
    case other

    // Framing and routing
    case host, contentLength, transferEncoding, expect, maxForwards

    // Between two neighbors only
    case connection, keepAlive, proxyConnection, te, trailer, upgrade, http2Settings

    // Who forwarded, for whom
    case via, forwarded, xForwardedFor, xForwardedProto, xForwardedHost
    /// Any other `x-forwarded-…`.
    case xForwardedOther
    case xRealIP

    /// A name that becomes one of those above when `_` is read as `-`, as gateways to CGI and its heirs do.
    case underscoreAlias

    // Credentials and sessions
    case authorization, proxyAuthorization, proxyAuthenticate, wwwAuthenticate, cookie, setCookie

    // About the content, and the answer
    case contentType, contentEncoding, contentRange, range, cacheControl, date, server, location, retryAfter

    // For logs and routing
    case userAgent, referer, origin, spillwayError

    /// This field's place in a `FieldSet`.
    @inline(__always)
    var bit: UInt64 { 1 &<< UInt64(rawValue) }
}

/// A set of field identities.
struct FieldSet: Sendable, Equatable {
    var bits: UInt64 = 0

    @inline(__always)
    func contains(_ id: FieldID) -> Bool { bits & id.bit != 0 }

    @inline(__always)
    mutating func insert(_ id: FieldID) { bits |= id.bit }

    @inline(__always)
    mutating func formUnion(_ other: FieldSet) { bits |= other.bits }

    @inline(__always)
    mutating func subtract(_ other: FieldSet) { bits &= ~other.bits }

    @inline(__always)
    func isDisjoint(with other: FieldSet) -> Bool { bits & other.bits == 0 }

    /// Meant for the next neighbor only, never passed on (RFC 9110, 7.6.1): Connection itself and what every
    /// intermediary drops whether Connection names it or not. Proxy-Authorization and Proxy-Authenticate are not
    /// among them: a proxy that did not ask for credentials may relay them (RFC 9110, 11.7).
    @inline(__always)
    static var hopByHop: FieldSet {
        FieldSet(
            bits: FieldID.connection.bit | FieldID.keepAlive.bit | FieldID.proxyConnection.bit | FieldID.te.bit
                | FieldID.transferEncoding.bit | FieldID.upgrade.bit | FieldID.http2Settings.bit)
    }

    /// What a client may say of who it forwards for only if it is trusted.
    @inline(__always)
    static var forwarding: FieldSet {
        FieldSet(
            bits: FieldID.forwarded.bit | FieldID.xForwardedFor.bit | FieldID.xForwardedProto.bit
                | FieldID.xForwardedHost.bit | FieldID.xForwardedOther.bit | FieldID.xRealIP.bit)
    }

    /// Those whose name with `_` for `-` is an `underscoreAlias`.
    static var aliased: FieldSet {
        var set = hopByHop
        set.formUnion(forwarding)
        set.bits |= FieldID.host.bit | FieldID.contentLength.bit | FieldID.trailer.bit | FieldID.expect.bit
            | FieldID.maxForwards.bit | FieldID.via.bit
        return set
    }
}

extension FieldID {
    /// The field named by the token of `count` bytes at `start`; `first` is the word there.
    ///
    /// The bytes are known to be a token's: among those, only letters differ in the bit that folds their case
    /// (and `^` from `~`, neither of which is in any name here).
    @inline(__always)
    static func named(_ bytes: RawSpan, at start: Int, count: Int, first: UInt64) -> FieldID {
        if count < 8 { return short(Words.keep(Words.folded(first), count), count) }
        let first = Words.folded(first)
        let last = Words.folded(bytes.word(at: start &+ count &- 8))
        if count <= 16 {
            let id = medium(first, last, count)
            return id == .other && first == Words.word("x-forwarded-") ? xForwarded(bytes, start, count) : id
        }
        return long(bytes, start, first, last, count)
    }

    @inline(__always)
    private static func short(_ name: UInt64, _ count: Int) -> FieldID {
        switch count {
        case 2: if name == Words.word("te") { return .te }
        case 3: if name == Words.word("via") { return .via }
        case 4:
            if name == Words.word("host") { return .host }
            if name == Words.word("date") { return .date }
        case 5: if name == Words.word("range") { return .range }
        case 6:
            if name == Words.word("server") { return .server }
            if name == Words.word("cookie") { return .cookie }
            if name == Words.word("expect") { return .expect }
            if name == Words.word("origin") { return .origin }
        case 7:
            if name == Words.word("upgrade") { return .upgrade }
            if name == Words.word("trailer") { return .trailer }
            if name == Words.word("referer") { return .referer }
        default: break
        }
        return .other
    }

    /// 8 to 16 bytes: the first and the last eight are all of them.
    @inline(__always)
    private static func medium(_ first: UInt64, _ last: UInt64, _ count: Int) -> FieldID {
        @inline(__always)
        func matches(_ head: StaticString, _ tail: StaticString) -> Bool {
            first == Words.word(head) && last == Words.word(tail)
        }
        switch count {
        case 8: if first == Words.word("location") { return .location }
        case 9:
            if matches("forwarded", "orwarded") { return .forwarded }
            if matches("x-real-ip", "-real-ip") { return .xRealIP }
        case 10:
            if matches("user-agent", "er-agent") { return .userAgent }
            if matches("connection", "nnection") { return .connection }
            if matches("keep-alive", "ep-alive") { return .keepAlive }
            if matches("set-cookie", "t-cookie") { return .setCookie }
        case 11: if matches("retry-after", "ry-after") { return .retryAfter }
        case 12:
            if matches("content-type", "ent-type") { return .contentType }
            if matches("max-forwards", "forwards") { return .maxForwards }
        case 13:
            if matches("cache-control", "-control") { return .cacheControl }
            if matches("authorization", "rization") { return .authorization }
            if matches("content-range", "nt-range") { return .contentRange }
        case 14:
            if matches("content-length", "t-length") { return .contentLength }
            if matches("http2-settings", "settings") { return .http2Settings }
        case 15: if matches("x-forwarded-for", "rded-for") { return .xForwardedFor }
        case 16:
            if matches("x-forwarded-host", "ded-host") { return .xForwardedHost }
            if matches("content-encoding", "encoding") { return .contentEncoding }
            if matches("proxy-connection", "nnection") { return .proxyConnection }
            if matches("www-authenticate", "enticate") { return .wwwAuthenticate }
            if matches("x-spillway-error", "ay-error") { return .spillwayError }
        default: break
        }
        return .other
    }

    @inline(never)
    private static func long(
        _ bytes: RawSpan, _ start: Int, _ first: UInt64, _ last: UInt64, _ count: Int
    ) -> FieldID {
        if first == Words.word("transfer"), bytes.isToken(start..<start &+ count, "transfer-encoding") {
            return .transferEncoding
        }
        if first == Words.word("x-forwar") { return xForwarded(bytes, start, count) }
        if first == Words.word("proxy-au") {
            if bytes.isToken(start..<start &+ count, "proxy-authorization") { return .proxyAuthorization }
            if bytes.isToken(start..<start &+ count, "proxy-authenticate") { return .proxyAuthenticate }
        }
        return .other
    }

    /// A name that begins with the eight bytes of `x-forwar`, and is not one of the shorter known ones.
    @inline(never)
    private static func xForwarded(_ bytes: RawSpan, _ start: Int, _ count: Int) -> FieldID {
        guard count > 12, bytes.isToken(start..<start &+ 12, "x-forwarded-") else { return .other }
        return bytes.isToken(start..<start &+ count, "x-forwarded-proto") ? .xForwardedProto : .xForwardedOther
    }

    /// For a name with underscores: `underscoreAlias` if it is another spelling of one that must not be spelled so.
    @inline(never)
    static func withUnderscores(_ bytes: RawSpan, at start: Int, count: Int) -> FieldID {
        // The longest of those names has 17 bytes, or begins with 12 that tell.
        var plain = InlineArray<24, UInt8>(repeating: 0)
        let length = min(count, 24)
        for i in 0..<length {
            let byte = bytes.byte(at: start &+ i)
            plain[i] = byte == 0x5f ? 0x2d : byte
        }
        // Bytes have no padding to look into.
        let span = unsafe plain.span.bytes
        let id = named(span, at: 0, count: length, first: span.word(at: 0))
        return FieldSet.aliased.contains(id) ? .underscoreAlias : .other
    }
}
