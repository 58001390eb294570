internal import CLinux

/// What a descriptor is ready for.
package struct Readiness: Sendable {
    @usableFromInline let flags: UInt32

    @usableFromInline
    init(flags: UInt32) {
        self.flags = flags
    }

    @inlinable package var isWritable: Bool { flags & 0x004 != 0 }

    /// The peer has ended its side, or the connection is broken: a read will tell which.
    @inlinable package var isEnded: Bool { flags & (0x2000 | 0x010 | 0x008) != 0 }

    /// A reset, or another failure: not only the ends of both sides.
    @inlinable package var isFailed: Bool { flags & 0x008 != 0 }

    /// Broken both ways.
    @inlinable package var isBroken: Bool { flags & (0x010 | 0x008) != 0 }

    /// There is something to be learned from a read.
    @inlinable package var isReadableOrEnded: Bool { flags & (0x001 | 0x2000 | 0x010 | 0x008) != 0 }

    /// The numbers above are the kernel's.
    static func checkFlags() {
        precondition(EPOLLIN.rawValue == 0x001 && EPOLLOUT.rawValue == 0x004 && EPOLLERR.rawValue == 0x008)
        precondition(EPOLLHUP.rawValue == 0x010 && EPOLLRDHUP.rawValue == 0x2000)
    }
}

/// Something that owns a descriptor and acts when it is ready.
package protocol EventHandler: AnyObject {
    /// Edge-triggered: what is not done now is told again only after new bytes or new room.
    func ready(_ readiness: Readiness)
}

/// Something that has work left for the end of the turn.
package protocol Deferred: AnyObject {
    func resume()
}

/// Something that had more to do than its share of a turn.
package protocol Yielding: AnyObject {
    /// Its share of another turn has come.
    func turnCame()
}

/// Something that has work at the end of every turn.
package protocol TurnObserver: AnyObject {
    /// All events and deadlines of this turn were met; what the turn closed is still there.
    func turnEnds()
    /// The turn took so long, nanoseconds: nobody else was served meanwhile.
    func turnTook(_ nanoseconds: Int64)
}

