/// The 99th percentile of a cell's time to a response head, tracked in one number.
///
/// After a warm-up that takes the largest of the first samples, each sample above the estimate raises it by 99
/// steps and each one below lowers it by one, a step being a thousandth of the estimate: it rests where one in a
/// hundred lies above (Ma, Muthukrishnan and Sandler, "Frugal Streaming for Estimating Quantiles", 2013).
///
/// What was asked before anything had been answered is no sample: such answers tell of a cold start, or of a hang that
/// ended, and the warm-up would take that for usual.
package struct ResponseTime: Sendable {
    @usableFromInline static var warmUp: Int { 32 }

    @usableFromInline var samples = 0
    @usableFromInline var estimate: Int64 = 0

    // Until enough has been seen
    @usableFromInline var firstAnswer = Int64.max
    /// The longest that any answer took.
    @usableFromInline var longest: Int64 = 0
    /// Since the last answer an attempt was called off before it could have been slow.
    @usableFromInline var wasCutShort = false
    /// Nothing was answered yet, though an attempt had the time of a patient guess: how many guesses were asked for since.
    @usableFromInline var guessesInVain: Int?

    @inlinable package init() {}

    /// Nanoseconds; nil until enough has been seen.
    @inlinable package var percentile99: Int64? { samples < Self.warmUp ? nil : estimate }

    /// Anything was ever answered.
    @inlinable package var hasAnswers: Bool { longest > 0 }

    /// Until enough has been seen: how long an answer may well take, nanoseconds. A second; once an attempt was called off
    /// without having been given more, four, so that a slow endpoint gets the chance to answer at all; and twice what any
    /// answer has taken. Where even four were too few for a first answer, one in eight requests is given most of the time it
    /// may have: it shows whether the endpoint is slow, or answers nothing. Never more, so that another may still answer.
    ///
    /// - Parameter limit: how long the table lets an answer take.
    @inlinable package mutating func guess(within limit: Int64) -> Int64 {
        let most = Self.most(of: limit)
        if let asked = guessesInVain {
            guessesInVain = (asked + 1) % Self.unhurried
            if asked == 0 { return most }
        }
        return min(max(2 * longest, wasCutShort ? Self.patientGuess : Self.firstGuess), most)
    }
    @usableFromInline static var unhurried: Int { 8 }
    /// Three quarters.
    @usableFromInline static func most(of limit: Int64) -> Int64 { limit - limit / 4 }
    @usableFromInline static var firstGuess: Int64 { 1_000_000_000 }
    @usableFromInline static var patientGuess: Int64 { 4_000_000_000 }

    /// An attempt was called off unanswered after so long, because another endpoint, asked later, answered its request.
    ///
    /// - Parameters:
    ///   - other: the time the other one took.
    ///   - limit: how long the table lets an answer take.
    /// - Returns: whether that counts as an overstay. Where the usual time is unknown the wait alone says nothing; but here
    ///   it was long, twice as long as any answer has taken, and as it need have been. Where nothing was ever answered, only
    ///   most of what the table allows is long. Where the usual time is known, the attempt has overstayed by itself.
    package mutating func lostRace(waited: Int64, other: Int64, limit: Int64) -> Bool {
        if samples >= Self.warmUp { return false }
        wasCutShort = true
        guard hasAnswers else {
            if waited >= Self.patientGuess { guessesInVain = guessesInVain ?? 0 }
            return waited >= max(Self.most(of: limit), 2 * other)
        }
        return waited >= max(2 * longest, Self.patientGuess, 2 * other)
    }

    /// An answer has come after so long.
    @inlinable package mutating func record(nanoseconds: Int64, now: Int64) {
        if samples < Self.warmUp { return warmUp(nanoseconds, now: now) }
        let step = max(estimate >> 10, 1)
        estimate = nanoseconds > estimate ? estimate + 99 * step : estimate - step
    }

    @usableFromInline mutating func warmUp(_ nanoseconds: Int64, now: Int64) {
        wasCutShort = false
        guessesInVain = nil
        longest = max(longest, nanoseconds)
        firstAnswer = min(firstAnswer, now)
        guard now - nanoseconds >= firstAnswer else { return }
        samples += 1
        estimate = max(estimate, nanoseconds)
    }
}

/// For how long a request is waited for before it is hedged, and before the wait says something about the endpoint.
package struct HedgeDelay: Sendable {
    /// Nanoseconds; 0: learned.
    @usableFromInline let fixed: Int64
    @usableFromInline let least: Int64

    /// A fixed delay, in nanoseconds.
    package init(fixed: Int64) {
        self.fixed = max(fixed, 1)
        least = 0
    }

    /// Twice the usual time, at least so many nanoseconds.
    package init(learnedAtLeast least: Int64) {
        fixed = 0
        self.least = least
    }

    /// When a request is hedged.
    ///
    /// - Parameters:
    ///   - usual: the 99th percentile of the cell's response time, nanoseconds; nil: unknown.
    ///   - guess: what is taken instead while it is unknown (`ResponseTime.guess`).
    @inlinable package func after(usual: Int64?, guess: Int64) -> Int64 {
        if fixed > 0 { return fixed }
        return usual.map { max(2 * $0, least) } ?? guess
    }

    /// How long an attempt must have waited to count as an overstay, which speaks against its endpoint; nil while the
    /// usual time is unknown: a guess is no evidence, and a fixed delay only says when to ask somebody else.
    @inlinable package func overstay(usual: Int64?) -> Int64? {
        usual.map { max(2 * $0, least, fixed) }
    }

    /// Since when a neighbor must have answered something to show that the region is alive: for the latter half of the
    /// wait. The first half is about what an answer takes, so what came in it may have been on its way already when the
    /// region fell silent, as this request was.
    @inlinable package static func signOfLife(began: Int64, now: Int64) -> Int64 {
        began + (now - began) / 2
    }
}
