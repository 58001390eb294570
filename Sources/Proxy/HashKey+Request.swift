internal import Reactor
internal import RouteTable
internal import Wire

extension HashKey {
    /// A request's key for `balance: hash`; nil if it has none, and any endpoint will do.
    func hash(_ head: borrowing RequestHead, _ bytes: RawSpan, _ client: ClientContext) -> UInt64? {
        switch self {
        case .path: return Self.fnv(bytes, head.path.bounds)
        case .source: return hash(client)
        case .header(let name):
            // A copy of a short name, by services that ask for it only.
            return Array(name.utf8).withBytes { name in
                head.nextField(named: name, from: 0, in: bytes).map { Self.fnv(bytes, head.field($0).value.bounds) }
            }
        case .cookie(let name): return Self.cookie(Array(name.utf8), head, bytes).map { Self.fnv(bytes, $0) }
        }
    }

    /// A tunnel's key: all that is known of it is where it comes from.
    func hash(_ client: ClientContext) -> UInt64? {
        guard self == .source, client.addressCount > 0 else { return nil }
        return (0..<client.addressCount).reduce(0xcbf2_9ce4_8422_2325) {
            ($0 ^ UInt64(client.address[$1])) &* 0x100_0000_01b3
        }
    }

    /// Where the value of a cookie lies (RFC 6265, 4.2.1: `name=value` pairs, separated by semicolons).
    private static func cookie(_ name: [UInt8], _ head: borrowing RequestHead, _ bytes: RawSpan) -> Range<Int>? {
        var index = 0
        while let found = Array("cookie".utf8).withBytes({ head.nextField(named: $0, from: index, in: bytes) }) {
            let field = head.field(found).value.bounds
            var start = field.lowerBound
            while start < field.upperBound {
                while start < field.upperBound, byte(bytes, start) == 0x20 || byte(bytes, start) == 0x3b { start += 1 }
                var end = start
                while end < field.upperBound, byte(bytes, end) != 0x3b { end += 1 }
                let valueStart = start + name.count + 1
                if valueStart <= end, byte(bytes, valueStart - 1) == 0x3d,
                    name.indices.allSatisfy({ byte(bytes, start + $0) == name[$0] })
                {
                    return valueStart..<end
                }
                start = end
            }
            index = found + 1
        }
        return nil
    }

    private static func byte(_ bytes: RawSpan, _ offset: Int) -> UInt8 {
        // Checked by the span.
        unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    /// FNV-1a; the choices among cells and among endpoints mix it further.
    private static func fnv(_ bytes: RawSpan, _ range: Range<Int>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for i in range { hash = (hash ^ UInt64(byte(bytes, i))) &* 0x100_0000_01b3 }
        return hash
    }
}
