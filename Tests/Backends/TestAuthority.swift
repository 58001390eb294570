import Foundation
import Synchronization

/// A certificate authority in a directory of its own, and the certificates it signs: made by the openssl command.
package final class TestAuthority: Sendable {
    /// A certificate's files.
    package struct Files: Sendable {
        package let certificate: String
        package let key: String
    }

    /// Made once, for tests that need any authority.
    package static let shared = try! TestAuthority(named: "Spillway Test CA")

    package let directory: String
    /// The list of what was issued is one file.
    private let turn = Mutex(())
    /// The authority's own certificate.
    package var certificate: String { "\(directory)/ca.pem" }

    package init(named name: String) throws {
        directory =
            FileManager.default.temporaryDirectory
            .appendingPathComponent("spillway-ca-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        Self.directories.withLock { $0.append(directory) }
        try write("", to: "index.txt")
        try write(
            """
            [ca]
            default_ca = own
            [own]
            database = \(directory)/index.txt
            new_certs_dir = \(directory)
            rand_serial = yes
            default_md = sha256
            unique_subject = no
            policy = any
            copy_extensions = copy
            [any]
            commonName = supplied
            organizationName = optional
            """, to: "ca.cnf")
        try openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
            "-out", "ca.pem", "-subj", "/CN=\(name)", "-days", "3650", "-addext", "basicConstraints=critical,CA:TRUE")
    }

    /// Removed when the process ends: authorities are kept in statics, which end with it.
    private static let directories: Mutex<[String]> = {
        atexit {
            for directory in TestAuthority.directories.withLock({ $0 }) {
                try? FileManager.default.removeItem(atPath: directory)
            }
        }
        return Mutex<[String]>([])
    }()

    /// A certificate for these names.
    ///
    /// - Parameters:
    ///   - file: without ending; the files are `FILE.pem` and `FILE.key`.
    ///   - names: as in a subjectAltName, such as `DNS:a.test`.
    ///   - days: from now; both in the past for one that has expired.
    ///   - seconds: from now until it expires, in place of the last of the days.
    ///   - issuer: the files of an intermediate authority, whose certificate is appended.
    @discardableResult
    package func issue(
        _ file: String, names: [String], days: ClosedRange<Int> = -1...365, seconds: Int? = nil, key: String = "ec",
        isAuthority: Bool = false, issuer: Files? = nil
    ) throws -> Files {
        let algorithm = key == "ec" ? ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] : [key]
        var request = ["req", "-new", "-newkey"] + algorithm + ["-nodes", "-keyout", "\(file).key"]
        request += ["-out", "\(file).csr", "-subj", "/CN=\(file)"]
        // In a file: thousands of names are too long for an argument.
        var asked = "[req]\ndistinguished_name = own\nreq_extensions = asked\n[own]\n[asked]\n"
        if !names.isEmpty { asked += "subjectAltName = \(names.joined(separator: ","))\n" }
        asked += "basicConstraints = critical,CA:\(isAuthority ? "TRUE" : "FALSE")\n"
        request += ["-config", try write(asked, to: "\(file).cnf")]
        try openssl(request)
        try openssl(
            "ca", "-batch", "-config", "ca.cnf", "-in", "\(file).csr", "-out", "\(file).pem", "-notext", "-cert",
            issuer?.certificate ?? "ca.pem", "-keyfile", issuer?.key ?? "ca.key", "-startdate", date(days.lowerBound),
            "-enddate", seconds.map { date(Double($0)) } ?? date(days.upperBound))
        if let issuer {
            let chain = try read("\(directory)/\(file).pem") + read(issuer.certificate)
            try write(chain, to: "\(file).pem")
        }
        unsafe chmod("\(directory)/\(file).key", 0o600)
        return Files(certificate: "\(directory)/\(file).pem", key: "\(directory)/\(file).key")
    }

    /// An OCSP response about a certificate this authority has issued, good for a number of days.
    package func ocsp(_ files: Files, days: Int = 7) throws -> String {
        let path = files.certificate.replacingOccurrences(of: ".pem", with: ".ocsp")
        try openssl(
            "ocsp", "-index", "index.txt", "-rsigner", "ca.pem", "-rkey", "ca.key", "-CA", "ca.pem", "-issuer",
            "ca.pem",
            "-cert", files.certificate, "-respout", path, "-ndays", "\(days)")
        return path
    }

    package func read(_ path: String) throws -> String {
        try String(contentsOfFile: path, encoding: .utf8)
    }

    /// Writes a file of the directory. Returns its path.
    @discardableResult
    package func write(_ text: String, to name: String) throws -> String {
        try text.write(toFile: "\(directory)/\(name)", atomically: true, encoding: .utf8)
        return "\(directory)/\(name)"
    }

    private func date(_ days: Int) -> String { date(Double(days) * 86_400) }

    private func date(_ seconds: Double) -> String {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(secondsFromGMT: 0)
        format.dateFormat = "yyyyMMddHHmmss'Z'"
        return format.string(from: Date(timeIntervalSinceNow: seconds))
    }

    private func openssl(_ arguments: String...) throws {
        try openssl(arguments)
    }

    /// Runs the command in the directory.
    package func openssl(_ arguments: [String]) throws {
        try turn.withLock { _ in try run(arguments) }
    }

    private func run(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        let said = Pipe()
        process.standardOutput = FileHandle.nullDevice
        process.standardError = said
        try process.run()
        let text = said.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        if process.terminationStatus != 0 {
            throw OpenSSLFailed(arguments: arguments, text: String(decoding: text, as: UTF8.self))
        }
    }

    struct OpenSSLFailed: Error {
        let arguments: [String]
        let text: String
    }
}
