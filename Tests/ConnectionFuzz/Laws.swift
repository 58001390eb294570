import CLinux
import Proxy
import RouteTable
import Telemetry

/// What holds of every turn.
struct TurnLaws {
    /// Of one connection, read or sent within a turn: its share, and the read that exceeds it.
    private static let bytesInTurn = 768 << 10
    /// Of the kernel's time, by what calls cost: twice what a turn is to take.
    private static let turnTime: Int64 = 4_000_000
    /// Of the processor, with all that sanitizers add.
    private static let turnTimeOfProcessor: Int64 = 60_000_000
    /// Held while connections are open, beside what the script has said.
    private static let heldAtAll = 5 << 20
    private static let heldByConnection = 1 << 20

    private(set) var turns = 0
    private var allowedTurns = 200
    private var startHeld = 0
    private var turnBegan: Int64 = 0
    /// A complaint is looked at again: the time that matters is this thread's, not what passes meanwhile.
    private let isRepeated: Bool
    private var restEnds: (turns: Int, at: Int64)?
    /// What peers have said by themselves is not of the script's budget.
    var spoken = Int.max / 2
    /// Bytes of theirs that are worth a turn: one, where somebody's arrive one by one.
    private var bytesEachTurn = 128
    /// About memory or time: to be looked at again.
    private(set) var complaint: String?

    init(isRepeated: Bool) { self.isRepeated = isRepeated }

    var hasTurns: Bool { turns < allowedTurns }

    mutating func begin() {
        startHeld = fake_allocated()
        turnBegan = fake_elapsed(isRepeated ? 1 : 0)
    }

    mutating func credit(turns: Int) { allowedTurns += turns }

    /// Deadlines may come in each of the wheel's ticks.
    mutating func credit(nanoseconds: Int64) { allowedTurns += Int(min(nanoseconds, 1_000_000_000_000) / 2_000_000) }

    /// What was said is read in shares; the shortest of requests may take some turns of its own, with all its attempts.
    mutating func said(_ bytes: Int) { allowedTurns += bytes / 4 }

    /// Somebody's bytes arrive in small pieces, and with them what others wait for.
    mutating func pace() {
        allowedTurns += 3_000
        bytesEachTurn = 1
    }

    /// For so many seconds nothing is to happen but what happens each second.
    mutating func rest(for seconds: Int) {
        restEnds = (turns + 3 * seconds, 0)
    }

    mutating func check() {
        turns += 1
        demand(
            turns <= allowedTurns || spoken < Int.max / 2 - bytesEachTurn * (turns - allowedTurns),
            "the router comes to rest (\(turns) turns)")
        demand(fake_turn_time() <= Self.turnTime, "a turn is short (\(fake_turn_time() / 1_000) microseconds)")
        if let restEnds { demand(turns <= restEnds.turns, "a router without connections sleeps") }
        var connections = 0
        for number in 0..<fake_link_count() {
            let link = fake_look(number).pointee
            demand(
                link.read_in_turn <= Self.bytesInTurn && link.sent_in_turn <= Self.bytesInTurn,
                "a connection has its share of a turn, and no more")
            if link.state == FAKE_OPEN { connections += 1 }
        }
        let held = fake_allocated() - startHeld
        let allowed = Self.heldAtAll + connections * Self.heldByConnection
        if held > allowed, complaint == nil {
            complaint = "\(held) bytes are held for \(connections) connections, not more than \(allowed)"
        }
        let used = fake_elapsed(isRepeated ? 1 : 0) - turnBegan
        if used > Self.turnTimeOfProcessor, complaint == nil {
            complaint = "a turn is short (\(used / 1_000) microseconds of the processor)"
        }
    }

    /// The harness has done its part: from here on the time is the router's.
    mutating func turnBegins() { turnBegan = fake_elapsed(isRepeated ? 1 : 0) }
}

/// Counters as they were before an input, and what holds of what it has added, once nothing is under way.
struct Counts {
    private var endpoints: [Ends]
    private var listeners: [[UInt64]]
    private var responses: UInt64

    /// The attempts at one endpoint, and how they ended.
    private struct Ends {
        var attempts: UInt64, answered: UInt64, failed: UInt64, lateBreaks: UInt64, successes: UInt64, late: UInt64

        init(_ one: EndpointCounters) {
            attempts = one.attempts.count
            answered = one.successes.count + one.gatewayErrors.count + one.serverErrors.count
            successes = one.successes.count
            late = one.responseTimeouts.count
            failed =
                one.connectFailures.count + one.unreachables.count + one.connectTimeouts.count + one.resets.count
                + one.responseTimeouts.count + one.truncations.count + one.abandoned.count + one.exhausted.count
                + one.unconnected.count
            lateBreaks = one.lateBreaks.count
        }

        func check(since before: Ends, _ name: String) {
            let attempts = attempts - before.attempts
            let answered = answered - before.answered
            let ends = answered + failed - before.failed
            let lateBreaks = lateBreaks - before.lateBreaks
            demand(ends == attempts, "every attempt ends, once (\(name): \(attempts) attempts, \(ends) ends)")
            demand(lateBreaks <= answered, "only an answer breaks off later (\(name): \(answered), \(lateBreaks))")
        }
    }

