import Backends
import Foundation
import TLS
import Testing

/// Rules of TLS that become stricter with a reload, and certificates that end: the built command.
struct EncryptionCommandTests {
    private static let authority = TestAuthority.shared
    private static let files = try! authority.issue("reloaded", names: ["DNS:a.example"])

    private static func table(client: String = "", service: String = "none", endpoint: UInt16 = 1) -> String {
        """
        listeners:
          web:
            bind: 127.0.0.1:0
            tls: { certificates: { certificate: \(files.certificate), key: \(files.key) }\(client) }
          plain: { bind: 127.0.0.1:0 }
        regions: { east: {} }
        services:
          shop: { probe: none, host: a.example, tls: \(service), endpoints: { east: [127.0.0.1:\(endpoint)] } }
        routes:
          - { match: { path: /hello }, respond: { status: 200, body: hello } }
          - { to: shop }
        """
    }

    private static func client(_ mode: String) -> String {
        ", client: { ca: \(authority.certificate), verify: \(mode) }"
    }

    /// What a client is answered, and whether it has resumed a session; nil: it was not let in.
    private static func ask(_ port: UInt16, _ client: TLSClient, _ kept: TLSResumption) -> (Int, Bool)? {
        guard let connection = try? RawConnection(port: port),
            (try? connection.secure(client, expecting: TLSPeerName(host: "a.example"), resumption: kept)) != nil
        else { return nil }
        connection.send("GET /hello HTTP/1.1\r\nhost: a.example\r\n\r\n")
        return connection.readMessage().map { ($0.status, connection.isResumed) }
    }

    @Test func `a client without a certificate does not come in by what it had before one was required`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", Self.table(client: Self.client("optional")))
        let router = try RouterUnderTest(directory)
        let client = try makeClient()
        let kept = TLSResumption()
        let first = Self.ask(router.port, client, kept)
        #expect(first?.0 == 200 && first?.1 == false)
        let second = Self.ask(router.port, client, kept)
        #expect(second?.0 == 200 && second?.1 == true)
        let held = try RawConnection(port: router.port)
        try held.secure(client, expecting: TLSPeerName(host: "a.example"))
        held.send("GET /hello HTTP/1.1\r\nhost: a.example\r\n\r\n")
        #expect(held.readMessage()?["connection"] == nil)
        try directory.write("table.yaml", Self.table(client: Self.client("required")))
        router.signal(SIGHUP)
        #expect(eventually { Self.ask(router.port, client, TLSResumption()) == nil })
        #expect(Self.ask(router.port, client, kept) == nil)
        held.send("GET /hello HTTP/1.1\r\nhost: a.example\r\n\r\n")
        let last = held.readMessage()
        #expect(last == nil || last?["connection"] == "close")
        #expect(held.readEnd() == .closed)
    }

    @Test func `a request does not go over a connection that was opened before its endpoint was to be verified`() throws
    {
        let other = try TestAuthority(named: "Another CA of a reload")
        let endpoint = try Backend(tls: makeServer([Self.files]))
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", Self.table(service: "{ verify: false }", endpoint: endpoint.port))
        let router = try RouterUnderTest(directory)
        let plain = try #require(
            router.command.errorsSoFar.firstMatch(of: /listener plain on 127\.0\.0\.1:(\d+)\n/).flatMap { UInt16($0.1) }
        )
        func status() throws -> Int { try RouterUnderTest.ask(plain, "/", host: "a.example").status }
        #expect(try status() == 200)
        try directory.write("table.yaml", Self.table(service: "{ ca: \(other.certificate) }", endpoint: endpoint.port))
        router.signal(SIGHUP)
        #expect(eventually { router.metric("spillway_reloads_total{outcome=\"accepted\"}") ?? 0 >= 1 })
        #expect(eventually { (try? status()) == 502 })
        for _ in 0..<4 { #expect(try status() != 200) }
    }

    @Test func `authorities that have expired, and the router's own certificate, are told before they matter`() throws {
        let old = try Self.authority.issue("old-ca", names: [], days: -20 ... -10, isAuthority: true)
        let mine = try Self.authority.issue("router-own", names: ["DNS:router.example"], seconds: 3 * 86_400 + 600)
        let bundle = try Self.authority.write(
            Self.authority.read(old.certificate) + Self.authority.read(Self.authority.certificate), to: "bundle.pem")
        let directory = try TemporaryDirectory()
        try directory.write(
            "table.yaml",
            Self.table(
                client: ", client: { ca: \(old.certificate) }",
                service: "{ ca: \(bundle), certificate: \(mine.certificate), key: \(mine.key) }"))
        let router = try RouterUnderTest(directory)
        let log = router.command.errorsSoFar
        let dead = "\(old.certificate): its only authority has expired, no certificate is good: CN=old-ca"
        #expect(log.contains("error listener web: \(dead)"), "\(log)")
        #expect(log.contains("warning service shop: \(bundle): 1 of 2 authorities expired: CN=old-ca"), "\(log)")
        #expect(log.contains("error service shop: \(mine.certificate) expires in 3 days"), "\(log)")
        let now = Date.now.timeIntervalSince1970
        let own =
            "spillway_certificate_expiry_seconds{service=\"shop\",file=\"\(mine.certificate)\",name=\"router.example\"}"
        let days = try #require(router.metric(own).map { ($0 - now) / 86_400 })
        #expect(abs(days - 3) < 0.1)
        let gone = "spillway_authority_expiry_seconds{listener=\"web\",file=\"\(old.certificate)\"}"
        #expect(router.metric(gone).map { $0 < now } == true)
        let good = "spillway_authority_expiry_seconds{service=\"shop\",file=\"\(bundle)\"}"
        #expect(router.metric(good).map { $0 > now + 86_400 } == true)
    }
}
