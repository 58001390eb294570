import Backends
import RouteTable
import Testing

@testable import TLS

struct ServerTests {
    private static let authority = TestAuthority.shared

    @Test func `the certificate is the one for the name: exact, then wildcard, then the first`() throws {
        let first = try Self.authority.issue("first", names: ["DNS:first.test"])
        let exact = try Self.authority.issue("exact", names: ["DNS:www.example.test", "DNS:other.test"])
        let wild = try Self.authority.issue("wild", names: ["DNS:*.example.test"])
        let server = try makeServer([first, wild, exact])
        for (name, subject) in [
            ("first.test", "CN=first"), ("www.example.test", "CN=exact"), ("WWW.Example.Test", "CN=exact"),
            ("other.test", "CN=exact"), ("api.example.test", "CN=wild"), ("a.b.example.test", "CN=first"),
            ("example.test", "CN=first"), ("unknown.test", "CN=first"),
        ] {
            let link = try Link(server, makeClient { $0.verify = false }, expecting: .init(host: name))
            #expect(link.handshake() == (.done, .done))
            #expect(link.client.shownSubject == subject, "\(name)")
        }
    }

    @Test func `certificates of two kinds serve one name, and the client chooses`() throws {
        let elliptic = try Self.authority.issue("two-ec", names: ["DNS:two.test"])
        let rsa = try Self.authority.issue("two-rsa", names: ["DNS:two.test"], key: "rsa:2048")
        let server = try makeServer([elliptic, rsa])
        let link = try Link(server, makeClient(), expecting: .init(host: "two.test"))
        #expect(link.handshake() == (.done, .done))
        #expect(link.client.shownSubject == "CN=two-ec")
    }

    @Test(arguments: [TLSVersion.tls12, .tls13])
    func `a session is resumed by another thread's server, and with a key that has been rotated`(
        version: TLSVersion
    ) throws {
        let files = try Self.authority.issue("resumed-\(version)", names: ["DNS:a.test"])
        var keys = TicketKeys()
        func server(name: String = "test") throws -> TLSServer {
            try makeServer([files], name: name, tickets: keys) { $0.maxVersion = version }
        }
        let client = try makeClient()
        let kept = TLSResumption()
        func connect(_ server: TLSServer) throws -> Bool {
            let link = try Link(server, client, resumption: kept)
            #expect(link.handshake() == (.done, .done))
            try link.write([1], byServer: true)
            _ = link.read(byServer: false)
            #expect(link.client.isResumed == link.server.isResumed)
            return link.server.isResumed
        }
        #expect(try !connect(server()))
        #expect(!kept.isEmpty)
        #expect(try connect(server()))
        keys.rotate()
        #expect(try connect(server()))
        #expect(try connect(server()))
        #expect(try !connect(server(name: "another listener")))
        #expect(try !connect(server()))
        keys = TicketKeys()
        #expect(try !connect(server()))
    }

    @Test func `after as many rotations as keys are kept, a ticket is no longer good`() throws {
        let files = try Self.authority.issue("rotated", names: ["DNS:a.test"])
        var keys = TicketKeys()
        let server = try makeServer([files], tickets: keys)
        let client = try makeClient()
        for rotations in 0...3 {
            let kept = TLSResumption()
            let first = try Link(server, client, resumption: kept)
            first.handshake()
            try first.write([1], byServer: true)
            _ = first.read(byServer: false)
            for _ in 0..<rotations {
                keys.rotate()
                server.setTickets(keys)
            }
            let second = try Link(server, client, resumption: kept)
            second.handshake()
            #expect(second.server.isResumed == (rotations <= TicketKeys.formerKeys), "\(rotations)")
        }
    }

    @Test func `ciphers and groups that nobody knows are refused`() throws {
        let files = try Self.authority.issue("odd", names: ["DNS:a.test"])
        #expect(throws: TLSProblem.self) { try makeServer([files]) { $0.groups = ["P-257"] } }
        #expect(throws: TLSProblem.self) { try makeServer([files]) { $0.ciphers = ["NONESUCH"] } }
    }
}
