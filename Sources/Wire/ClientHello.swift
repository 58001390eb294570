/// What a TLS client says first (RFC 8446, 4.1.2): which server it wants, and in which protocols it would speak. Read
/// without a key and without an answer, so that the connection can be passed on as it is.
///
/// One value serves one connection after the other. It holds a copy of the message, as records may cut it anywhere.
package struct ClientHello: Sendable {
    /// Bytes of a hello with its records' headers, at most. The largest in use, with post-quantum keys, have 2 KiB.
    package static let bytesLimit = 16_384

    /// The handshake message, its header of four bytes included.
    private var message: [UInt8] = []
    private var name = ByteRange()
    private var protocols = ByteRange()
    /// Data comes behind it already (RFC 8446, 4.2.10): who sends the hello again sends a request again.
    package private(set) var carriesEarlyData = false
    /// It goes on with a session of before.
    package private(set) var carriesPreSharedKey = false

    package enum Progress: Sendable, Equatable {
        /// The hello is at hand; what follows it begins after that many bytes.
        case complete(helloBytes: Int)
        /// No fault so far, but the end has not come. Read again with more bytes, from the same first byte.
        case incomplete
    }

    package init() {}

    /// The server's name, a host name in small or capital letters; empty when the client gave none.
    @inline(__always)
    package func withServerName<R>(_ body: (RawSpan) -> R) -> R {
        let message = message.span
        // Bytes have no padding to look into; so wherever a message is read.
        let bytes = unsafe message.bytes
        return body(bytes.extracting(name.bounds))
    }

    /// Whether `matches` holds for one of the protocols that the client offers (RFC 7301), which are asked in its order
    /// of preference.
    package func offers(_ matches: (RawSpan) -> Bool) -> Bool {
        let message = message.span
        let bytes = unsafe message.bytes
        var offset = protocols.bounds.lowerBound
        while offset < protocols.bounds.upperBound {
            let end = offset &+ 1 &+ Int(bytes.byte(at: offset))
            if matches(bytes.extracting(offset &+ 1..<end)) { return true }
            offset = end
        }
        return false
    }

    /// Reads what a connection has brought so far, from its first byte.
    package mutating func read(_ bytes: RawSpan) throws(HelloMalformed) -> Progress {
        message.removeAll(keepingCapacity: true)
        name = ByteRange()
        protocols = ByteRange()
        carriesEarlyData = false
        carriesPreSharedKey = false
        var offset = 0
        while true {
            guard let record = try record(bytes, at: offset) else { return try incomplete(bytes) }
            let end = min(record.upperBound, bytes.byteCount)
            unsafe bytes.extracting(record.lowerBound..<end).withUnsafeBytes { unsafe message.append(contentsOf: $0) }
            if let size = try messageBytes() {
                if message.count > size { throw .helloInvalid }
                if message.count == size {
                    // What else the record holds would belong to no handshake that has begun.
                    if record.upperBound > end { throw .helloInvalid }
                    if end > Self.bytesLimit { throw .helloTooLarge }
                    try readMessage()
                    return .complete(helloBytes: end)
                }
            }
            if record.upperBound > bytes.byteCount { return try incomplete(bytes) }
            offset = end
        }
    }

    private func incomplete(_ bytes: RawSpan) throws(HelloMalformed) -> Progress {
        if bytes.byteCount >= Self.bytesLimit { throw .helloTooLarge }
        return .incomplete
    }

    /// Where the content of a handshake record lies; it may not have come in full. Nil: not even its header has.
    private func record(_ bytes: RawSpan, at offset: Int) throws(HelloMalformed) -> Range<Int>? {
        let count = bytes.byteCount &- offset
        if count >= 1, bytes.byte(at: offset) != 22 { throw offset == 0 ? .notTLS : .recordInvalid }
        // RFC 8446, 5.1: the version is 3.1 or 3.3; nobody minds 3.0 and 3.4.
        if count >= 2, bytes.byte(at: offset &+ 1) != 3 { throw offset == 0 ? .notTLS : .recordInvalid }
        if count < 5 { return nil }
        let size = bytes.number(at: offset &+ 3, bytes: 2)
        guard size > 0, size <= 16_384 else { throw .recordInvalid }
        return offset &+ 5..<offset &+ 5 &+ size
    }

    /// How many bytes the message has, its header included, once that is known.
    private func messageBytes() throws(HelloMalformed) -> Int? {
        if let kind = message.first, kind != 1 { throw .helloMissing }
        if message.count < 4 { return nil }
        let size = 4 + Int(message[1]) << 16 + Int(message[2]) << 8 + Int(message[3])
        if size > Self.bytesLimit - 5 { throw .helloTooLarge }
        return size
    }

    private mutating func readMessage() throws(HelloMalformed) {
        let message = message
        let span = message.span
        let bytes = unsafe span.bytes
        var rest = Part(4..<message.count)
        // legacy_version and random
        guard rest.byte(bytes) == 3, rest.skip(33) else { throw .helloInvalid }
        guard let session = rest.vector(bytes, length: 1), session.count <= 32 else { throw .helloInvalid }
        guard let ciphers = rest.vector(bytes, length: 2), ciphers.count >= 2, ciphers.count % 2 == 0 else {
            throw .helloInvalid
        }
        guard let compressions = rest.vector(bytes, length: 1), !compressions.isEmpty else { throw .helloInvalid }
        // Before TLS 1.3 there need not be any extensions.
        if rest.isEmpty { return }
        guard let extensions = rest.vector(bytes, length: 2), rest.isEmpty else { throw .helloInvalid }
        try readExtensions(bytes, Part(extensions))
    }

    private mutating func readExtensions(_ bytes: RawSpan, _ extensions: Part) throws(HelloMalformed) {
        var extensions = extensions
        var hasName = false
        var hasProtocols = false
        while !extensions.isEmpty {
            // RFC 8446, 4.2.11: nothing comes after the pre-shared key.
            if carriesPreSharedKey { throw .helloInvalid }
            guard let kind = extensions.number(bytes, count: 2), let content = extensions.vector(bytes, length: 2)
            else { throw .helloInvalid }
            switch kind {
            case 0:
                if hasName { throw .helloInvalid }
                hasName = true
                name = try serverName(bytes, Part(content))
            case 16:
                if hasProtocols { throw .helloInvalid }
                hasProtocols = true
                protocols = try protocolList(bytes, Part(content))
            case 41: carriesPreSharedKey = true
            case 42: carriesEarlyData = true
            default: break
            }
        }
    }

    /// RFC 6066, 3: a list that can hold one name of each kind, and there is one kind.
    private func serverName(_ bytes: RawSpan, _ content: Part) throws(HelloMalformed) -> ByteRange {
        var content = content
        guard let list = content.vector(bytes, length: 2), content.isEmpty else { throw .serverNameInvalid }
        var names = Part(list)
        guard names.byte(bytes) == 0, let name = names.vector(bytes, length: 2), names.isEmpty, bytes.isHostName(name)
        else { throw .serverNameInvalid }
        return ByteRange(name.lowerBound, name.upperBound)
    }

    private func protocolList(_ bytes: RawSpan, _ content: Part) throws(HelloMalformed) -> ByteRange {
        var content = content
        guard let list = content.vector(bytes, length: 2), content.isEmpty, !list.isEmpty else {
            throw .protocolsInvalid
        }
        var names = Part(list)
        while !names.isEmpty {
            guard let name = names.vector(bytes, length: 1), !name.isEmpty else { throw .protocolsInvalid }
        }
        return ByteRange(list.lowerBound, list.upperBound)
    }

    /// What is left to read of a part of the message; nothing goes beyond its end.
    private struct Part {
        private var offset: Int
        private let end: Int

        init(_ range: Range<Int>) {
            offset = range.lowerBound
            end = range.upperBound
        }

        var isEmpty: Bool { offset == end }

        mutating func byte(_ bytes: RawSpan) -> Int? { number(bytes, count: 1) }

        mutating func number(_ bytes: RawSpan, count: Int) -> Int? {
            guard skip(count) else { return nil }
            return bytes.number(at: offset &- count, bytes: count)
        }

        mutating func skip(_ count: Int) -> Bool {
            guard count <= end &- offset else { return false }
            offset &+= count
            return true
        }

        /// What is behind a length of so many bytes, which counts it.
        mutating func vector(_ bytes: RawSpan, length: Int) -> Range<Int>? {
            guard let size = number(bytes, count: length), skip(size) else { return nil }
            return offset &- size..<offset
        }
    }
}

