/// A call of `grpc.health.v1.Health/Check` over a fresh HTTP/2 connection with prior knowledge (RFC 9113, 3.3): what is
/// sent, and what is thought of the answer. Fields of the answer are not looked into: only its message tells.
package struct HealthCheckExchange: Sendable {
    package enum Verdict: Sendable, Equatable {
        case undecided
        case passed
        case failed(Failure)
    }

    package enum Failure: Sendable, Equatable {
        /// HealthCheckResponse.status, not SERVING.
        case health(UInt64)
        /// The answer ended without a message: the service is not known, or health is not told.
        case noHealth
        /// RST_STREAM, with its error code.
        case reset(UInt32)
        /// GOAWAY, with its error code.
        case goingAway(UInt32)
        case isHTTP1
        case malformed
    }

    /// Of everything that is received, in bytes.
    package static let receivedLimit = 262_144
    /// Of the message, in bytes: a health is two.
    package static let messageLimit = 4_096
    /// SETTINGS and PING frames that are acknowledged.
    package static let acknowledgedLimit = 64
    /// SETTINGS_MAX_FRAME_SIZE as it is initially (RFC 9113, 6.5.2); no other is announced.
    private static let frameLimit = 16_384

    package private(set) var verdict = Verdict.undecided
    private var replies: [UInt8] = []
    private var acknowledged = 0
    private var receivedCount = 0
    /// Of a frame that is not complete.
    private var received: [UInt8] = []
    /// What DATA frames have brought.
    private var message: [UInt8] = []
    private var hasSettings = false
    private var hasHead = false

    package init() {}

    /// All that is asked: preface, SETTINGS without push, HEADERS, DATA.
    /// - Parameters:
    ///   - service: whose health; empty: the server's as a whole. At most 255 bytes.
    ///   - authority: at most 1,024 bytes.
    ///   - isEncrypted: what scheme it has.
    package static func request(service: String, authority: String, isEncrypted: Bool = false) -> [UInt8] {
        let name = Array(service.utf8)
        precondition(name.count <= 255 && authority.utf8.count <= 1_024, "a table's names are not that long")
        var request = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        request.appendFrame(.settings, stream: 0, [0, 2, 0, 0, 0, 0])
        var fields: [UInt8] = []
        fields.appendField(":method", "POST")
        fields.appendField(":scheme", isEncrypted ? "https" : "http")
        fields.appendField(":path", "/grpc.health.v1.Health/Check")
        fields.appendField(":authority", authority)
        fields.appendField("content-type", "application/grpc")
        fields.appendField("te", "trailers")
        fields.appendField("user-agent", "spillway-probe")
        request.appendFrame(.headers, flags: Flags.endHeaders, stream: 1, fields)
        var body: [UInt8] = []
        if !name.isEmpty {
            // HealthCheckRequest.service: field 1, length-delimited.
            body = [0x0a]
            body.appendVarint(name.count)
            body += name
        }
        let prefix: [UInt8] = [0, 0, 0, UInt8(body.count >> 8), UInt8(body.count & 0xff)]
        request.appendFrame(.data, flags: Flags.endStream, stream: 1, prefix + body)
        return request
    }

    /// Takes what was received, however it is cut. After a verdict nothing is looked at.
    package mutating func take(_ bytes: RawSpan) {
        guard verdict == .undecided else { return }
        receivedCount += bytes.byteCount
        guard receivedCount <= Self.receivedLimit else { return verdict = .failed(.malformed) }
        for offset in 0..<bytes.byteCount { received.append(bytes.byte(at: offset)) }
        var offset = 0
        while verdict == .undecided, let end = frameEnd(from: offset) {
            takeFrame(offset, end)
            offset = end
        }
        received.removeFirst(offset)
    }

    /// What is to be sent in answer to what was taken: acknowledgements.
    package mutating func takeReplies() -> [UInt8] {
        defer { replies = [] }
        return replies
    }

    /// Where the frame ends that begins at `offset`, if all of it is there.
    private mutating func frameEnd(from offset: Int) -> Int? {
        if !hasSettings, received.count >= 5, received.starts(with: "HTTP/".utf8) {
            verdict = .failed(.isHTTP1)
            return nil
        }
        guard received.count - offset >= 9 else { return nil }
        let length = Int(received[offset]) << 16 | Int(received[offset + 1]) << 8 | Int(received[offset + 2])
        guard length <= Self.frameLimit else {
            verdict = .failed(.malformed)
            return nil
        }
        let end = offset + 9 + length
        return end <= received.count ? end : nil
    }

    private mutating func takeFrame(_ start: Int, _ end: Int) {
        let type = FrameType(rawValue: received[start + 3])
        let flags = received[start + 4]
        let stream = number(at: start + 5) & 0x7fff_ffff
        let payload = (start + 9)..<end
        // The first frame is SETTINGS (RFC 9113, 3.4).
        guard hasSettings || type == .settings && flags & Flags.acknowledges == 0 else {
            return verdict = .failed(.malformed)
        }
        switch type {
        case .data where stream == 1 && hasHead: takeData(payload, flags)
        case .headers where stream == 1:
            hasHead = true
            if flags & Flags.endStream != 0 { verdict = .failed(.noHealth) }
        case .continuation where stream == 1 && hasHead: break
        case .reset where stream == 1 && payload.count == 4:
            verdict = .failed(.reset(number(at: payload.lowerBound)))
        case .settings where stream == 0 && payload.count % 6 == 0:
            hasSettings = true
            if flags & Flags.acknowledges == 0 { acknowledge(.settings, []) }
        case .ping where stream == 0 && payload.count == 8:
            if flags & Flags.acknowledges == 0 { acknowledge(.ping, Array(received[payload])) }
        case .goAway where stream == 0 && payload.count >= 8:
            verdict = .failed(.goingAway(number(at: payload.lowerBound + 4)))
        case .priority, .windowUpdate, nil: break
        case .data, .headers, .continuation, .reset, .settings, .ping, .goAway, .pushPromise:
            verdict = .failed(.malformed)
        }
    }

    private mutating func acknowledge(_ type: FrameType, _ payload: [UInt8]) {
        acknowledged += 1
        guard acknowledged <= Self.acknowledgedLimit else { return verdict = .failed(.malformed) }
        replies.appendFrame(type, flags: Flags.acknowledges, stream: 0, payload)
    }

    private mutating func takeData(_ payload: Range<Int>, _ flags: UInt8) {
        var data = payload
        if flags & Flags.padded != 0 {
            guard let first = payload.first, Int(received[first]) < payload.count else {
                return verdict = .failed(.malformed)
            }
            data = (first + 1)..<(payload.upperBound - Int(received[first]))
        }
        message += received[data]
        judgeMessage()
        if verdict == .undecided && flags & Flags.endStream != 0 { verdict = .failed(.noHealth) }
    }

    /// Five bytes before the message: whether it is compressed, which was not offered, and its length.
    private mutating func judgeMessage() {
        guard let compression = message.first else { return }
        guard compression == 0 else { return verdict = .failed(.malformed) }
        guard message.count >= 5 else { return }
        let length = message[1..<5].reduce(0) { $0 << 8 | Int($1) }
        guard length <= Self.messageLimit else { return verdict = .failed(.malformed) }
        guard message.count >= 5 + length else { return }
        switch Self.health(in: message[5..<(5 + length)]) {
        case 1: verdict = .passed
        case let health?: verdict = .failed(.health(health))
        case nil: verdict = .failed(.malformed)
        }
    }

    /// HealthCheckResponse.status: field 1, a varint, the last of them; absent 0. Other fields are passed over. Nil: the
    /// message is not well-formed.
    private static func health(in message: ArraySlice<UInt8>) -> UInt64? {
        var rest = message
        var health: UInt64 = 0
        while !rest.isEmpty {
            guard let tag = rest.takeVarint(), tag >> 3 != 0 else { return nil }
            switch tag & 7 {
            case 0:
                guard let value = rest.takeVarint() else { return nil }
                if tag >> 3 == 1 { health = value }
            case 1, 5:
                let size = tag & 7 == 1 ? 8 : 4
                guard rest.count >= size else { return nil }
                rest.removeFirst(size)
            case 2:
                guard let size = rest.takeVarint(), size <= UInt64(rest.count) else { return nil }
                rest.removeFirst(Int(size))
            default: return nil
            }
        }
        return health
    }

    /// Four bytes of a frame that is there.
    private func number(at offset: Int) -> UInt32 {
        received[offset..<(offset + 4)].reduce(0) { $0 << 8 | UInt32($1) }
    }
}

