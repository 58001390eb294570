/// TLS toward clients.
package struct ListenerTLS: Sendable, Equatable {
    /// At least one; the first is for clients that name no server, or none that is known.
    package var certificates: [CertificateFiles]
    package var minVersion = TLSVersion.tls12
    package var maxVersion = TLSVersion.tls13
    /// OpenSSL's names of cipher suites, by preference; empty: the defaults.
    package var ciphers: [String] = []
    /// OpenSSL's names of key exchange groups, by preference; empty: the defaults.
    package var groups: [String] = []
    /// Protocols to agree on (ALPN), by preference; empty: none is agreed on.
    package var protocols: [String] = ["h2", "http/1.1"]
    /// Absent: clients are not asked for certificates.
    package var client: ClientVerification?

    package init(certificates: [CertificateFiles] = []) {
        self.certificates = certificates
    }
}

/// Where a certificate is.
package enum CertificateFiles: Sendable, Hashable {
    /// PEM files: the certificate with its chain, its private key, and an OCSP response (DER) to be stapled.
    case pair(certificate: String, key: String, ocsp: String?)
    /// All pairs in a directory.
    case directory(String)
}

package enum TLSVersion: String, Sendable, Equatable, CaseIterable {
    case tls12 = "1.2"
    case tls13 = "1.3"
}

/// Which clients are let in, by their certificates.
package struct ClientVerification: Sendable, Equatable {
    package enum Mode: String, Sendable, Equatable, CaseIterable {
        /// A client without a certificate is refused.
        case required
        /// A client may have none; one it has must be good.
        case optional
    }

    package var mode = Mode.required
    /// A PEM file of the authorities whose certificates are good.
    package var ca: String
    /// The field that tells the verified identity to services, in lower case; clients cannot send it. Absent: none does.
    package var header: String?

    package init(ca: String) {
        self.ca = ca
    }
}

/// TLS toward a service's endpoints.
package struct ServiceTLS: Sendable, Equatable {
    /// Whether an endpoint must have a good certificate with the right name.
    package var verify = true
    /// A PEM file of the authorities whose certificates are good. Absent: the system's.
    package var ca: String?
    /// The name that is asked for and verified. Absent: the endpoint's host name or IP address.
    package var name: String?
    /// A PEM file with the router's own certificate and chain, for services that ask for one; with its key.
    package var certificate: String?
    package var key: String?
    package var minVersion = TLSVersion.tls12

    package init() {}
}
