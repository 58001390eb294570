internal import RouteTable

extension Shapes {
    /// TLS toward clients.
    static let listenerTLS = Shape<ListenerTLS>(
        "listener tls", ListenerTLS(),
        [
            Field(
                "certificates", \.certificates, Forms.certificateFiles.oneOrMany(of: "certificates"), isRequired: true,
                "Certificates with their keys, chosen by the server name a client asks for: an exact name before a "
                    + "wildcard, and the first for all others. Read again when the files change. A directory "
                    + "holds `NAME.crt`, `NAME.cert` or `NAME.pem` with the key in `NAME.key`, `NAME-key.pem` or the same "
                    + "file, and perhaps `NAME.ocsp`; and directories with `fullchain.pem` and `privkey.pem`."),
            Field("min_version", \.minVersion, Forms.tlsVersion, "The oldest version of TLS that is spoken."),
            Field("max_version", \.maxVersion, Forms.tlsVersion, "The newest."),
            Field(
                optional: "ciphers", \.optionalCiphers, Forms.cipher.list(1...32, of: "cipher suites"),
                "Cipher suites by preference, by OpenSSL's names; those of TLS 1.3 begin with `TLS_`. Absent: all that "
                    + "are forward secret and authenticated."),
            Field(
                optional: "groups", \.optionalGroups, Forms.group.list(1...8, of: "groups"),
                "Key exchange groups by preference. Absent: X25519, P-256, P-384."),
            Field(
                "alpn", \.protocols,
                Form<String>.words(["h2": "h2", "http/1.1": "http/1.1"]).list(0...8, of: "protocols"),
                "Protocols to agree on, by preference. A client that offers none of them is refused; one that offers "
                    + "nothing speaks HTTP/1.1. Empty: nothing is agreed on."),
            Field(
                optional: "client", \.client, clientVerification.form,
                "Which clients are let in, by their certificates."
            ),
        ]
    ) { tls in
        tls.minVersion == .tls13 && tls.maxVersion == .tls12
            ? [Breach(key: "max_version", found: "a newest version of 1.2", expected: "no older than min_version, 1.3")]
            : []
    }

    private static let certificatePair = Shape<PairDraft>(
        "certificate", PairDraft(),
        [
            Field(
                "certificate", \.certificate, Forms.filePath, isRequired: true,
                "A PEM file: the certificate, then those that lead to its authority."),
            Field(
                optional: "key", \.key, Forms.filePath,
                "A PEM file with its private key, without a passphrase. Absent: in the same file."),
            Field(optional: "ocsp", \.ocsp, Forms.filePath, "An OCSP response in DER form, which is stapled."),
        ])

    private static let clientVerification = Shape<ClientVerification>(
        "client verification", ClientVerification(ca: ""),
        [
            Field(
                "verify", \.mode, .words(["required": .required, "optional": .optional]),
                "`required`: a client without a certificate is refused. `optional`: it may have none, but none that is "
                    + "no good."),
            Field(
                "ca", \.ca, Forms.filePath, isRequired: true,
                "A PEM file of the authorities whose certificates are good."),
            Field(
                optional: "header", \.header, Forms.fieldName,
                "The field that tells services who a client has proved to be: "
                    + "`Hash=…;Subject=\"…\";URI=…;DNS=…`, of the certificate's first 100 names as many as fit into 8 KiB. "
                    + "No client of any listener can send it."),
        ]
    ) { client in
        (client.header ?? "").count { $0 == "-" || $0 == "_" } > 6
            ? [Breach(key: "header", found: "a name with more than six dashes", expected: "a shorter one")] : []
    }

    fileprivate static var certificatePairForm: Form<PairDraft> { certificatePair.form }