extension HealthCheckExchange.Failure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .health(0): "health UNKNOWN"
        case .health(2): "health NOT_SERVING"
        case .health(3): "health SERVICE_UNKNOWN"
        case .health(let number): "health \(number)"
        case .noHealth: "no health in the answer"
        case .reset(let code): "stream reset with error \(code)"
        case .goingAway(let code): "going away with error \(code)"
        case .isHTTP1: "HTTP/1 answer, not HTTP/2"
        case .malformed: "malformed answer"
        }
    }
}

/// RFC 9113, 6.
private enum FrameType: UInt8 {
    case data = 0
    case headers, priority, reset, settings, pushPromise, ping, goAway, windowUpdate, continuation
}

private enum Flags {
    static let endStream: UInt8 = 0x1
    static let acknowledges: UInt8 = 0x1
    static let endHeaders: UInt8 = 0x4
    static let padded: UInt8 = 0x8
}

extension [UInt8] {
    fileprivate mutating func appendFrame(_ type: FrameType, flags: UInt8 = 0, stream: UInt8, _ payload: [UInt8]) {
        self += [0, UInt8(payload.count >> 8), UInt8(payload.count & 0xff), type.rawValue, flags, 0, 0, 0, stream]
        self += payload
    }

    /// A literal without indexing, its name new (RFC 7541, 6.2.2).
    fileprivate mutating func appendField(_ name: String, _ value: String) {
        append(0)
        for text in [name, value] {
            let count = text.utf8.count
            // An integer of a prefix of seven bits (RFC 7541, 5.1), whose first bit says: no Huffman code.
            if count < 127 {
                append(UInt8(count))
            } else {
                append(127)
                appendVarint(count - 127)
            }
            self += text.utf8
        }
    }

    fileprivate mutating func appendVarint(_ number: Int) {
        var rest = number
        while rest > 127 {
            append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        append(UInt8(rest))
    }
}

extension ArraySlice<UInt8> {
    /// A varint of protocol buffers, of at most ten bytes.
    fileprivate mutating func takeVarint() -> UInt64? {
        var number: UInt64 = 0
        for i in 0..<10 {
            guard let byte = popFirst() else { return nil }
            number |= UInt64(byte & 127) << UInt64(7 * i)
            if byte < 128 { return number }
        }
        return nil
    }
}
