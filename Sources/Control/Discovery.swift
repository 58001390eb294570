internal import Failover
internal import Names
internal import RouteTable

/// The addresses behind the table's endpoint names: asked for one by one, again in time, and never emptied by a failed or
/// empty answer.
struct Discovery {
    fileprivate struct Entry {
        var known: KnownAddresses
        /// Those of `known` that this host has no route to.
        var unreachable: Set<IPAddress> = []
        var families: AddressFamilies
        var every: Duration?
        /// What it is being asked for now.
        var asked: AddressFamilies?
        /// When to ask, nanoseconds of the monotonic clock.
        var due: Int64 = 0
        /// When it was last answered, and when it was first asked for.
        var answeredAt: Int64?
        var askedSince: Int64
        var failures: UInt64 = 0
        /// Failures in a row.
        var failing = 0
        var failure: NameFailure?
        /// When it was last told that it fails; whether that was of these failures in a row, and when it is again.
        var toldAt: Int64?
        var isTold = false

        /// No server has answered when it was last asked for.
        var isUnheard: Bool { failure == .timedOut || failure == .unreachable }
        /// Asked for already, and neither answered nor failed yet.
        var isUnanswered: Bool { answeredAt == nil && failing == 0 }

        func addresses(_ families: AddressFamilies) -> [String] {
            let fitting = known.addresses.filter { IPAddress($0).map(families.contains) ?? false }
            let reachable = fitting.filter { IPAddress($0).map { !unreachable.contains($0) } ?? false }
            // What cannot be reached from here is of use only where nothing else is known.
            return reachable.isEmpty ? fitting : reachable
        }
    }

    /// Asked again after this long when neither the table nor the answer says, and after this at the latest.
    fileprivate static let fallback: Int64 = 30_000_000_000
    fileprivate static let longest: Int64 = 3_600_000_000_000
    fileprivate static let shortest: Int64 = 1_000_000_000
    /// After a failure, twice as long after each further one.
    fileprivate static let firstPause: Int64 = 1_000_000_000
    fileprivate static let longestPause: Int64 = 30_000_000_000
    /// A name that goes on failing is told of again after this; one that comes and goes, after this at the earliest.
    fileprivate static let tellAgainPause: Int64 = 3_600_000_000_000
    fileprivate static let tellAnewPause: Int64 = 60_000_000_000

    private var entries: [String: Entry] = [:]
    /// No name is due before this.
    private var nextDue: Int64 = 0
    /// What an earlier run knew.
    private let remembered: [String: [String]]

    init(remembered: [String: [String]] = [:]) {
        self.remembered = remembered
    }

    /// The addresses to be used for a name.
    func addresses(of host: String, _ families: AddressFamilies = .any) -> [String] {
        entries[host]?.addresses(families) ?? []
    }

    /// All that is known, for a later run.
    var known: [String: [String]] {
        entries.mapValues { $0.known.addresses }.filter { !$0.value.isEmpty }
    }

    // Tables

    /// Begins to ask for the names of a table, if they are not asked for yet.
    mutating func add(_ table: Table, now: Int64) {
        nextDue = 0
        for (host, wish) in Self.wishes(of: table) {
            if entries[host] == nil {
                entries[host] = Entry(
                    known: KnownAddresses(addresses: remembered[host] ?? []), families: wish.families, askedSince: now)
            }
            entries[host]?.take(wish, now: now)
        }
    }

    /// Forgets the names that the table does not have.
    mutating func keep(_ table: Table) {
        let wishes = Self.wishes(of: table)
        entries = entries.filter { wishes[$0.key] != nil }
        for (host, wish) in wishes {
            entries[host]?.every = wish.every
            entries[host]?.families = wish.families
        }
    }

    fileprivate struct Wish {
        var every: Duration?
        var families: AddressFamilies
    }

    /// What the most demanding of its services wants of a name.
    private static func wishes(of table: Table) -> [String: Wish] {
        var wishes: [String: Wish] = [:]
        for service in table.services {
            for endpoint in service.cells.lazy.flatMap(\.endpoints) {
                guard case .name(let host, _) = endpoint.host else { continue }
                let own = Wish(every: service.resolveEvery, families: service.addressFamilies)
                guard let other = wishes[host] else {
                    wishes[host] = own
                    continue
                }
                wishes[host] = Wish(
                    every: [own.every, other.every].compactMap { $0 }.min(),
                    families: own.families == other.families ? own.families : .any)
            }
        }
        return wishes
    }

    // Asking

    struct Question: Equatable {
        var host: String
        var families: AddressFamilies
        /// It did not answer in time when it was last asked for.
        var isSlow: Bool
    }

    /// Names whose time has come; each is said once until its answer is in.
    mutating func takeDue(now: Int64) -> [Question] {
        guard now >= nextDue else { return [] }
        nextDue = .max
        var due: [Question] = []
        for (host, entry) in entries where entry.asked == nil {
            guard entry.due <= now else {
                nextDue = min(nextDue, entry.due)
                continue
            }
            due.append(Question(host: host, families: entry.families, isSlow: entry.failure == .timedOut))
        }
        for question in due { entries[question.host]?.asked = question.families }
        return due.sorted { $0.host < $1.host }
    }

