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

    /// Fields of several names have this identity.
    @inline(__always)
    var isShared: Bool { self == .other || self == .xForwardedOther }

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
        set.bits |=
            FieldID.host.bit | FieldID.contentLength.bit | FieldID.trailer.bit | FieldID.expect.bit
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
        let lengths = knownLengths[Int(truncatingIfNeeded: first & 31)]
        return lengths &>> UInt32(truncatingIfNeeded: min(count, 31)) & 1 == 0
            ? .other : known(bytes, start, count, first)
    }

    /// For each first letter (its five low bits, the same in both cases), which lengths the known names have that
    /// begin with it: bit n for n bytes, bit 31 for 31 and more. Most other fields are told by this alone.
    static let knownLengths: InlineArray<32, UInt32> = [
        0, 0x0000_2000, 0, 0x0001_7440, 0x0000_0010, 0x0000_0040, 0x0000_0200, 0,
        0x0000_4010, 0, 0, 0x0000_0400, 0x0000_0100, 0x0000_1000, 0, 0x0000_0040,
        0x000d_0000, 0, 0x0000_08a0, 0x0000_0440, 0x0002_0084, 0x0000_0480, 0x0000_0008, 0x0001_0000,
        0xffff_e200, 0, 0, 0, 0, 0, 0, 0,
    ]

    @inline(never)
    private static func known(_ bytes: RawSpan, _ start: Int, _ count: Int, _ first: UInt64) -> FieldID {
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
        switch count {
        case 8: if first == Words.word("location") { return .location }
        case 9:
            if first == Words.word("forwarded"), last == Words.word("orwarded") { return .forwarded }
            if first == Words.word("x-real-ip"), last == Words.word("-real-ip") { return .xRealIP }
        case 10:
            if first == Words.word("user-agent"), last == Words.word("er-agent") { return .userAgent }
            if first == Words.word("connection"), last == Words.word("nnection") { return .connection }
            if first == Words.word("keep-alive"), last == Words.word("ep-alive") { return .keepAlive }
            if first == Words.word("set-cookie"), last == Words.word("t-cookie") { return .setCookie }
        case 11: if first == Words.word("retry-after"), last == Words.word("ry-after") { return .retryAfter }
        case 12:
            if first == Words.word("content-type"), last == Words.word("ent-type") { return .contentType }
            if first == Words.word("max-forwards"), last == Words.word("forwards") { return .maxForwards }
        case 13:
            if first == Words.word("cache-control"), last == Words.word("-control") { return .cacheControl }
            if first == Words.word("authorization"), last == Words.word("rization") { return .authorization }
            if first == Words.word("content-range"), last == Words.word("nt-range") { return .contentRange }
        case 14:
            if first == Words.word("content-length"), last == Words.word("t-length") { return .contentLength }
            if first == Words.word("http2-settings"), last == Words.word("settings") { return .http2Settings }
        case 15: if first == Words.word("x-forwarded-for"), last == Words.word("rded-for") { return .xForwardedFor }
        case 16:
            if first == Words.word("x-forwarded-host"), last == Words.word("ded-host") { return .xForwardedHost }
            if first == Words.word("content-encoding"), last == Words.word("encoding") { return .contentEncoding }
            if first == Words.word("proxy-connection"), last == Words.word("nnection") { return .proxyConnection }
            if first == Words.word("www-authenticate"), last == Words.word("enticate") { return .wwwAuthenticate }
            if first == Words.word("x-spillway-error"), last == Words.word("ay-error") { return .spillwayError }
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

    /// For a name that has more than letters and hyphens. With underscores it is an `underscoreAlias` if it is another
    /// spelling of one that must not be spelled so.
    @inline(never)
    static func oddlyNamed(_ bytes: RawSpan, at start: Int, count: Int) -> FieldID {
        // The longest of those names has 17 bytes, or begins with 12 that tell.
        var plain = InlineArray<24, UInt8>(repeating: 0)
        let length = min(count, 24)
        var hasUnderscore = false
        for i in 0..<length {
            let byte = bytes.byte(at: start &+ i)
            plain[i] = byte == 0x5f ? 0x2d : byte
            if byte == 0x5f { hasUnderscore = true }
        }
        guard hasUnderscore else { return named(bytes, at: start, count: count, first: bytes.word(at: start)) }
        // Bytes have no padding to look into.
        let span = unsafe plain.span.bytes
        let id = named(span, at: 0, count: length, first: span.word(at: 0))
        return FieldSet.aliased.contains(id) ? .underscoreAlias : .other
    }
}
