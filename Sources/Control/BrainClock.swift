internal import Failover

/// The brain's time: nanoseconds since 1970 when the router started, and from then on what CLOCK_BOOTTIME adds.
///
/// A wall clock that is set while the router runs moves nothing. A machine that was suspended has time pass in one step,
/// which the brain takes for a stall of its own: what ran out meanwhile is held against nobody.
struct BrainClock: Sendable, Equatable {
    private var offset: Int64

    /// How far ahead of the wall clock time may go on from what the last run left. Beyond that a clock was wrong, then or
    /// now, by so much that nothing in it has a meaning.
    static let lead = Duration.seconds(3_600)

    /// - Parameters:
    ///   - wall: nanoseconds since 1970.
    ///   - boot: CLOCK_BOOTTIME at the same moment.
    init(wall: Int64, boot: Int64) {
        offset = wall &- boot
    }

    func now(boot: Int64) -> Instant { Instant(nanoseconds: boot &+ offset) }

    /// Never goes back behind the last run's time, should the wall clock have been put back since.
    /// - Returns: how far ahead of the wall clock it is from now on; nil if that would be more than `lead`, and nothing
    ///   has changed.
    mutating func goOn(from last: Instant, boot: Int64) -> Duration? {
        let ahead = last - now(boot: boot)
        guard ahead > .zero else { return .zero }
        guard ahead <= Self.lead else { return nil }
        offset = last.nanoseconds &- boot
        return ahead
    }
}
