internal import Wire

/// What a peer's connection has cost beyond what it was for: frames that carry nothing, streams it opened and reset, heads
/// that were decoded for nothing, rules it broke. A debt that is forgiven with time and paid with answers that reach their
/// end; beyond a limit the connection is ended.
///
/// The costs are small numbers for what each makes us do; the limit lets a browser cancel a page's worth of requests at
/// once, and gRPC ping as often as it likes (compare HAProxy's glitches and Envoy's inbound frame limits). An endpoint's
/// connection has the same account; of it nothing counts that our own requests bring about.
struct HTTP2Account {
    private var debt = 0
    private var forgivenAt: Int64 = 0
    /// Window updates that are paid for by streams that began and by what was sent.
    private var paidUpdates = 32
    private var paidLateFrames = 0
    /// Acknowledgements that will come: of SETTINGS and PING that were sent.
    private var awaitedAcknowledgements = 0

    /// The debt that ends a connection, and the most that may be paid ahead: when a call's deadline comes, our answer
    /// and the client's reset pass each other, and the answer is counted first.
    static let limit = 1_000
    /// Forgiven each second.
    static let forgiven: Int64 = 200

    private static let controlFrame = 2
    private static let emptyFrame = 5
    private static let clientReset = 5
    private static let ownReset = 10
    /// Of a frame for a stream that is no more.
    private static let lateFrame = 1
    /// So many of them are no fault, for each stream that was reset from here: its sender did not know yet.
    private static let lateFrames = 64
    /// Bytes of a head that was decoded for nothing, for each unit of debt: a frame of fields that are none costs 256.
    private static let refusedBytes = 64
    /// Fields of a head that was too large, for each unit of debt.
    private static let refusedFields = 8
    /// What an answered stream pays back: its pings and window updates, and a cancelled stream beside it.
    private static let answered = 10
    /// The limit of concurrent streams bounds those that live as long as this, whoever ends them: an endpoint that
    /// hangs has its calls cancelled by the hundred when their deadlines come, and that is no attack.
    private static let patience: Int64 = 50_000_000

    var isOverdrawn: Bool { debt > Self.limit }

    /// A frame began to arrive.
    mutating func count(_ frame: HTTP2Frame, now: Int64) {
        switch frame.type {
        case HTTP2Frame.data:
            if frame.length == 0, !frame.endsStream { add(Self.emptyFrame, now) }
        // gRPC opens the window of each stream as it begins.
        case HTTP2Frame.headers: payUpdates()
        case HTTP2Frame.windowUpdate:
            if paidUpdates > 0 { paidUpdates -= 1 } else { add(Self.controlFrame, now) }
        case HTTP2Frame.reset: add(Self.clientReset, now)
        case _ where frame.isAcknowledgement && awaitedAcknowledgements > 0: awaitedAcknowledgements -= 1
        default: add(frame.length == 0 ? Self.emptyFrame : Self.controlFrame, now)
        }
    }

    /// A frame of a body has come in full. One that was nothing but padding carried nothing.
    mutating func count(_ frame: HTTP2Frame, padding: Int, now: Int64) {
        if frame.length > 0, frame.length <= padding, !frame.endsStream { add(Self.emptyFrame, now) }
    }

    /// A head of so many bytes was refused by the session, which decodes what is left of it all the same.
    mutating func countRefusedHead(_ bytes: Int, now: Int64) { add(bytes / Self.refusedBytes, now) }

    /// A request was answered that its head is too large.
    mutating func countTooLarge(fields: Int, now: Int64) { add(fields / Self.refusedFields, now) }

    /// A frame came for a stream that is no more. Its fields are decoded all the same.
    mutating func countLate(_ frame: HTTP2Frame, now: Int64) {
        if paidLateFrames > 0 {
            paidLateFrames -= 1
        } else {
            add(Self.lateFrame + (frame.type == HTTP2Frame.headers ? frame.length / Self.refusedBytes : 0), now)
        }
    }

    /// A stream is reset from here: what is on its way will still come.
    mutating func expectLateFrames() { paidLateFrames = min(paidLateFrames + Self.lateFrames, 65_536) }

    mutating func countSent(_ frame: HTTP2Frame) {
        switch frame.type {
        // A client that opens its windows for each frame, stream and connection, is as good as any.
        case HTTP2Frame.data: payUpdates()
        case HTTP2Frame.reset:
            debt += Self.ownReset
            expectLateFrames()
        case HTTP2Frame.settings, HTTP2Frame.ping: if !frame.isAcknowledgement { awaitedAcknowledgements += 1 }
        default: break
        }
    }

    mutating func streamClosed(isClean: Bool, age: Int64) {
        if isClean {
            pay(Self.answered)
        } else if age >= Self.patience {
            pay(Self.clientReset)
        }
    }

    /// A stream is about to be reset from here for no fault of the client's.
    mutating func excuseReset() { debt -= Self.ownReset }

    private mutating func payUpdates() { paidUpdates = min(paidUpdates + 2, 4_096) }

    private mutating func pay(_ amount: Int) { debt = max(debt - amount, -Self.limit) }

    private mutating func add(_ cost: Int, _ now: Int64) {
        let seconds = (now - forgivenAt) / 1_000_000_000
        if seconds > 0 {
            if debt > 0 { debt = max(debt - Int(clamping: seconds * Self.forgiven), 0) }
            forgivenAt = now
        }
        debt += cost
    }
}
