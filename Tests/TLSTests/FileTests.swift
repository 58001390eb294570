import Backends
import Foundation
import RouteTable
import Testing

@testable import TLS

struct FileTests {
    private static let authority = try! TestAuthority(named: "Files CA")
    private static let files = try! authority.issue("pair", names: ["DNS:a.test", "DNS:B.Test"])

    private func problem(_ source: CertificateFiles) -> String? {
        var reader = TLSFileReader()
        do {
            _ = try reader.server(name: "test", ListenerTLS(certificates: [source]))
            return nil
        } catch {
            return error.description.replacingOccurrences(of: Self.authority.directory + "/", with: "")
        }
    }

    private func problem(_ certificate: String, _ key: String, ocsp: String? = nil) -> String? {
        problem(.pair(certificate: certificate, key: key, ocsp: ocsp))
    }

    @Test func `a certificate says for whom and until when it is`() throws {
        var reader = TLSFileReader()
        let settings = try reader.server(
            name: "test",
            ListenerTLS(certificates: [.pair(certificate: Self.files.certificate, key: Self.files.key, ocsp: nil)]))
        let certificate = try #require(settings.certificates.first)
        #expect(certificate.names == ["a.test", "b.test"])
        let left = Double(certificate.notAfter) - Date().timeIntervalSince1970
        #expect(abs(left - 365 * 86_400) < 3_600)
        #expect(reader.warnings.isEmpty)
        #expect(reader.paths == [Self.files.certificate, Self.files.key])
        #expect("\(certificate)".contains("key: (secret)"))
    }

    @Test func `a certificate for thousands of names is for all of them`() throws {
        let many = try Self.authority.issue("thousands", names: (0..<4_000).map { "DNS:h\($0).test" })
        var reader = TLSFileReader()
        let settings = try reader.server(
            name: "test",
            ListenerTLS(certificates: [.pair(certificate: many.certificate, key: many.key, ocsp: nil)]))
        #expect(settings.certificates.first?.names == (0..<4_000).map { "h\($0).test" })
    }

    @Test func `a file of authorities says who they are and until when`() throws {
        let authority = Self.authority
        let old = try authority.issue("old", names: [], days: -20 ... -10, isAuthority: true)
        let both = try authority.read(old.certificate) + authority.read(authority.certificate)
        let authorities = Authority.all(in: Array(both.utf8))
        #expect(authorities.map(\.subject) == ["CN=old", "CN=Files CA"])
        let now = Int64(Date().timeIntervalSince1970)
        #expect(authorities.map { $0.notAfter > now } == [false, true])
        #expect(Authority.all(in: []).isEmpty && Authority.all(in: Array("nothing".utf8)).isEmpty)
    }

