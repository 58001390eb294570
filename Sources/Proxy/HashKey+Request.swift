internal import RouteTable
internal import Wire

extension HashKey {
    /// A request's key for `balance: hash`; nil if it has none, and any endpoint will do.
    func hash(_ head: borrowing RequestHead, _ bytes: RawSpan, _ client: ClientContext) -> UInt64? {
        switch self {
        case .path: return fnv(bytes.extracting(head.path.bounds))
        default: return nil
        }
    }

    /// FNV-1a; the picking mixes it further.
    private func fnv(_ bytes: RawSpan) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for i in 0..<bytes.byteCount {
            hash = (hash ^ UInt64(unsafe bytes.unsafeLoad(fromByteOffset: i, as: UInt8.self))) &* 0x100_0000_01b3
        }
        return hash
    }
}
