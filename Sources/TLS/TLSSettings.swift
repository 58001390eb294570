internal import COpenSSL
internal import Reactor
package import RouteTable

/// What a listener's TLS is made of, read and checked: from here on no file is looked at.
package struct TLSServerSettings: Sendable {
    package let rules: ListenerTLS
    package let certificates: [ServerCertificate]
    let identities: [Identity]
    let protocolList: [UInt8]
    /// What clients' certificates are verified with, where they are.
    package let authorities: [Authority]
    /// The same for the same rules for clients: who is asked for a certificate, whose is good, and how a service is told. A
    /// connection, or a session, that was begun by other rules is not gone on with. Never 0, which is without encryption.
    let clientRules: UInt64
    /// When the first of those authorities expires that were good when they were read: seconds since 1970.
    let clientsUntil: Int64
    private let clientCA: [UInt8]
    private let sessionName: [UInt8]

    /// Certificates that serve the same names: at most one of each kind of key.
    struct Identity: Sendable {
        var names: [String]
        /// Indices into `certificates`.
        let certificates: [Int]
    }

    /// - Parameters:
    ///   - name: of the listener. Sessions are resumed only where the name and the rules for clients are the same.
    ///   - clientCA: PEM, where clients are verified.
    package init(
        name: String, rules: ListenerTLS, certificates: [ServerCertificate], clientCA: [UInt8]
    ) throws(TLSProblem) {
        precondition(!certificates.isEmpty, "a listener without a certificate")
        self.rules = rules
        self.certificates = certificates
        self.clientCA = clientCA
        identities = Self.identities(certificates)
        protocolList = Self.list(rules.protocols)
        let authorities = Authority.all(in: clientCA)
        self.authorities = authorities
        let now = EventLoop.wallClock() / 1_000_000_000
        clientsUntil = authorities.map(\.notAfter).filter { $0 > now }.min() ?? .max
        let digest = Digest().adding(rules.client?.mode.rawValue).adding(rules.client?.header).adding(clientCA)
        clientRules = max(digest.value, 1)
        // It tells listeners and their rules apart; what is in a ticket is kept safe by the ticket's key.
        sessionName = digest.adding(name).bytes
        // So that whatever is wrong shows now, and not in a thread that serves.
        _ = try TLSServer(self, tickets: TicketKeys(), library: .forTrials)
    }

    /// The certificates by name. Of two for the same name with the same kind of key, the one that is good for longer.
    private static func identities(_ certificates: [ServerCertificate]) -> [Identity] {
        var best: [String: [Int32: Int]] = [:]
        var order: [String] = []
        for (index, certificate) in certificates.enumerated() {
            for name in certificate.names {
                if best[name] == nil { order.append(name) }
                if let other = best[name]?[certificate.keyKind], certificates[other].notAfter >= certificate.notAfter {
                    continue
                }
                best[name, default: [:]][certificate.keyKind] = index
            }
        }
        // The first certificate and what goes with it come first, for clients that name nobody.
        let first = certificates[0].names.first.flatMap { best[$0]?.values.sorted() } ?? [0]
        var identities = [Identity(names: [], certificates: first)]
        var places: [[Int]: Int] = [first: 0]
        for name in order {
            let members = (best[name] ?? [:]).values.sorted()
            if let place = places[members] {
                identities[place].names.append(name)
            } else {
                places[members] = identities.count
                identities.append(Identity(names: [name], certificates: members))
            }
        }
        return identities
    }

    /// ALPN's form: each name after its length.
    static func list(_ protocols: [String]) -> [UInt8] {
        protocols.flatMap { [UInt8(clamping: $0.utf8.count)] + Array($0.utf8.prefix(255)) }
    }

    func makeContext(_ library: OpaquePointer, _ state: UnsafeMutablePointer<cssl_server>) throws(TLSProblem)
        -> OpaquePointer
    {
        let context = try unsafe rules.minVersion.withSettings(
            upTo: rules.maxVersion, ciphers: rules.ciphers, groups: rules.groups
        ) {
            unsafe cssl_server_context(library, $0, state)
        }
        guard unsafe cssl_name_sessions(context, sessionName, sessionName.count) == 1 else {
            throw TLSProblem(file: "", found: OpenSSL.lastError())
        }
        guard let client = rules.client else { return unsafe context }
        guard unsafe cssl_trust(context, library, clientCA, clientCA.count, 1) > 0 else {
            let reason = OpenSSL.lastError()
            unsafe cssl_context_free(context)
            throw TLSProblem(file: client.ca, found: "no certificates in PEM form (\(reason))")
        }
        unsafe cssl_verify_clients(context, state.pointee.client_mode)
        return unsafe context
    }
}