    @Test func `what is wrong with a certificate or key is said of the file it is in`() throws {
        let authority = Self.authority
        let other = try authority.issue("other", names: ["DNS:o.test"])
        let text = try authority.write("hello", to: "text.pem")
        let broken = try authority.write(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", to: "broken.pem")
        let chain = try authority.write(
            authority.read(Self.files.certificate) + authority.read(other.certificate), to: "chain.pem")
        try authority.openssl([
            "ec", "-in", "pair.key", "-out", "locked.key", "-aes128", "-passout", "pass:secret",
        ])
        #expect(problem(Self.files.certificate, Self.files.key) == nil)
        #expect(
            problem(Self.files.certificate, other.key)
                == "other.key: a private key that does not belong to the certificate")
        #expect(problem(text, other.key) == "text.pem: no certificate in PEM form")
        #expect(problem(broken, other.key)?.hasPrefix("broken.pem: a certificate that cannot be read") == true)
        #expect(problem(Self.files.certificate, text) == "text.pem: no private key in PEM form")
        #expect(
            problem(chain, Self.files.key)
                == "chain.pem: a chain that is broken: certificate 2 of the file did not issue the one before it")
        #expect(
            problem(Self.files.certificate, "\(authority.directory)/locked.key")
                == "locked.key: a private key that needs a passphrase")
        #expect(problem("/nowhere.pem", other.key) == "/nowhere.pem: no such file or directory")
        #expect(problem(authority.directory, other.key)?.hasSuffix(": a directory, not a regular file") == true)
        #expect(problem("/dev/zero", other.key) == "/dev/zero: a device, not a regular file")
        let pipe = authority.directory + "/pipe.pem"
        _ = unsafe mkfifo(pipe, 0o600)
        #expect(problem(pipe, other.key) == "pipe.pem: a pipe, not a regular file")
        #expect(problem(Self.files.certificate, pipe) == "pipe.pem: a pipe, not a regular file")
        #expect(problem(Self.files.certificate, Self.files.key, ocsp: pipe) == "pipe.pem: a pipe, not a regular file")
        let large = try authority.write(String(repeating: "a", count: 1 << 20 + 1), to: "large.pem")
        #expect(problem(large, other.key) == "large.pem: more than 1 MiB")
    }

    @Test func `a chain through an intermediate authority is good, in its order`() throws {
        let authority = Self.authority
        let intermediate = try authority.issue("intermediate", names: [], isAuthority: true)
        let leaf = try authority.issue("below", names: ["DNS:a.test"], issuer: intermediate)
        #expect(problem(leaf.certificate, leaf.key) == nil)
        let link = try Link(makeServer([leaf]), makeClient(ca: authority.certificate))
        #expect(link.handshake() == (.done, .done))
        // Who trusts the intermediate authority alone trusts what it signs.
        let pinned = try Link(makeServer([leaf]), makeClient(ca: intermediate.certificate))
        #expect(pinned.handshake() == (.done, .done))
    }

    @Test func `a key that everybody can read draws a warning`() throws {
        let files = try Self.authority.issue("open", names: ["DNS:a.test"])
        unsafe chmod(files.key, 0o644)
        var reader = TLSFileReader()
        _ = try reader.server(
            name: "test",
            ListenerTLS(certificates: [.pair(certificate: files.certificate, key: files.key, ocsp: nil)]))
        #expect(reader.warnings.map(\.file) == [files.key])
    }

    @Test func `a directory holds pairs, files with both, and directories with a full chain`() throws {
        let authority = Self.authority
        let directory = "\(authority.directory)/pairs"
        let manager = FileManager.default
        try manager.createDirectory(atPath: "\(directory)/live", withIntermediateDirectories: true)
        #expect(
            problem(.directory(directory))
                == "pairs: no certificates; expected files named NAME.crt or NAME.pem, each with NAME.key")
        let one = try authority.issue("one", names: ["DNS:one.test"])
        let two = try authority.issue("two", names: ["DNS:two.test"])
        let three = try authority.issue("three", names: ["DNS:three.test"])
        try manager.copyItem(atPath: one.certificate, toPath: "\(directory)/one.crt")
        try manager.copyItem(atPath: one.key, toPath: "\(directory)/one.key")
        try authority.write(authority.read(two.certificate) + authority.read(two.key), to: "pairs/two.pem")
        try manager.copyItem(atPath: three.certificate, toPath: "\(directory)/live/fullchain.pem")
        try manager.copyItem(atPath: three.key, toPath: "\(directory)/live/privkey.pem")
        var reader = TLSFileReader()
        let settings = try reader.server(name: "test", ListenerTLS(certificates: [.directory(directory)]))
        #expect(settings.certificates.flatMap(\.names).sorted() == ["one.test", "three.test", "two.test"])
        #expect(reader.paths.contains(directory) && reader.paths.contains("\(directory)/live"))
        try authority.write(authority.read(one.certificate), to: "pairs/zero.pem")
        #expect(problem(.directory(directory)) == "pairs/zero.pem: no private key in PEM form")
    }

    @Test func `an OCSP response is stapled if it is about the certificate`() throws {
        let authority = Self.authority
        let files = try authority.issue("stapled", names: ["DNS:a.test"])
        let response = try authority.ocsp(files)
        #expect(problem(files.certificate, files.key, ocsp: response) == nil)
        #expect(
            problem(Self.files.certificate, Self.files.key, ocsp: response)
                == "stapled.ocsp: an OCSP response for another certificate")
        #expect(
            problem(files.certificate, files.key, ocsp: files.certificate)
                == "stapled.pem: no OCSP response in DER form")
    }
}
