internal import COpenSSL
package import Reactor

/// One side of an encrypted connection, as a function of bytes: ciphertext comes in and goes out through its thread's
/// `TLSPort`; sockets are its owner's.
///
/// After every call that succeeded or failed, `port.hasOutput` may be true: that is to be sent.
@safe package final class TLSSession {
    package enum Handshake: Equatable {
        case done, wantsMore
        case failed(TLSFailure)
    }

    /// What there was to read.
    package enum Reading: Equatable {
        case bytes(Int)
        case wantsMore
        /// The peer has said that no more will come.
        case closed
        case failed(TLSFailure)
    }

    package let port: TLSPort
    private let session: OpaquePointer
    /// Kept for the callbacks of the handshake, and until the last of its sessions is gone.
    private let context: AnyObject
    private let kept: KeptSession?
    /// Ciphertext that came and found no room as plaintext.
    private var held: [UInt8] = []
    /// Plaintext lies within the session because it found no room.
    private var isOverfull = false
    /// What there was to say after the last bytes of plaintext.
    private var ending: Reading?
    /// Bytes of ciphertext since the last of plaintext, and messages that are no data: tickets, updates of keys.
    private var barrenBytes = 0
    private var barrenMessages = 0
    /// Messages that are no data, of the last `read`.
    private var messagesRead = 0

    /// The longest record is a quarter of it. A peer that sends so much and says nothing makes work and nothing else.
    private static let barrenLimit = 65_536
    /// A server sends a few tickets at the beginning, and keys are updated once in millions of records. An update costs some
    /// twenty times what its 27 bytes of data would.
    private static let barrenMessageLimit = 128
    /// Messages without data that are read before others have their turn.
    package static let messagesATurn = 32

    /// By which rules for clients the server's side was begun (`TLSServerSettings.clientRules`); 0 of a client's side.
    package let clientRules: UInt64

    /// A server's side.
    package init(_ server: TLSServer, port: TLSPort) throws(TLSFailure) {
        guard let session = unsafe cssl_session_create(server.context, port.bio, 1) else { throw .outOfMemory }
        unsafe self.session = session
        self.port = port
        context = server
        clientRules = server.clientRules
        kept = nil
    }

    /// A client's side.
    ///
    /// - Parameter resumption: a session from before to be resumed, and where the next one is kept.
    package init(
        _ client: TLSClient, expecting peer: TLSPeerName, resumption: TLSResumption?, port: TLSPort
    ) throws(TLSFailure) {
        guard let session = unsafe cssl_session_create(client.context, port.bio, 0) else { throw .outOfMemory }
        unsafe self.session = session
        self.port = port
        context = client
        clientRules = 0
        kept = resumption?.kept(by: client, for: peer)
        guard unsafe cssl_expect(session, peer.serverName, peer.host, peer.ip) == 1 else { throw .outOfMemory }
        if let kept { unsafe cssl_resume(session, kept.state) }
    }

    deinit {
        unsafe cssl_session_free(session)
    }

    // Handshake

    /// Goes on with the handshake, from the port's input. A client begins with none.
    package func handshake() -> Handshake {
        switch unsafe cssl_handshake(session) {
        case 1: .done
        case 0: .wantsMore
        case let result: failed(TLSFailure(result: Int(result)))
        }
    }

    /// The next session must not meet what this one has left unread.
    private func failed(_ failure: TLSFailure) -> Handshake {
        _ = port.takeInput()
        return .failed(failure)
    }

    package var isResumed: Bool { unsafe cssl_is_resumed(session) == 1 }

    /// `TLSv1.3`, for logs.
    package var version: String { unsafe cssl_version(session) == 0x0304 ? "TLSv1.3" : "TLSv1.2" }

    package var cipher: String { unsafe String(cString: cssl_cipher_name(session)) }

    /// What the client called the server, in lower case as it should be.
    package var serverName: String? { unsafe cssl_server_name(session).map { unsafe String(cString: $0).lowercased() } }

    /// Whether this application protocol (ALPN) was agreed on.
    package func speaks(_ name: StaticString) -> Bool {
        var agreed: UnsafePointer<UInt8>?
        let count = unsafe cssl_protocol(session, &agreed)
        guard count == name.utf8CodeUnitCount, let agreed = unsafe agreed else { return false }
        return unsafe UnsafeBufferPointer(start: agreed, count: count)
            .elementsEqual(UnsafeBufferPointer(start: name.utf8Start, count: count))
    }

    /// Who the peer has proved to be; nil where it showed no certificate, or one that was not verified.
    package var peerIdentity: PeerIdentity? {
        guard let certificate = unsafe cssl_peer_certificate(session) else { return nil }
        defer { unsafe cssl_certificate_free(certificate) }
        return unsafe PeerIdentity(certificate)
    }

    /// The subject of the certificate the peer showed, verified or not.
    var shownSubject: String? {
        guard let certificate = unsafe cssl_shown_certificate(session) else { return nil }
        defer { unsafe cssl_certificate_free(certificate) }
        return unsafe PeerIdentity.subject(of: certificate)
    }

    // Reading

    /// Plaintext may be had although the socket says nothing.
    package var hasUnread: Bool { isOverfull || !held.isEmpty || ending != nil }

    /// Decrypts the port's input, as far as `room` and the limit of messages without data go. What is over is kept, and told
    /// by `hasUnread`.
    package func read(
        into room: UnsafeMutableRawBufferPointer, messages limit: Int = messagesATurn
    ) -> Reading {
        messagesRead = 0
        if let ending { return ending }
        var count = 0
        while count < room.count {
            let (input, messages) = (port.inputCount, port.messages)
            let result = unsafe cssl_read(session, room.baseAddress.map { unsafe $0 + count }, room.count - count)
            if result > 0 {
                count += result
                (barrenBytes, barrenMessages) = (0, 0)
                continue
            }
            let new = port.messages &- messages
            messagesRead += new
            barrenMessages += new
            barrenBytes += input - port.inputCount
            isOverfull = false
            switch result {
            case 0 where barrenBytes > Self.barrenLimit || barrenMessages > Self.barrenMessageLimit:
                ending = .failed(.protocolError)
            case 0:
                // One call reads a record at most: there may be more in the port, or in a record of several messages.
                let hasMore = unsafe port.hasInput || new > 0 && cssl_has_pending(session) == 1
                if hasMore, messagesRead < limit { continue }
                isOverfull = hasMore && !port.hasInput
                keepInput()
                return count > 0 ? .bytes(count) : .wantsMore
            case -1: ending = .closed
            default: ending = .failed(TLSFailure(result: result + 1))
            }
            // What comes after the end is of no interest.
            _ = port.takeInput()
            return count > 0 ? .bytes(count) : ending ?? .wantsMore
        }
        isOverfull = unsafe cssl_has_pending(session) == 1
        if port.hasInput { held = port.takeInput() }
        return .bytes(count)
    }

    /// Takes what is left of the port's input out of the way of other sessions.
    package func keepInput() {
        if port.hasInput { held = port.takeInput() }
    }

    /// Makes what was kept the port's input.
    package func offerHeld() {
        if held.isEmpty { return }
        held.withBytes { port.fill($0) }
        held = []
    }

    // Writing

    /// Encrypts into the port's output, as many bytes from the front as fit there. Returns how many.
    package func write(_ bytes: RawSpan) throws(TLSFailure) -> Int {
        var count = 0
        while count < bytes.byteCount && port.hasRoomForRecord {
            let rest = bytes.extracting(count..<bytes.byteCount)
            let result = unsafe rest.withUnsafeBytes { unsafe cssl_write(session, $0.baseAddress, $0.count) }
            if result <= 0 { throw TLSFailure(result: result) }
            count += result
        }
        return count
    }

    /// Says, into the port's output, that no more will come.
    package func close() {
        unsafe cssl_close(session)
    }
}

