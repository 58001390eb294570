/// The shape of a `host[:port]`, as in a Host field or an absolute target.
struct Authority {
    /// Bytes of the host, brackets of an IPv6 address included.
    var hostCount: Int
    var hasPort: Bool
    /// Only letters, digits, hyphens and dots: safe to be written anywhere without quotes.
    var isPlain: Bool

    /// Nil if the range holds no valid authority: userinfo, blanks, a second colon, what RFC 3986, 3.2.2 does not
    /// allow. An empty one is valid (and so is an empty port, as the grammar has it); who must not have it, checks.
    @inline(__always)
    init?(_ bytes: RawSpan, _ range: Range<Int>) {
        // Nearly every one is plain, or plain up to its port.
        var end = range.lowerBound
        while end < range.upperBound {
            let mask = Words.notHostLetters(bytes.word(at: end))
            if mask != 0 {
                end &+= Words.first(mask)
                break
            }
            end &+= 8
        }
        if end >= range.upperBound {
            self.init(hostCount: range.count, hasPort: false, isPlain: true)
            return
        }
        guard let other = Self.odd(bytes, range, end) else { return nil }
        self = other
    }

    private init(hostCount: Int, hasPort: Bool, isPlain: Bool) {
        self.hostCount = hostCount
        self.hasPort = hasPort
        self.isPlain = isPlain
    }

    /// With a port, or an address in brackets, or rarer bytes from `position` on.
    private static func odd(_ bytes: RawSpan, _ range: Range<Int>, _ position: Int) -> Authority? {
        var end = position
        var isPlain = true
        if end == range.lowerBound, bytes.byte(at: end) == UInt8(ascii: "[") {
            guard let closed = literalEnd(bytes, range) else { return nil }
            end = closed
            isPlain = false
        } else {
            while end < range.upperBound, bytes.byte(at: end) != .colon {
                let byte = bytes.byte(at: end)
                guard byte.isHostNameByte else { return nil }
                if !(byte.isDigit || byte.lowercased &- 0x61 < 26 || byte == 0x2d || byte == 0x2e) { isPlain = false }
                if byte == UInt8(ascii: "%") {
                    guard end &+ 2 < range.upperBound, bytes.byte(at: end &+ 1).hexValue != nil,
                        bytes.byte(at: end &+ 2).hexValue != nil
                    else { return nil }
                    end &+= 2
                }
                end &+= 1
            }
        }
        let hostCount = end &- range.lowerBound
        if end == range.upperBound { return Authority(hostCount: hostCount, hasPort: false, isPlain: isPlain) }
        guard bytes.byte(at: end) == .colon else { return nil }
        for i in (end &+ 1)..<max(range.upperBound, end &+ 1) where !bytes.byte(at: i).isDigit { return nil }
        return Authority(hostCount: hostCount, hasPort: true, isPlain: isPlain)
    }

    /// The offset behind the `]` of an address in brackets. Only its bytes are checked, not its arithmetic: nothing
    /// here connects to it.
    private static func literalEnd(_ bytes: RawSpan, _ range: Range<Int>) -> Int? {
        var end = range.lowerBound &+ 1
        while end < range.upperBound {
            let byte = bytes.byte(at: end)
            if byte == UInt8(ascii: "]") { return end > range.lowerBound &+ 1 ? end &+ 1 : nil }
            guard byte.hexValue != nil || byte == .colon || byte == UInt8(ascii: ".") else { return nil }
            end &+= 1
        }
        return nil
    }
}
