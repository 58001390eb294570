import Backends
import Reactor
import RouteTable
import Testing

@testable import TLS

struct SessionTests {
    private static let files = try! TestAuthority.shared.issue("a", names: ["DNS:a.test", "IP:127.0.0.1"])
    private var files: TestAuthority.Files { Self.files }

    @Test(arguments: [(TLSVersion.tls12, "TLSv1.2"), (.tls13, "TLSv1.3")], [1, 7, 1_000, Int.max])
    func `a handshake succeeds however its bytes are cut`(version: (TLSVersion, String), piece: Int) throws {
        let link = try Link(makeServer([files]) { $0.maxVersion = version.0 }, makeClient())
        let outcome = link.handshake(piece: piece)
        #expect(outcome == (.done, .done))
        #expect(link.server.version == version.1 && link.client.version == version.1)
        #expect(link.server.serverName == "a.test")
        #expect(link.client.speaks("http/1.1") && link.server.speaks("http/1.1"))
        #expect(!link.server.speaks("h2"))
    }

    @Test(arguments: [1, 100, 16_384, 16_385, 100_000, 700_000])
    func `what is written on one side is read on the other`(size: Int) throws {
        let link = try Link(makeServer([files]), makeClient())
        link.handshake()
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        for byServer in [false, true] {
            try link.write(bytes, byServer: !byServer)
            let read = link.read(byServer: byServer)
            #expect(read.bytes == bytes)
        }
    }

    @Test(arguments: [(13, 1_000), (5_000, 100), (Int.max, 333)])
    func `records in pieces, and too little room for plaintext, lose nothing`(piece: Int, room: Int) throws {
        let link = try Link(makeServer([files]), makeClient())
        link.handshake()
        let bytes = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try link.write(bytes, byServer: false)
        let read = link.read(byServer: true, piece: piece, room: room)
        #expect(read.bytes == bytes)
    }

    @Test func `an end with notice comes after the last bytes, and is told again`() throws {
        let link = try Link(makeServer([files]), makeClient())
        link.handshake()
        try link.write([1, 2, 3], byServer: false)
        link.close(byServer: false)
        let read = link.read(byServer: true)
        #expect(read.bytes == [1, 2, 3] && read.end == .closed)
        #expect(link.server.hasUnread)
    }

    @Test func `a record that was changed on the way is told as corrupted, after what was good`() throws {
        let link = try Link(makeServer([files]), makeClient())
        link.handshake()
        try link.write([1, 2, 3], byServer: false)
        let first = link.toServer.count
        try link.write([4, 5, 6], byServer: false)
        link.toServer[first + 7] ^= 1
        let read = link.read(byServer: true)
        #expect(read.bytes == [1, 2, 3] && read.end == .failed(.corrupted))
    }

    @Test func `every failure has a word of its own`() {
        let words = TLSFailure.allCases.map(\.word)
        #expect(Set(words).count == words.count)
        #expect(words.allSatisfy { $0.utf8.allSatisfy { $0 == 0x2D || (0x61...0x7A).contains($0) } })
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", TLSFailure.plainHTTP), ("SSH-2.0-OpenSSH_9\r\n", .notTLS),
        ("\u{16}\u{3}\u{1}\u{0}\u{5}abcde", .protocolError),
    ])
    func `bytes that are no handshake are told for what they are`(text: String, failure: TLSFailure) throws {
        let link = try Link(makeServer([files]), makeClient())
        Array(text.utf8).withBytes { link.server.port.fill($0) }
        #expect(link.server.handshake() == .failed(failure))
    }
}
