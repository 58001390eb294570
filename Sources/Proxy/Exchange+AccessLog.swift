internal import Reactor
internal import RouteTable
internal import TLS
internal import Telemetry
internal import Wire

extension Exchange {
    /// Leaves a line about this exchange with the writer of its listener's access log.
    func record() {
        // A request that has become a tunnel is still one.
        if isTunnel && !asksForUpgrade { return recordTunnel() }
        keptHead.withBytes { bytes in
            // Parsed when it came; what the line needs is taken from there again.
            guard case .complete? = try? worker.keptRequestHead.parse(bytes, .unlimited) else {
                return listener.counters.accessLogDropped.add()
            }
            let head = LoggedHead(
                method: worker.keptRequestHead.methodRange, host: worker.keptRequestHead.authority,
                target: worker.keptRequestHead.target,
                protocol: client.speaksHTTP2
                    ? "HTTP/2" : worker.keptRequestHead.minorVersion > 0 ? "HTTP/1.1" : "HTTP/1.0"
            )
            record(head, bytes)
        }
    }

    /// A tunnel has a server's name for a host, perhaps, and no more of what a request has; its status is 0.
    private func recordTunnel() {
        status = 0
        keptHead.withBytes { name in
            var head = LoggedHead()
            head.host = ByteRange(start: 0, count: UInt32(name.byteCount))
            record(head, name)
        }
    }

    /// The same about a request that was refused before it was understood.
    func recordRefusal(_ answer: OwnAnswer) {
        recordRefusal(status: answer.status, answer.token)
    }

    func recordRefusal(status refusal: Int, _ reason: StaticString?) {
        began = worker.loop.now
        status = refusal
        ownToken = reason
        [].withBytes { record(LoggedHead(), $0) }
        status = 0
        ownToken = nil
    }

    /// What a line says of a request's head: ranges of its bytes.
    private struct LoggedHead {
        var method = ByteRange()
        var host = ByteRange()
        var target = ByteRange()
        var `protocol`: StaticString?
    }

    private func record(_ head: LoggedHead, _ bytes: RawSpan) {
        guard let log = listener.accessLog else { return }
        worker.logBuffer.clear()
        switch listener.accessLogFormat {
        case .json: writeJSON(head, bytes)
        case .text: writeText(head, bytes)
        }
        if worker.logBuffer.overflowed || !worker.logBuffer.withBytes({ log.append($0) }) {
            listener.counters.accessLogDropped.add()
        }
    }

    private func writeJSON(_ head: LoggedHead, _ bytes: RawSpan) {
        worker.logBuffer.append("{\"time\":")
        worker.logBuffer.append(decimal: Int(worker.wallMilliseconds))
        field("client", address: client)
        field("listener", listener.name)
        if let version = head.protocol {
            worker.logBuffer.append(",\"protocol\":\"")
            worker.logBuffer.append(version)
            worker.logBuffer.append("\"")
        }
        worker.logBuffer.append(",\"method\":\"")
        escaped(bytes, head.method, limit: Self.loggedName)
        worker.logBuffer.append("\",\"host\":\"")
        escaped(bytes, head.host, limit: Self.loggedName)
        worker.logBuffer.append("\",\"target\":\"")
        escaped(bytes, head.target, limit: Self.loggedTarget)
        worker.logBuffer.append("\",\"status\":")
        worker.logBuffer.append(decimal: status)
        worker.logBuffer.append(",\"received\":")
        worker.logBuffer.append(decimal: bytesFromClient)
        worker.logBuffer.append(",\"sent\":")
        worker.logBuffer.append(decimal: bytesToClient)
        worker.logBuffer.append(",\"microseconds\":")
        worker.logBuffer.append(decimal: Int((worker.loop.now - began) / 1_000))
        worker.logBuffer.append(",\"head_microseconds\":")
        worker.logBuffer.append(decimal: Int(headLatency / 1_000))
        worker.logBuffer.append(",\"attempts\":")
        worker.logBuffer.append(decimal: attempts)
        worker.logBuffer.append(isHedged ? ",\"hedged\":true" : ",\"hedged\":false")
        if isGRPC, let grpcStatus {
            worker.logBuffer.append(",\"grpc_status\":")
            worker.logBuffer.append(decimal: Int(grpcStatus.rawValue))
        }
        service?.lend { field("service", $0.name) }
        answeringCell?.lend { field("region", $0.region) }
        answeredBy?.lend { field("endpoint", $0.name) }
        if let end = tunnel.end {
            worker.logBuffer.append(",\"end\":\"")
            worker.logBuffer.append(end.text)
            worker.logBuffer.append("\"")
        }
        if let ownToken {
            worker.logBuffer.append(",\"error\":\"")
            worker.logBuffer.append(ownToken)
            worker.logBuffer.append("\"")
        }
        if let tlsFailure {
            worker.logBuffer.append(",\"tls\":\"")
            append(tlsFailure.word)
            worker.logBuffer.append("\"")
        }
        worker.logBuffer.append("}\n")
    }