/// What a service's TLS is made of, read and checked.
package struct TLSClientSettings: Sendable {
    package let rules: ServiceTLS
    /// The router's own, for endpoints that ask for one.
    package let certificate: ServerCertificate?
    /// What endpoints' certificates are verified with, where the rules name a file.
    package let authorities: [Authority]
    private let ca: [UInt8]
    private var protocolList: [UInt8]

    /// - Parameters:
    ///   - ca: PEM, where the rules name a file.
    ///   - certificate: where the rules name one.
    ///   - protocols: to offer (ALPN), by preference.
    package init(
        rules: ServiceTLS, ca: [UInt8], certificate: ServerCertificate?, protocols: [String]
    ) throws(TLSProblem) {
        self.rules = rules
        self.ca = ca
        self.certificate = certificate
        authorities = Authority.all(in: ca)
        protocolList = TLSServerSettings.list(protocols)
        _ = try TLSClient(self, library: .forTrials)
    }

    /// The same files and rules, with other protocols to offer.
    package func offering(_ protocols: [String]) -> TLSClientSettings {
        var settings = self
        settings.protocolList = TLSServerSettings.list(protocols)
        return settings
    }

    /// The same for the same rules and files, wherever they are: a connection that was opened by others is used no more.
    /// Never 0, which is without encryption.
    var digest: UInt64 {
        let digest = Digest().adding(ca).adding(protocolList).adding([rules.verify ? 1 : 0, rules.ca == nil ? 0 : 1])
            .adding(rules.name).adding(rules.minVersion.rawValue)
        return max((certificate.map { digest.adding($0.digest.bytes) } ?? digest).value, 1)
    }

    func makeContext(_ library: OpaquePointer) throws(TLSProblem) -> OpaquePointer {
        let context = try unsafe rules.minVersion.withSettings(upTo: .tls13, ciphers: [], groups: []) {
            unsafe cssl_client_context(library, $0)
        }
        do throws(TLSProblem) {
            if rules.verify { unsafe cssl_verify_server(context) }
            if let file = rules.ca {
                guard unsafe cssl_trust(context, library, ca, ca.count, 0) > 0 else {
                    throw TLSProblem(file: file, found: "no certificates in PEM form (\(OpenSSL.lastError()))")
                }
            } else if rules.verify, unsafe cssl_trust_system(context) != 1 {
                throw TLSProblem(file: "", found: "the system's certificates cannot be read (\(OpenSSL.lastError()))")
            }
            if let certificate {
                let loaded = try unsafe certificate.load(library)
                defer { unsafe cssl_certificate_free(loaded) }
                guard unsafe cssl_use_certificate(context, loaded) == 1 else {
                    throw TLSProblem(
                        file: certificate.file, found: "a certificate that cannot be used (\(OpenSSL.lastError()))")
                }
            }
            if !protocolList.isEmpty { _ = unsafe cssl_offer_protocols(context, protocolList, protocolList.count) }
        } catch {
            unsafe cssl_context_free(context)
            throw error
        }
        return unsafe context
    }
}

extension TLSVersion {
    /// Mozilla's intermediate configuration (5.7), without what is not forward secret and authenticated.
    private static let ciphers =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    private static let suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    private static let groups = "X25519:P-256:P-384"

    private var number: Int32 { self == .tls13 ? 0x0304 : 0x0303 }

    /// - Parameter ciphers: those of TLS 1.3 begin with `TLS_`.
    fileprivate func withSettings(
        upTo max: TLSVersion, ciphers: [String], groups: [String],
        _ make: (UnsafePointer<cssl_settings>) -> OpaquePointer?
    ) throws(TLSProblem) -> OpaquePointer {
        let older = ciphers.filter { !$0.hasPrefix("TLS_") }
        let newer = ciphers.filter { $0.hasPrefix("TLS_") }
        let olderText = older.isEmpty ? Self.ciphers : older.joined(separator: ":")
        let newerText = newer.isEmpty ? Self.suites : newer.joined(separator: ":")
        let groupsText = groups.isEmpty ? Self.groups : groups.joined(separator: ":")
        let made = unsafe olderText.withCString { olderText in
            unsafe newerText.withCString { newerText in
                unsafe groupsText.withCString { groupsText in
                    var settings = unsafe cssl_settings(
                        min_version: number, max_version: max.number, ciphers: olderText, suites: newerText,
                        groups: groupsText)
                    return unsafe make(&settings)
                }
            }
        }
        guard let made = unsafe made else {
            throw TLSProblem(file: "", found: "ciphers or groups that OpenSSL does not know (\(OpenSSL.lastError()))")
        }
        return unsafe made
    }
}
