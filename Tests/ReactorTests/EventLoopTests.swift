import Glibc
import Synchronization
import Testing

@testable import Reactor

struct EventLoopTests {
    @Test func `messages arrive in order on the loop's thread`() throws {
        let loop = try EventLoop()
        let mailbox = try Mailbox<Int>()
        var received: [Int] = []
        try mailbox.attach(to: loop) { message in
            received.append(message)
            if message == 999 { loop.stop() }
        }
        try Thread.start(name: "sender") {
            for i in 0..<1_000 { mailbox.post(i) }
        }
        loop.run()
        loop.dismiss()
        #expect(received == Array(0..<1_000))
    }

    @Test func `bytes go both ways over a real socket, and an end is an end`() throws {
        let loop = try EventLoop()
        let listening = try ListeningSocket(at: #require(SocketAddress(ip: "127.0.0.1", port: 0)))
        #expect(listening.address.port != 0)
        let echo = EchoServer(loop: loop, socket: listening)
        try echo.start()
        let client = try EchoClient(loop: loop, to: echo.address, sending: Array("spill".utf8))
        loop.run()
        loop.dismiss()
        #expect(client.received == Array("spill".utf8))
        #expect(client.sawEnd)
    }

    @Test func `a refused connection is told as an error`() throws {
        let address: SocketAddress
        do {
            let listening = try ListeningSocket(at: #require(SocketAddress(ip: "127.0.0.1", port: 0)))
            address = listening.address
        }
        let loop = try EventLoop()
        let client = try EchoClient(loop: loop, to: address, sending: [1])
        loop.run()
        loop.dismiss()
        #expect(client.error == .connectionRefused)
    }

    @Test func `an event for a connection closed in the same turn reaches nobody`() throws {
        let loop = try EventLoop()
        let listening = try ListeningSocket(at: #require(SocketAddress(ip: "127.0.0.1", port: 0)))
        let echo = EchoServer(loop: loop, socket: listening)
        try echo.start()
        let pair = [
            try EchoClient(loop: loop, to: echo.address, sending: [1]),
            try EchoClient(loop: loop, to: echo.address, sending: [2]),
        ]
        // Whichever hears first closes the other.
        pair[0].closesOnData = pair[1]
        pair[1].closesOnData = pair[0]
        loop.run()
        loop.dismiss()
        #expect(pair.filter { $0.wasClosedByOther && !$0.received.isEmpty }.isEmpty)
    }

    @Test func `work for which a turn has no time comes in the next ones, in its order`() throws {
        let loop = try EventLoop()
        let mailbox = try Mailbox<Int>()
        let record = Record()
        try mailbox.attach(to: loop) { number in
            // Together they take ten times what a turn has.
            for index in 0..<number { loop.defer(Slow(loop, index, of: number, record)) }
        }
        mailbox.post(40)
        loop.run()
        loop.dismiss()
        #expect(record.order == Array(0..<40))
        let inOneTurn = Dictionary(grouping: record.turns) { $0 }.values.map(\.count)
        #expect(inOneTurn.max() ?? 0 <= 8)
    }

    @Test func `what came while the thread stood still within its wait is taken before a deadline is met`() throws {
        let loop = try EventLoop()
        let mailbox = try Mailbox<Int>()
        let deadline = LastDeadline(loop)
        try mailbox.attach(to: loop) { _ in loop.stop() }
        // It interrupts the wait as SIGSTOP and SIGCONT do, and holds the thread up meanwhile.
        _ = signal(SIGWINCH) { _ in usleep(300_000) }
        let thread = pthread_self()
        try Thread.start(name: "stopper") {
            Thread.pause(milliseconds: 20)
            pthread_kill(thread, SIGWINCH)
            Thread.pause(milliseconds: 50)
            mailbox.post(1)
        }
        deadline.arm(milliseconds: 100)
        loop.run()
        loop.dismiss()
        #expect(!deadline.isReached)
    }

    @Test func `after it stood still, a thread gives others the time that it has lost`() throws {
        let loop = try EventLoop()
        let mailbox = try Mailbox<Int>()
        let deadline = LastDeadline(loop)
        try mailbox.attach(to: loop) { message in
            // What is told by each message is answered by the next one.
            switch message {
            case 0: Thread.pause(milliseconds: 200)
            case 5: return loop.stop()
            default: break
            }
            mailbox.post(message + 1)
        }
        mailbox.post(0)
        deadline.arm(milliseconds: 50)
        loop.run()
        loop.dismiss()
        #expect(!deadline.isReached)
    }

    @Test func `a thread that stands still in every turn meets its deadlines all the same`() throws {
        let loop = try EventLoop()
        let mailbox = try Mailbox<Int>()
        let deadline = LastDeadline(loop)
        var turns = 0
        try mailbox.attach(to: loop) { message in
            turns = message
            Thread.pause(milliseconds: 60)
            if message < 20 { mailbox.post(message + 1) } else { loop.stop() }
        }
        mailbox.post(1)
        deadline.arm(milliseconds: 50)
        loop.run()
        loop.dismiss()
        #expect(deadline.isReached)
        #expect(turns < 5)
    }
}

/// Ends the loop when its time has come.
private final class LastDeadline: TimerOwner {
    private let loop: EventLoop
    private(set) var isReached = false

    init(_ loop: EventLoop) {
        self.loop = loop
    }

    func arm(milliseconds: Int64) {
        loop.timers.arm(loop.timers.add(self), at: loop.now + milliseconds * 1_000_000)
    }

    func deadlineReached() {
        isReached = true
        loop.stop()
    }
}

private final class Record {
    var order: [Int] = []
    var turns: [Int] = []
}

/// Takes a quarter of a millisecond.
private final class Slow: Deferred {
    private let loop: EventLoop
    private let index: Int
    private let number: Int
    private let record: Record

    init(_ loop: EventLoop, _ index: Int, of number: Int, _ record: Record) {
        self.loop = loop
        self.index = index
        self.number = number
        self.record = record
    }

    func resume() {
        let end = EventLoop.clock() + 250_000
        while EventLoop.clock() < end {}
        record.order.append(index)
        record.turns.append(loop.turn)
        if record.order.count == number { loop.stop() }
    }
}

private final class EchoServer: EventHandler {
    let loop: EventLoop
    let address: SocketAddress
    private let socket: ListeningSocket
    private var connections: [Echo] = []

    init(loop: EventLoop, socket: consuming ListeningSocket) {
        self.loop = loop
        address = socket.address
        self.socket = socket
    }

    func start() throws {
        _ = try loop.register(socket, self)
    }

    func ready(_ readiness: Readiness) {
        while true {
            switch socket.accept() {
            case .accepted(let client, _):
                let echo = Echo(loop: loop, socket: client)
                try? echo.start()
                connections.append(echo)
            case .wouldBlock: return
            case .failed: return
            }
        }
    }
}

private final class Echo: EventHandler {
    private let loop: EventLoop
    private var socket: Socket
    private let buffer = ReceiveBuffer(capacity: 4_096)

    init(loop: EventLoop, socket: consuming Socket) {
        self.loop = loop
        self.socket = socket
    }

    func start() throws {
        _ = try loop.register(socket, self)
    }

    func ready(_ readiness: Readiness) {
        while socket.isOpen, case .bytes(let count) = buffer.receive(from: socket) {
            _ = buffer.withBytes(count) { socket.send($0) }
            socket.shutdownWrite()
        }
    }
}

private final class EchoClient: EventHandler {
    private let loop: EventLoop
    private var socket: Socket
    private var registration: EventLoop.Registration?
    private let buffer = ReceiveBuffer(capacity: 4_096)
    private let sending: [UInt8]
    private var hasSent = false
    private(set) var received: [UInt8] = []
    private(set) var sawEnd = false
    private(set) var error: SystemError?
    private(set) var wasClosedByOther = false
    weak var closesOnData: EchoClient?

    init(loop: EventLoop, to address: SocketAddress, sending: [UInt8]) throws {
        self.loop = loop
        self.sending = sending
        socket = try Socket.connect(to: address)
        registration = try loop.register(socket, self)
    }

    func closeByOther() {
        guard socket.isOpen, let registration else { return }
        wasClosedByOther = true
        loop.unregister(registration)
        socket.close()
    }

    func ready(_ readiness: Readiness) {
        if let error = socket.takeError() {
            self.error = error
            return loop.stop()
        }
        if !hasSent {
            hasSent = true
            _ = sending.withBytes { socket.send($0) }
        }
        while true {
            switch buffer.receive(from: socket) {
            case .bytes(let count):
                buffer.withBytes(count) { bytes in
                    for i in 0..<bytes.byteCount {
                        received.append(unsafe bytes.unsafeLoad(fromByteOffset: i, as: UInt8.self))
                    }
                }
                if let other = closesOnData {
                    other.closeByOther()
                    return loop.stop()
                }
            case .endOfStream:
                sawEnd = true
                return loop.stop()
            case .wouldBlock: return
            case .failed(let error):
                self.error = error
                return loop.stop()
            }
        }
    }
}