    /// `time client listener "METHOD host target" status received sent microseconds attempts service region endpoint error`;
    /// `-` for what there is none of. A tunnel has no method and no target, and tells in the last word what ended it.
    private func writeText(_ head: LoggedHead, _ bytes: RawSpan) {
        worker.logBuffer.append(decimal: Int(worker.wallMilliseconds))
        worker.logBuffer.append(" ")
        append(address: client)
        word(listener.name)
        worker.logBuffer.append(" \"")
        escapedOrDash(bytes, head.method, limit: Self.loggedName)
        worker.logBuffer.append(" ")
        escapedOrDash(bytes, head.host, limit: Self.loggedName)
        worker.logBuffer.append(" ")
        escapedOrDash(bytes, head.target, limit: Self.loggedTarget)
        worker.logBuffer.append("\" ")
        worker.logBuffer.append(decimal: status)
        worker.logBuffer.append(" ")
        worker.logBuffer.append(decimal: bytesFromClient)
        worker.logBuffer.append(" ")
        worker.logBuffer.append(decimal: bytesToClient)
        worker.logBuffer.append(" ")
        worker.logBuffer.append(decimal: Int((worker.loop.now - began) / 1_000))
        worker.logBuffer.append(" ")
        worker.logBuffer.append(decimal: attempts)
        word(service?.lend { $0.name })
        word(answeringCell?.lend { $0.region })
        word(answeredBy?.lend { $0.name })
        worker.logBuffer.append(" ")
        worker.logBuffer.append(ownToken ?? tunnel.end?.text ?? "-")
        if let tlsFailure {
            worker.logBuffer.append(":")
            append(tlsFailure.word)
        }
        worker.logBuffer.append("\n")
    }

    private func word(_ text: String?) {
        worker.logBuffer.append(" ")
        append(text ?? "-")
    }

    private func field(_ name: StaticString, _ value: String) {
        worker.logBuffer.append(",\"")
        worker.logBuffer.append(name)
        worker.logBuffer.append("\":\"")
        // Names of the table: letters, digits, dots, dashes, colons and the like.
        append(value)
        worker.logBuffer.append("\"")
    }

    private func field(_ name: StaticString, address: ClientContext) {
        worker.logBuffer.append(",\"")
        worker.logBuffer.append(name)
        worker.logBuffer.append("\":\"")
        append(address: address)
        worker.logBuffer.append("\"")
    }

    private func append(address: ClientContext) {
        if address.addressCount == 0 { worker.logBuffer.append("unix") }
        for i in 0..<address.addressCount { worker.logBuffer.append(byte: address.address[i]) }
    }

    private func append(_ text: String) {
        for byte in text.utf8 { worker.logBuffer.append(byte: byte) }
    }

    /// Every line has as many words.
    private func escapedOrDash(_ bytes: RawSpan, _ range: ByteRange, limit: Int) {
        if range.isEmpty { worker.logBuffer.append("-") } else { escaped(bytes, range, limit: limit) }
    }

    /// Bytes of a method or a host, and of a target, as they are written: no request is too large to be a line.
    private static let loggedName = 512
    private static let loggedTarget = 32_768

    /// Bytes of the client's choosing: quotes, backslashes and what is not printable ASCII are escaped, so that a line
    /// is a line and JSON is JSON. What goes beyond the limit is three dots.
    private func escaped(_ bytes: RawSpan, _ range: ByteRange, limit: Int) {
        let start = worker.logBuffer.count
        for i in range.bounds {
            if worker.logBuffer.count - start >= limit { return worker.logBuffer.append("...") }
            let byte = unsafe bytes.unsafeLoad(fromByteOffset: i, as: UInt8.self)
            if byte >= 0x20 && byte < 0x7f && byte != 0x22 && byte != 0x5c {
                worker.logBuffer.append(byte: byte)
            } else {
                worker.logBuffer.append(byte < 0x10 ? "\\u000" : "\\u00")
                worker.logBuffer.append(hex: UInt64(byte))
            }
        }
    }
}
