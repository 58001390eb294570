/// The members of a comma-separated field value, without the blanks around them (RFC 9110, 5.6.1). Empty members
/// are returned as empty ranges: what they mean is the reader's to say.
struct ListMembers {
    private var next: Int
    private let end: Int

    init(of value: ByteRange) {
        next = Int(value.start)
        end = Int(value.end)
    }

    mutating func next(in bytes: RawSpan) -> Range<Int>? {
        // A value that ends with a comma has an empty member behind it.
        guard next <= end else { return nil }
        var stop = next
        while stop < end, bytes.byte(at: stop) != UInt8(ascii: ",") { stop &+= 1 }
        var first = next
        var last = stop
        while first < last, bytes.byte(at: first).isBlank { first &+= 1 }
        while last > first, bytes.byte(at: last &- 1).isBlank { last &-= 1 }
        next = stop &+ 1
        return first..<last
    }
}

extension RawSpan {
    /// Whether a range holds a token, and nothing else.
    func isToken(_ range: Range<Int>) -> Bool {
        for i in range where !byte(at: i).isTokenByte { return false }
        return !range.isEmpty
    }
}
