internal import COpenSSL

/// Who a client has proved to be, by a certificate that was verified.
package struct PeerIdentity: Sendable, Equatable {
    /// The text of RFC 2253.
    package let subject: String
    package let dnsNames: [String]
    package let uris: [String]
    /// SHA-256 of the certificate, in hexadecimal digits.
    package let fingerprint: String

    init(_ certificate: OpaquePointer) {
        subject = unsafe String(unsafeUninitializedCapacity: 1_024) { room in
            unsafe room.withMemoryRebound(to: CChar.self) { unsafe cssl_subject(certificate, $0.baseAddress, $0.count) }
        }
        var dnsNames: [String] = []
        var uris: [String] = []
        for name in unsafe AlternativeName.all(of: certificate) {
            switch name {
            case .dns(let text): dnsNames.append(text)
            case .uri(let text): uris.append(text)
            case .ip, .other: break
            }
        }
        self.dnsNames = dnsNames
        self.uris = uris
        var digest: InlineArray<32, UInt8> = InlineArray(repeating: 0)
        var bytes = digest.mutableSpan
        unsafe bytes.withUnsafeMutableBufferPointer { unsafe cssl_fingerprint(certificate, $0.baseAddress) }
        fingerprint = digest.indices.map { i in
            let byte = digest[i]
            return (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }

    /// The value of a field that tells it, in the elements of Envoy's X-Forwarded-Client-Cert:
    /// `Hash=…;Subject="…";URI=…;DNS=…`. ASCII without control characters, whatever the certificate says.
    package var fieldValue: String {
        var elements = ["Hash=\(fingerprint)", "Subject=\(Self.quoted(subject))"]
        elements += uris.map { "URI=\(Self.plainOrQuoted($0))" }
        elements += dnsNames.map { "DNS=\(Self.plainOrQuoted($0))" }
        return elements.joined(separator: ";")
    }

    private static func plainOrQuoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\";,=\\".utf8.contains($0) }
        return isPlain ? text : quoted(text)
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x5C: result += "\\" + String(UnicodeScalar(byte))
            case 0x20..<0x7F: result.unicodeScalars.append(UnicodeScalar(byte))
            default: result += "?"
            }
        }
        return result + "\""
    }
}

/// One of a certificate's alternative names.
enum AlternativeName: Equatable {
    case dns(String)
    case uri(String)
    /// 4 or 16 bytes.
    case ip([UInt8])
    case other

    /// So many are looked at.
    private static let limit = 1_000

    static func all(of certificate: OpaquePointer) -> [AlternativeName] {
        var names: [AlternativeName] = []
        for index in 0..<limit {
            var kind: Int32 = -1
            let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 2_048) { room, count in
                unsafe room.withMemoryRebound(to: CChar.self) { room in
                    unsafe kind = cssl_alternative_name(certificate, Int32(index), room.baseAddress, room.count, &count)
                }
            }
            switch kind {
            case -1: return names
            case 1: names.append(.dns(String(decoding: bytes, as: UTF8.self)))
            case 2: names.append(.uri(String(decoding: bytes, as: UTF8.self)))
            case 3: names.append(.ip(bytes))
            default: names.append(.other)
            }
        }
        return names
    }
}