/// One thread's events: descriptors, deadlines, work put off to the end of a turn, and messages from other threads.
///
/// It knows no protocol. Each descriptor is registered once, edge-triggered, for both directions; deadlines and
/// durations of a turn are all measured from the clock at its beginning. Handlers are found by slot and generation, so
/// an event for a descriptor that an earlier event closed is recognised as stale.
///
/// A turn is bounded, so that no connection keeps the others waiting: handlers do a bounded share of work and `yield`
/// for the rest, and the loop ends a turn whose time is up, whatever is left (see `turnTime`). What is left comes first
/// in the next turn, in the order in which it came.
package final class EventLoop {
    /// The handler is kept by `handlers`, and until the end of the turn by `leaving`.
    private struct Slot {
        var generation: UInt32
        unowned(unsafe) var handler: (any EventHandler)?
    }

    /// A place in the loop; given back with `unregister`.
    package struct Registration {
        fileprivate var index: UInt32
    }

    /// Nanoseconds of CLOCK_MONOTONIC at the beginning of this turn.
    package private(set) var now: Int64
    /// Counts turns, for whoever has one share of work in each.
    package private(set) var turn = 0
    package let timers: TimerWheel
    package var observer: (any TurnObserver)?

    private let epoll: Descriptor
    private var slots = Slots<Slot>()
    private var handlers: [(any EventHandler)?] = []
    private var freeSlots: [UInt32] = []
    private var deferred: [any Deferred] = []
    /// Those who yielded, in turn; those before `nextYielded` have had theirs.
    private var yielded: [any Yielding] = []
    private var nextYielded = 0
    /// Handlers that were unregistered in this turn.
    private var leaving: [any EventHandler] = []
    private var isRunning = false
    private var rest = DeadlineRest()

    package init() throws(SystemError) {
        Readiness.checkFlags()
        epoll = Descriptor(owning: Int32(try SystemError.check(Int(clinux_epoll_create()))))
        now = clinux_monotonic_nanoseconds()
        timers = TimerWheel(now: now)
    }

    /// The clock as it is now, not at the beginning of the turn.
    package static func clock() -> Int64 {
        clinux_monotonic_nanoseconds()
    }

    /// Nanoseconds since the machine started, those included for which it was suspended; `clock` stands still meanwhile.
    package static func bootClock() -> Int64 {
        clinux_boot_nanoseconds()
    }

    /// Nanoseconds since 1970, for dates that people read; never for deadlines.
    package static func wallClock() -> Int64 {
        clinux_wall_nanoseconds()
    }

    /// Watches a socket both ways until it is closed. The loop keeps `handler` until `unregister`.
    package func register(_ socket: borrowing Socket, _ handler: any EventHandler) throws(SystemError) -> Registration {
        try add(
            socket.number, EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue, handler)
    }

    /// Watches for connections: level-triggered, so that a burst can be accepted in portions.
    package func register(
        _ socket: borrowing ListeningSocket, _ handler: any EventHandler
    ) throws(SystemError) -> Registration {
        try add(socket.number, EPOLLIN.rawValue | EPOLLEXCLUSIVE.rawValue, handler)
    }

    func register(_ descriptor: borrowing Descriptor, _ handler: any EventHandler) throws(SystemError) -> Registration {
        try add(descriptor.number, EPOLLIN.rawValue, handler)
    }

    private func add(
        _ number: Int32, _ events: UInt32, _ handler: any EventHandler
    ) throws(SystemError) -> Registration {
        let index = freeSlots.popLast() ?? UInt32(slots.count)
        if Int(index) == slots.count {
            slots.append(Slot(generation: 0, handler: nil))
            handlers.append(nil)
        }
        let data = UInt64(slots[Int(index)].generation) << 32 | UInt64(index)
        let result = clinux_epoll_add(epoll.number, number, events, data)
        if result < 0 {
            freeSlots.append(index)
            throw SystemError(result: Int(result))
        }
        unsafe slots[Int(index)].handler = handler
        handlers[Int(index)] = handler
        return Registration(index: index)
    }

    /// Forgets a handler at the end of this turn, and tells it of no further event; its descriptor is closed by its
    /// owner, which ends the watching. Until then the handler stays alive: whatever this turn does may still use it.
    package func unregister(_ registration: Registration) {
        let index = Int(registration.index)
        guard let handler = handlers[index] else { preconditionFailure("unregistered twice") }
        leaving.append(handler)
        handlers[index] = nil
        slots[index].generation &+= 1
        unsafe slots[index].handler = nil
        freeSlots.append(registration.index)
    }

    /// Tells another handler of what happens from now on. The one before stays alive until the end of the turn.
    package func pass(_ registration: Registration, to handler: any EventHandler) {
        let index = Int(registration.index)
        guard let before = handlers[index] else { preconditionFailure("passed on after it was unregistered") }
        leaving.append(before)
        handlers[index] = handler
        unsafe slots[index].handler = handler
    }

    /// Stops watching a listening socket that stays open.
    package func unwatch(_ socket: borrowing ListeningSocket, _ registration: Registration) {
        _ = clinux_epoll_remove(epoll.number, socket.number)
        unregister(registration)
    }

    /// Has `work` resumed outside whatever runs now: before this turn ends, if its time is not up.
    package func `defer`(_ work: any Deferred) {
        deferred.append(work)
    }

    /// Gives way to everybody else who is ready: `work` goes on in the next turn, behind those who yielded before it.
    /// Whoever yields must not yield again before `turnCame`.
    package func yield(_ work: any Yielding) {
        yielded.append(work)
    }

    /// After so long, nanoseconds, a turn ends although events are left: what it gathered is sent, and deadlines have
    /// their turn. Half of what a turn may take at most, as whoever is served last has a share of its own.
    private static let turnTime: Int64 = 1_000_000
    /// Deadlines wait for what has come already, which may be what they are about; but not for more turns than this. So a
    /// thread that was kept from running for a while does not take its own delay for others'.
    private static let turnsOfGrace = 64
    /// So many are served between two looks at the clock.
    private static let servedBetweenLooks = 8

    /// Turns until `stop`.
    package func run() {
        isRunning = true
        let limit = 256
        let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: limit)
        defer { unsafe events.deallocate() }
        var count = 0
        var next = 0
        var grace = Self.turnsOfGrace
        while isRunning {
            var timeout: Int32 = 0
            if next == count {
                let isBusy = !deferred.isEmpty || nextYielded < yielded.count
                if !isBusy { timeout = rest.timeout(timers.timeout(now: now), now: now) }
                count = Int(unsafe clinux_epoll_wait(epoll.number, events, Int32(limit), timeout))
                precondition(count >= 0, "epoll_wait: errno \(0 &- count)")
                next = 0
            }
            let before = now
            now = clinux_monotonic_nanoseconds()
            rest.turnBegan(at: now, after: now &- before, planned: timeout)
            turn &+= 1
            let yieldedBefore = yielded.count
            while next < count {
                let data = unsafe clinux_event_data(events + next)
                let slot = slots[Int(UInt32(truncatingIfNeeded: data))]
                if slot.generation == UInt32(truncatingIfNeeded: data >> 32), let handler = unsafe slot.handler {
                    handler.ready(Readiness(flags: unsafe clinux_event_flags(events + next)))
                }
                next &+= 1
                if next % Self.servedBetweenLooks == 0, isTurnOver { break }
            }
            runDeferred()
            if now < rest.end {
                // Whoever has a deadline is given the time that this thread has lost.
            } else if next == count && count < limit || grace == 0 {
                grace = Self.turnsOfGrace
                rest.deadlinesRan()
                runTimers()
                if !deferred.isEmpty, !isTurnOver { runDeferred() }
            } else {
                grace -= 1
            }
            runYielded(upTo: yieldedBefore)
            observer?.turnEnds()
            if !leaving.isEmpty { leaving.removeAll(keepingCapacity: true) }
            observer?.turnTook(clinux_monotonic_nanoseconds() &- now)
        }
    }

    private var isTurnOver: Bool { clinux_monotonic_nanoseconds() &- now > Self.turnTime }

    /// Thousands of deadlines that come at once are met in several turns.
    private func runTimers() {
        var met = 0
        while let owner = timers.nextDue(now: now) {
            owner.deadlineReached()
            met &+= 1
            if met % Self.servedBetweenLooks == 0, isTurnOver { return }
        }
    }

    /// The turns of those who yielded before this one, as long as there is time; one at least.
    private func runYielded(upTo end: Int) {
        guard nextYielded < end else { return }
        while nextYielded < end {
            let work = yielded[nextYielded]
            nextYielded += 1
            work.turnCame()
            if isTurnOver { break }
        }
        if nextYielded == yielded.count {
            yielded.removeAll(keepingCapacity: yielded.count <= 1_024)
            nextYielded = 0
        } else if nextYielded > 1_024, nextYielded > yielded.count / 2 {
            yielded.removeFirst(nextYielded)
            nextYielded = 0
        }
    }

    package func stop() {
        isRunning = false
    }

    /// Visits all whom the loop tells of events. Visiting may unregister them.
    package func forEachHandler(_ visit: (any EventHandler) -> Void) {
        let present = handlers
        for handler in present { if let handler { visit(handler) } }
    }

    /// Lets go of all whom a stopped loop keeps, and who may well keep the loop. It serves nobody after this.
    package func dismiss() {
        handlers.removeAll()
        leaving.removeAll()
        deferred.removeAll()
        yielded.removeAll()
        nextYielded = 0
        observer = nil
        timers.forgetOwners()
    }

    private func runDeferred() {
        // What the work defers in turn runs later, so that no two can keep each other going for ever.
        if deferred.isEmpty { return }
        let work = deferred
        deferred.removeAll(keepingCapacity: true)
        for (index, one) in work.enumerated() {
            one.resume()
            if (index + 1) % Self.servedBetweenLooks == 0, isTurnOver {
                return deferred.insert(contentsOf: work[(index + 1)...], at: 0)
            }
        }
    }
}

