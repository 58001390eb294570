/// How far a request's body has come on its way to an endpoint, as it is found whenever somebody looks. Times are
/// nanoseconds.
///
/// What a body takes depends on its length and on the way: as long as it moves, its time says nothing about the endpoint.
/// What the kernel has taken tells little of that (it takes megabytes, whatever becomes of them); what has arrived does.
package struct UploadProgress: Sendable {
    /// When it was found to have moved last; 0: nobody has looked.
    package private(set) var movedAt: Int64 = 0
    /// A position that grows with each byte that arrives.
    private var arrived = Int.min

    package init() {}

    /// The first look finds that it has moved: before it, nothing is known.
    package mutating func look(arrived: Int, now: Int64) {
        if arrived > self.arrived { movedAt = now }
        self.arrived = arrived
    }

    /// Bodies up to this size go out at once with their head, without an acknowledgement in between (RFC 6928: ten
    /// segments), so that nobody need look.
    package static let firstFlight = 8_192
    /// The time of requests with a longer body is no sample of the usual time, and is not held against it.
    package static let comparable = 65_536

    private static let shortest: Int64 = 100_000_000
    private static let longest: Int64 = 1_000_000_000

    /// When to look again, as long as not all has arrived: the less often the longer it stands still.
    package func nextLook(now: Int64) -> Int64 {
        now + min(max((now - movedAt) / 2, Self.shortest), Self.longest)
    }

    /// When to look first.
    package static func firstLook(now: Int64) -> Int64 { now + shortest }
}
