internal import Reactor
internal import Wire

/// A connection that speaks HTTP/2, of either side: the session that knows the frames, and the way of bytes through it.
///
/// The session is nghttp2's and does no I/O. What it wants to send is collected once at the end of a turn, so that the
/// frames of all streams leave in one piece; nothing is collected while the peer does not take what it was sent.
class HTTP2Connection: Connection {
    let session: HTTP2Session
    private var isPumpQueued = false
    /// Within the session's own functions, which must not be called again from there.
    private var isInSession = false
    /// The last frame is on its way; nothing is listened to any more.
    private(set) var isEnding = false
    /// No frame goes out any more.
    private(set) var isOver = false
    /// Bytes of bodies that wait to be sent, of all streams.
    var waiting = 0

    /// A turn's worth: what one system call sends.
    private static let waitingLimit = largeRead
    private static let readsInTurn = 4

    /// A frame's head and the largest payload peers are asked to take.
    private static let largestFrame = 9 + 16_384

    init(takingOver other: Connection, asServer: Bool) {
        session = HTTP2Session(asServer: asServer)
        super.init(takingOver: other)
        session.tell(self)
    }

    init(worker: Worker, socket: consuming Socket, asServer: Bool) {
        session = HTTP2Session(asServer: asServer)
        super.init(worker: worker, socket: socket)
        session.tell(self)
    }

    // Events, for each side to meet. They come from within the session.

    /// A head begins: a request's, or an answer's, or trailers.
    func headBegan(_ stream: Int, isFirst: Bool) {}
    /// A field of the head that is coming. False: the stream is to be reset.
    func field(_ stream: Int, _ name: RawSpan, _ value: RawSpan) -> Bool { true }
    /// The head is complete.
    func headEnded(_ stream: Int, isFirst: Bool, endsStream: Bool) {}
    func data(_ stream: Int, _ data: RawSpan) {}
    /// The peer has said all it has to say on this stream; not told of heads that end it.
    func dataEnded(_ stream: Int) {}
    /// The stream is over, both ways, or by a reset of either side.
    func streamClosed(_ stream: Int, _ error: UInt32) {}
    func sent(_ frame: HTTP2Frame) {}
    /// The peer has been told that it is in error.
    func brokenOff() {}
    /// The peer will begin (or take) no more streams than it has.
    func goingAway(lastStream: Int) {}
    /// A body that was full (see `HTTP2Body`) has room again.
    func bodyDrained(_ stream: Int) {}
    /// Everything is said; the connection is to be closed.
    func finished() { unsupported() }

    // Receiving

    /// Reads until the socket is empty, but no more than a few times: others have their turn in between.
    final func readAll(untilEnd: Bool) {
        var readsLeft = Self.readsInTurn
        while hasUnread && isOpen && !isEnding {
            if readsLeft == 0 { return worker.loop.defer(self) }
            readsLeft -= 1
            switch receive(after: 0, untilEnd: untilEnd) {
            case .bytes(let count):
                countReceived(count)
                worker.receiveBuffer.withBytes(count) { take($0) }
            case .wouldBlock: break
            case .endOfStream, .failed: peerEnded()
            }
        }
    }

    func countReceived(_ count: Int) {}
    func countSent(_ count: Int) {}
    /// The peer sends no more.
    func peerEnded() { unsupported() }

    /// Gives bytes to the session.
    func take(_ bytes: RawSpan) {
        if isEnding { return }
        isInSession = true
        let isTaken = session.receive(bytes)
        isInSession = false
        if !isTaken { fail(.enhanceYourCalm) }
        if !session.wantsToRead { isEnding = true }
        queuePump()
    }

    // Sending

    /// What the session has to send is collected before the turn ends.
    final func queuePump() {
        if isPumpQueued || isOver { return }
        isPumpQueued = true
        worker.queuePump(of: self)
    }

    /// Collects what the session has to send, as long as the peer takes it.
    final func pump() {
        isPumpQueued = false
        guard isOpen, !isOver, !isInSession else { return }
        var hasMore = true
        while hasMore && !isCongested && !isBroken {
            hasMore = collect()
            countSent(worker.sendBuffer.count)
            transmit()
            if hasMore { worker.sendQueued() }
        }
        if session.isOver {
            isOver = true
            finished()
        }
    }

    /// Fills the send buffer. False: nothing is left to be sent now.
    private func collect() -> Bool {
        isInSession = true
        defer { isInSession = false }
        while hasRoomToSend {
            // Bodies' frames go into the send buffer from within, as many as have room.
            guard session.collect({ worker.sendBuffer.append($0) }) else { return !hasRoomToSend }
        }
        return true
    }

    /// Another frame fits into the send buffer.
    final var hasRoomToSend: Bool {
        worker.sendBuffer.available > 2 * Self.largestFrame && worker.sendBuffer.count < Self.largeRead
    }

    /// There is room in the socket again.
    final func drain() {
        if transmitUnsent() { queuePump() }
    }

    /// Ends the connection with a reason.
    final func fail(_ reason: HTTP2Error) {
        isEnding = true
        session.terminate(reason)
        queuePump()
    }

    final func reset(_ stream: Int, _ reason: HTTP2Error) {
        session.reset(stream, reason)
        queuePump()
    }

    /// Whoever sends on this stream may send `count` bytes more.
    final func openWindow(of stream: Int, _ count: Int) {
        session.openWindow(of: stream, count)
        queuePump()
    }

    /// How much more of a stream's body is wanted here: what the peer takes now, and what all streams may have waiting.
    final func room(for stream: Int) -> Int { min(session.room(for: stream), Self.waitingLimit - waiting) }

    /// There is more of a body, or its end.
    final func resume(_ body: HTTP2Body, of stream: Int) {
        if body.resume() { session.resume(stream) }
        queuePump()
    }

    /// Puts trailers behind a body; from within the session.
    final func submitTrailers(_ stream: Int, _ lines: [UInt8]) {
        worker.fieldBuffer.clear()
        worker.fieldBuffer.append("\r\n")
        lines.withBytes { worker.fieldBuffer.append($0) }
        worker.fields.removeAll()
        worker.fieldBuffer.visitFields { worker.fields.append($0, $1) }
        session.submitTrailers(stream, worker.fields)
    }
}

/// A frame that came or went, as far as anybody wants to know.
typealias HTTP2Frame = HTTP2FrameScanner.Frame

extension HTTP2Frame {
    static let data: UInt8 = 0
    static let headers: UInt8 = 1
    static let reset: UInt8 = 3
    static let settings: UInt8 = 4
    static let ping: UInt8 = 6
    static let goAway: UInt8 = 7
    static let windowUpdate: UInt8 = 8

    var endsStream: Bool { flags & 1 != 0 && (type == Self.data || type == Self.headers) }
    var isAcknowledgement: Bool { flags & 1 != 0 && (type == Self.settings || type == Self.ping) }
}
