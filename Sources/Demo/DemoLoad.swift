package import Reactor
internal import Synchronization
internal import Wire

/// A steady stream of GETs through the router, sent whether or not earlier ones were answered, and counted by who
/// answered.
package final class DemoLoad: Sendable {
    package struct Counts: Sendable, Equatable {
        /// Answers below 500 by region.
        package var answered: [String: Int] = [:]
        package var failed = 0
        /// The slowest answer, milliseconds.
        package var slowest = 0
    }

    private let counts = Mutex(Counts())

    /// Sends `perSecond` requests a second to `address`, to each of `paths` in turn.
    package init(to address: SocketAddress, paths: [String], perSecond: Int) throws(SystemError) {
        try Thread.start(name: "demo load") { [self] in
            do {
                let loop = try EventLoop()
                let generator = LoadGenerator(load: self, loop: loop, address: address, paths: paths, rate: perSecond)
                generator.deadlineReached()
                loop.run()
            } catch {
                preconditionFailure("the demo's load could not start: \(error)")
            }
        }
    }

    /// What was counted since this was asked last.
    package func take() -> Counts {
        counts.withLock { counts in
            defer { counts = Counts() }
            return counts
        }
    }

    fileprivate func count(region: String?, milliseconds: Int) {
        counts.withLock { counts in
            if let region { counts.answered[region, default: 0] += 1 } else { counts.failed += 1 }
            counts.slowest = max(counts.slowest, milliseconds)
        }
    }
}

private final class LoadGenerator: TimerOwner {
    let load: DemoLoad
    let loop: EventLoop
    let buffer = ReceiveBuffer(capacity: 65_536)
    private let address: SocketAddress
    private let paths: [String]
    private let rate: Int
    private let began: Int64
    private var sent = 0
    private var idle: [LoadConnection] = []
    private var timer: TimerWheel.Handle?

    init(load: DemoLoad, loop: EventLoop, address: SocketAddress, paths: [String], rate: Int) {
        self.load = load
        self.loop = loop
        self.address = address
        self.paths = paths
        self.rate = rate
        began = loop.now
        timer = loop.timers.add(self)
    }

    func deadlineReached() {
        let due = Int((loop.now - began) / 1_000 * Int64(rate) / 1_000_000)
        while sent < due {
            sent += 1
            let request = "GET \(paths[sent % paths.count]) HTTP/1.1\r\nhost: demo\r\n\r\n"
            if let connection = idle.popLast() {
                connection.send(request)
            } else if let connection = LoadConnection(self, to: address) {
                connection.send(request)
            } else {
                load.count(region: nil, milliseconds: 0)
            }
        }
        if let timer { loop.timers.arm(timer, at: loop.now + 5_000_000) }
    }

    func keep(_ connection: LoadConnection) {
        idle.append(connection)
    }

    func forget(_ connection: LoadConnection) {
        idle.removeAll { $0 === connection }
    }
}

private final class LoadConnection: EventHandler {
    private let generator: LoadGenerator
    private var socket: Socket
    private var registration: EventLoop.Registration?
    private var head = ResponseHead(fieldLimit: 100)
    private var received: [UInt8] = []
    private var request = ""
    private var began: Int64 = 0
    private var isBusy = false
    private var isConnected: Bool

    init?(_ generator: LoadGenerator, to address: SocketAddress) {
        self.generator = generator
        guard let socket = try? Socket.connect(to: address) else { return nil }
        isConnected = !socket.isConnecting
        self.socket = socket
        guard let registration = try? generator.loop.register(self.socket, self) else { return nil }
        self.registration = registration
    }

    func send(_ request: String) {
        self.request = request
        began = generator.loop.now
        isBusy = true
        if isConnected { transmit() }
    }

    private func transmit() {
        if case .failed = Array(request.utf8).withBytes({ socket.send($0) }) { end() }
    }

    func ready(_ readiness: Readiness) {
        guard socket.isOpen else { return }
        if !isConnected {
            if socket.takeError() != nil { return end() }
            isConnected = true
            transmit()
        }
        while socket.isOpen {
            switch generator.buffer.receive(from: socket) {
            case .bytes(let count):
                generator.buffer.withBytes(count) { received.append(contentsOf: $0) }
                answered()
            case .wouldBlock: return
            case .endOfStream: return end()
            case .failed: return end()
            }
        }
    }

    private func answered() {
        let whole: (region: String?, isPersistent: Bool)? = received.withBytes { bytes in
            guard case .complete(let headBytes)? = try? head.parse(bytes, forRequest: .get, HeadLimits()),
                case .length(let length) = head.body, bytes.byteCount >= headBytes + Int(clamping: length)
            else { return nil }
            let region = head.status < 500 ? head.text(of: "x-region", in: bytes) ?? "router" : nil
            return (region, head.isPersistent)
        }
        guard let whole else { return }
        received.removeAll(keepingCapacity: true)
        isBusy = false
        generator.load.count(region: whole.region, milliseconds: Int((generator.loop.now - began) / 1_000_000))
        if whole.isPersistent { generator.keep(self) } else { close() }
    }

    private func end() {
        if isBusy {
            generator.load.count(region: nil, milliseconds: Int((generator.loop.now - began) / 1_000_000))
        }
        close()
    }

    private func close() {
        guard socket.isOpen else { return }
        generator.forget(self)
        if let registration { generator.loop.unregister(registration) }
        registration = nil
        socket.close()
    }
}

extension ResponseHead {
    /// The value of a field as a text; its name in lower case.
    fileprivate borrowing func text(of name: String, in bytes: RawSpan) -> String? {
        let index = Array(name.utf8).withBytes { nextField(named: $0, from: 0, in: bytes) }
        guard let index else { return nil }
        let value = bytes.extracting(field(index).value.bounds)
        return unsafe value.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }
}
