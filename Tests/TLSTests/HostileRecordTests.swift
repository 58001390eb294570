import Backends
import Reactor
import RouteTable
import Testing

@testable import TLS

/// Records that nobody sends who means well, and what they must not do to others of the same thread.
struct HostileRecordTests {
    private static let files = try! TestAuthority.shared.issue("hostile", names: ["DNS:a.test"])
    private var files: TestAuthority.Files { Self.files }

    /// A session whose one side forges records from now on.
    private func link(forgedBy isByClient: Bool) throws -> (link: Link, forged: ForgedRecords) {
        let server = try makeServer([files]) { $0.ciphers = ["TLS_AES_128_GCM_SHA256"] }
        let client = try makeClient()
        var forged = isByClient ? ForgedRecords(by: client) : ForgedRecords(by: server)
        let link = try Link(server, client)
        #expect(link.handshake() == (.done, .done))
        // The server has sent a ticket.
        if !isByClient { forged.skip(1) }
        return (link, forged)
    }

    @Test func `a forged record is read as any other`() throws {
        for isByClient in [true, false] {
            var (link, forged) = try link(forgedBy: isByClient)
            let record = forged.seal(.data, [1, 2, 3])
            if isByClient { link.toServer += record } else { link.toClient += record }
            #expect(link.read(byServer: isByClient).bytes == [1, 2, 3])
        }
    }

    @Test(arguments: [true, false])
    func `a message that is broken off by data ends its session at once`(isByClient: Bool) throws {
        var (link, forged) = try link(forgedBy: isByClient)
        let records =
            forged.seal(.handshake, ForgedRecords.partOfKeyUpdate) + forged.seal(.data, Array("GET /".utf8))
        if isByClient { link.toServer += records } else { link.toClient += records }
        let read = link.read(byServer: isByClient)
        #expect(read.bytes == [])
        #expect(read.end == .failed(.protocolError))
    }

    @Test func `a session that fails says nothing about the next one of its thread`() throws {
        for isByClient in [true, false] {
            var (hostile, forged) = try link(forgedBy: isByClient)
            let clean = try Link(makeServer([files]), makeClient())
            clean.handshake()
            let records = forged.seal(.handshake, ForgedRecords.partOfKeyUpdate) + forged.seal(.data, [0])
            if isByClient { hostile.toServer += records } else { hostile.toClient += records }
            try clean.write([1, 2, 3], byServer: !isByClient)
            clean.close(byServer: !isByClient)
            _ = hostile.read(byServer: isByClient)
            let read = clean.read(byServer: isByClient)
            #expect(read.bytes == [1, 2, 3])
            #expect(read.end == .closed)
        }
    }

    /// NewSessionTicket (RFC 8446, 4.6.1): of an hour, a nonce of two bytes, a ticket of four, no extensions.
    private func ticket(_ number: Int) -> [UInt8] {
        let nonce = [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
        return [4, 0, 0, 19, 0, 0, 14, 16, 1, 2, 3, 4, 2] + nonce + [0, 4, 1, 2, 3, 4, 0, 0]
    }

    @Test func `a peer that sends messages without end and says nothing in them has failed`() throws {
        var (link, forged) = try link(forgedBy: false)
        // With the server's own it is the limit.
        for number in 0..<127 { link.toClient += forged.seal(.handshake, ticket(number)) }
        link.toClient += forged.seal(.data, [1, 2, 3])
        let some = link.read(byServer: false, piece: 16_384)
        #expect(some.bytes == [1, 2, 3] && some.end != .failed(.protocolError))
        for number in 0..<128 { link.toClient += forged.seal(.handshake, ticket(number)) }
        #expect(link.read(byServer: false, piece: 1_000).end == .wantsMore)
        link.toClient += forged.seal(.handshake, ticket(128))
        #expect(link.read(byServer: false).end == .failed(.protocolError))
    }

    /// One at a time, or all in one record.
    @Test(arguments: [false, true])
    func `messages without data are read some a turn, and what comes behind them is not lost`(areInOneRecord: Bool)
        throws
    {
        var (link, forged) = try link(forgedBy: false)
        if areInOneRecord {
            link.toClient += forged.seal(.handshake, (0..<99).flatMap { ticket($0) })
        } else {
            for number in 0..<99 { link.toClient += forged.seal(.handshake, ticket(number)) }
        }
        link.toClient += forged.seal(.data, [1, 2, 3])
        link.toClient.withBytes { link.client.port.fill($0) }
        var room = [UInt8](repeating: 0, count: 65_536)
        for _ in 0..<3 {
            let reading = unsafe room.withUnsafeMutableBytes { unsafe link.client.read(into: $0) }
            #expect(reading == .wantsMore)
            #expect(link.client.hasUnread)
            link.client.offerHeld()
        }
        let reading = unsafe room.withUnsafeMutableBytes { unsafe link.client.read(into: $0) }
        #expect(reading == .bytes(3) && room.prefix(3) == [1, 2, 3])
        #expect(!link.client.hasUnread)
    }

    @Test func `what OpenSSL complained of before is no part of what is told of a file`() throws {
        ForgedRecords.leaveError()
        #expect(throws: Never.self) {
            _ = try makeServer([files]) { $0.client = .init(ca: TestAuthority.shared.certificate) }
        }
        ForgedRecords.leaveError()
        #expect(throws: Never.self) { _ = try makeClient() }
    }

    @Test func `what OpenSSL complained of before, whoever caused it, is no failure of a handshake, a read or a write`()
        throws
    {
        let link = try Link(makeServer([files]), makeClient())
        ForgedRecords.leaveError()
        var outcome = link.client.handshake()
        #expect(outcome == .wantsMore)
        ForgedRecords.leaveError()
        outcome = link.handshake().client
        #expect(outcome == .done)
        ForgedRecords.leaveError()
        try link.write([1, 2, 3], byServer: false)
        ForgedRecords.leaveError()
        #expect(link.read(byServer: true).bytes == [1, 2, 3])
        ForgedRecords.leaveError()
        link.close(byServer: false)
        ForgedRecords.leaveError()
        #expect(link.read(byServer: true).end == .closed)
    }
}
