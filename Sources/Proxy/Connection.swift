internal import Reactor
internal import TLS
internal import Wire

/// A socket in the loop and what could not be sent yet: what client and upstream connections have in common.
///
/// Everything to be sent goes through the worker's one send buffer. Small messages wait there until the end of the
/// turn and are then sent one after the other (docs/decisions/0007); only what the kernel does not take is kept here.
/// A broken connection is reported from the loop, never from within a send.
class Connection: EventHandler, Deferred, Yielding {
    let worker: Worker
    private(set) var socket: Socket
    private var registration: EventLoop.Registration?
    private var unsent: [UInt8] = []
    private var unsentStart = 0
    /// Bytes that the kernel has taken, ever.
    private var bytesSent = 0
    /// It was congested when it was closed.
    final private(set) var wasCongested = false
    /// A message waits in the worker's send buffer.
    private var isQueued = false
    /// Writing failed; nothing more is sent.
    private(set) var isBroken = false
    /// Encrypts what is sent and decrypts what comes, from the beginning of a handshake on.
    final private(set) var tls: TLSSession?
    final var isEncrypted: Bool { tls != nil }
    /// By which of the listener's rules for clients it was begun; 0: without encryption.
    final private(set) var clientRules: UInt64 = 0
    /// What encryption broke of, if it did; `truncated` when the peer's end came without notice.
    final var tlsFailure: TLSFailure?
    /// New bytes, or an end, may be waiting to be read.
    var hasUnread = false
    /// The other side was slow before: less is read for it at a time.
    var readLimit = Connection.largeRead

    /// It has had its share of a turn and waits for the next: whatever else happens, it reads nothing until then.
    final private(set) var isYielding = false
    /// What it may still do in this turn: see `Share`.
    final var share = Share()
    /// The turn of the loop that `share` is of.
    private var shareTurn = -1

    static let largeRead = 262_144
    static let smallRead = 32_768

    /// What one connection may do in one turn before others have theirs: so many bytes, and so much work with them.
    /// Whoever sends many small messages in one segment is served as fairly as who sends one large one.
    struct Share {
        /// Bytes that are still read.
        var bytes = largeRead
        /// A chunk of a body is one, a message `message`.
        var work = 512

        static let message = 16

        var isUsedUp: Bool { bytes <= 0 || work <= 0 }
    }

    init(worker: Worker, socket: consuming Socket) {
        self.worker = worker
        self.socket = socket
    }

    /// Goes on where another connection of the same client leaves off, in its place in the loop: once it is known what
    /// the client speaks. Nothing that `other` was to send may wait in the worker's send buffer.
    init(takingOver other: Connection) {
        precondition(!other.isQueued, "a message of the connection before would be lost")
        worker = other.worker
        socket = other.giveSocket()
        registration = other.registration
        unsent = other.unsent
        unsentStart = other.unsentStart
        isBroken = other.isBroken
        hasUnread = other.hasUnread
        tls = other.tls
        clientRules = other.clientRules
        other.tls = nil
        other.registration = nil
        other.unsent = []
        other.unsentStart = 0
        if let registration { worker.loop.pass(registration, to: self) }
    }

    private func giveSocket() -> Socket {
        var given = Socket.none
        swap(&given, &socket)
        return given
    }

    final var isOpen: Bool { socket.isOpen }

    /// The kernel did not take all.
    final var isCongested: Bool { unsentStart < unsent.count }

    /// Everything pushed is with the kernel.
    final var isDrained: Bool { !isQueued && !isCongested }

