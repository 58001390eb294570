import Picking
import Testing

struct AttemptEndTests {
    /// Every end and who is to answer for it: what is not named here fails the test.
    private static let blame: [(AttemptEnd, AttemptEnd.Blame)] = [
        (.succeeded, .nobody), (.unavailable, .endpoint), (.serverError, .endpoint), (.connectFailed, .endpoint),
        (.unreachable, .path), (.connectTimedOut, .path), (.unconnected, .path), (.tlsFailed, .endpoint),
        (.reset, .endpoint),
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

    // How each came about

    /// In which end each failure results, where nothing else is known: before an answer's head, and within the answer.
    private static let failures: [(AttemptFailure, before: AttemptEnd, within: AttemptEnd)] = [
        (.connectFailed, .connectFailed, .truncated), (.unreachable, .unreachable, .truncated),
        (.connectTimedOut, .connectTimedOut, .truncated), (.tlsFailed, .tlsFailed, .truncated),
        (.reset, .reset, .truncated), (.streamReset, .reset, .truncated), (.malformed, .malformed, .truncated),
        (.responseTimedOut, .responseTimedOut, .truncated), (.pingUnanswered, .responseTimedOut, .truncated),
        (.refused, .unavailable, .truncated), (.leftOut, .leftOut, .truncated), (.exhausted, .exhausted, .exhausted),
    ]

    @Test func `each failure has an end, before an answer's head and within the answer`() {
        #expect(Self.failures.map(\.0) == AttemptFailure.allCases)
        for (failure, before, within) in Self.failures {
            #expect(AttemptEnd(.failed(failure), facts(.waiting)) == before, "\(failure)")
            #expect(AttemptEnd(.failed(failure), facts(.answering)) == within, "\(failure)")
        }
    }

    /// What has ended an attempt, what is known of it, and what that makes of it.
    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let cause: AttemptCause
        let facts: AttemptFacts
        let end: AttemptEnd

        init(
            _ name: String, _ cause: AttemptCause, _ phase: AttemptFacts.Phase, _ end: AttemptEnd,
            _ change: (inout AttemptFacts) -> Void = { _ in }
        ) {
            self.name = name
            self.cause = cause
            self.end = end
            var facts = AttemptFacts()
            facts.phase = phase
            change(&facts)
            self.facts = facts
        }

        var testDescription: String { name }
    }

    private func facts(_ phase: AttemptFacts.Phase) -> AttemptFacts {
        var facts = AttemptFacts()
        facts.phase = phase
        return facts
    }

    private static let millisecond: Int64 = 1_000_000
    private static let second: Int64 = 1_000_000_000

    private static let broken: [Row] = [
        Row("a kept connection was closed as the request went out", .failed(.reset), .waiting, .leftOut) {
            $0.wasReused = true
            $0.sinceSent = 250 * millisecond
        },
        Row("a kept connection broke long after", .failed(.reset), .waiting, .reset) {
            $0.wasReused = true
            $0.sinceSent = 400 * millisecond
        },
        Row("a stream was reset on a connection that had served", .failed(.streamReset), .waiting, .reset) {
            $0.wasReused = true
        },
        Row("a new connection broke at once", .failed(.reset), .waiting, .reset),
        Row("the client owed its request for long", .failed(.reset), .waiting, .clientSlow) {
            $0.clientSilence = second
        },
        Row("the client owed its request for long, by stream", .failed(.streamReset), .waiting, .clientSlow) {
            $0.clientSilence = second
        },
        Row("the client owed its request for a moment", .failed(.reset), .waiting, .reset) {
            $0.clientSilence = second - 1
            $0.isClientAwaited = true
        },
        Row("nonsense is said to a slow client", .failed(.malformed), .waiting, .malformed) {
            $0.clientSilence = second
        },
        Row("a tunnel ended in order, once its client had spoken", .failed(.reset), .waiting, .endedUnanswered) {
            $0.endedInOrder = true
        },
        Row("no ping was answered, while a call's client rested", .failed(.pingUnanswered), .waiting, .responseTimedOut)
        {
            $0.isClientAwaited = true
        },
        Row("an answer broke off", .failed(.reset), .answering, .truncated) { $0.wasReused = true },
        Row("an answer broke off under an upload that rested", .failed(.reset), .answering, .clientSlow) {
            $0.clientSilence = second
        },
        Row("an answer broke off that the client did not take", .failed(.reset), .answering, .clientSlow) {
            $0.clientFull = second
        },
        Row("an answer's stream was reset that the client did not take", .failed(.streamReset), .answering, .clientSlow)
        {
            $0.clientFull = second
        },
        Row("an answer broke off that the client took in pieces", .failed(.reset), .answering, .truncated) {
            $0.clientFull = second - 1
        },
        Row("an answer became nonsense that the client did not take", .failed(.malformed), .answering, .truncated) {
            $0.clientFull = second
        },
    ]

