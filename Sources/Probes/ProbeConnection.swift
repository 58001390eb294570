internal import Reactor
internal import RouteTable
internal import TLS
internal import Wire

/// One probe: a fresh connection, a handshake if it is encrypted, for HTTP and gRPC a request and as much of the answer as
/// must be seen.
final class ProbeConnection: EventHandler, TimerOwner, Deferred, Yielding {
    private let prober: Prober
    private let target: ProbeTarget
    private let began: Int64
    private var report: ((ProbeFinding) -> Void)?
    private var socket = Socket.none
    private var registration: EventLoop.Registration?
    private var timer: TimerWheel.Handle?
    private var deadline: Int64 = 0
    private var isConnected = false
    private var session: TLSSession?
    private var isSecured = false
    private var answer: ProbeAnswer?
    private var health: HealthCheckExchange?
    private var early: ProbeFinding?
    /// Turns that ended with more to read, and whether another one is to come.
    private var fullTurns = 0
    private var hasYielded = false

    /// Reads a turn: a server that sends without end must not keep the prober from the others.
    private static let readsATurn = 4
    /// So many full turns are more than any answer within its limits takes: records of TLS may carry nothing.
    private static let fullTurnsLimit = 4_096

    init(prober: Prober, target: ProbeTarget, report: @escaping (ProbeFinding) -> Void) {
        self.prober = prober
        self.target = target
        self.report = report
        began = prober.loop.now
        if case .http(let http) = target.probe.kind { answer = ProbeAnswer(to: http) }
        if case .grpc = target.probe.kind { health = HealthCheckExchange() }
        do {
            socket = try Socket.connect(to: target.address)
            registration = try prober.loop.register(socket, self)
        } catch {
            // No descriptors left is our trouble, not the endpoint's.
            end(later: error.isExhaustion ? .unknown : .failed(.connect(error)))
            return
        }
        let timer = prober.loop.timers.add(self)
        self.timer = timer
        deadline = began + ProbeSchedule.nanoseconds(target.probe.timeout)
        prober.loop.timers.arm(timer, at: deadline)
    }

    /// Nobody wants to know any more.
    func cancel() {
        report = nil
        close()
    }

    func ready(_ readiness: Readiness) {
        guard socket.isOpen else { return }
        if !isConnected {
            guard readiness.isWritable || readiness.isEnded else { return }
            if let error = socket.takeError() { return end(.failed(.connect(error))) }
            isConnected = true
            if let client = target.tls { begin(client) } else { speak() }
        }
        if readiness.isReadableOrEnded && socket.isOpen { read() }
    }

    /// The connection is there, and encrypted if it is to be.
    private func speak() {
        if case .tcp = target.probe.kind { return pass() }
        sendRequest()
    }

    // Encryption

    private func begin(_ client: TLSClient) {
        do {
            let session = try TLSSession(client, expecting: target.peerName, resumption: nil, port: prober.tlsPort)
            self.session = session
            if let version = target.proxyHeader { sendProxyHeader(version) }
            _ = session.handshake()
            sendOutput(of: session)
        } catch {
            end(.failed(.tls(error)))
        }
    }

    /// In the clear, before everything else.
    private func sendProxyHeader(_ version: ProxyHeaderVersion) {
        var header = WriteBuffer(capacity: 64)
        ProxyHeader.encodeLocal(version == .v1 ? .v1 : .v2, into: &header)
        if case .failed = header.withBytes({ socket.send($0) }) { end(.failed(.closed)) }
    }

    /// A probe's request, or a flight of a handshake, fits into any socket's buffer.
    private func sendOutput(of session: TLSSession) {
        let outcome = session.port.takeOutput { $0.isEmpty ? .wrote(0) : socket.send($0) }
        if case .failed = outcome, isSecured { readLastWords() }
    }

    private func shakeHands(_ session: TLSSession) {
        for _ in 0..<Self.readsATurn {
            switch session.port.receive(from: socket) {
            case .bytes: break
            case .wouldBlock: return
            case .endOfStream, .failed: return end(.failed(.tls(.peerClosed)))
            }
            let outcome = session.handshake()
            sendOutput(of: session)
            switch outcome {
            case .wantsMore: continue
            case .failed(let failure): return end(.failed(.tls(failure)))
            case .done:
                session.keepInput()
                isSecured = true
                return speak()
            }
        }
        giveWay()
    }

    private func readEncrypted(_ session: TLSSession) {
        if !isSecured { shakeHands(session) }
        for _ in 0..<Self.readsATurn where socket.isOpen && isSecured {
            let received = session.receive(
                from: socket, into: prober.receiveBuffer, after: 0, limit: 65_536, untilEnd: true)
            if session.port.hasOutput { sendOutput(of: session) }
            switch received.reading {
            case .bytes(let count):
                prober.receiveBuffer.withBytes(count) { bytes in
                    answer?.take(bytes)
                    health?.take(bytes)
                }
                judge(isWhole: false)
            case .wantsMore where received.isSocketEmpty: return
            case .wantsMore: break
            case .closed: judge(isWhole: true)
            case .failed: end(.failed(.closed))
            }
        }
        if isSecured { giveWay() }
    }