extension RawSpan {
    /// Labels of letters, digits, `-` and `_`, of 1 to 63 bytes each, 253 in all; a dot may end it.
    fileprivate func isHostName(_ range: Range<Int>) -> Bool {
        var last = range.upperBound
        if range.count > 1, byte(at: last &- 1) == UInt8(ascii: ".") { last &-= 1 }
        guard last > range.lowerBound, last &- range.lowerBound <= 253 else { return false }
        var label = 0
        for i in range.lowerBound..<last {
            let byte = byte(at: i)
            if byte == UInt8(ascii: ".") {
                if label == 0 { return false }
                label = 0
                continue
            }
            let isLetter = byte.lowercased &- 0x61 < 26
            guard isLetter || byte.isDigit || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") else {
                return false
            }
            label &+= 1
            if label > 63 { return false }
        }
        return label > 0
    }

    /// A number of up to seven bytes in network order.
    @inline(__always)
    func number(at offset: Int, bytes count: Int) -> Int {
        var number = 0
        for i in 0..<count { number = number &<< 8 | Int(byte(at: offset &+ i)) }
        return number
    }
}

/// What is wrong with the beginning of a TLS connection.
package enum HelloMalformed: UInt8, Error, CaseIterable {
    /// The first bytes are of another protocol.
    case notTLS
    case recordInvalid
    /// Another handshake message comes first.
    case helloMissing
    case helloTooLarge
    case helloInvalid
    case serverNameInvalid
    case protocolsInvalid

    /// A short word for logs. Part of the interface: operators count by it.
    package var reason: StaticString {
        switch self {
        case .notTLS: "not-tls"
        case .recordInvalid: "tls-record-invalid"
        case .helloMissing: "tls-hello-missing"
        case .helloTooLarge: "tls-hello-too-large"
        case .helloInvalid: "tls-hello-invalid"
        case .serverNameInvalid: "server-name-invalid"
        case .protocolsInvalid: "protocols-invalid"
        }
    }
}
