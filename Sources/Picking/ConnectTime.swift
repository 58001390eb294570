/// How long connections to a cell's endpoints lately took to be made, and so how long one is waited for before another
/// address is asked as well.
package struct ConnectTime: Sendable {
    /// RFC 8305 (Happy Eyeballs), section 5: the Connection Attempt Delay.
    package static let delay: Int64 = 250_000_000

    /// The longest, from which each further one takes an eighth; nanoseconds.
    private var longest: Int64 = 0

    package init() {}

    package mutating func record(nanoseconds: Int64) {
        longest = max(nanoseconds, longest - longest / 8)
    }

    /// The delay, or twice what connections take here, if that is more.
    package var patience: Int64 { max(Self.delay, longest.multipliedReportingOverflow(by: 2).partialValue) }
}
