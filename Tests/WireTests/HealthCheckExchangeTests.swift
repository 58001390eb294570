import Testing

@testable import Wire

struct HealthCheckExchangeTests {
    struct Case: CustomTestStringConvertible {
        var testDescription: String
        var answer: [UInt8]
        var verdict: HealthCheckExchange.Verdict
    }

    static let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
    static let head: [UInt8] = [0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88]

    static func data(_ payload: [UInt8], flags: UInt8 = 0) -> [UInt8] {
        [0, UInt8(payload.count >> 8), UInt8(payload.count & 0xff), 0, flags, 0, 0, 0, 1] + payload
    }

    static func message(_ bytes: [UInt8]) -> [UInt8] { [0, 0, 0, 0, UInt8(bytes.count)] + bytes }

    static let cases: [Case] = [
        Case(
            testDescription: "SERVING", answer: settings + head + data(message([8, 1])), verdict: .passed),
        Case(
            testDescription: "SERVING, in two frames, one of them padded",
            answer: settings + head + data([0, 0, 0]) + data([2, 0, 2, 8, 1, 0, 0], flags: 8), verdict: .passed),
        Case(
            testDescription: "SERVING beside fields that are not known",
            answer: settings + head + data(message([0x12, 1, 0x78, 0x1d, 1, 2, 3, 4, 8, 1])), verdict: .passed),
        Case(
            testDescription: "NOT_SERVING", answer: settings + head + data(message([8, 2])),
            verdict: .failed(.health(2))),
        Case(
            testDescription: "SERVICE_UNKNOWN", answer: settings + head + data(message([8, 3])),
            verdict: .failed(.health(3))),
        Case(testDescription: "no status", answer: settings + head + data(message([])), verdict: .failed(.health(0))),
        Case(
            testDescription: "trailers alone", answer: settings + [0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88],
            verdict: .failed(.noHealth)),
        Case(
            testDescription: "an end within the message", answer: settings + head + data([0, 0, 0], flags: 1),
            verdict: .failed(.noHealth)),
        Case(
            testDescription: "RST_STREAM", answer: settings + [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7],
            verdict: .failed(.reset(7))),
        Case(
            testDescription: "GOAWAY", answer: settings + [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
            verdict: .failed(.goingAway(2))),
        Case(
            testDescription: "HTTP/1.1", answer: Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8),
            verdict: .failed(.isHTTP1)),
        Case(testDescription: "another protocol", answer: Array("SSH-2.0-x\r\n".utf8), verdict: .failed(.malformed)),
        Case(testDescription: "no SETTINGS first", answer: head, verdict: .failed(.malformed)),
        Case(testDescription: "DATA before HEADERS", answer: settings + data([0]), verdict: .failed(.malformed)),
        Case(
            testDescription: "padding beyond the frame", answer: settings + head + data([1], flags: 8),
            verdict: .failed(.malformed)),
        Case(
            testDescription: "a compressed message", answer: settings + head + data([1]), verdict: .failed(.malformed)),
        Case(
            testDescription: "a message beyond the limit", answer: settings + head + data([0, 0, 0, 16, 1]),
            verdict: .failed(.malformed)),
        Case(
            testDescription: "a varint without an end",
            answer: settings + head + data(message([8] + Array(repeating: 0xff, count: 11))),
            verdict: .failed(.malformed)),
        Case(
            testDescription: "more SETTINGS than are acknowledged",
            answer: Array(repeatElement(settings, count: HealthCheckExchange.acknowledgedLimit + 1).joined()),
            verdict: .failed(.malformed)),
        Case(testDescription: "half a message", answer: settings + head + data([0, 0]), verdict: .undecided),
    ]

    @Test(arguments: cases)
    func `the verdict is the same however the answer is cut`(_ example: Case) {
        var whole = HealthCheckExchange()
        whole.take(bytes: example.answer)
        #expect(whole.verdict == example.verdict)
        var cut = HealthCheckExchange()
        for byte in example.answer { cut.take(bytes: [byte]) }
        #expect(cut.verdict == example.verdict)
    }

    @Test func `SETTINGS and PING are acknowledged, acknowledgements are not`() {
        var exchange = HealthCheckExchange()
        let ping: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
        let answer =
            Self.settings + [0, 0, 0, 4, 1, 0, 0, 0, 0] + [0, 0, 8, 6, 0, 0, 0, 0, 0] + ping
            + [0, 0, 8, 6, 1, 0, 0, 0, 0] + ping
        exchange.take(bytes: answer)
        #expect(exchange.takeReplies() == [0, 0, 0, 4, 1, 0, 0, 0, 0] + [0, 0, 8, 6, 1, 0, 0, 0, 0] + ping)
        #expect(exchange.takeReplies().isEmpty)
        #expect(exchange.verdict == .undecided)
    }

    @Test func `no bytes trap, and none are held beyond the limit`() {
        for place in 0..<52 * 256 {
            var exchange = HealthCheckExchange()
            var answer = Self.settings + Self.head + Self.data(Self.message([8, 2, 0x12, 1, 0]))
            answer[place / 256 % answer.count] = UInt8(place % 256)
            exchange.take(bytes: answer)
        }
        var exchange = HealthCheckExchange()
        exchange.take(bytes: Self.settings)
        let unknown = [0, 0x40, 0, 0xff, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 16_384)
        for _ in 0..<20 { exchange.take(bytes: unknown) }
        #expect(exchange.verdict == .failed(.malformed))
    }

    @Test func `the service's name is in the message, and the message behind its length`() {
        let named = HealthCheckExchange.request(service: "a.B", authority: "x:1")
        #expect(named.suffix(19) == [0, 0, 10, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 5, 10, 3] + Array("a.B".utf8))
        #expect(named.starts(with: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8))
        let whole = HealthCheckExchange.request(service: "", authority: "x:1")
        #expect(whole.suffix(14) == [0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0])
        let long = HealthCheckExchange.request(service: String(repeating: "s", count: 255), authority: "x:1")
        #expect(long.suffix(258).prefix(3) == [10, 255, 1])
    }
}

extension HealthCheckExchange {
    fileprivate mutating func take(bytes: [UInt8]) {
        // Bytes have no padding to look into.
        unsafe take(bytes.span.bytes)
    }
}
