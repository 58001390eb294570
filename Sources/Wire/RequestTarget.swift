/// The form of a request's target (RFC 9112, 3.2).
package enum TargetForm: UInt8, Sendable {
    /// `/path?query`
    case origin
    /// `http://host/path?query`, with any scheme
    case absolute
    /// `*`, of OPTIONS only
    case asterisk
    /// `host:port`, of CONNECT only
    case authority
}

/// A target taken apart. Nothing is decoded or normalized: `/a/../b`, `/a/%2e%2e/b` and `//b` stay what they are.
struct RequestTarget {
    var form = TargetForm.origin
    var target = ByteRange()
    var path = ByteRange()
    var query = ByteRange()
    /// Of absolute and authority form.
    var authority = ByteRange()
    var hostCount = 0
    /// See `Authority.isPlain`; with a port it is not.
    var isToken = false

    init() {}

    /// Scans from `start` to the space behind the target. Nil: that has not come yet.
    @inline(__always)
    static func scan(_ bytes: RawSpan, from start: Int) throws(Malformed) -> (end: Int, queryStart: Int)? {
        var end = start
        var word = bytes.word(at: end)
        var mask = Words.notPath(word)
        while mask == 0 {
            end &+= 8
            word = bytes.word(at: end)
            mask = Words.notPath(word)
        }
        end &+= Words.first(mask)
        let queryStart = end
        if Words.byte(word, mask) == .space { return (end, end) }
        if Words.byte(word, mask) == UInt8(ascii: "?") {
            end &+= 1
            mask = Words.notQuery(bytes.word(at: end))
            while mask == 0 {
                end &+= 8
                mask = Words.notQuery(bytes.word(at: end))
            }
            end &+= Words.first(mask)
        }
        if bytes.byte(at: end) == .space { return (end, queryStart) }
        if end >= bytes.byteCount { return nil }
        switch bytes.byte(at: end) {
        case .carriageReturn where bytes.byte(at: end &+ 1) == .lineFeed: throw .requestLineInvalid
        case .carriageReturn, .lineFeed:
            try FieldLine.refuseUnlessIncomplete(bytes, at: end, .targetInvalid)
            return nil
        default: throw .targetInvalid
        }
    }

    /// Takes apart what `scan` has found.
    @inline(__always)
    init(_ bytes: RawSpan, from start: Int, end: Int, queryStart: Int, method: Method) throws(Malformed) {
        target = ByteRange(start, end)
        query = ByteRange(queryStart, end)
        if bytes.byte(at: start) == UInt8(ascii: "/"), method != .connect {
            path = ByteRange(start, queryStart)
        } else {
            try readOther(bytes, start, end, queryStart, method)
        }
    }

    private mutating func readOther(
        _ bytes: RawSpan, _ start: Int, _ end: Int, _ queryStart: Int, _ method: Method
    ) throws(Malformed) {
        if start == end { throw .requestLineInvalid }
        if method == .connect {
            form = .authority
            path = ByteRange(end, end)
            try setAuthority(bytes, start, end)
            // A port is a must here: there is no scheme to have a default.
            if authority.count < UInt32(hostCount) &+ 2 { throw .authorityInvalid }
            return
        }
        if bytes.byte(at: start) == UInt8(ascii: "*"), end == start &+ 1, method == .options {
            form = .asterisk
            path = ByteRange(start, start)
            return
        }
        let schemeCount = Self.schemeCount(bytes, start, end)
        if schemeCount == 0 { throw .targetInvalid }
        form = .absolute
        let authorityStart = start &+ schemeCount
        var pathStart = authorityStart
        while pathStart < queryStart, bytes.byte(at: pathStart) != UInt8(ascii: "/") { pathStart &+= 1 }
        path = ByteRange(pathStart, queryStart)
        try setAuthority(bytes, authorityStart, pathStart)
    }

    /// The bytes of a scheme and the `://` behind it (RFC 3986, 3.1); 0 if the target does not begin so.
    ///
    /// Any scheme will do: it is not sent on, and the authority behind it is read as that of `http`.
    private static func schemeCount(_ bytes: RawSpan, _ start: Int, _ end: Int) -> Int {
        guard bytes.byte(at: start).isLetter else { return 0 }
        var colon = start &+ 1
        while colon < end, bytes.byte(at: colon).isSchemeByte { colon &+= 1 }
        let behind = colon &+ 3
        return behind <= end && bytes.isToken(colon..<behind, "://") ? behind &- start : 0
    }

    private mutating func setAuthority(_ bytes: RawSpan, _ start: Int, _ end: Int) throws(Malformed) {
        // Userinfo is not valid in an authority here: RFC 9110, 4.2.4 has it treated as an error.
        guard let shape = Authority(bytes, start..<end), shape.hostCount > 0 else { throw .authorityInvalid }
        authority = ByteRange(start, end)
        hostCount = shape.hostCount
        isToken = shape.isPlain && !shape.hasPort
    }
}
