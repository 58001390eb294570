import Picking
import Testing

struct AttemptEndTests {
    /// Every end and who is to answer for it: what is not named here fails the test.
    private static let blame: [(AttemptEnd, AttemptEnd.Blame)] = [
        (.succeeded, .nobody), (.unavailable, .endpoint), (.serverError, .endpoint), (.connectFailed, .endpoint),
        (.unreachable, .path), (.connectTimedOut, .path), (.tlsFailed, .endpoint), (.reset, .endpoint),
        (.malformed, .endpoint), (.responseTimedOut, .endpoint), (.truncated, .endpoint), (.stalled, .endpoint),
        (.leftOut, .nobody), (.replaced, .nobody), (.clientGone, .client), (.clientSlow, .client),
        (.clientDeadline, .client), (.endedUnanswered, .nobody), (.cutOff, .router), (.exhausted, .router),
    ]

    @Test func `each end has one who is to answer for it, and only endpoints and the way there are judged by it`() {
        #expect(Self.blame.map(\.0) == AttemptEnd.allCases)
        for (end, blame) in Self.blame {
            #expect(end.blame == blame, "\(end)")
            #expect(end.isHeldAgainstEndpoint == (blame == .endpoint || blame == .path), "\(end)")
        }
    }
}
