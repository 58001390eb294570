internal import Reactor
internal import RouteTable
internal import Wire

/// One probe: a fresh connection, for HTTP a request and as much of the answer as must be seen.
final class ProbeConnection: EventHandler, TimerOwner, Deferred {
    /// How much of a body is looked at.
    private static let bodyLimit = 65_536

    private let prober: Prober
    private let target: ProbeTarget
    private let began: Int64
    private var report: ((ProbeFinding) -> Void)?
    private var socket = Socket.none
    private var registration: EventLoop.Registration?
    private var timer: TimerWheel.Handle?
    private var deadline: Int64 = 0
    private var isConnected = false
    private var received: [UInt8] = []
    private var early: ProbeFinding?

    init(prober: Prober, target: ProbeTarget, report: @escaping (ProbeFinding) -> Void) {
        self.prober = prober
        self.target = target
        self.report = report
        began = prober.loop.now
        switch Socket.connect(to: target.address) {
        case .connected(let socket), .pending(let socket):
            self.socket = socket
            do {
                registration = try prober.loop.register(self.socket, self)
            } catch {
                // No descriptors left is our trouble, not the endpoint's.
                end(later: .unknown)
                return
            }
            let timer = prober.loop.timers.add(self)
            self.timer = timer
            deadline = began + ProbeSchedule.nanoseconds(target.probe.timeout)
            prober.loop.timers.arm(timer, at: deadline)
        case .failed(let error):
            end(later: error == .outOfDescriptors ? .unknown : .failed(.connect(error)))
        }
    }

    /// Nobody wants to know any more.
    func cancel() {
        report = nil
        close()
    }

    func ready(_ readiness: Readiness) {
        guard socket.isOpen else { return }
        if !isConnected {
            if let error = socket.takeError() { return end(.failed(.connect(error))) }
            isConnected = true
            if case .tcp = target.probe.kind { return pass() }
            sendRequest()
        }
        if readiness.isReadableOrEnded { read() }
    }

    func resume() {
        if let early { end(early) }
    }

    func deadlineReached() {
        // Events of this turn were seen before its deadlines: an answer that was there has been read. But if the
        // loop slept through the deadline, nothing says that the endpoint did.
        let late = prober.loop.now - deadline
        prober.noteLag(late)
        end(late > ProbeSchedule.nanoseconds(target.probe.timeout) / 2 ? .unknown : .failed(.timeout))
    }

    private func sendRequest() {
        guard case .http(let http) = target.probe.kind else { return }
        let request =
            "\(http.method) \(http.path) HTTP/1.1\r\nhost: \(http.host ?? target.authority)\r\n"
            + "user-agent: spillway-probe\r\naccept: */*\r\nconnection: close\r\n\r\n"
        switch socket.send(Array(request.utf8).span.bytes) {
        case .wrote, .wouldBlock: break
        case .failed: end(.failed(.closed))
        }
    }

    private func read() {
        while socket.isOpen {
            switch prober.receiveBuffer.receive(from: socket) {
            case .bytes(let count):
                prober.receiveBuffer.withBytes(count) { bytes in
                    unsafe bytes.withUnsafeBytes { unsafe received.append(contentsOf: $0) }
                }
                judge(isWhole: false)
            case .endOfStream: return judge(isWhole: true)
            case .wouldBlock: return
            case .failed: return judge(isWhole: true)
            }
        }
    }

    /// Looks at what has come so far; ends the probe as soon as the verdict is certain.
    private func judge(isWhole: Bool) {
        guard case .http(let http) = target.probe.kind else { return }
        let bytes = received.span.bytes
        let method = Method(name: http.method)
        var offset = 0
        while true {
            let headBytes: Int
            do {
                let rest = bytes.extracting(offset..<bytes.byteCount)
                switch try prober.head.parse(rest, forRequest: method, HeadLimits()) {
                case .incomplete:
                    if isWhole { end(.failed(.closed)) }
                    return
                case .complete(let count): headBytes = count
                }
            } catch {
                return end(.failed(.malformed))
            }
            if !prober.head.isInterim { break }
            offset += headBytes
        }
        let status = Int(prober.head.status)
        guard http.expectStatus.contains(where: { $0.contains(status) }) else { return end(.failed(.status(status))) }
        let head = bytes.extracting(offset..<bytes.byteCount)
        for expected in http.expectHeaders {
            guard prober.head.hasField(expected, in: head) else { return end(.failed(.header(expected.name))) }
        }
        guard let text = http.expectBody else { return pass() }
        // Framing is left in place: the text is looked for in what came, which a chunk boundary can only hide if
        // the endpoint puts one into it.
        if received[(offset + prober.head.byteCount)...].prefix(Self.bodyLimit).containsText(text) { return pass() }
        if isWhole || received.count > offset + prober.head.byteCount + Self.bodyLimit { end(.failed(.body)) }
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
