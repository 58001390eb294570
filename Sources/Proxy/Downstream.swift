internal import Wire

/// The client's side of an exchange: an HTTP/1 connection, or a stream of one that carries many.
///
/// Answers are pushed piece by piece and sent by `flushAnswer`; what the client does not take at once is kept by the
/// downstream, which then says that it is congested and calls `Exchange.downstreamDrained` when it no longer is.
protocol Downstream: AnyObject {
    /// Whether the client should be waited for before more of the answer is read.
    var isCongested: Bool { get }

    /// A 1xx answer, passed on.
    func passInterim(_ head: borrowing ResponseHead, _ bytes: RawSpan)
    /// The head of the final answer, as it came from the upstream.
    func answer(_ head: borrowing ResponseHead, _ bytes: RawSpan, edits: borrowing CompiledEdits)
    func answerBody(_ data: RawSpan)
    /// One trailer field line, validated, with its line end.
    func answerTrailer(_ line: RawSpan)
    /// The answer is complete. The exchange is over for the client.
    func endAnswer()
    /// Sends what was pushed.
    func flushAnswer()
    /// An answer of our own instead of the upstream's. The exchange is over for the client.
    func answerOwn(_ answer: OwnAnswer)
    /// The answer cannot be completed: whatever was sent must not look whole.
    func abortAnswer()
    /// The exchange can take more of the request's body.
    func resumeRequestBody()
}
