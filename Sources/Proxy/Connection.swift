internal import Reactor
internal import Wire

/// A socket in the loop and what could not be sent yet: what client and upstream connections have in common.
///
/// Everything to be sent goes through the worker's one send buffer and is handed to the kernel at once; only what
/// the kernel does not take is kept here. A broken connection is reported from the loop, never from within a send.
class Connection: EventHandler, Deferred {
    let worker: Worker
    private(set) var socket: Socket
    private var registration: EventLoop.Registration?
    private var unsent: [UInt8] = []
    private var unsentStart = 0
    /// Writing failed; nothing more is sent.
    private(set) var isBroken = false
    /// New bytes, or an end, may be waiting to be read.
    var hasUnread = false
    /// The other side was slow before: less is read for it at a time.
    var readLimit = Connection.largeRead

    static let largeRead = 262_144
    static let smallRead = 32_768

    init(worker: Worker, socket: consuming Socket) {
        self.worker = worker
        self.socket = socket
    }

    final var isOpen: Bool { socket.isOpen }

    final var isCongested: Bool { unsentStart < unsent.count }

    /// Puts the connection into the loop; the loop keeps it until `close`.
    final func watch() -> Bool {
        do {
            registration = try worker.loop.register(socket, self)
            return true
        } catch {
            socket.close()
            return false
        }
    }

    func ready(_ readiness: Readiness) {
        preconditionFailure("a connection is a client's or an upstream's")
    }

    func resume() {
        preconditionFailure("a connection is a client's or an upstream's")
    }

    /// Sends what is in the worker's send buffer, and `more` after it, and empties the buffer.
    final func transmit(_ more: RawSpan = RawSpan()) {
        defer { worker.sendBuffer.clear() }
        let buffered = worker.sendBuffer.count
        if isBroken || !isOpen || buffered + more.byteCount == 0 { return }
        var sent = 0
        if !isCongested {
            let outcome: WriteOutcome
            if more.isEmpty {
                outcome = worker.sendBuffer.withBytes { socket.send($0) }
            } else if buffered == 0 {
                outcome = socket.send(more)
            } else {
                outcome = worker.sendBuffer.withBytes { socket.send($0, more) }
            }
            switch outcome {
            case .wrote(let count): sent = count
            case .wouldBlock: break
            case .failed:
                isBroken = true
                worker.loop.defer(self)
                return
            }
            if sent == buffered + more.byteCount { return }
            readLimit = Self.smallRead
        }
        if sent < buffered {
            worker.sendBuffer.withBytes { unsent.append(contentsOf: $0.extracting(sent..<buffered)) }
            unsent.append(contentsOf: more)
        } else {
            unsent.append(contentsOf: more.extracting((sent - buffered)..<more.byteCount))
        }
    }

    /// Sends what was kept. True when nothing is left.
    final func transmitUnsent() -> Bool {
        while isCongested && !isBroken {
            switch unsent.withBytes({ socket.send($0.extracting(unsentStart..<unsent.count)) }) {
            case .wrote(let count): unsentStart += count
            case .wouldBlock: return false
            case .failed:
                isBroken = true
                worker.loop.defer(self)
                return false
            }
        }
        if unsent.capacity > 0 { unsent = [] }
        unsentStart = 0
        return true
    }

    /// Reads once, behind `kept` bytes of the worker's receive buffer.
    final func receive(after kept: Int) -> ReadOutcome {
        worker.receiveBuffer.receive(from: socket, after: kept, limit: readLimit)
    }

    final func shutdownWrite() {
        socket.shutdownWrite()
    }

    final var socketError: SystemError? { socket.takeError() }

    final var isQuiet: Bool { socket.isQuiet() }

    /// Closes the socket and leaves the loop.
    final func closeSocket(reset: Bool = false) {
        guard socket.isOpen else { return }
        if let registration { worker.loop.unregister(registration) }
        registration = nil
        if reset { socket.reset() } else { socket.close() }
        unsent = []
        unsentStart = 0
    }
}
