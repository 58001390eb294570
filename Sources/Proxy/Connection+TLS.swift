internal import Reactor
internal import TLS
internal import Telemetry
internal import Wire

/// An encrypted connection: the same bytes, by way of a session.
///
/// Ciphertext goes through the worker's one `TLSPort`. What the kernel does not take is kept as ciphertext; what came and
/// makes no whole record yet is kept by the session.
extension Connection {
    /// Goes on with the handshake, with what came first and what the socket has; what the session says is sent.
    final func shakeHands(
        _ session: TLSSession, first: RawSpan = RawSpan(), untilEnd: Bool
    ) -> TLSSession.Handshake {
        if !first.isEmpty {
            session.port.fill(first)
            let outcome = goOn(session)
            if outcome != .wantsMore { return outcome }
        }
        while true {
            if share.isUsedUp {
                yieldTurn()
                return .wantsMore
            }
            switch session.port.receive(from: socket, limit: Self.smallRead) {
            case .bytes(let count):
                share.bytes -= count
                let outcome = goOn(session)
                if outcome != .wantsMore { return outcome }
                if !untilEnd && count < Self.smallRead { return .wantsMore }
            case .wouldBlock: return .wantsMore
            case .endOfStream, .failed: return .failed(.peerClosed)
            }
        }
    }

    private func goOn(_ session: TLSSession) -> TLSSession.Handshake {
        let outcome = session.handshake()
        sendOutput(of: session)
        if outcome != .wantsMore {
            // What follows the handshake is read as on any connection.
            session.keepInput()
            hasUnread = true
        }
        return outcome
    }

    /// Begins the handshake with an endpoint, or goes on with it, and counts how it ends.
    final func shakeHands(
        with endpoint: WorkerEndpoint, as client: TLSClient, _ handshakes: HandshakeCounters?, _ readiness: Readiness
    ) -> TLSSession.Handshake {
        var outcome = TLSSession.Handshake.wantsMore
        do {
            if tls == nil {
                beginHandshake(
                    try TLSSession(
                        client, expecting: endpoint.peerName, resumption: endpoint.resumption, port: worker.tlsPort))
            }
            if isCongested { _ = transmitUnsent() }
            // What speaks first is no server, and will not be heard again.
            if let tls, readiness.isReadableOrEnded { outcome = shakeHands(tls, untilEnd: readiness.isEnded) }
        } catch {
            outcome = .failed(error)
        }
        switch outcome {
        case .wantsMore: break
        case .done:
            handshakes?.completed.add()
            if tls?.isResumed == true { handshakes?.resumed.add() }
        case .failed(let failure):
            handshakes?.countFailure(Int(failure.rawValue))
            tlsFailure = failure
        }
        return outcome
    }

    /// Begins the handshake of a client.
    final func beginHandshake(_ session: TLSSession) {
        encrypt(with: session)
        _ = session.handshake()
        sendOutput(of: session)
    }

    /// See `receive`.
    final func receiveEncrypted(_ session: TLSSession, after kept: Int, untilEnd: Bool) -> ReadOutcome {
        let received = session.receive(
            from: socket, into: worker.receiveBuffer, after: kept, limit: readLimit, untilEnd: untilEnd)
        // Answers to what was not plaintext: an update of keys, an alert.
        if session.port.hasOutput { sendOutput(of: session) }
        hasUnread = !received.isSocketEmpty
        share.work -= received.messages * Share.message
        switch received.reading {
        case .bytes(let count):
            share.bytes -= count
            return .bytes(count)
        case .wantsMore:
            // Records without data for us: what comes behind them is read in another turn.
            if hasUnread { share.work = 0 }
            return .wouldBlock
        case .closed:
            hasUnread = false
            return .endOfStream
        case .failed(let failure):
            hasUnread = false
            tlsFailure = failure
            return received.end ?? .failed(.connectionReset)
        }
    }

    /// Encrypts and sends, or keeps, all of it: in as few pieces as there is room for ciphertext.
    final func sendEncrypted(_ session: TLSSession, _ message: RawSpan, _ more: RawSpan) {
        if encrypt(session, message), encrypt(session, more) { return sendOutput(of: session) }
        session.port.dropOutput()
    }

    /// False: it is broken.
    private func encrypt(_ session: TLSSession, _ bytes: RawSpan) -> Bool {
        var count = 0
        while count < bytes.byteCount {
            do {
                count += try session.write(bytes.extracting(count..<bytes.byteCount))
            } catch {
                tlsFailure = error
                broke()
                return false
            }
            if count < bytes.byteCount {
                sendOutput(of: session)
                if isBroken { return false }
            }
        }
        return true
    }

    final func sendOutput(of session: TLSSession) {
        session.port.takeOutput { if !isBroken && !$0.isEmpty { sendPlainly($0, RawSpan()) } }
    }

    /// Tells the peer that this is an end, and nothing was cut off.
    final func sayGoodbye(_ session: TLSSession) {
        session.close()
        session.port.takeOutput { if !isBroken && !isCongested && !$0.isEmpty { _ = socket.send($0) } }
    }
}
