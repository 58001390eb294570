internal import Picking
internal import Wire

/// An answer that Spillway gives itself: small, typed, and never mistaken for an upstream's.
struct OwnAnswer: Sendable {
    let status: Int
    /// The value of `x-spillway-error`; nil for answers that are no errors.
    var token: StaticString?
    /// A sentence for whoever reads it.
    var sentence: StaticString = ""
    /// Seconds, for `retry-after`.
    var retryAfter: Int?
    /// The connection cannot be used after it.
    var closes = false
    /// It stands for a service that did not answer, and counts against it.
    var isFailure = false
    /// A fixed response's own body and fields, or a redirect's.
    var content: Content?

    struct Content: Sendable {
        var body: [UInt8]
        /// Field lines with their line ends.
        var fields: [UInt8]
    }

    static let noRoute = OwnAnswer(status: 404, token: "no-route", sentence: "No route is for this request.")
    static let noEndpoint = OwnAnswer(
        status: 503, token: "no-endpoint", sentence: "The service has no endpoint.", retryAfter: 1, isFailure: true)
    static let overflow = OwnAnswer(
        status: 503, token: "overflow", sentence: "Too many requests are under way.", retryAfter: 1, isFailure: true)
    /// No capacity is left for it. Seconds that differ keep clients from coming back all at once.
    static func shed(retryAfter: Int) -> OwnAnswer {
        OwnAnswer(
            status: 503, token: "shed", sentence: "No capacity is left for this request.", retryAfter: retryAfter)
    }

    static let requestTimeout = OwnAnswer(
        status: 504, token: "request-timeout", sentence: "The request took too long.", isFailure: true)
    static let connectRefused = OwnAnswer(
        status: 501, token: "connect-not-supported", sentence: "CONNECT is not served here.", closes: true)
    static let notUpgraded = OwnAnswer(
        status: 502, token: "not-upgraded", sentence: "No WebSocket is spoken here.")
    static let bodyTooLarge = OwnAnswer(
        status: 413, token: "body-too-large", sentence: "The request's body is too large.", closes: true)
    static let headTimeout = OwnAnswer(
        status: 408, token: "head-timeout", sentence: "The request's head took too long.", closes: true)
    static let bodyTimeout = OwnAnswer(
        status: 408, token: "body-timeout", sentence: "The request's body took too long.", closes: true)
    /// TRACE or OPTIONS that were to go no further than here.
    static let hopsExhausted = OwnAnswer(status: 200)

    /// This router has passed it on before.
    static let loop = OwnAnswer(
        status: 508, token: "loop", sentence: "The request goes in a circle: it came back to this router.")

    static let tlsOnPlain = OwnAnswer(
        status: 400, token: "tls-on-plain-http", sentence: "This port is for HTTP without TLS.", closes: true)

    static func malformed(_ reason: Malformed) -> OwnAnswer {
        OwnAnswer(
            status: Int(reason.status), token: reason.reason, sentence: "The request was not understood.", closes: true)
    }

    static func failed(_ failure: AttemptFailure) -> OwnAnswer {
        switch failure {
        case .connectFailed, .unreachable:
            OwnAnswer(
                status: 502, token: "connect-failed", sentence: "The service could not be reached.", retryAfter: 1,
                isFailure: true)
        case .exhausted:
            OwnAnswer(
                status: 503, token: "router-exhausted", sentence: "The router has no connection left to make.",
                retryAfter: 1, isFailure: true)
        case .tlsFailed:
            OwnAnswer(
                status: 502, token: "tls-failed", sentence: "The service could not be reached securely.",
                retryAfter: 1, isFailure: true)
        case .connectTimedOut:
            OwnAnswer(
                status: 504, token: "connect-timeout", sentence: "The service could not be reached in time.",
                retryAfter: 1, isFailure: true)
        case .reset, .streamReset:
            OwnAnswer(
                status: 502, token: "upstream-reset", sentence: "The service broke off before it answered.",
                isFailure: true)
        case .refused, .leftOut:
            OwnAnswer(
                status: 503, token: "upstream-refused", sentence: "The service took on no further request.",
                retryAfter: 1, isFailure: true)
        case .malformed:
            OwnAnswer(
                status: 502, token: "malformed-response", sentence: "The service's answer was not understood.",
                isFailure: true)
        case .responseTimedOut, .pingUnanswered:
            OwnAnswer(
                status: 504, token: "response-timeout", sentence: "The service did not answer in time.",
                isFailure: true)
        }
    }
}