/// Holds deadlines back after a turn that began late.
///
/// Such a turn shows that the thread was kept from running: the process was stopped, or the machine had no time for it. What
/// others sent meanwhile is taken first, and what they are told then can still be answered: the delay was this thread's.
/// Without the rest, a request whose answer is there already would be ended by its time-out.
private struct DeadlineRest {
    /// Nanoseconds: a turn that begins so much later than it was to is late, and deadlines wait as long after it.
    private static let lateness: Int64 = 50_000_000

    /// No deadline is met before then.
    private(set) var end: Int64 = 0
    /// Deadlines were met since the last rest. So they are met at least every other turn, however late all turns are.
    private var isDue = true

    /// - Parameters:
    ///   - passed: since the turn before began, nanoseconds.
    ///   - planned: how long the wait was to be, milliseconds; below 0: until something happens.
    mutating func turnBegan(at now: Int64, after passed: Int64, planned: Int32) {
        guard isDue, planned >= 0, passed &- Int64(planned) &* 1_000_000 > Self.lateness else { return }
        isDue = false
        end = now &+ Self.lateness
    }

    mutating func deadlinesRan() { isDue = true }

    /// How long to wait for events, milliseconds, when the next deadline is so far away.
    func timeout(_ untilDeadline: Int32, now: Int64) -> Int32 {
        guard now < end, untilDeadline >= 0 else { return untilDeadline }
        return max(untilDeadline, Int32(clamping: (end &- now) / 1_000_000 &+ 1))
    }
}
