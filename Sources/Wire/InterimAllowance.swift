/// How many interim answers (1xx) an endpoint may give before its final one.
///
/// HTTP sets no bound (RFC 9110, 15.2), and a proxy passes them on: without one, an endpoint that gives them for ever has
/// the router keep what the client does not take. A value serves one attempt.
package struct InterimAllowance: Sendable {
    /// A service that says 102 every few seconds while it works is well within it.
    package static let answers = 256
    /// Bytes of their heads together: as many as one head may have.
    package static let bytes = 65_536

    private var answersLeft = Self.answers
    private var bytesLeft = Self.bytes

    package init() {}

    /// Takes one of so many bytes. False: it is one too many, and the answer none.
    package mutating func take(_ count: Int) -> Bool {
        guard answersLeft > 0, count <= bytesLeft else { return false }
        answersLeft -= 1
        bytesLeft -= count
        return true
    }
}
