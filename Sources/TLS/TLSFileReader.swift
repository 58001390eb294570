internal import Files
internal import Glibc
package import RouteTable

/// Reads the files that a table's TLS names, each once, and remembers what drew a warning.
package struct TLSFileReader {
    /// Not wrong, and yet to be told.
    package private(set) var warnings: [TLSProblem] = []
    /// What was read and looked into: when one of them changes, it is to be read again.
    package private(set) var paths: [String] = []

    /// Bytes of a file, at most.
    private static let fileLimit = 1 << 20
    /// Files of a directory, at most.
    private static let directoryLimit = 10_000

    package init() {}

    /// A listener's settings.
    package mutating func server(name: String, _ rules: ListenerTLS) throws(TLSProblem) -> TLSServerSettings {
        var certificates: [ServerCertificate] = []
        for source in rules.certificates {
            switch source {
            case .pair(let certificate, let key, let ocsp):
                certificates.append(try pair(certificate: certificate, key: key, ocsp: ocsp))
            case .directory(let path): certificates += try directory(path)
            }
        }
        let clientCA: [UInt8] = if let client = rules.client { try bytes(of: client.ca) } else { [] }
        return try TLSServerSettings(name: name, rules: rules, certificates: certificates, clientCA: clientCA)
    }

    /// A service's settings.
    package mutating func client(
        _ rules: ServiceTLS, protocols: [String] = ["http/1.1"]
    ) throws(TLSProblem) -> TLSClientSettings {
        let ca: [UInt8] = if let file = rules.ca { try bytes(of: file) } else { [] }
        var certificate: ServerCertificate?
        if let file = rules.certificate {
            certificate = try pair(certificate: file, key: rules.key ?? file, ocsp: nil)
        }
        return try TLSClientSettings(rules: rules, ca: ca, certificate: certificate, protocols: protocols)
    }

    private mutating func pair(certificate: String, key: String, ocsp: String?) throws(TLSProblem) -> ServerCertificate
    {
        let chain = try bytes(of: certificate)
        let secret = key == certificate ? chain : try bytes(of: key)
        checkPrivacy(of: key)
        var result = try ServerCertificate(file: certificate, chain: chain, keyFile: key, key: secret)
        if let ocsp { try result.setStaple(try bytes(of: ocsp), file: ocsp) }
        return result
    }

    /// A group that may read a key can be made for that.
    private mutating func checkPrivacy(of key: String) {
        var status = stat()
        guard unsafe stat(key, &status) == 0, status.st_mode & 0o004 != 0 else { return }
        warnings.append(
            TLSProblem(file: key, found: "a private key that everybody on this machine can read", expected: "mode 0600")
        )
    }

    // Directories

    /// All pairs of a directory, by name: `NAME.crt` or `NAME.pem` with `NAME.key`, or with its key in the same file; and
    /// `fullchain.pem` with `privkey.pem` in directories within it. `NAME.ocsp` is stapled.
    private mutating func directory(_ path: String) throws(TLSProblem) -> [ServerCertificate] {
        var found: [ServerCertificate] = []
        for name in try names(in: path) {
            let file = "\(path)/\(name)"
            if isDirectory(file) {
                let inner = try names(in: file)
                if inner.contains("fullchain.pem") && inner.contains("privkey.pem") {
                    found.append(
                        try pair(certificate: "\(file)/fullchain.pem", key: "\(file)/privkey.pem", ocsp: nil))
                }
                continue
            }
            guard let stem = Self.stem(of: name) else { continue }
            let ocsp = "\(path)/\(stem).ocsp"
            let keys = ["\(path)/\(stem).key", "\(path)/\(stem)-key.pem"]
            found.append(
                try pair(
                    certificate: file, key: keys.first { unsafe access($0, F_OK) == 0 } ?? file,
                    ocsp: unsafe access(ocsp, F_OK) == 0 ? ocsp : nil))
        }
        if found.isEmpty {
            throw TLSProblem(
                file: path, found: "no certificates", expected: "files named NAME.crt or NAME.pem, each with NAME.key")
        }
        return found
    }

    /// `a` of `a.crt`; nil for what is no certificate.
    private static func stem(of name: String) -> String? {
        guard !name.hasSuffix("-key.pem") else { return nil }
        for ending in [".crt", ".pem", ".cert"] where name.hasSuffix(ending) {
            return String(name.dropLast(ending.count))
        }
        return nil
    }

    private func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// In order, without hidden ones.
    private mutating func names(in path: String) throws(TLSProblem) -> [String] {
        paths.append(path)
        guard let directory = unsafe opendir(path) else { throw TLSProblem(file: path, found: Self.lastError()) }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
            if names.count > Self.directoryLimit {
                throw TLSProblem(file: path, found: "more than \(Self.directoryLimit) files")
            }
        }
        return names.sorted()
    }

    private mutating func bytes(of path: String) throws(TLSProblem) -> [UInt8] {
        paths.append(path)
        do {
            return try RegularFile.read(path, atMost: Self.fileLimit)
        } catch {
            let reason = error.reason
            throw TLSProblem(file: path, found: reason.prefix(1).lowercased() + reason.dropFirst())
        }
    }

    private static func lastError() -> String {
        let text = unsafe String(cString: strerror(errno))
        return text.prefix(1).lowercased() + text.dropFirst()
    }
}
