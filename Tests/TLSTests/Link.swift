import Backends
import Foundation
import Reactor
import RouteTable

@testable import TLS

/// A client's and a server's session, with nothing but memory between them.
@safe final class Link {
    let client: TLSSession
    let server: TLSSession
    private let clientPort = TLSPort()
    private let serverPort = TLSPort()
    /// On their way.
    var toServer: [UInt8] = []
    var toClient: [UInt8] = []
    private let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)

    init(
        _ server: TLSServer, _ client: TLSClient, expecting peer: TLSPeerName = .init(host: "a.test"),
        resumption: TLSResumption? = nil
    ) throws {
        self.server = try TLSSession(server, port: serverPort)
        self.client = try TLSSession(client, expecting: peer, resumption: resumption, port: clientPort)
    }

    deinit {
        unsafe room.deallocate()
    }

    /// Shakes hands to the end, `piece` bytes at a time; what each side came to.
    @discardableResult
    func handshake(piece: Int = .max) -> (client: TLSSession.Handshake, server: TLSSession.Handshake) {
        var outcome = (client: client.handshake(), server: TLSSession.Handshake.wantsMore)
        collect()
        while !toServer.isEmpty || !toClient.isEmpty {
            if outcome.server == .wantsMore, !toServer.isEmpty {
                give(&toServer, serverPort, piece)
                outcome.server = server.handshake()
                server.keepInput()
            } else if outcome.client == .wantsMore, !toClient.isEmpty {
                give(&toClient, clientPort, piece)
                outcome.client = client.handshake()
                client.keepInput()
            } else {
                break
            }
            collect()
        }
        return outcome
    }

    private func give(_ bytes: inout [UInt8], _ port: TLSPort, _ piece: Int) {
        let count = min(bytes.count, piece, TLSPort.inputLimit)
        Array(bytes[..<count]).withBytes { port.fill($0) }
        bytes.removeFirst(count)
    }

    private func collect() {
        clientPort.takeOutput { toServer.append(contentsOf: $0) }
        serverPort.takeOutput { toClient.append(contentsOf: $0) }
    }

    /// What one side reads of what is on its way, and how its reading ended.
    func read(byServer: Bool, piece: Int = .max, room limit: Int = 1 << 20) -> (bytes: [UInt8], end: TLSSession.Reading)
    {
        let session = byServer ? server : client
        var bytes: [UInt8] = []
        var end = TLSSession.Reading.wantsMore
        while true {
            if session.hasUnread {
                session.offerHeld()
            } else if byServer ? !toServer.isEmpty : !toClient.isEmpty {
                if byServer { give(&toServer, serverPort, piece) } else { give(&toClient, clientPort, piece) }
            } else {
                return (bytes, end)
            }
            end = unsafe session.read(into: UnsafeMutableRawBufferPointer(rebasing: room[..<limit]))
            collect()
            switch end {
            case .bytes(let count): unsafe bytes.append(contentsOf: room[..<count])
            case .wantsMore: continue
            case .closed, .failed: return (bytes, end)
            }
        }
    }

    func write(_ bytes: [UInt8], byServer: Bool) throws {
        var count = 0
        while count < bytes.count {
            count += try bytes.withBytes {
                try (byServer ? server : client).write($0.extracting(count..<bytes.count))
            }
            collect()
        }
    }

    func close(byServer: Bool) {
        (byServer ? server : client).close()
        collect()
    }
}
