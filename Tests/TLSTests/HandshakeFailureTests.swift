import Backends
import RouteTable
import Testing

@testable import TLS

struct HandshakeFailureTests {
    private static let authority = TestAuthority.shared
    private static let other = try! TestAuthority(named: "Another CA")
    private static let good = try! authority.issue("good", names: ["DNS:a.test", "IP:127.0.0.1"])
    private static let expired = try! authority.issue("expired", names: ["DNS:a.test"], days: -10 ... -1)
    private static let early = try! authority.issue("early", names: ["DNS:a.test"], days: 1...10)

    private func outcome(
        _ files: TestAuthority.Files = good, ca: String? = authority.certificate,
        expecting peer: TLSPeerName = .init(host: "a.test"), protocols: [String] = ["http/1.1"],
        server: (inout ListenerTLS) -> Void = { _ in }, client: (inout ServiceTLS) -> Void = { _ in }
    ) throws -> [TLSSession.Handshake] {
        let link = try Link(
            makeServer([files], server), makeClient(ca: ca, protocols: protocols, client), expecting: peer)
        let outcome = link.handshake()
        // A client of TLS 1.3 is done before the server has looked at its certificate.
        if outcome.client == .done, case .failed = outcome.server {
            if case .failed(let failure) = link.read(byServer: false).end { return [.failed(failure), outcome.server] }
        }
        return [outcome.client, outcome.server]
    }

    @Test func `an endpoint's certificate must be good, and the endpoint is told why it is not`() throws {
        #expect(try outcome() == [.done, .done])
        #expect(try outcome(Self.expired) == [.failed(.expired), .failed(.peerCertificateExpired)])
        #expect(try outcome(Self.early) == [.failed(.notYetValid), .failed(.peerBadCertificate)])
        #expect(try outcome(ca: Self.other.certificate) == [.failed(.unknownCA), .failed(.peerUnknownCA)])
        #expect(try outcome(ca: nil) == [.failed(.unknownCA), .failed(.peerUnknownCA)])
    }

    @Test(arguments: [
        (TLSPeerName(host: "b.test"), false), (TLSPeerName(host: "x.a.test"), false),
        (TLSPeerName(host: "A.TEST"), true),
        (TLSPeerName(ip: "127.0.0.1"), true), (TLSPeerName(ip: "127.0.0.2"), false), (TLSPeerName.none, true),
    ])
    func `an endpoint's certificate must have its name or address`(peer: TLSPeerName, isRight: Bool) throws {
        let expected: [TLSSession.Handshake] =
            isRight ? [.done, .done] : [.failed(.nameMismatch), .failed(.peerBadCertificate)]
        #expect(try outcome(expecting: peer) == expected)
    }

    @Test func `a handshake that failed leaves nothing for the next session of its thread`() throws {
        let link = try Link(makeServer([Self.expired]), makeClient())
        #expect(link.handshake().client == .failed(.expired))
        #expect(!link.client.port.hasInput)
        let next = try TLSSession(
            makeClient(), expecting: .init(host: "a.test"), resumption: nil, port: link.client.port)
        #expect(next.handshake() == .wantsMore)
    }

    @Test func `a session is not resumed under other rules, or for another name, than it was verified by`() throws {
        let server = try makeServer([Self.good])
        let kept = TLSResumption()
        func connect(_ client: TLSClient, _ name: String) throws -> (outcome: TLSSession.Handshake, isResumed: Bool) {
            let link = try Link(server, client, expecting: .init(host: name), resumption: kept)
            let outcome = link.handshake().client
            if outcome == .done {
                try link.write([1], byServer: true)
                _ = link.read(byServer: false)
            }
            return (outcome, link.client.isResumed)
        }
        let careless = try makeClient(ca: nil) { $0.verify = false }
        #expect(try connect(careless, "b.test") == (.done, false))
        #expect(try connect(careless, "b.test") == (.done, true))
        #expect(try connect(makeClient(ca: nil), "b.test").outcome == .failed(.unknownCA))
        let careful = try makeClient()
        #expect(try connect(careful, "a.test") == (.done, false))
        #expect(try connect(careful, "a.test") == (.done, true))
        #expect(try connect(careful, "b.test").outcome == .failed(.nameMismatch))
    }