    // Turns

    /// There may be more to read, in another turn.
    private func giveWay() {
        guard socket.isOpen, !hasYielded else { return }
        fullTurns += 1
        if fullTurns > Self.fullTurnsLimit { return end(.failed(.tooLarge)) }
        hasYielded = true
        prober.loop.yield(self)
    }

    func turnCame() {
        hasYielded = false
        if socket.isOpen { read() }
    }

    func resume() {
        if let early { return end(early) }
        if socket.isOpen { read() }
    }

    func deadlineReached() {
        // Events of this turn were seen before its deadlines: an answer that was there has been read. But if the
        // loop slept through the deadline, nothing says that the endpoint did.
        let late = prober.loop.now - deadline
        prober.noteLag(late)
        let spoils = max(ProbeSchedule.nanoseconds(target.probe.timeout) / 2, Self.timersAccuracy)
        end(late > spoils ? .unknown : .failed(.timeout))
    }

    /// No timer is more exact than this, a little more than two ticks: later than that is late.
    private static let timersAccuracy: Int64 = 10_000_000

    private func sendRequest() {
        if case .grpc(let service) = target.probe.kind {
            return sendFirst(
                HealthCheckExchange.request(
                    service: service, authority: target.authority, isEncrypted: session != nil))
        }
        guard case .http(let http) = target.probe.kind else { return }
        let request =
            "\(http.method) \(http.path) HTTP/1.1\r\nhost: \(http.host ?? target.authority)\r\n"
            + "user-agent: spillway-probe\r\naccept: */*\r\nconnection: close\r\n\r\n"
        sendFirst(Array(request.utf8))
    }

    /// With the header that must come before everything else, unless a handshake did.
    private func sendFirst(_ request: [UInt8]) {
        guard session == nil, let version = target.proxyHeader else { return send(request) }
        var header = WriteBuffer(capacity: 64)
        ProxyHeader.encodeLocal(version == .v1 ? .v1 : .v2, into: &header)
        var message: [UInt8] = []
        header.withBytes { message.append(contentsOf: $0) }
        send(message + request)
    }

    private func send(_ bytes: [UInt8]) {
        if let session {
            _ = bytes.withBytes { try? session.write($0) }
            return sendOutput(of: session)
        }
        switch bytes.withBytes({ socket.send($0) }) {
        case .wrote, .wouldBlock: break
        case .failed: readLastWords()
        }
    }

    /// A write has failed. What the endpoint said before may be a verdict; the end that follows is one.
    private func readLastWords() {
        prober.loop.defer(self)
    }

    private func read() {
        if let session { return readEncrypted(session) }
        for _ in 0..<Self.readsATurn where socket.isOpen {
            switch prober.receiveBuffer.receive(from: socket) {
            case .bytes(let count):
                prober.receiveBuffer.withBytes(count) { bytes in
                    answer?.take(bytes)
                    health?.take(bytes)
                }
                judge(isWhole: false)
            case .endOfStream, .failed: return judge(isWhole: true)
            case .wouldBlock: return
            }
        }
        giveWay()
    }

    /// Looks at what has come so far; ends the probe as soon as the verdict is certain.
    private func judge(isWhole: Bool) {
        if health != nil { return judgeHealth(isWhole: isWhole) }
        switch answer?.verdict(isWhole: isWhole, prober: prober) {
        case .passed: pass()
        case .failed(let failure): end(.failed(failure))
        case .undecided, nil: if isWhole { end(.failed(.closed)) }
        }
    }

    private func judgeHealth(isWhole: Bool) {
        switch health?.verdict {
        case .passed: return pass()
        case .failed(let failure): return end(.failed(.health(failure)))
        case .undecided, nil: if isWhole { return end(.failed(.closed)) }
        }
        if let replies = health?.takeReplies(), !replies.isEmpty { send(replies) }
    }

    private func pass() {
        // Measured now, not at the turn's beginning.
        end(.passed(latencyNanoseconds: EventLoop.clock() - began))
    }

    private func end(later finding: ProbeFinding) {
        early = finding
        prober.loop.defer(self)
    }

    private func end(_ finding: ProbeFinding) {
        let report = report
        self.report = nil
        close()
        report?(finding)
    }

    private func close() {
        if let timer { prober.loop.timers.remove(timer) }
        timer = nil
        guard socket.isOpen else { return }
        if let registration { prober.loop.unregister(registration) }
        registration = nil
        // A reset leaves no connection in TIME_WAIT; thousands of probes would leave thousands.
        socket.reset()
    }
}
