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
    private var scanner: HTTP2FrameScanner
    private var turn = HTTP2Turn(number: -1)
    /// What was read and waits for another turn, from `heldStart` on. Nothing is read meanwhile.
    private var held: [UInt8] = []
    private var heldStart = 0

    /// What one system call sends.
    private static let waitingLimit = largeRead

    /// A frame's head and the largest payload peers are asked to take.
    private static let largestFrame = 9 + 16_384

    /// A client's, who has sent `first` already.
    init(takingOver other: Connection, first: RawSpan) {
        session = HTTP2Session(asServer: true)
        scanner = HTTP2FrameScanner(prefaceBytes: HTTP2Preface.byteCount)
        super.init(takingOver: other)
        session.tell(self)
        hold(first)
    }

    /// One to an endpoint.
    override init(worker: Worker, socket: consuming Socket) {
        session = HTTP2Session(asServer: false, firstStream: worker.firstStream)
        scanner = HTTP2FrameScanner(prefaceBytes: 0)
        super.init(worker: worker, socket: socket)
        session.tell(self)
    }

    // Events, for each side to meet. They come from within the session.

    /// A frame has come as far as its head, which the session has not seen. True: what came before it is to be in the
    /// session first; then `frameFollows` is told.
    func frameBegins(_ frame: HTTP2Frame) -> Bool { false }
    func frameFollows(_ frame: HTTP2Frame) {}
    /// A frame of a body has come in full, with so many bytes that pad it.
    func dataFrame(_ frame: HTTP2Frame, padding: Int) {}
    /// A head is none: its stream is reset by the session.
    func headRefused() {}
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

    /// Reads and takes as much as a turn allows; then others have theirs. From `ready`: whoever has asked for another turn
    /// waits for it.
    final func readAll(untilEnd: Bool) {
        if isYielding { return }
        if turn.number != worker.loop.turn { turn = HTTP2Turn(number: worker.loop.turn) }
        if !turn.isSpent { takeHeld() }
        while hasUnread && isOpen && !isEnding && !isHolding && !turn.isSpent {
            turn.countRead()
            switch receive(after: 0, untilEnd: untilEnd) {
            case .bytes(let count):
                countReceived(count)
                worker.receiveBuffer.withBytes(count) { bytes in
                    let taken = take(bytes)
                    hold(bytes.extracting(taken..<bytes.byteCount))
                }
                turn.count(bytes: count)
            case .wouldBlock: break
            case .endOfStream, .failed: peerEnded()
            }
        }
        guard isOpen, !isEnding else { return held = [] }
        // Who sends more than a turn's work at once is read in smaller pieces: what waits is kept.
        readLimit = isHolding ? Self.smallRead : Self.largeRead
        guard hasUnread || isHolding else { return }
        yieldTurn()
    }

    private var isHolding: Bool { !held.isEmpty }

    private func hold(_ bytes: RawSpan) {
        if !bytes.isEmpty { held.append(contentsOf: bytes) }
    }

    private func takeHeld() {
        guard isHolding else { return }
        let bytes = held
        held = []
        heldStart += bytes.withBytes { take($0.extracting(heldStart..<bytes.count)) }
        if heldStart < bytes.count { held = bytes } else { heldStart = 0 }
    }

    func countReceived(_ count: Int) {}
    func countSent(_ count: Int) {}
    /// The peer sends no more.
    func peerEnded() { unsupported() }

    /// Gives bytes to the session, up to a frame that the turn has no room for, and looks at each frame before it does.
    /// Returns how many were taken.
    private func take(_ bytes: RawSpan) -> Int {
        var given = 0
        var offset = 0
        while !isEnding, let (start, frame) = scanner.next(in: bytes, from: &offset) {
            // One that began before these bytes is in the session in part, and goes on.
            if turn.isSpent, start > given {
                scanner.putBack()
                give(bytes.extracting(given..<start))
                return start
            }
            turn.count(frame)
            if frameBegins(frame) {
                give(bytes.extracting(given..<max(start, given)))
                given = max(start, given)
                if !isEnding { frameFollows(frame) }
            }
        }
        give(bytes.extracting(given..<bytes.byteCount))
        return bytes.byteCount
    }

    private func give(_ bytes: RawSpan) {
        if isEnding || bytes.isEmpty { return }
        isInSession = true
        let isTaken = session.receive(bytes)
        isInSession = false
        if !isTaken { fail(.enhanceYourCalm) }
        if !session.wantsToRead { isEnding = true }
        queuePump()
    }

    /// A field has come: a part of the turn's work.
    final func countField() { turn.countField() }

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
            switch session.collect({ worker.sendBuffer.append($0) }) {
            case true?: continue
            case false?: return !hasRoomToSend
            case nil:
                broke()
                return false
            }
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

    /// Puts trailers behind a body; from within the session. False: they will not be sent.
    final func submitTrailers(_ stream: Int, _ lines: [UInt8]) -> Bool {
        worker.fieldBuffer.clear()
        worker.fieldBuffer.append("\r\n")
        lines.withBytes { worker.fieldBuffer.append($0) }
        worker.fields.removeAll()
        worker.fieldBuffer.visitFields { worker.fields.append($0, $1) }
        return session.submitTrailers(stream, worker.fields)
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
    static let continuation: UInt8 = 9

    var endsStream: Bool { flags & 1 != 0 && (type == Self.data || type == Self.headers) }
    var isAcknowledgement: Bool { flags & 1 != 0 && (type == Self.settings || type == Self.ping) }
}
