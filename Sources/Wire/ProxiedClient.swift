/// A client as proxies tell each other of it: where it connected from, and to.
package struct ProxiedClient: Sendable, Equatable {
    package var source: ProxiedAddress
    package var destination: ProxiedAddress

    package init(source: ProxiedAddress, destination: ProxiedAddress) {
        self.source = source
        self.destination = destination
    }

    /// The same with both addresses of one family, as only those can be told together.
    var asOneFamily: ProxiedClient {
        source.isFour == destination.isFour
            ? self : ProxiedClient(source: source.asSix, destination: destination.asSix)
    }
}

/// An IPv4 or IPv6 address and a port.
package struct ProxiedAddress: Sendable {
    /// The first `count` of them, in network order; the rest is 0.
    package let bytes: InlineArray<16, UInt8>
    /// 4 or 16.
    package let count: Int
    package let port: UInt16

    package var isFour: Bool { count == 4 }

    /// - Parameter count: 4 or 16.
    package init(bytes: InlineArray<16, UInt8>, count: Int, port: UInt16) {
        precondition(count == 4 || count == 16, "an address has 4 bytes or 16")
        self.bytes = bytes
        self.count = count
        self.port = port
    }

    /// An IPv4 address that was written as an IPv6 one (RFC 4291, 2.5.5.2), as itself: it is the same host, and rules for
    /// IPv4 addresses are for it.
    var unmapped: ProxiedAddress {
        guard count == 16, (0..<10).allSatisfy({ bytes[$0] == 0 }), bytes[10] == 0xff, bytes[11] == 0xff else {
            return self
        }
        var four = InlineArray<16, UInt8>(repeating: 0)
        for i in 0..<4 { four[i] = bytes[12 &+ i] }
        return ProxiedAddress(bytes: four, count: 4, port: port)
    }

    /// The reverse.
    fileprivate var asSix: ProxiedAddress {
        guard isFour else { return self }
        var six = InlineArray<16, UInt8>(repeating: 0)
        six[10] = 0xff
        six[11] = 0xff
        for i in 0..<4 { six[12 &+ i] = bytes[i] }
        return ProxiedAddress(bytes: six, count: 16, port: port)
    }

    /// From 4 or 16 bytes.
    init(_ address: RawSpan, port: UInt16) {
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        for i in 0..<min(address.byteCount, 16) { bytes[i] = address.byte(at: i) }
        self.init(bytes: bytes, count: address.byteCount == 4 ? 4 : 16, port: port)
    }

    /// The usual text of an address of this family, without brackets; nil if it is none.
    init?(text: RawSpan, isFour: Bool, port: UInt16) {
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        let end = text.byteCount
        guard isFour ? Self.four(text, 0..<end, &bytes, at: 0) : Self.six(text, &bytes) else { return nil }
        self.init(bytes: bytes, count: isFour ? 4 : 16, port: port)
    }

    /// Four decimal numbers without leading zeros, between dots.
    private static func four(
        _ text: RawSpan, _ range: Range<Int>, _ bytes: inout InlineArray<16, UInt8>, at place: Int
    ) -> Bool {
        var offset = range.lowerBound
        for part in 0..<4 {
            if part > 0 {
                guard offset < range.upperBound, text.byte(at: offset) == UInt8(ascii: ".") else { return false }
                offset &+= 1
            }
            let start = offset
            var value = 0
            while offset < range.upperBound, text.byte(at: offset).isDigit, offset &- start < 3 {
                value = value &* 10 &+ Int(text.byte(at: offset) &- 0x30)
                offset &+= 1
            }
            guard offset > start, value < 256, offset &- start == 1 || text.byte(at: start) != UInt8(ascii: "0") else {
                return false
            }
            bytes[place &+ part] = UInt8(truncatingIfNeeded: value)
        }
        return offset == range.upperBound
    }

    /// RFC 4291, 2.2: groups of up to four hexadecimal digits between colons, one run of zeros perhaps left out as `::`,
    /// the last two groups perhaps an IPv4 address.
    private static func six(_ text: RawSpan, _ bytes: inout InlineArray<16, UInt8>) -> Bool {
        let end = text.byteCount
        var offset = 0
        var count = 0
        var gap: Int?
        if text.byte(at: 0) == .colon {
            guard text.byte(at: 1) == .colon else { return false }
            gap = 0
            offset = 2
        }
        while offset < end {
            let start = offset
            var value = 0
            while offset < end, let digit = text.byte(at: offset).hexValue, offset &- start < 4 {
                value = value &<< 4 | Int(digit)
                offset &+= 1
            }
            guard offset > start else { return false }
            if offset < end, text.byte(at: offset) == UInt8(ascii: ".") {
                guard count <= 12, four(text, start..<end, &bytes, at: count) else { return false }
                count &+= 4
                offset = end
                break
            }
            guard count <= 14 else { return false }
            bytes[count] = UInt8(truncatingIfNeeded: value &>> 8)
            bytes[count &+ 1] = UInt8(truncatingIfNeeded: value)
            count &+= 2
            if offset == end { break }
            guard text.byte(at: offset) == .colon else { return false }
            offset &+= 1
            if offset < end, text.byte(at: offset) == .colon {
                if gap != nil { return false }
                gap = count
                offset &+= 1
            } else if offset == end {
                return false
            }
        }
        guard let gap else { return count == 16 }
        guard count <= 14 else { return false }
        // What is behind the gap belongs at the end.
        for i in 0..<count &- gap {
            bytes[15 &- i] = bytes[count &- 1 &- i]
            bytes[count &- 1 &- i] = 0
        }
        return true
    }

    /// The address as text, in a form that every reader takes: IPv6 groups are not shortened.
    func encodeText(into out: inout WriteBuffer) {
        for i in stride(from: 0, to: count, by: isFour ? 1 : 2) {
            if i > 0 { out.append(isFour ? "." : ":") }
            if isFour {
                out.append(decimal: Int(bytes[i]))
            } else {
                out.append(hex: UInt64(bytes[i]) &<< 8 | UInt64(bytes[i &+ 1]))
            }
        }
    }
}

extension ProxiedAddress: Equatable {
    package static func == (a: ProxiedAddress, b: ProxiedAddress) -> Bool {
        a.count == b.count && a.port == b.port && (0..<16).allSatisfy { a.bytes[$0] == b.bytes[$0] }
    }
}
