internal import COpenSSL

/// A certificate that others are verified with.
package struct Authority: Sendable, Equatable {
    package let subject: String
    /// Seconds since 1970.
    package let notBefore: Int64
    package let notAfter: Int64

    /// Those of a file in PEM form, in its order.
    static func all(in pem: [UInt8]) -> [Authority] {
        guard !pem.isEmpty, let bundle = unsafe cssl_bundle_read(pem, pem.count) else { return [] }
        defer { unsafe cssl_bundle_free(bundle) }
        let count = unsafe Int(cssl_bundle_count(bundle))
        return (0..<max(count, 0)).compactMap { index -> Authority? in
            guard let one = unsafe cssl_bundle_at(bundle, Int32(truncatingIfNeeded: index)) else { return nil }
            defer { unsafe cssl_certificate_free(one) }
            return unsafe Authority(
                subject: PeerIdentity.subject(of: one), notBefore: cssl_not_before(one), notAfter: cssl_not_after(one))
        }
    }
}
