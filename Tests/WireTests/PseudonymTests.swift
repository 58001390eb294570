import Testing

@testable import Wire

@Suite("A router's name in Via")
struct PseudonymTests {
    private let own = Pseudonym(0x0f3a_90c1)

    private func hasPassed(_ fields: String, _ pseudonym: Pseudonym) throws -> Bool {
        let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n".utf8)
        var head = RequestHead(fieldLimit: 32)
        // Bytes have no padding to look into.
        guard case .complete = try head.parse(unsafe bytes.span.bytes, HeadLimits()) else { throw Incomplete() }
        return head.hasPassed(pseudonym, unsafe bytes.span.bytes)
    }

    @Test(
        "is found in a request that it has passed on, however others have changed the field",
        arguments: [
            ("", false), ("Via: 1.1 spillway-0f3a90c1\r\n", true), ("Via: 1.0 a, 2.0 spillway-0f3a90c1\r\n", true),
            ("Via: 1.0 a\r\nVia: 1.1 b\r\nvia:1.1 SPILLWAY-0F3A90C1, 1.1 c\r\n", true),
            ("Via: 1.1 spillway-0f3a90c1 (somebody's comment)\r\n", true), ("Via: 1.1 spillway-0f3a90c1:80\r\n", true),
            ("Via: 1.1 spillway\r\n", false), ("Via: 1.1 spillway-0f3a90c2\r\n", false),
            ("Via: 1.1 spillway-0f3a90c11\r\n", false), ("Via: 1.1 xspillway-0f3a90c1\r\n", false),
            ("Via: 1.1 spillway-0f3a90c\r\n", false), ("X-Via: 1.1 spillway-0f3a90c1\r\n", false), ("Via: \r\n", false),
        ])
    func isFound(fields: String, expected: Bool) throws {
        #expect(try hasPassed(fields, own) == expected)
        #expect(try !hasPassed(fields, .none))
    }

    @Test func `is in what is passed on`() throws {
        let text = try forwarded(
            "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 b\r\n\r\n", client: ClientContext().through(own))
        #expect(
            text.contains("\r\nVia: 1.0 b\r\n") && text.hasSuffix("\r\nvia: 1.1 spillway-0f3a90c1\r\n\r\n"), "\(text)")
        let encrypted = ClientContext().through(own).encrypted(identity: "").speakingHTTP2()
        #expect(
            try forwarded("GET / HTTP/1.1\r\nHost: a\r\n\r\n", client: encrypted).contains(
                "via: 2.0 spillway-0f3a90c1\r\n"))
    }
}
