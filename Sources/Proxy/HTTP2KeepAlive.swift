/// When an endpoint that says nothing is asked whether it is there (PING; RFC 9113, 6.7), and when it is taken for dead.
///
/// Only while requests are under way on its connection. gRPC's servers end a connection for more than two PINGs each within
/// five minutes of the one before, unless they have sent something meanwhile. So one is sent after `interval` of silence,
/// five minutes by default; and at once, but not more than once in that time, when there is reason to doubt: a request has
/// waited in vain, or the brain sends the endpoint, or its region, nothing any more.
struct HTTP2KeepAlive {
    enum Step: Equatable {
        case ask
        /// Nothing has come since it was asked.
        case dead
        case wait(until: Int64)
    }

    /// An answer takes no longer, also from a process that collects its garbage.
    static let patience: Int64 = 10_000_000_000

    /// As the table has it now.
    var interval: Int64
    private var lastHeard: Int64
    private var lastAsked: Int64
    private var lastDoubt = Int64.min / 2
    private var isAwaiting = false

    init(interval: Int64, now: Int64) {
        self.interval = interval
        lastHeard = now
        lastAsked = now
    }

    private var patience: Int64 { min(interval, Self.patience) }

    /// Anything has come from the endpoint.
    mutating func heard(now: Int64) {
        lastHeard = now
        isAwaiting = false
    }

    /// There is reason to doubt. True: it is to be asked now.
    mutating func doubts(now: Int64) -> Bool {
        guard !isAwaiting, now - lastDoubt >= interval else { return false }
        lastDoubt = now
        return true
    }

    /// It is asked now. Returns until when an answer is waited for.
    mutating func asked(now: Int64) -> Int64 {
        lastAsked = now
        isAwaiting = true
        return now + patience
    }

    /// What is to be done now. `isBusy`: requests are under way.
    func next(now: Int64, isBusy: Bool) -> Step {
        if isAwaiting { return now >= lastAsked + patience ? .dead : .wait(until: lastAsked + patience) }
        let due = max(lastHeard, lastAsked) + interval
        if now < due { return .wait(until: due) }
        return isBusy ? .ask : .wait(until: now + interval)
    }
}