    init() {
        endpoints = Counters.shared.endpoints.map { Ends($0.counters) }
        listeners = Counters.shared.listeners.map(Self.counts)
        responses = Self.responses
    }

    private static func counts(_ one: ListenerCounters) -> [UInt64] {
        [one.requests.count, one.unrouted.count, one.clientAborts.count, one.accessLogDropped.count]
    }

    private static var responses: UInt64 {
        Counters.shared.cells.joined().reduce(0) { sum, cell in
            sum + cell.responses1xx.count + cell.responses2xx.count + cell.responses3xx.count + cell.responses4xx.count
                + cell.responses5xx.count
        }
    }

    /// No endpoint of HTTP/2 is blamed for a request that it was not sent.
    ///
    /// - Parameter requests: how many the endpoint at a place was sent; nil: that is not known.
    func checkAsked(_ requests: (UInt16) -> Int?) {
        for (index, one) in Counters.shared.endpoints.enumerated() where one.place < World.firstClean << 8 {
            guard let asked = requests(one.place) else { continue }
            let before = endpoints[index]
            let answered = one.counters.successes.count - before.successes
            let late = one.counters.responseTimeouts.count - before.late
            demand(
                late == 0 || answered + late <= UInt64(asked),
                "an endpoint was asked what it has answered, or not in time (\(one.name): \(asked), \(answered), \(late))"
            )
        }
    }

    /// - Parameter log: what the access logs say of the same.
    func checkAdded(_ log: LogCounts) {
        for (index, one) in Counters.shared.listeners.enumerated() {
            let added = zip(Self.counts(one), listeners[index]).map { $0 - $1 }
            demand(added[3] == 0, "a log that is read in time loses nothing")
            guard World.places[index].transport == .http else { continue }
            let lines = log.lines[index]
            let name = World.places[index].name
            demand(
                lines.requests == added[0],
                "every request ends once (\(name): \(added[0]), \(lines.requests) in the log)")
            demand(lines.unrouted == added[1], "what has no route is told of (\(name))")
            demand(
                lines.aborted <= added[2],
                "what was not answered was not awaited (\(name): \(lines.aborted), \(added[2]))")
        }
        let answered = log.lines.reduce(0) { $0 + $1.answered }
        demand(
            answered == Self.responses - responses,
            "every answer is counted (\(Self.responses - responses), not \(answered))")
        for (index, one) in Counters.shared.endpoints.enumerated() {
            Ends(one.counters).check(since: endpoints[index], one.name)
            demand(one.counters.inFlight.level == 0, "no attempt is in flight at the end")
            demand(one.counters.overstaying.level == 0, "nobody is waited for at the end")
            demand(one.counters.openConnections.level == 0, "no connection to an endpoint is open at the end")
        }
        for one in Counters.shared.services {
            demand(one.inFlight.level == 0 && one.pending.level == 0, "no request is under way at the end")
        }
        for one in Counters.shared.listeners {
            demand(one.openConnections.level == 0, "no client is connected at the end")
        }
    }
}

/// What the access logs say, by listener.
struct LogCounts {
    struct Lines {
        /// They have ended as an endpoint's answer, as an answer of the router's, or as nothing: then the client has left.
        var requests: UInt64 = 0
        var answered: UInt64 = 0
        var unrouted: UInt64 = 0
        var aborted: UInt64 = 0
    }

    private(set) var lines = World.places.map { _ in Lines() }

    /// Takes what the router has written since the last time.
    mutating func drain() {
        var bytes: [UInt8] = []
        // In two pieces where it comes to the ring's end.
        unsafe World.shared.log.drain { unsafe bytes.append(contentsOf: $0) }
        if bytes.isEmpty { return }
        unsafe bytes.withUnsafeBytes { bytes in
            for line in unsafe bytes.split(separator: 10) { unsafe count(UnsafeRawBufferPointer(rebasing: line)) }
        }
    }

    // What is of a client's choosing has no quotes: they are escaped.
    private static let listeners = World.places.map { Array(",\"listener\":\"\($0.name)\"".utf8) }
    private static let version = Array(",\"protocol\":".utf8)
    private static let region = Array(",\"region\":".utf8)
    private static let error = Array(",\"error\":".utf8)
    private static let noRoute = Array(",\"error\":\"no-route\"".utf8)
    private static let noStatus = Array(",\"status\":0,".utf8)

    private mutating func count(_ line: UnsafeRawBufferPointer) {
        tell(unsafe String(decoding: line, as: UTF8.self))
        func has(_ words: [UInt8]) -> Bool {
            unsafe fake_has(line.baseAddress, line.count, words, words.count) != 0
        }
        // Who has no protocol never made a request: a connection that was refused, a tunnel.
        guard has(Self.version), let listener = Self.listeners.firstIndex(where: has) else { return }
        lines[listener].requests += 1
        if has(Self.region) {
            lines[listener].answered += 1
        } else if has(Self.noRoute) {
            lines[listener].unrouted += 1
        } else if !has(Self.error), has(Self.noStatus) {
            lines[listener].aborted += 1
        }
    }
}