    /// Puts the connection into the loop; the loop keeps it until `close`.
    final func watch() -> Bool {
        do {
            registration = try worker.loop.register(socket, self)
            worker.openSockets += 1
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

    /// The connection's turn has come again, with a new share.
    final func turnCame() {
        isYielding = false
        renewShare()
        resumeTurn()
    }

    /// One share a turn, however often the loop calls: what is left of it, if this turn has begun it already.
    final func renewShare() {
        guard shareTurn != worker.loop.turn else { return }
        shareTurn = worker.loop.turn
        share = Share()
    }

    /// Goes on with what the turn before had no time for.
    func resumeTurn() { resume() }

    /// The share of this turn is used up, and there is more to do.
    final func yieldTurn() {
        if isYielding { return }
        isYielding = true
        worker.loop.yield(self)
    }

    func becameCongested() {}

    /// Sends the message in hand in the worker's send buffer at the end of this turn.
    final func transmit() {
        if worker.sendBuffer.isEmpty { return }
        if isBroken || !isOpen { return worker.sendBuffer.clear() }
        if isQueued && worker.extendQueued(of: self) { return }
        if isQueued || isCongested { return transmit(followedBy: RawSpan()) }
        isQueued = true
        worker.queueMessage(of: self)
    }

    /// Sends the message in hand, and `more` after it, now.
    final func transmit(followedBy more: RawSpan) {
        if isQueued { worker.sendQueued() }
        if !isBroken && isOpen { worker.sendBuffer.withBytes { send($0, more) } }
        worker.sendBuffer.clear()
    }

    /// Adds a piece of a body to the message in hand: small ones are gathered, large ones sent from where they lie.
    @inline(__always)
    final func gather(_ data: RawSpan) {
        if isGathered(data) { worker.sendBuffer.append(data) } else { transmit(followedBy: data) }
    }

    @inline(__always)
    final func isGathered(_ data: RawSpan) -> Bool {
        data.byteCount <= 16_384 && data.byteCount <= worker.sendBuffer.available
    }

    /// The turn of a queued message has come.
    final func sendQueued(_ message: RawSpan) {
        isQueued = false
        if !isBroken && isOpen { send(message, RawSpan()) }
    }

    /// Sends, or keeps, all of it.
    private func send(_ message: RawSpan, _ more: RawSpan) {
        if let tls { sendEncrypted(tls, message, more) } else { sendPlainly(message, more) }
    }

    /// From now on everything is encrypted.
    final func encrypt(with session: TLSSession) {
        tls = session
        clientRules = session.clientRules
    }

    /// What follows is said, and understood, without encryption.
    final func endEncryption() {
        tls?.port.dropOutput()
        tls = nil
    }

    /// Nothing more is sent; it is told from the loop.
    final func broke() {
        isBroken = true
        worker.loop.defer(self)
    }

    final func sendPlainly(_ message: RawSpan, _ more: RawSpan) {
        var sent = 0
        if !isCongested {
            switch more.isEmpty ? socket.send(message) : socket.send(message, more) {
            case .wrote(let count):
                sent = count
                bytesSent &+= count
            case .wouldBlock: break
            case .failed: return broke()
            }
            if sent == message.byteCount + more.byteCount { return }
            readLimit = Self.smallRead
        }
        unsent.append(contentsOf: message.extracting(min(sent, message.byteCount)..<message.byteCount))
        unsent.append(contentsOf: more.extracting(max(0, sent - message.byteCount)..<more.byteCount))
        becameCongested()
    }

    /// Sends what was kept. True when nothing is left.
    final func transmitUnsent() -> Bool {
        while isCongested && !isBroken {
            switch unsent.withBytes({ socket.send($0.extracting(unsentStart..<unsent.count)) }) {
            case .wrote(let count):
                unsentStart += count
                bytesSent &+= count
            case .wouldBlock: return false
            case .failed:
                broke()
                return false
            }
        }
        if unsent.capacity > 0 { unsent = [] }
        unsentStart = 0
        return true
    }

    /// How many bytes, of all that were ever sent, have reached the other host; a system call.
    final var bytesArrived: Int { bytesSent - socket.unacknowledged() }

    /// What `bytesArrived` will be once everything has arrived that was pushed so far.
    final var bytesPushed: Int { bytesSent + unsent.count - unsentStart }

    /// Reads once, behind `kept` bytes of the worker's receive buffer; `hasUnread` says then whether there may be more.
    ///
    /// - Parameter untilEnd: an end was announced: it needs another look, even if a short read has emptied the socket.
    final func receive(after kept: Int, untilEnd: Bool) -> ReadOutcome {
        if let tls { return receiveEncrypted(tls, after: kept, untilEnd: untilEnd) }
        let outcome = worker.receiveBuffer.receive(from: socket, after: kept, limit: readLimit)
        if case .bytes(let count) = outcome {
            share.bytes -= count
            if !untilEnd && count < min(readLimit, worker.receiveBuffer.capacity - kept) { hasUnread = false }
        } else {
            hasUnread = false
        }
        return outcome
    }

    /// Nothing more will be sent.
    final func shutdownWrite() {
        if let tls { sayGoodbye(tls) }
        socket.shutdownWrite()
    }

    final var socketError: SystemError? { socket.takeError() }

    final var isQuiet: Bool { socket.isQuiet() }

    /// Closes the socket and leaves the loop. A message that waits is not sent: see `Worker.sendQueued`.
    final func closeSocket(reset: Bool = false) {
        guard socket.isOpen else { return }
        if let tls {
            if !reset && !isQueued { sayGoodbye(tls) }
            self.tls = nil
        }
        if let registration {
            worker.loop.unregister(registration)
            worker.openSockets -= 1
        }
        registration = nil
        wasCongested = isCongested
        if reset { socket.reset() } else { socket.close() }
        unsent = []
        unsentStart = 0
    }
}
