/// How the length of a message's body is told (RFC 9112, 6): read here for requests and responses alike, and so that
/// there is only one way to read it. Lists and repetitions are refused even where all members agree.
enum Framing {
    /// The value of the only Content-Length field: digits, at most `Int64.max`.
    static func contentLength(_ fields: borrowing FieldTable, _ bytes: RawSpan) throws(Malformed) -> UInt64 {
        guard let index = fields.firstIndex(of: .contentLength) else { throw .lengthInvalid }
        if fields.repeated.contains(.contentLength) { throw .lengthDuplicate }
        let value = fields[index].value
        if value.isEmpty { throw .lengthInvalid }
        var length: UInt64 = 0
        for i in value.bounds {
            let byte = bytes.byte(at: i)
            if byte == UInt8(ascii: ",") { throw .lengthDuplicate }
            guard byte.isDigit else { throw .lengthInvalid }
            // Below 2^63 before, so below 10 * 2^63 + 10 after; 2^63 / 10 is checked first.
            guard length <= UInt64(Int64.max) / 10 else { throw .lengthInvalid }
            length = length &* 10 &+ UInt64(byte &- 0x30)
            guard length <= UInt64(Int64.max) else { throw .lengthInvalid }
        }
        return length
    }

    /// Whether a length is written in the only way we would write it ourselves: no leading zeros. Such a line can be
    /// passed on as it is.
    static func isCanonicalLength(_ fields: borrowing FieldTable, _ bytes: RawSpan) -> Bool {
        guard let index = fields.firstIndex(of: .contentLength) else { return false }
        let value = fields[index].value
        return value.count == 1 || bytes.byte(at: Int(value.start)) != UInt8(ascii: "0")
    }

    /// Accepts exactly one Transfer-Encoding field, and in it exactly `chunked`, perhaps beside empty list members,
    /// which a recipient must ignore (RFC 9110, 5.6.1.2). What is sent on is `chunked` alone.
    ///
    /// `encodingUnsupported` is for well-formed lists that end with `chunked`, or lack it, and name other codings;
    /// `encodingInvalid` for everything that two readers could take differently.
    static func checkTransferEncoding(_ fields: borrowing FieldTable, _ bytes: RawSpan) throws(Malformed) {
        guard let first = fields.firstIndex(of: .transferEncoding) else { throw .encodingInvalid }
        if !fields.repeated.contains(.transferEncoding), bytes.isToken(fields[first].value.bounds, "chunked") { return }
        var sawChunked = false
        var sawOther = false
        var index: Int? = first
        while let i = index {
            var members = ListMembers(of: fields[i].value)
            while let member = members.next(in: bytes) {
                if member.isEmpty { continue }
                guard bytes.isToken(member), !sawChunked else { throw .encodingInvalid }
                if bytes.isToken(member, "chunked") { sawChunked = true } else { sawOther = true }
            }
            index = fields.nextIndex(of: .transferEncoding, from: i &+ 1)
        }
        if sawOther { throw .encodingUnsupported }
        if !sawChunked || fields.repeated.contains(.transferEncoding) { throw .encodingInvalid }
    }
}
