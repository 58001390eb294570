/// What one worker counted of TLS handshakes on one side of it: with a listener's clients, or with a service's endpoints.
package final class HandshakeCounters: Sendable {
    package let completed = Counter()
    /// Of those, the ones that went on with an earlier session.
    package let resumed = Counter()
    /// By the number of what failed; see `TLSFailure`.
    private let failures = InlineArray<32, Counter> { _ in Counter() }

    package init() {}

    package func countFailure(_ number: Int) { failures[number].add() }

    package func failures(_ number: Int) -> UInt64 { failures[number].count }
}
