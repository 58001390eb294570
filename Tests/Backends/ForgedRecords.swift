internal import CForge
package import TLS

/// Records that a peer of a test seals by itself, as OpenSSL would not: partly sent messages, in an order of their own.
///
/// A handshake of `client` or `server` comes first, on the thread that forges; the session speaks
/// TLS_AES_128_GCM_SHA256 of TLS 1.3.
package struct ForgedRecords {
    package enum Content: UInt8 {
        case alert = 21
        case handshake = 22
        case data = 23
    }

    private let isByClient: Bool
    private var sequence: UInt64 = 0

    /// Before the handshake.
    package init(by client: TLSClient) {
        isByClient = true
        unsafe cforge_keep_secrets(UnsafeMutableRawPointer(client.context))
    }

    package init(by server: TLSServer) {
        isByClient = false
        unsafe cforge_keep_secrets(UnsafeMutableRawPointer(server.context))
    }

    /// - Parameter sent: records that this side has sent after its handshake, by OpenSSL or before this one.
    package mutating func skip(_ sent: UInt64) { sequence += sent }

    package mutating func seal(_ content: Content, _ bytes: [UInt8]) -> [UInt8] {
        defer { sequence += 1 }
        return unsafe [UInt8](unsafeUninitializedCapacity: bytes.count + 22) { record, count in
            count = unsafe cforge_seal(
                isByClient ? 1 : 0, sequence, content.rawValue, bytes, bytes.count, record.baseAddress)
        }
    }

    /// Leaves an error in the queue that OpenSSL has for this thread.
    package static func leaveError() { cforge_leave_error() }

    /// The first four bytes of a KeyUpdate's five (RFC 8446, 4.6.3).
    package static let partOfKeyUpdate: [UInt8] = [24, 0, 0, 1]
}
