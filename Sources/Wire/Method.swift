/// A request's method. Methods are case-sensitive: `get` is `other`, and passed on as it came.
package enum Method: UInt8, Sendable, Hashable {
    case get, head, post, put, delete, options, trace, patch, connect
    /// Any other token; its text is at `RequestHead.methodRange`.
    case other

    package init(name: String) {
        switch name {
        case "GET": self = .get
        case "HEAD": self = .head
        case "POST": self = .post
        case "PUT": self = .put
        case "DELETE": self = .delete
        case "OPTIONS": self = .options
        case "TRACE": self = .trace
        case "PATCH": self = .patch
        case "CONNECT": self = .connect
        default: self = .other
        }
    }

    /// Asks for nothing to be changed (RFC 9110, 9.2.1).
    @inlinable package var isSafe: Bool {
        switch self {
        case .get, .head, .options, .trace: true
        default: false
        }
    }

    /// Sent twice, it does what it does once (RFC 9110, 9.2.2): such a request may be repeated.
    @inlinable package var isIdempotent: Bool {
        switch self {
        case .put, .delete: true
        default: isSafe
        }
    }

    /// The method that `bytes` begin with, and its length, if it is a known one and a space follows.
    @inline(__always)
    static func known(_ word: UInt64) -> (Method, Int)? {
        if Words.keep(word, 4) == Words.word("GET ") { return (.get, 3) }
        if Words.keep(word, 5) == Words.word("POST ") { return (.post, 4) }
        if Words.keep(word, 5) == Words.word("HEAD ") { return (.head, 4) }
        if Words.keep(word, 4) == Words.word("PUT ") { return (.put, 3) }
        if Words.keep(word, 7) == Words.word("DELETE ") { return (.delete, 6) }
        if word == Words.word("OPTIONS ") { return (.options, 7) }
        if Words.keep(word, 6) == Words.word("PATCH ") { return (.patch, 5) }
        if Words.keep(word, 6) == Words.word("TRACE ") { return (.trace, 5) }
        if word == Words.word("CONNECT ") { return (.connect, 7) }
        return nil
    }
}
