/// A numeric IPv4 or IPv6 address.
package struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    /// Four bytes or sixteen, the most significant first.
    package let bytes: [UInt8]

    /// - Parameter bytes: four or sixteen.
    package init(bytes: [UInt8]) {
        precondition(bytes.count == 4 || bytes.count == 16)
        self.bytes = bytes
    }

    /// Reads `10.0.0.1` (four decimal numbers without leading zeros) or an IPv6 address as in RFC 4291, section 2.2,
    /// without brackets and without a zone; nil when it is neither.
    package init?(_ text: String) {
        let text = Array(text.utf8)
        guard let bytes = text.contains(UInt8(ascii: ":")) ? Self.six(text[...]) : Self.four(text[...]) else {
            return nil
        }
        self.bytes = bytes
    }

    package var isFour: Bool { bytes.count == 4 }

    /// `10.0.0.1`, or an IPv6 address in the one form of RFC 5952: small letters, no leading zeros, the longest run of
    /// two zero groups or more shortened, the first of several as long.
    package var description: String {
        if isFour { return bytes.map { "\($0)" }.joined(separator: ".") }
        let groups = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
        var longest = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > max(1, longest.count) { longest = start..<end }
            start = max(end, start + 1)
        }
        func text(_ groups: ArraySlice<UInt16>) -> String {
            groups.map { String($0, radix: 16) }.joined(separator: ":")
        }
        if longest.isEmpty { return text(groups[...]) }
        return text(groups[..<longest.lowerBound]) + "::" + text(groups[longest.upperBound...])
    }

    private static func four(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0") else { return nil }
            var value = 0
            for byte in part {
                guard (0x30...0x39).contains(byte) else { return nil }
                value = value * 10 + Int(byte - 0x30)
            }
            guard let number = UInt8(exactly: value) else { return nil }
            bytes.append(number)
        }
        return bytes
    }

    private static func six(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let colon = UInt8(ascii: ":")
        // At most one `::`, which splits the address in two halves.
        var gap: Int?
        for index in text.indices.dropLast() where text[index] == colon && text[index + 1] == colon {
            if gap != nil { return nil }
            gap = index
        }
        guard let gap else {
            guard let bytes = groups(text), bytes.count == 16 else { return nil }
            return bytes
        }
        guard let head = groups(text[..<gap], mayEndInFour: false), let tail = groups(text[(gap + 2)...]),
            head.count + tail.count <= 14
        else { return nil }
        return head + [UInt8](repeating: 0, count: 16 - head.count - tail.count) + tail
    }

    /// Groups between colons, the last of which may be an IPv4 address where the whole ends.
    private static func groups(_ text: ArraySlice<UInt8>, mayEndInFour: Bool = true) -> [UInt8]? {
        if text.isEmpty { return [] }
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        var bytes: [UInt8] = []
        for (index, part) in parts.enumerated() {
            if mayEndInFour, index == parts.count - 1, part.contains(UInt8(ascii: ".")) {
                guard let last = four(part) else { return nil }
                bytes += last
                continue
            }
            guard (1...4).contains(part.count) else { return nil }
            var value: UInt16 = 0
            for byte in part {
                guard let digit = Unicode.Scalar(byte).hexadecimalDigit else { return nil }
                value = value << 4 | UInt16(digit)
            }
            bytes.append(UInt8(value >> 8))
            bytes.append(UInt8(truncatingIfNeeded: value))
        }
        return bytes
    }
}
