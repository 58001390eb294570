internal import Reactor
internal import Wire

/// What an exchange answers to: a client's HTTP/1 connection, or one stream of an HTTP/2 connection (which has no socket
/// of its own).
///
/// Answers are pushed piece by piece and sent by `flushAnswer`; what the client does not take at once is kept here, and
/// the exchange is told when that is sent (`Exchange.downstreamDrained`). After `endAnswer`, `answerOwn` and
/// `abortAnswer` the exchange is over for the client.
class Downstream: Connection {
    /// More is kept for the client than it takes: the upstream is to be read no further.
    var holdsBack: Bool { isCongested }

    /// How much of an answer is wanted at once.
    var answerLimit: Int { Self.largeRead }

    /// A 1xx answer, passed on.
    func passInterim(_ head: borrowing ResponseHead, _ bytes: RawSpan) { unsupported() }

    /// The head of the final answer, as it came from the upstream.
    func answer(_ head: borrowing ResponseHead, _ bytes: RawSpan, edits: borrowing CompiledEdits) { unsupported() }

    /// The protocol that was asked for is spoken from now on: the head of a 101 answer, as it came from the upstream.
    func upgrade(_ head: borrowing ResponseHead, _ bytes: RawSpan) { unsupported() }

    func answerBody(_ data: RawSpan) { unsupported() }

    /// One trailer field line, validated, with its line end.
    func answerTrailer(_ line: RawSpan) { unsupported() }

    /// Sends what was pushed.
    func flushAnswer() { unsupported() }

    /// The answer is complete.
    func endAnswer() { unsupported() }

    /// An answer of our own instead of the upstream's.
    func answerOwn(_ answer: OwnAnswer) { unsupported() }

    /// The answer cannot be completed: whatever was sent must not look whole.
    func abortAnswer() { unsupported() }

    /// The tunnel is over: `reset` says that it did not end by itself.
    func closeTunnel(reset: Bool) { unsupported() }

    /// The exchange can take more of the request's body.
    func resumeRequestBody() { unsupported() }
}

extension Connection {
    func unsupported(_ function: StaticString = #function) -> Never {
        preconditionFailure("\(function): each kind of connection has its own")
    }
}
