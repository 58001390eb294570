internal import Reactor
internal import RouteTable
internal import TLS
internal import Telemetry
internal import Wire

/// The TLS handshake of a client.
extension Arrival {
    /// Goes on with it. When it is done, whoever speaks the protocol that was agreed on takes over.
    func shakeHands(with server: TLSServer, first: [UInt8], untilEnd: Bool) {
        let session: TLSSession
        if let begun = tls {
            session = begun
        } else {
            do {
                session = try TLSSession(server, port: worker.tlsPort)
                encrypt(with: session)
            } catch {
                return handshakeFailed(error)
            }
        }
        switch first.withBytes({ shakeHands(session, first: $0, untilEnd: untilEnd) }) {
        case .wantsMore: if isBroken { handshakeFailed(.peerClosed) }
        case .failed(let failure): handshakeFailed(failure)
        case .done:
            listener.counters.handshakes.completed.add()
            if session.isResumed { listener.counters.handshakes.resumed.add() }
            let identity = server.identityHeader.flatMap { name in
                session.peerIdentity.map { "\(name): \($0.fieldValue)\r\n" }
            }
            let client = client.encrypted(identity: identity ?? "")
            if listener.transport == .tcp {
                becomeTunnel(client)
            } else if session.speaks("h2") {
                becomeHTTP2(client)
            } else {
                becomeHTTP1(client)
            }
        }
    }

    /// Says why where that can be understood: OpenSSL has sent an alert, if the client speaks TLS at all.
    func handshakeFailed(_ failure: TLSFailure) {
        listener.counters.handshakes.countFailure(Int(failure.rawValue))
        if listener.isLogged { record(failure) }
        guard failure == .plainHTTP else { return failure == .peerClosed ? close() : linger() }
        endEncryption()
        OwnAnswer(
            status: 400, token: "plain-http-on-tls", sentence: "This port is for HTTPS.", closes: true
        ).encode(method: .get, minorVersion: 1, keepsAlive: false, date: worker.date, into: &worker.sendBuffer)
        transmit(followedBy: RawSpan())
        linger()
    }

    /// A line of the access log about a client that never came to make a request.
    private func record(_ failure: TLSFailure) {
        guard let log = listener.accessLog else { return }
        let time = worker.wallMilliseconds
        worker.logBuffer.clear()
        switch listener.accessLogFormat {
        case .json:
            worker.logBuffer.append("{\"time\":")
            worker.logBuffer.append(decimal: Int(time))
            worker.logBuffer.append(",\"client\":\"")
            worker.logBuffer.append(address: client)
            worker.logBuffer.append("\",\"listener\":\"")
            worker.logBuffer.append(text: listener.name)
            worker.logBuffer.append("\",\"status\":0,\"error\":\"tls-handshake-failed\",\"tls\":\"")
            worker.logBuffer.append(text: failure.word)
            worker.logBuffer.append("\"}\n")
        case .text:
            worker.logBuffer.append(decimal: Int(time))
            worker.logBuffer.append(" ")
            worker.logBuffer.append(address: client)
            worker.logBuffer.append(" ")
            worker.logBuffer.append(text: listener.name)
            worker.logBuffer.append(" \"- - -\" 0 0 0 0 0 - - - tls-handshake-failed:")
            worker.logBuffer.append(text: failure.word)
            worker.logBuffer.append("\n")
        }
        if !worker.logBuffer.withBytes({ log.append($0) }) { listener.counters.accessLogDropped.add() }
    }
}

extension RawSpan {
    /// The beginning of a record with a handshake in it (RFC 8446, 5.1).
    var looksLikeTLS: Bool {
        guard byteCount >= 2 else { return false }
        let word = unsafe unsafeLoadUnaligned(fromByteOffset: 0, as: UInt16.self)
        return UInt16(bigEndian: word) == 0x1603
    }
}

extension WriteBuffer {
    mutating func append(address client: ClientContext) {
        if client.addressCount == 0 { append("unix") }
        for i in 0..<client.addressCount { append(byte: client.address[i]) }
    }

    mutating func append(text: String) {
        for byte in text.utf8 { append(byte: byte) }
    }
}
