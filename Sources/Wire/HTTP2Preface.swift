/// What an HTTP/2 client sends first (RFC 9113, 3.4): a request that no HTTP/1 server would serve.
package enum HTTP2Preface {
    package enum Comparison: Sendable {
        case complete
        /// So far it is the preface; more must come.
        case incomplete
        case differs
    }

    package static let byteCount = 24

    package static func compare(_ bytes: RawSpan) -> Comparison {
        if Words.keep(bytes.word(at: 0), 3) != Words.word("PRI"), bytes.byteCount >= 3 { return .differs }
        let text: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        for i in 0..<min(text.utf8CodeUnitCount, bytes.byteCount) {
            // Within the literal by the loop's bounds.
            let expected = unsafe text.utf8Start[i]
            if bytes.byte(at: i) != expected { return .differs }
        }
        return bytes.byteCount < text.utf8CodeUnitCount ? .incomplete : .complete
    }
}