extension TLSSession {
    /// What a read from a socket gave.
    package struct Received {
        package let reading: Reading
        /// There is nothing more in the socket for now.
        package let isSocketEmpty: Bool
        /// Messages that were no data.
        package let messages: Int
        /// The socket's end, or its failure, came without notice.
        package let end: ReadOutcome?
    }

    private static let readsLimit = 4

    /// Reads from a socket until there is plaintext, which comes behind `kept` bytes of `buffer`, or nothing to read.
    ///
    /// Records that carry nothing for the reader do not keep it here: after `readsLimit` reads, or `messagesATurn` messages,
    /// it is told that there is nothing yet, and that the socket may have more.
    ///
    /// - Parameter untilEnd: an end was announced: a short read does not mean that there is no more.
    package func receive(
        from socket: borrowing Socket, into buffer: borrowing ReceiveBuffer, after kept: Int, limit: Int, untilEnd: Bool
    ) -> Received {
        // All that is read at once, and a record that came in part before it, find room as plaintext.
        let limit = max(TLSPort.recordLimit, min(limit, TLSPort.inputLimit, buffer.capacity - kept - 32_768))
        offerHeld()
        var isEmpty = false
        var mustRead = !port.hasInput && !hasUnread
        var readsLeft = Self.readsLimit
        var messages = 0
        func received(_ reading: Reading, isSocketEmpty: Bool, end: ReadOutcome? = nil) -> Received {
            Received(reading: reading, isSocketEmpty: isSocketEmpty, messages: messages, end: end)
        }
        while true {
            if mustRead {
                if isEmpty { return received(.wantsMore, isSocketEmpty: true) }
                if readsLeft == 0 { return received(.wantsMore, isSocketEmpty: false) }
                readsLeft -= 1
                switch port.receive(from: socket, limit: limit) {
                case .bytes(let count): isEmpty = !untilEnd && count < limit
                case .wouldBlock: return received(.wantsMore, isSocketEmpty: true)
                case let outcome: return received(.failed(.truncated), isSocketEmpty: true, end: outcome)
                }
            }
            let reading = unsafe buffer.withRoom(after: kept) {
                unsafe read(into: $0, messages: Self.messagesATurn - messages)
            }
            messages += messagesRead
            if case .wantsMore = reading, !hasUnread, messages < Self.messagesATurn {
                mustRead = true
                continue
            }
            return received(reading, isSocketEmpty: isEmpty && !hasUnread)
        }
    }
}