    private static let late: [Row] = [
        Row("the endpoint had all of a short time", .requestTimedOut(300 * millisecond), .waiting, .responseTimedOut) {
            $0.endpointWait = 299 * millisecond
        },
        Row("the upload took most of it", .requestTimedOut(300 * millisecond), .waiting, .cutOff) {
            $0.endpointWait = 25 * millisecond
        },
        Row("the upload took half of a short time", .requestTimedOut(300 * millisecond), .waiting, .cutOff) {
            $0.endpointWait = 150 * millisecond
            $0.overstay = 50 * millisecond
        },
        Row("the endpoint had half of a long time", .requestTimedOut(20 * second), .waiting, .responseTimedOut) {
            $0.endpointWait = 10 * second
        },
        Row("the upload took most of a long time", .requestTimedOut(20 * second), .waiting, .cutOff) {
            $0.endpointWait = 9 * second
        },
        Row("the endpoint had longer than it ever needs", .requestTimedOut(20 * second), .waiting, .responseTimedOut) {
            $0.endpointWait = 2 * second
            $0.overstay = 2 * second
        },
        Row("the upload is not over", .requestTimedOut(20 * second), .waiting, .clientSlow) {
            $0.isClientAwaited = true
        },
        Row("the attempt began late, in a queue", .requestTimedOut(2 * second), .opening, .cutOff) {
            $0.endpointWait = 100 * millisecond
        },
        Row("the connection was not made in all that time", .requestTimedOut(2 * second), .opening, .connectTimedOut) {
            $0.endpointWait = second
        },
        Row("a call's client kept silent for as long as it may", .failed(.responseTimedOut), .waiting, .clientSlow) {
            $0.isClientAwaited = true
        },
        Row("a client waited for a 100 in vain", .failed(.responseTimedOut), .waiting, .responseTimedOut) {
            $0.endpointWait = 15 * second
        },
        Row("the endpoint may know of no 100", .failed(.responseTimedOut), .waiting, .clientSlow) {
            $0.endpointWait = 15 * second
            $0.isLeftExpecting = true
        },
        Row("the same, as the request's time was over", .requestTimedOut(2 * second), .waiting, .clientSlow) {
            $0.endpointWait = 2 * second
            $0.isLeftExpecting = true
        },
        Row("the caller's own time was over", .callerTimedOut, .waiting, .clientDeadline) {
            $0.endpointWait = 60 * second
        },
        Row("an answer stood still", .stoodStill(60 * second), .answering, .stalled) { $0.endpointWait = 60 * second },
        Row("an answer stood still for a short limit", .stoodStill(300 * millisecond), .answering, .stalled) {
            $0.endpointWait = 300 * millisecond
        },
        Row("an answer stood still as it was not taken", .stoodStill(60 * second), .answering, .clientSlow) {
            $0.isClientAwaited = true
        },
        Row("the request's time was over in a good answer", .requestTimedOut(second), .answering, .cutOff) {
            $0.endpointWait = 999 * millisecond
        },
        Row("the request's time was over in an answer that stood still", .requestTimedOut(second), .answering, .stalled)
        {
            $0.endpointWait = second
        },
        Row(
            "the request's time was over as the answer was not taken", .requestTimedOut(second), .answering, .clientSlow
        ) {
            $0.isClientAwaited = true
        },
    ]

    private static let calledOff: [Row] = [
        Row("called off as another answered", .calledOff, .waiting, .replaced) { $0.endpointWait = 60 * second },
        Row("called off within its answer", .calledOff, .answering, .replaced) { $0.isReached = false },
        Row("called off without a connection, for which it had its time", .calledOff, .opening, .unconnected) {
            $0.isReached = false
            $0.endpointWait = 250 * millisecond
        },
        Row("called off before a connection could be there", .calledOff, .opening, .replaced) {
            $0.isReached = false
            $0.endpointWait = 250 * millisecond - 1
        },
        Row("called off before one where they take long", .calledOff, .opening, .replaced) {
            $0.isReached = false
            $0.endpointWait = 500 * millisecond
            $0.connectPatience = 600 * millisecond
        },
        Row("called off without one where whole answers take less", .calledOff, .opening, .unconnected) {
            $0.isReached = false
            $0.endpointWait = 60 * millisecond
            $0.connectPatience = 50 * millisecond
        },
        Row("called off in a handshake: the other end is there", .calledOff, .opening, .replaced) {
            $0.endpointWait = 900 * millisecond
        },
    ]

    private static let others: [Row] = [
        Row("200", .answered(200), .answering, .succeeded), Row("404", .answered(404), .answering, .succeeded),
        Row("500", .answered(500), .answering, .serverError), Row("501", .answered(501), .answering, .succeeded),
        Row("502", .answered(502), .answering, .unavailable), Row("503", .answered(503), .answering, .unavailable),
        Row("504", .answered(504), .answering, .unavailable), Row("505", .answered(505), .answering, .succeeded),
        Row("599", .answered(599), .answering, .serverError), Row("999", .answered(999), .answering, .succeeded),
        Row("a tunnel's client left", .tunnelEnded(by: .client), .waiting, .clientGone),
        Row("a tunnel's endpoint left", .tunnelEnded(by: .endpoint), .waiting, .endedUnanswered),
        Row("a tunnel was closed here", .tunnelEnded(by: .router), .waiting, .cutOff),
    ]

    @Test(arguments: broken + late + calledOff + others)
    func `an attempt ends as what has become of it, and who was waited for, say`(row: Row) {
        #expect(AttemptEnd(row.cause, row.facts) == row.end)
    }

    @Test func `nothing that a client has delayed is held against an endpoint, whatever ended it`() {
        let causes: [AttemptCause] = [
            .failed(.reset), .failed(.streamReset), .failed(.responseTimedOut), .stoodStill(Self.second),
            .requestTimedOut(Self.second), .requestTimedOut(60 * Self.second), .callerTimedOut,
        ]
        for cause in causes {
            for phase in [AttemptFacts.Phase.waiting, .answering] {
                if case .failed(.responseTimedOut) = cause, phase == .answering { continue }
                for wait in [0, Self.second, 60 * Self.second] {
                    var facts = facts(phase)
                    facts.isClientAwaited = true
                    facts.clientSilence = Self.second
                    facts.endpointWait = wait
                    facts.sinceSent = wait
                    let end = AttemptEnd(cause, facts)
                    #expect(!end.isHeldAgainstEndpoint, "\(cause) \(phase) \(wait): \(end)")
                }
            }
        }
    }
}
