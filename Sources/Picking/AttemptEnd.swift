/// How an attempt ended. Each ends in one of these, once; `AttemptEnd.init` says which, from what ended it.
///
/// The table of `blame` is the one place that says who is to answer for what: only what an endpoint, or the way to it,
/// has done is held against it. Whatever a client or this router brings about is not evidence about anybody else.
package enum AttemptEnd: CaseIterable, Sendable {
    // Answered
    /// In full, or for a second, with a status that is no failure.
    case succeeded
    /// With 502, 503 or 504, or refused unseen (HTTP/2's REFUSED_STREAM).
    case unavailable
    /// With another status of 500 and more that counts.
    case serverError

    // No answer's head
    case connectFailed
    /// There is no way to it, as far as this machine can tell.
    case unreachable
    case connectTimedOut
    /// Called off without a connection, for which it had its time: another address was asked instead, or has answered.
    case unconnected
    case tlsFailed
    case reset
    case malformed
    case responseTimedOut

    // Part of an answer
    /// It broke off.
    case truncated
    /// Nothing more came for too long.
    case stalled

    // What says nothing about the endpoint
    /// A kept connection had been closed as the request went out, or the endpoint leaves the connection without having
    /// looked at the request.
    case leftOut
    /// Another attempt answered first, or was made in its stead.
    case replaced
    /// The client left, or broke the rules.
    case clientGone
    /// The client had not sent all of its request, or did not take its answer, and somebody's patience was over: the
    /// endpoint's, or a limit of the table.
    case clientSlow
    /// The caller's own deadline came.
    case clientDeadline
    /// The client of a tunnel had spoken, and the endpoint ended without a word: it may not have liked what it heard.
    case endedUnanswered
    /// A limit of the table, or an order, ended what was going well.
    case cutOff
    /// This router is out of descriptors, ports or memory.
    case exhausted

    /// Who is to answer for it.
    package enum Blame: Sendable {
        case nobody, endpoint, client, router
        /// The endpoint, or the network between: the brain tells them apart.
        case path
    }

    package var blame: Blame {
        switch self {
        case .succeeded, .leftOut, .replaced, .endedUnanswered: .nobody
        case .unavailable, .serverError, .connectFailed, .tlsFailed, .reset, .malformed, .responseTimedOut, .truncated,
            .stalled:
            .endpoint
        case .unreachable, .connectTimedOut, .unconnected: .path
        case .clientGone, .clientSlow, .clientDeadline: .client
        case .cutOff, .exhausted: .router
        }
    }

    /// Whether it is held against the endpoint.
    package var isHeldAgainstEndpoint: Bool { blame == .endpoint || blame == .path }
}
