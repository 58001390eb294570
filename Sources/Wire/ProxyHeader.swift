/// Who is behind a connection that a proxy opened: the header of the PROXY protocol, versions 1 and 2, which comes
/// before everything else (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt).
package struct ProxyHeader: Sendable, Equatable {
    package enum Version: UInt8, Sendable, CaseIterable { case v1 = 1, v2 }

    /// Whom the proxy speaks for; nil: for itself (LOCAL), or for somebody without an IP address (UNKNOWN, UNSPEC, a
    /// UNIX-domain socket).
    package var client: ProxiedClient?

    /// Bytes of a header of version 2, at most: its addresses have 232, the rest is extensions, which are skipped.
    package static let bytesLimit = 4_096
    /// Bytes of a header of version 1, its line end included (2.1).
    static let lineLimit = 107

    package enum Progress: Sendable, Equatable {
        /// The header is at hand; what follows it begins after that many bytes.
        case complete(ProxyHeader, headerBytes: Int)
        /// No fault so far, but the end has not come. Parse again with more bytes, from the same first byte.
        case incomplete
    }

    package init(client: ProxiedClient? = nil) {
        self.client = client
    }

    /// Parses what a connection has brought so far, from its first byte.
    package static func parse(_ bytes: RawSpan) throws(ProxyHeaderMalformed) -> Progress {
        if bytes.isEmpty { return .incomplete }
        return bytes.byte(at: 0) == .carriageReturn ? try parseBinary(bytes) : try parseLine(bytes)
    }

    // Version 1

    /// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443` and a line end, single spaces between.
    private static func parseLine(_ bytes: RawSpan) throws(ProxyHeaderMalformed) -> Progress {
        guard bytes.begins(with: "PROXY ") else { throw .headerMissing }
        let limit = min(bytes.byteCount, lineLimit)
        guard let end = (0..<limit).first(where: { bytes.byte(at: $0) == .lineFeed }) else {
            if limit == lineLimit { throw .headerTooLarge }
            return .incomplete
        }
        guard bytes.byte(at: end &- 1) == .carriageReturn else { throw .headerInvalid }
        let line = bytes.extracting(6..<max(6, end &- 1))
        // Nothing more is to be understood of UNKNOWN.
        if line.begins(with: "UNKNOWN"), line.byteCount == 7 || line.byte(at: 7) == .space {
            return .complete(ProxyHeader(), headerBytes: end &+ 1)
        }
        guard line.begins(with: "TCP4 ") || line.begins(with: "TCP6 "), line.byteCount > 5 else { throw .headerInvalid }
        guard let client = addresses(line, isFour: line.byte(at: 3) == UInt8(ascii: "4")) else { throw .headerInvalid }
        return .complete(ProxyHeader(client: client), headerBytes: end &+ 1)
    }

    private static func addresses(_ line: RawSpan, isFour: Bool) -> ProxiedClient? {
        var words: [Range<Int>] = []
        var start = 5
        for i in 5...line.byteCount where i == line.byteCount || line.byte(at: i) == .space {
            words.append(start..<i)
            start = i &+ 1
        }
        guard words.count == 4, let sourcePort = port(line, words[2]), let destinationPort = port(line, words[3]),
            let source = ProxiedAddress(text: line.extracting(words[0]), isFour: isFour, port: sourcePort),
            let destination = ProxiedAddress(text: line.extracting(words[1]), isFour: isFour, port: destinationPort)
        else { return nil }
        return ProxiedClient(source: source.unmapped, destination: destination.unmapped)
    }

    /// Decimal, without leading zeros.
    private static func port(_ line: RawSpan, _ word: Range<Int>) -> UInt16? {
        guard (1...5).contains(word.count), word.count == 1 || line.byte(at: word.lowerBound) != UInt8(ascii: "0")
        else {
            return nil
        }
        var number = 0
        for i in word {
            guard line.byte(at: i).isDigit else { return nil }
            number = number &* 10 &+ Int(line.byte(at: i) &- 0x30)
        }
        return UInt16(exactly: number)
    }

    // Version 2

    private static let signature: StaticString = "\r\n\r\n\0\r\nQUIT\n"

    private static func parseBinary(_ bytes: RawSpan) throws(ProxyHeaderMalformed) -> Progress {
        guard bytes.begins(with: signature) else { throw .headerMissing }
        // What can be said of a part is said at once.
        if bytes.byteCount > 12, bytes.byte(at: 12) != 0x20, bytes.byte(at: 12) != 0x21 { throw .headerInvalid }
        if bytes.byteCount < 16 { return .incomplete }
        let size = bytes.number(at: 14, bytes: 2) &+ 16
        if size > bytesLimit { throw .headerTooLarge }
        if bytes.byteCount < size { return .incomplete }
        // LOCAL: whatever else it says is to be skipped (2.2).
        if bytes.byte(at: 12) == 0x20 { return .complete(ProxyHeader(), headerBytes: size) }
        let header = bytes.extracting(0..<size)
        let addressBytes: Int
        switch header.byte(at: 13) {
        case 0x00: addressBytes = 0
        case 0x11: addressBytes = 12
        case 0x21: addressBytes = 36
        case 0x31: addressBytes = 216
        // Datagrams, and what nobody has defined.
        default: throw .headerInvalid
        }
        guard size >= 16 &+ addressBytes else { throw .headerInvalid }
        try checkExtensions(header, from: 16 &+ addressBytes)
        return .complete(ProxyHeader(client: client(header, addressBytes)), headerBytes: size)
    }

    private static func client(_ header: RawSpan, _ addressBytes: Int) -> ProxiedClient? {
        guard addressBytes == 12 || addressBytes == 36 else { return nil }
        let width = addressBytes == 12 ? 4 : 16
        let ports = 16 &+ 2 &* width
        return ProxiedClient(
            source: ProxiedAddress(
                header.extracting(16..<16 &+ width), port: UInt16(header.number(at: ports, bytes: 2))
            ).unmapped,
            destination: ProxiedAddress(
                header.extracting(16 &+ width..<ports), port: UInt16(header.number(at: ports &+ 2, bytes: 2))
            ).unmapped)
    }

    /// Extensions are skipped, but one that checks all the rest (2.2.3) is heeded.
    private static func checkExtensions(_ header: RawSpan, from start: Int) throws(ProxyHeaderMalformed) {
        var offset = start
        while offset < header.byteCount {
            let end = offset &+ 3 &+ header.number(at: offset &+ 1, bytes: 2)
            guard offset &+ 3 <= header.byteCount, end <= header.byteCount else { throw .headerInvalid }
            if header.byte(at: offset) == 0x03 {
                guard end &- offset == 7 else { throw .headerInvalid }
                let sum = checksum(header, without: offset &+ 3..<end)
                guard UInt32(header.number(at: offset &+ 3, bytes: 4)) == sum else { throw .checksumWrong }
            }
            offset = end
        }
    }

    /// CRC-32C (RFC 3720, appendix B.4) with zeros in place of itself.
    static func checksum(_ header: RawSpan, without own: Range<Int>) -> UInt32 {
        var remainder = UInt32.max
        for i in 0..<header.byteCount {
            remainder ^= own.contains(i) ? 0 : UInt32(header.byte(at: i))
            for _ in 0..<8 { remainder = remainder &>> 1 ^ (remainder & 1 == 1 ? 0x82f6_3b78 : 0) }
        }
        return ~remainder
    }
}

