internal import COpenSSL

/// Who a client has proved to be, by a certificate that was verified.
///
/// A certificate may have thousands of names, and a worker reads them within a handshake: the first `namesLimit` are told,
/// as far as `bytesLimit` goes.
package struct PeerIdentity: Sendable, Equatable {
    /// The text of RFC 2253.
    package let subject: String
    package let dnsNames: [String]
    package let uris: [String]

    /// Names that are read, of all kinds.
    package static let namesLimit = 100
    /// Bytes of `fieldValue`, at most.
    package static let bytesLimit = 8_192

    /// SHA-256 of the certificate, in hexadecimal digits.
    package let fingerprint: String

    init(_ certificate: OpaquePointer) {
        subject = unsafe Self.subject(of: certificate)
        var dnsNames: [String] = []
        var uris: [String] = []
        for name in unsafe AlternativeName.all(of: certificate, limit: Self.namesLimit) {
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

    /// The text of RFC 2253, its first kilobyte.
    static func subject(of certificate: OpaquePointer) -> String {
        unsafe String(unsafeUninitializedCapacity: 1_024) { room in
            unsafe room.withMemoryRebound(to: CChar.self) { unsafe cssl_subject(certificate, $0.baseAddress, $0.count) }
        }
    }

    /// The value of a field that tells it, in the elements of Envoy's X-Forwarded-Client-Cert:
    /// `Hash=…;Subject="…";URI=…;DNS=…`. ASCII without control characters, whatever the certificate says. It ends before
    /// the first name that would make it longer than `bytesLimit`.
    package var fieldValue: String {
        var value = "Hash=\(fingerprint);Subject=\(Self.quoted(subject))"
        for (kind, name) in uris.map({ ("URI", $0) }) + dnsNames.map({ ("DNS", $0) }) {
            let element = ";\(kind)=\(Self.plainOrQuoted(name))"
            if value.utf8.count + element.utf8.count > Self.bytesLimit { break }
            value += element
        }
        return value
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

    /// In the certificate's order, all of them or the first so many.
    static func all(of certificate: OpaquePointer, limit: Int = .max) -> [AlternativeName] {
        guard let names = unsafe cssl_alternative_names(certificate) else { return [] }
        defer { unsafe cssl_names_free(names) }
        let count = unsafe min(Int(cssl_names_count(names)), limit)
        return (0..<max(count, 0)).map { index -> AlternativeName in
            var start: UnsafePointer<UInt8>?
            var length = 0
            let kind = unsafe cssl_name_at(names, Int32(truncatingIfNeeded: index), &start, &length)
            let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: length))
            return switch kind {
            case 1: .dns(String(decoding: bytes, as: UTF8.self))
            case 2: .uri(String(decoding: bytes, as: UTF8.self))
            case 3: .ip(bytes)
            default: .other
            }
        }
    }
}