    /// Which addresses of a name the tables want.
    func families(of host: String) -> AddressFamilies? { entries[host]?.families }

    /// Every name has been answered once, or has failed to be.
    var hasAsked: Bool { entries.values.allSatisfy { !$0.isUnanswered } }

    /// A name is being asked for.
    var isAsking: Bool { entries.values.contains { $0.asked != nil } }

    /// A name that nothing is known of yet, not even that it cannot be resolved.
    func isUnanswered(_ host: String) -> Bool { entries[host]?.isUnanswered ?? false }

    struct Outcome: Equatable {
        /// It had never been answered, nor failed, before.
        var isFirst = false
        /// Other addresses are to be used from now on.
        var hasChanged = false
        /// It failed, and that is to be told.
        var failure: NameFailure?
        /// It is answered again, after failures that were told.
        var hasRecovered = false
    }

    /// Takes in an answer.
    mutating func answered(
        _ question: Question, _ answer: Result<NameAnswer, NameFailure>, now: Int64
    ) -> Outcome {
        guard var entry = entries[question.host] else { return Outcome() }
        let isFirst = entry.isUnanswered
        let wasUnheard = entry.isUnheard
        entry.asked = nil
        var outcome = entry.take(answer, now: now)
        if wasUnheard && entry.failing == 0 { hurryUnheard(now: now) }
        outcome.isFirst = isFirst
        // A table that came meanwhile wants to know more.
        if question.families != entry.families { entry.due = now }
        entries[question.host] = entry
        nextDue = min(nextDue, entry.due)
        return outcome
    }

    /// A name server is heard again: names that it did not answer need not wait for their next time.
    private mutating func hurryUnheard(now: Int64) {
        for (host, entry) in entries where entry.isUnheard && entry.asked == nil { entries[host]?.due = now }
        nextDue = now
    }

    // Seeing it

    struct View {
        var host: String
        var addresses: Int
        var failures: UInt64
        /// Nanoseconds since it was last answered, or first asked for.
        var age: Int64
    }

    func views(now: Int64) -> [View] {
        entries.keys.sorted().compactMap { host in
            entries[host].map {
                View(
                    host: host, addresses: $0.known.addresses.count, failures: $0.failures,
                    age: max(now - ($0.answeredAt ?? $0.askedSince), 0))
            }
        }
    }
}

extension Discovery.Entry {
    fileprivate mutating func take(_ wish: Discovery.Wish, now: Int64) {
        every = [every, wish.every].compactMap { $0 }.min()
        if let every, failing == 0 { due = min(due, now + max(every.wholeNanoseconds, Discovery.shortest)) }
        if families != wish.families {
            families = wish.families
            due = 0
        }
    }

    fileprivate mutating func take(_ answer: Result<NameAnswer, NameFailure>, now: Int64) -> Discovery.Outcome {
        let before = AddressFamilies.allCases.map { addresses($0) }
        switch answer {
        case .failure(let failure): return failed(failure, now: now)
        case .success(let answer):
            let addresses = answer.merged(with: known.addresses)
            // That is as good as none, where there are others that were reached so far.
            if hasReachable, !addresses.isEmpty, addresses.allSatisfy(answer.isUnreachable) {
                return failed(.noRoute, now: now)
            }
            if known.answered(addresses) == .kept { return failed(.notFound, now: now) }
            unreachable = answer.unreachable
            let wasTold = isTold
            succeeded(answer.timeToLive, now: now)
            return Discovery.Outcome(
                hasChanged: before != AddressFamilies.allCases.map { self.addresses($0) }, hasRecovered: wasTold)
        }
    }

    private var hasReachable: Bool {
        known.addresses.contains { IPAddress($0).map { !unreachable.contains($0) } ?? false }
    }

    private mutating func failed(_ reason: NameFailure, now: Int64) -> Discovery.Outcome {
        failures += 1
        failing = min(failing + 1, 1_000)
        failure = reason
        due = now + min(Discovery.firstPause << Int64(min(failing - 1, 10)), Discovery.longestPause)
        let pause = isTold ? Discovery.tellAgainPause : Discovery.tellAnewPause
        if let toldAt, now - toldAt < pause { return Discovery.Outcome() }
        toldAt = now
        isTold = true
        return Discovery.Outcome(failure: reason)
    }

    private mutating func succeeded(_ timeToLive: Duration?, now: Int64) {
        answeredAt = now
        failing = 0
        failure = nil
        isTold = false
        let pause =
            every?.wholeNanoseconds ?? min(timeToLive?.wholeNanoseconds ?? Discovery.fallback, Discovery.longest)
        due = now + max(pause, Discovery.shortest)
    }
}

extension NameAnswer {
    fileprivate func isUnreachable(_ address: String) -> Bool {
        IPAddress(address).map(unreachable.contains) ?? false
    }

    /// With what was known of the kinds that were not answered this time.
    fileprivate func merged(with known: [String]) -> [String] {
        func kind(_ answer: [IPAddress]?, isFour: Bool) -> [String] {
            answer?.map(\.description) ?? known.filter { IPAddress($0)?.isFour == isFour }
        }
        return kind(ipv4, isFour: true) + kind(ipv6, isFour: false)
    }
}
