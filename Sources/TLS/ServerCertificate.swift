internal import COpenSSL

/// A certificate with its chain and its private key, read and checked against each other, and what it says.
package struct ServerCertificate: Sendable {
    /// Where it came from.
    package let file: String
    /// Names it is for, in lower case; `*.example.com` is one label and then example.com.
    package let names: [String]
    package let subject: String
    /// Seconds since 1970.
    package let notBefore: Int64
    package let notAfter: Int64
    /// Certificates of different kinds can serve the same name; the client chooses.
    let keyKind: Int32
    private(set) var staple: Staple?

    private let chain: [UInt8]
    private let key: Secret

    /// The same for the same bytes of chain and key.
    var digest: Digest { Digest().adding(chain).adding(key.bytes) }

    struct Staple: Sendable {
        let bytes: [UInt8]
        let until: Int64
    }

    /// - Parameters:
    ///   - file: for messages.
    ///   - chain: PEM; the certificate itself first, then those above it.
    ///   - key: PEM, without a passphrase.
    package init(file: String, chain: [UInt8], keyFile: String, key: [UInt8]) throws(TLSProblem) {
        self.file = file
        self.chain = chain
        self.key = Secret(key)
        // Asked without the key first, so that a fault is told of the file it is in.
        unsafe cssl_certificate_free(try Self.load(nil, chain: chain, key: nil, file: file))
        let loaded = try unsafe Self.load(nil, chain: chain, key: self.key, file: keyFile)
        defer { unsafe cssl_certificate_free(loaded) }
        notBefore = unsafe cssl_not_before(loaded)
        notAfter = unsafe cssl_not_after(loaded)
        keyKind = unsafe cssl_key_kind(loaded)
        subject = unsafe PeerIdentity.subject(of: loaded)
        let alternatives = unsafe AlternativeName.all(of: loaded)
        var names = alternatives.compactMap { if case .dns(let name) = $0 { name.lowercased() } else { nil } }
        if alternatives.isEmpty {
            let common = unsafe String(unsafeUninitializedCapacity: 256) { room in
                unsafe room.withMemoryRebound(to: CChar.self) {
                    unsafe cssl_common_name(loaded, $0.baseAddress, $0.count)
                }
            }
            if !common.isEmpty { names = [common.lowercased()] }
        }
        self.names = names
    }

    /// Staples an OCSP response in DER form, if it is about this certificate and says that it is good.
    mutating func setStaple(_ response: [UInt8], file: String) throws(TLSProblem) {
        let loaded = try unsafe load(nil)
        defer { unsafe cssl_certificate_free(loaded) }
        var until: Int64 = -1
        let reason = unsafe Self.reason { unsafe until = cssl_check_staple(loaded, response, response.count, $0, $1) }
        if until < 0 { throw TLSProblem(file: file, found: reason) }
        staple = Staple(bytes: response, until: until)
    }

    /// For one library's contexts; to be freed.
    func load(_ library: OpaquePointer?) throws(TLSProblem) -> OpaquePointer {
        try unsafe Self.load(library, chain: chain, key: key, file: file)
    }

    private static func load(
        _ library: OpaquePointer?, chain: [UInt8], key: Secret?, file: String
    ) throws(TLSProblem) -> OpaquePointer {
        var loaded: OpaquePointer?
        let reason = unsafe reason { text, room in
            unsafe loaded = cssl_certificate_load(
                library, chain, chain.count, key?.bytes, key?.bytes.count ?? 0, text, room)
        }
        guard let loaded = unsafe loaded else { throw TLSProblem(file: file, found: reason) }
        return unsafe loaded
    }

    private static func reason(_ body: (UnsafeMutablePointer<CChar>?, Int) -> Void) -> String {
        var text = [CChar](repeating: 0, count: 256)
        unsafe text.withUnsafeMutableBufferPointer { unsafe body($0.baseAddress, $0.count) }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// Bytes that are never shown.
struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    var description: String { "(secret)" }
    var debugDescription: String { description }
    var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// What is wrong with a file of certificates or keys, or draws a warning.
package struct TLSProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// Empty where it is about no file.
    package let file: String
    package let found: String
    package let expected: String?

    package init(file: String, found: String, expected: String? = nil) {
        self.file = file
        self.found = found
        self.expected = expected
    }

    /// `certs/a.pem: a private key that does not belong to the certificate`.
    package var description: String {
        (file.isEmpty ? "" : "\(file): ") + found + (expected.map { "; expected \($0)" } ?? "")
    }
}
