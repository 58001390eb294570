import Backends
import Foundation
import RouteTable
import TLS
import Testing

@testable import Control

struct EncryptionTests {
    @Test func `certificates are read again where they, or what the table says of them, have changed, and only there`()
        throws
    {
        let files = try Files()
        let issued = try TestAuthority.shared.issue("kept", names: ["DNS:a.example"])
        try files.write("a.crt", TestAuthority.shared.read(issued.certificate))
        try files.write("a.key", TestAuthority.shared.read(issued.key))
        var listener = Listener(name: "web", bind: .ip(address: "127.0.0.1", port: 0))
        listener.tls = ListenerTLS(certificates: [.directory(files.path(""))])
        var table = Table(listeners: [listener])
        func read() throws -> Encryption {
            try Encryption(of: table, tickets: TicketKeys(), libraries: [TLSLibrary(), TLSLibrary()])
        }
        // What was written just now may be written once more within the same tick of its clock.
        var encryption = Encryption()
        #expect(!encryption.isGood(for: table))
        #expect(
            eventually {
                encryption = (try? read()) ?? encryption
                return encryption.isGood(for: table)
            })
        table.routes = [Route(match: Match(), action: .respond(FixedResponse(status: 200, body: "")))]
        #expect(encryption.isGood(for: table))
        var other = table
        other.listeners[0].tls?.minVersion = .tls13
        #expect(!encryption.isGood(for: other))
        other = table
        other.listeners[0].name = "other"
        #expect(!encryption.isGood(for: other))
        try files.write("a.key", TestAuthority.shared.read(issued.key))
        #expect(!encryption.isGood(for: table))
    }
}
