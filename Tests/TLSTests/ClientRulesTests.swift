import Backends
import Foundation
import RouteTable
import Testing

@testable import TLS

/// Sessions that are resumed: nobody is asked for a certificate again, so whoever was let in by other rules, or with a
/// certificate that is good no more, shakes hands anew.
struct ClientRulesTests {
    private static let authority = TestAuthority.shared
    private static let files = try! authority.issue("rules", names: ["DNS:a.test"])
    private static let mine = try! authority.issue("rules-client", names: ["DNS:c.test"])

    private func show(_ files: TestAuthority.Files) -> (inout ServiceTLS) -> Void {
        {
            $0.certificate = files.certificate
            $0.key = files.key
        }
    }

    /// Shakes hands, and has a ticket sent.
    private func connect(
        _ server: TLSServer, _ client: TLSClient, _ kept: TLSResumption
    ) throws -> (outcome: TLSSession.Handshake, isResumed: Bool) {
        let link = try Link(server, client, resumption: kept)
        let outcome = link.handshake().server
        guard outcome == .done else { return (outcome, false) }
        try link.write([1], byServer: true)
        _ = link.read(byServer: false)
        return (outcome, link.server.isResumed)
    }

    private func makeServer(
        _ tickets: TicketKeys, _ version: TLSVersion, ca: String = authority.certificate,
        mode: ClientVerification.Mode?, header: String? = nil
    ) throws -> TLSServer {
        try Backends.makeServer([Self.files], tickets: tickets) {
            $0.maxVersion = version
            guard let mode else { return }
            $0.client = ClientVerification(ca: ca)
            $0.client?.mode = mode
            $0.client?.header = header
        }
    }

    @Test(arguments: [TLSVersion.tls12, .tls13])
    func `a session of a client that showed no certificate does not get in where one is required`(
        version: TLSVersion
    ) throws {
        let tickets = TicketKeys()
        for mode in [ClientVerification.Mode.optional, nil] {
            let kept = TLSResumption()
            let client = try makeClient()
            let before = try makeServer(tickets, version, mode: mode)
            #expect(try connect(before, client, kept) == (.done, false))
            #expect(try connect(before, client, kept) == (.done, true))
            let after = try makeServer(tickets, version, mode: .required)
            #expect(try connect(after, client, kept).outcome == .failed(.clientCertificateRequired))
        }
    }

    @Test func `a session is resumed by the same rules for clients alone`() throws {
        let tickets = TicketKeys()
        let other = try TestAuthority(named: "Another CA of clients")
        let both = try Self.authority.write(
            Self.authority.read(Self.authority.certificate) + Self.authority.read(other.certificate), to: "both.pem")
        let client = try makeClient(Self.authority.certificate, show(Self.mine))
        func isResumed(ca: String, mode: ClientVerification.Mode?, header: String?) throws -> Bool {
            let kept = TLSResumption()
            let first = try makeServer(tickets, .tls13, mode: .required, header: "x-client")
            #expect(try connect(first, client, kept) == (.done, false))
            let second = try makeServer(tickets, .tls13, ca: ca, mode: mode, header: header)
            return try connect(second, client, kept).isResumed
        }
        let ca = Self.authority.certificate
        #expect(try isResumed(ca: ca, mode: .required, header: "x-client"))
        #expect(try !isResumed(ca: ca, mode: .optional, header: "x-client"))
        #expect(try !isResumed(ca: ca, mode: nil, header: nil))
        #expect(try !isResumed(ca: ca, mode: .required, header: "x-other"))
        #expect(try !isResumed(ca: both, mode: .required, header: "x-client"))
    }

    @Test func `a session ends with the certificate it was begun with, a client's and a server's`() throws {
        let tickets = TicketKeys()
        let short = try Self.authority.issue("rules-short", names: ["DNS:a.test"], seconds: 3)
        let until = Date(timeIntervalSinceNow: 3.5)
        var clients: [(server: TLSServer, kept: TLSResumption)] = []
        var servers: [(server: TLSServer, kept: TLSResumption)] = []
        let (showing, plain) = (try makeClient(Self.authority.certificate, show(short)), try makeClient())
        for version in [TLSVersion.tls12, .tls13] {
            for mode in [ClientVerification.Mode.required, .optional] {
                clients.append((try makeServer(tickets, version, mode: mode), TLSResumption()))
            }
            let server = try Backends.makeServer([short], tickets: tickets) { $0.maxVersion = version }
            servers.append((server, TLSResumption()))
        }
        for (server, kept) in clients {
            #expect(try connect(server, showing, kept) == (.done, false))
            #expect(try connect(server, showing, kept) == (.done, true))
        }
        for (server, kept) in servers {
            #expect(try connect(server, plain, kept) == (.done, false))
            #expect(try connect(server, plain, kept) == (.done, true))
        }
        pause(milliseconds: UInt32(max(until.timeIntervalSinceNow, 0) * 1_000) + 600)
        for (server, kept) in clients {
            #expect(try connect(server, showing, kept).outcome == .failed(.expired))
        }
        for (server, kept) in servers {
            #expect(try Link(server, plain, resumption: kept).handshake().client == .failed(.expired))
        }
    }

    /// A client with a certificate is made with the authority that it trusts.
    private func makeClient(
        _ ca: String = authority.certificate, _ change: (inout ServiceTLS) -> Void = { _ in }
    ) throws -> TLSClient {
        try Backends.makeClient(ca: ca, change)
    }
}