extension ProxyHeader {
    /// Writes the header. Someone without an IP address is UNKNOWN in version 1 and UNSPEC in version 2.
    package func encode(_ version: Version, into out: inout WriteBuffer) {
        switch version {
        case .v1: encodeLine(into: &out)
        case .v2: encodeBinary(into: &out)
        }
    }

    /// What a proxy sends that speaks for itself, as when it probes: LOCAL, which version 1 calls UNKNOWN.
    package static func encodeLocal(_ version: Version, into out: inout WriteBuffer) {
        guard version == .v2 else { return ProxyHeader().encodeLine(into: &out) }
        out.append(signature)
        for byte: UInt8 in [0x20, 0, 0, 0] { out.append(byte: byte) }
    }

    private func encodeLine(into out: inout WriteBuffer) {
        guard let client = client?.asOneFamily else { return out.append("PROXY UNKNOWN\r\n") }
        out.append(client.source.isFour ? "PROXY TCP4 " : "PROXY TCP6 ")
        client.source.encodeText(into: &out)
        out.append(" ")
        client.destination.encodeText(into: &out)
        out.append(" ")
        out.append(decimal: Int(client.source.port))
        out.append(" ")
        out.append(decimal: Int(client.destination.port))
        out.append("\r\n")
    }

    private func encodeBinary(into out: inout WriteBuffer) {
        out.append(Self.signature)
        out.append(byte: 0x21)
        guard let client = client?.asOneFamily else {
            for byte: UInt8 in [0, 0, 0] { out.append(byte: byte) }
            return
        }
        out.append(byte: client.source.isFour ? 0x11 : 0x21)
        out.append(byte: 0)
        out.append(byte: client.source.isFour ? 12 : 36)
        for address in [client.source, client.destination] {
            for i in 0..<address.count { out.append(byte: address.bytes[i]) }
        }
        for port in [client.source.port, client.destination.port] {
            out.append(byte: UInt8(truncatingIfNeeded: port >> 8))
            out.append(byte: UInt8(truncatingIfNeeded: port))
        }
    }
}

extension RawSpan {
    /// Whether these bytes are those of a literal, as far as there are as many.
    fileprivate func begins(with literal: StaticString) -> Bool {
        for i in 0..<min(byteCount, literal.utf8CodeUnitCount) {
            // Within the literal by the loop's bounds.
            let expected = unsafe literal.utf8Start[i]
            if byte(at: i) != expected { return false }
        }
        return true
    }
}

/// What is wrong with a header of the PROXY protocol.
package enum ProxyHeaderMalformed: UInt8, Error, CaseIterable {
    /// The first bytes are of another protocol.
    case headerMissing
    case headerInvalid
    case headerTooLarge
    case checksumWrong

    /// A short word for logs. Part of the interface: operators count by it.
    package var reason: StaticString {
        switch self {
        case .headerMissing: "proxy-header-missing"
        case .headerInvalid: "proxy-header-invalid"
        case .headerTooLarge: "proxy-header-too-large"
        case .checksumWrong: "proxy-header-checksum"
        }
    }
}
