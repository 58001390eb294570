internal import Reactor
internal import Wire

/// How a region of the demo behaves.
package enum DemoMode: String, Sendable, CaseIterable {
    /// Answers at once.
    case healthy
    /// Nothing listens; open connections are closed.
    case refuse
    /// Takes connections and requests, and never answers.
    case hang
    /// Answers everything with 500, health checks too.
    case errors
    /// Answers two seconds late, health checks too.
    case slow
}

/// One region's endpoints: real HTTP servers on loopback, which can be broken.
final class DemoRegion {
    let name: String
    private(set) var mode = DemoMode.healthy
    fileprivate let buffer = ReceiveBuffer(capacity: 65_536)
    private let loop: EventLoop
    private var listeners: [DemoListener] = []
    fileprivate(set) var connections: [ObjectIdentifier: DemoConnection] = [:]

    init(name: String, loop: EventLoop, addresses: [(service: String, SocketAddress)]) throws(SystemError) {
        self.name = name
        self.loop = loop
        for (service, address) in addresses {
            let listener = DemoListener(region: self, service: service, address: address, loop: loop)
            try listener.open()
            listeners.append(listener)
        }
    }

    func set(_ mode: DemoMode) {
        let before = self.mode
        self.mode = mode
        if mode == .refuse {
            for listener in listeners { listener.close() }
            for connection in connections.values { connection.close() }
        } else if before == .refuse {
            for listener in listeners { try? listener.open() }
        }
        // Whoever hung on a request is not answered late: a service that comes back has lost them.
        if before == .hang { for connection in connections.values { connection.close() } }
    }
}

private final class DemoListener: EventHandler {
    unowned let region: DemoRegion
    let service: String
    let address: SocketAddress
    let loop: EventLoop
    private var socket = ListeningSocket.none
    private var registration: EventLoop.Registration?

    init(region: DemoRegion, service: String, address: SocketAddress, loop: EventLoop) {
        self.region = region
        self.service = service
        self.address = address
        self.loop = loop
    }

    func open() throws(SystemError) {
        socket = try ListeningSocket(at: address)
        registration = try loop.register(socket, self)
    }

    func close() {
        guard let registration else { return }
        loop.unregister(registration)
        self.registration = nil
        socket.close()
    }

    func ready(_ readiness: Readiness) {
        while socket.isOpen {
            switch socket.accept() {
            case .accepted(let client, _):
                let connection = DemoConnection(region: region, listener: self, loop: loop, socket: client)
                region.connections[ObjectIdentifier(connection)] = connection
            case .wouldBlock: return
            case .failed: return
            }
        }
    }
}

final class DemoConnection: EventHandler, TimerOwner {
    private unowned let region: DemoRegion
    private unowned let listener: DemoListener
    private let loop: EventLoop
    private var socket: Socket
    private var registration: EventLoop.Registration?
    private var timer: TimerWheel.Handle?
    private var received: [UInt8] = []
    private var head = RequestHead(fieldLimit: 100)
    private var isWaiting = false
    /// Bytes of a request's body that are yet to come.
    private var bodyLeft = 0

    fileprivate init(region: DemoRegion, listener: DemoListener, loop: EventLoop, socket: consuming Socket) {
        self.region = region
        self.listener = listener
        self.loop = loop
        self.socket = socket
        registration = try? loop.register(self.socket, self)
        timer = loop.timers.add(self)
    }

    func ready(_ readiness: Readiness) {
        while socket.isOpen {
            switch region.buffer.receive(from: socket) {
            case .bytes(let count): region.buffer.withBytes(count) { received.append(contentsOf: $0) }
            case .wouldBlock: return answer()
            case .endOfStream: return close()
            case .failed: return close()
            }
        }
    }

    func deadlineReached() {
        isWaiting = false
        respond()
        answer()
    }

    /// Answers the requests that have come, one after the other.
    private func answer() {
        while socket.isOpen, !isWaiting {
            let skipped = min(bodyLeft, received.count)
            received.removeFirst(skipped)
            bodyLeft -= skipped
            if bodyLeft > 0 || received.isEmpty { return }
            let progress = received.withBytes { try? head.parse($0, HeadLimits()) }
            guard let progress else { return close() }
            guard case .complete(let count) = progress else { return }
            received.removeFirst(count)
            if case .length(let length) = head.body { bodyLeft = Int(clamping: length) }
            switch region.mode {
            case .hang: isWaiting = true
            case .slow:
                isWaiting = true
                if let timer { loop.timers.arm(timer, at: loop.now + 2_000_000_000) }
            case .healthy, .errors, .refuse: respond()
            }
        }
    }

    private func respond() {
        let status = region.mode == .errors ? "500 Internal Server Error" : "200 OK"
        let body = head.method == .head ? "" : "\(listener.service) in \(region.name)\n"
        let response =
            "HTTP/1.1 \(status)\r\ncontent-type: text/plain\r\nx-region: \(region.name)\r\n"
            + "content-length: \(body.utf8.count)\r\n\r\n\(body)"
        if case .failed = Array(response.utf8).withBytes({ socket.send($0) }) { close() }
    }

    func close() {
        guard socket.isOpen else { return }
        if let timer { loop.timers.remove(timer) }
        timer = nil
        if let registration { loop.unregister(registration) }
        registration = nil
        socket.close()
        region.connections[ObjectIdentifier(self)] = nil
    }
}