    /// TLS toward a service.
    static let serviceTLS = Shape<ServiceTLS>(
        "service tls", ServiceTLS(),
        [
            Field(
                "verify", \.verify, .words(["true": true, "false": false], schema: .object(["type": "boolean"])),
                "Whether endpoints must have a good certificate for their name."),
            Field(
                optional: "ca", \.ca, Forms.filePath,
                "A PEM file of the authorities whose certificates are good. Absent: the system's."),
            Field(
                optional: "name", \.name,
                Forms.host.mapped {
                    "\($0)"
                } _: {
                    .exact($0)
                },
                "The name that endpoints are asked for and must have a certificate for. Absent: their host name, or IP "
                    + "address."),
            Field(
                optional: "certificate", \.certificate, Forms.filePath,
                "A PEM file with the certificate that is shown to endpoints that ask for one."),
            Field(
                optional: "key", \.key, Forms.filePath, "A PEM file with its private key. Absent: in the same file."),
            Field("min_version", \.minVersion, Forms.tlsVersion, "The oldest version of TLS that is spoken."),
        ]
    ) { tls in
        var breaches: [Breach] = []
        if tls.key != nil, tls.certificate == nil {
            breaches.append(
                Breach(key: "key", found: "a key without a certificate", expected: "`certificate` beside it"))
        }
        if tls.name?.hasPrefix("*") == true {
            breaches.append(Breach(key: "name", found: "a wildcard", expected: "one name"))
        }
        return breaches
    }
}

/// A certificate while it is read.
struct PairDraft: Sendable {
    var certificate = ""
    var key: String?
    var ocsp: String?
}

extension ListenerTLS {
    fileprivate var optionalCiphers: [String]? {
        get { ciphers.isEmpty ? nil : ciphers }
        set { ciphers = newValue ?? [] }
    }

    fileprivate var optionalGroups: [String]? {
        get { groups.isEmpty ? nil : groups }
        set { groups = newValue ?? [] }
    }
}

extension Forms {
    /// A file or directory; a relative path begins where the table's file is.
    static let filePath: Form<String> = Form<String>(
        FormType(
            name: "path", expectation: "a path of up to 4096 bytes, relative to this file or absolute",
            schema: .object(["type": "string"]))
    ) { node, reading in
        guard let text = node.text, !text.isEmpty, text.utf8.count <= 4_096, text.utf8.allSatisfy({ $0 >= 0x20 }) else {
            reading.report(node, expected: filePath.type.expectation)
            return nil
        }
        return reading.path(text, at: node.position)
    } write: { path, _ in
        .text(path)
    }

    /// A directory, or a pair of files.
    static let certificateFiles: Form<CertificateFiles> = Form<CertificateFiles>(
        FormType(
            name: "directory, or mapping, see certificate",
            expectation: "a directory, or { certificate, key }",
            schema: .object(["anyOf": .array([.object(["type": "string"]), Shapes.certificatePairForm.type.schema])]),
            shapes: Shapes.certificatePairForm.type.shapes)
    ) { node, reading in
        if case .mapping = node.content {
            return Shapes.certificatePairForm.read(node, &reading).map {
                .pair(certificate: $0.certificate, key: $0.key ?? $0.certificate, ocsp: $0.ocsp)
            }
        }
        guard node.text != nil else {
            reading.report(node, expected: certificateFiles.type.expectation)
            return nil
        }
        return filePath.read(node, &reading).map { .directory($0) }
    } write: { files, writing in
        switch files {
        case .directory(let path): filePath.write(path, writing)
        case .pair(let certificate, let key, let ocsp):
            Shapes.certificatePairForm.write(
                PairDraft(certificate: certificate, key: key == certificate ? nil : key, ocsp: ocsp), writing)
        }
    }

    static let tlsVersion = Form<TLSVersion>.words(
        ["1.2": .tls12, "1.3": .tls13],
        schema: .object(["enum": .array([.string("1.2"), .string("1.3")])]))

    /// Those that are forward secret and authenticated; nothing weaker can be had.
    static let cipher = Form<String>.words([
        "TLS_AES_128_GCM_SHA256": "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384": "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256": "TLS_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    ])

    static let group = Form<String>.words([
        "X25519": "X25519", "P-256": "P-256", "P-384": "P-384", "P-521": "P-521", "X448": "X448",
    ])
}

extension Reading {
    /// A path as it is written in a file, which it begins at unless it is absolute.
    func path(_ text: String, at position: Position) -> String {
        guard !text.hasPrefix("/"), files.indices.contains(position.file),
            let slash = files[position.file].lastIndex(of: "/")
        else { return text }
        return files[position.file][...slash] + text
    }
}
