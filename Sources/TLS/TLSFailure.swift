internal import COpenSSL

/// Why a handshake or an encrypted connection failed: a closed set, for metrics, logs and answers.
///
/// Those that begin with `peer` are what the other side said, as an alert, of what we sent.
package enum TLSFailure: UInt8, Error, Sendable, CaseIterable {
    // The numbers are cssl_failure's.

    /// The certificate is signed by nobody who is trusted.
    case unknownCA = 1
    case expired = 2
    case notYetValid = 3
    case nameMismatch = 4
    /// The certificate is no good for another reason.
    case badCertificate = 5
    /// A certificate was asked for and none was shown.
    case clientCertificateRequired = 6
    case noSharedCipher = 7
    case noSharedGroup = 8
    /// No application protocol (ALPN) that both speak.
    case noSharedProtocol = 9
    case unsupportedVersion = 10
    /// An HTTP request without encryption.
    case plainHTTP = 11
    /// Bytes that are no TLS at all.
    case notTLS = 12
    /// The connection ended without notice: something may be missing.
    case truncated = 13
    case handshakeTimeout = 14
    /// A record whose bytes were changed on the way.
    case corrupted = 15
    case protocolError = 16
    case peerRefused = 17
    case peerUnknownCA = 18
    case peerCertificateExpired = 19
    case peerBadCertificate = 20
    case peerUnknownName = 21
    /// The connection ended within the handshake.
    case peerClosed = 22
    case outOfMemory = 23

    /// One word, for labels and log lines.
    package var word: String {
        switch self {
        case .unknownCA: "unknown-ca"
        case .expired: "expired"
        case .notYetValid: "not-yet-valid"
        case .nameMismatch: "name-mismatch"
        case .badCertificate: "bad-certificate"
        case .clientCertificateRequired: "client-certificate-required"
        case .noSharedCipher: "no-shared-cipher"
        case .noSharedGroup: "no-shared-group"
        case .noSharedProtocol: "no-shared-protocol"
        case .unsupportedVersion: "unsupported-version"
        case .plainHTTP: "plain-http-on-tls"
        case .notTLS: "not-tls"
        case .truncated: "truncated"
        case .handshakeTimeout: "handshake-timeout"
        case .corrupted: "corrupted"
        case .protocolError: "protocol-error"
        case .peerRefused: "peer-refused"
        case .peerUnknownCA: "peer-unknown-ca"
        case .peerCertificateExpired: "peer-certificate-expired"
        case .peerBadCertificate: "peer-bad-certificate"
        case .peerUnknownName: "peer-unknown-name"
        case .peerClosed: "peer-closed"
        case .outOfMemory: "out-of-memory"
        }
    }

    /// A negative result of COpenSSL.
    init(result: Int) {
        self = TLSFailure(rawValue: UInt8(truncatingIfNeeded: 0 &- result)) ?? .protocolError
    }
}
