internal import CLinux

/// An address a socket can be bound or connected to.
@safe package struct SocketAddress: Sendable {
    var raw: clinux_address

    init(raw: clinux_address) {
        self.raw = raw
    }

    /// A numeric IPv4 or IPv6 address (no brackets, no name), or nil if it is neither.
    package init?(ip: String, port: UInt16) {
        raw = clinux_address()
        guard unsafe clinux_address_ip(ip, port, &raw) == 0 else { return nil }
    }

    /// The path of a UNIX-domain socket, or nil if it is longer than the system allows (107 bytes).
    package init?(unixPath: String) {
        raw = clinux_address()
        guard unsafe clinux_address_unix(unixPath, &raw) == 0 else { return nil }
    }

    package var family: Int32 { unsafe withUnsafePointer(to: raw) { unsafe clinux_address_family($0) } }

    package var isUnix: Bool { family == AF_UNIX }

    package var port: UInt16 { unsafe withUnsafePointer(to: raw) { unsafe clinux_address_port($0) } }

    /// The same address with another port; nil for a UNIX-domain socket.
    package func withPort(_ port: UInt16) -> SocketAddress? {
        ip.flatMap { SocketAddress(ip: $0.description, port: port) }
    }

    package var ip: SocketIP? {
        unsafe withUnsafePointer(to: raw) { raw in
            var bytes = InlineArray<16, UInt8>(repeating: 0)
            var span = bytes.mutableSpan
            let count = unsafe span.withUnsafeMutableBufferPointer { unsafe clinux_address_bytes(raw, $0.baseAddress!) }
            return count == 0 ? nil : SocketIP(bytes: bytes, count: UInt8(count))
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `127.0.0.1:80`, `[::1]:80`, or `unix` (a peer's path says nothing).
    package var description: String {
        guard let ip else { return "unix" }
        return ip.isIPv4 ? "\(ip):\(port)" : "[\(ip)]:\(port)"
    }
}

/// An IPv4 or IPv6 address without a port, inline.
package struct SocketIP: Sendable {
    package let bytes: InlineArray<16, UInt8>
    /// 4 or 16.
    package let count: UInt8

    /// - Parameter count: 4 or 16.
    package init(bytes: InlineArray<16, UInt8>, count: UInt8) {
        self.bytes = bytes
        self.count = count
    }

    package var isIPv4: Bool { count == 4 }

    /// Every address of this machine: 0.0.0.0 or ::.
    package var isUnspecified: Bool { (0..<16).allSatisfy { bytes[$0] == 0 } }

    /// On this machine: 127.0.0.0/8 or ::1.
    var isLoopback: Bool {
        isIPv4 ? bytes[0] == 127 : (0..<15).allSatisfy { bytes[$0] == 0 } && bytes[15] == 1
    }

    /// Whether the first `prefixBits` bits are those of `block`, which has as many bytes as this address.
    package func isWithin(_ block: [UInt8], prefixBits: Int) -> Bool {
        guard block.count == Int(count), prefixBits <= block.count * 8 else { return false }
        let whole = prefixBits / 8
        for i in 0..<whole where block[i] != bytes[i] { return false }
        let rest = prefixBits % 8
        return rest == 0 || (block[whole] ^ bytes[whole]) >> (8 - UInt8(rest)) == 0
    }

    /// Its usual text, as ASCII bytes.
    package var text: (bytes: InlineArray<46, UInt8>, count: UInt8) {
        var out = InlineArray<46, UInt8>(repeating: 0)
        var span = out.mutableSpan
        let written = unsafe span.withUnsafeMutableBytes { out in
            unsafe bytes.span.withUnsafeBufferPointer { address in
                unsafe clinux_format_ip(address.baseAddress!, Int32(count), out.baseAddress!)
            }
        }
        return (out, UInt8(written))
    }
}

extension SocketIP: CustomStringConvertible {
    package var description: String {
        let (bytes, count) = text
        return String(decoding: (0..<Int(count)).map { bytes[$0] }, as: UTF8.self)
    }
}