    @Test func `verification can be switched off`() throws {
        #expect(
            try outcome(Self.expired, ca: nil, expecting: .none, client: { $0.verify = false }) == [.done, .done])
    }

    @Test func `sides that share nothing part with the reason`() throws {
        #expect(
            try outcome(protocols: ["h3"]) == [.failed(.noSharedProtocol), .failed(.noSharedProtocol)])
        #expect(
            try outcome(server: {
                $0.ciphers = ["ECDHE-RSA-AES128-GCM-SHA256"]
                $0.maxVersion = .tls12
            }) == [.failed(.peerRefused), .failed(.noSharedCipher)])
        #expect(
            try outcome(server: { $0.maxVersion = .tls12 }, client: { $0.minVersion = .tls13 })
                == [.failed(.unsupportedVersion), .failed(.unsupportedVersion)])
        #expect(
            try outcome(server: { $0.groups = ["P-521"] }) == [.failed(.peerRefused), .failed(.noSharedGroup)])
    }

    @Test func `a client must show a certificate where one is required, and a good one where it shows any`() throws {
        let mine = try Self.authority.issue("client", names: ["URI:spiffe://test/client", "DNS:c.test"])
        let strange = try Self.other.issue("client", names: ["DNS:c.test"])
        func required(_ rules: inout ListenerTLS) {
            rules.client = ClientVerification(ca: Self.authority.certificate)
        }
        func optional(_ rules: inout ListenerTLS) {
            required(&rules)
            rules.client?.mode = .optional
        }
        func show(_ files: TestAuthority.Files) -> (inout ServiceTLS) -> Void {
            {
                $0.certificate = files.certificate
                $0.key = files.key
            }
        }
        let refused = TLSSession.Handshake.failed(.clientCertificateRequired)
        #expect(try outcome(server: required, client: show(mine)) == [.done, .done])
        #expect(try outcome(server: required) == [refused, refused])
        #expect(try outcome(server: optional) == [.done, .done])
        #expect(
            try outcome(server: optional, client: show(strange)) == [.failed(.peerUnknownCA), .failed(.unknownCA)])
        let link = try Link(makeServer([Self.good], required), makeClient(show(mine)))
        link.handshake()
        let identity = try #require(link.server.peerIdentity)
        #expect(identity.subject == "CN=client")
        #expect(
            identity.fieldValue
                == "Hash=\(identity.fingerprint);Subject=\"CN=client\";URI=spiffe://test/client;DNS=c.test")
        #expect(identity.fingerprint.utf8.count == 64)
        #expect(try Link(makeServer([Self.good], optional), makeClient()).server.peerIdentity == nil)
    }

    @Test func `an identity has a certificate's first names, as far as its bytes go`() throws {
        func identity(_ file: String, _ names: [String]) throws -> PeerIdentity {
            let mine = try Self.authority.issue(file, names: names)
            let link = try Link(
                makeServer([Self.good]) { $0.client = ClientVerification(ca: Self.authority.certificate) },
                makeClient {
                    $0.certificate = mine.certificate
                    $0.key = mine.key
                })
            link.handshake()
            return try #require(link.server.peerIdentity)
        }
        let many = try identity("many-names", (0..<300).map { "DNS:n\($0).test" })
        #expect(many.dnsNames.count == 100)
        #expect(many.fieldValue.hasSuffix(";DNS=n98.test;DNS=n99.test"))
        let path = String(repeating: "p", count: 400)
        let long = try identity("long-names", (0..<50).map { "URI:spiffe://test/\($0)/\(path)" })
        #expect(long.uris.count == 50)
        #expect(long.fieldValue.utf8.count <= 8_192 && long.fieldValue.utf8.count > 7_700)
        #expect(long.fieldValue.hasSuffix("/\(path)"))
    }
}
