internal import DequeModule
package import Reactor
package import RouteTable
internal import Synchronization

/// Turns host names into addresses, on a thread and a loop of its own: nobody waits for a name but who asked for it, and no
/// name for another.
package final class Resolver: Sendable {
    private let mailbox: Mailbox<ResolverLoop.Message>
    private let waiting = Atomic<Int>(0)

    /// - Parameters:
    ///   - hosts: a file as hosts(5) has it.
    ///   - resolvConf: a file as resolv.conf(5) has it.
    ///   - settings: in place of what is said there.
    ///   - atOnce: names that are asked for at once; each takes two descriptors, four at most.
    package init(
        hosts: String = "/etc/hosts", resolvConf: String = "/etc/resolv.conf", settings: ResolverSettings? = nil,
        atOnce: Int = 128
    ) throws(SystemError) {
        mailbox = try Mailbox<ResolverLoop.Message>()
        let mailbox = mailbox
        try Thread.start(name: "names") {
            do {
                let made = try ResolverLoop(
                    hosts: hosts, resolvConf: resolvConf, settings: settings, atOnce: atOnce)
                try mailbox.attach(to: made.loop) { made.receive($0) }
                made.loop.run()
                made.loop.dismiss()
            } catch {
                preconditionFailure("the thread of names could not start: \(error)")
            }
        }
    }

    deinit {
        mailbox.post(.stop)
    }

    /// Names that are being asked for, or wait to be.
    package var lookups: Int { waiting.load(ordering: .relaxed) }

    /// - Parameter isSlow: it did not answer in time when it was last asked for: others come first.
    package func resolve(
        _ host: String, _ families: AddressFamilies = .any, isSlow: Bool = false
    ) async -> Result<NameAnswer, NameFailure> {
        waiting.add(1, ordering: .relaxed)
        defer { waiting.subtract(1, ordering: .relaxed) }
        return await withCheckedContinuation { continuation in
            mailbox.post(.lookUp(host, families, isSlow: isSlow) { continuation.resume(returning: $0) })
        }
    }
}

/// The thread's own part.
final class ResolverLoop: TimerOwner {
    enum Message: Sendable {
        case lookUp(
            String, AddressFamilies, isSlow: Bool, done: @Sendable (Result<NameAnswer, NameFailure>) -> Void)
        case stop
    }

    let loop: EventLoop
    /// One answer, by TCP a part of one.
    let receiveBuffer = ReceiveBuffer(capacity: 65_536)
    let system: SystemNames
    /// Names that are asked for at once; of those that did not answer in time, half as many.
    private let atOnce: Int
    private var usual = Lookups()
    private var slow = Lookups()
    private var timer: TimerWheel.Handle?
    /// Of servers by address: not before then, unless there is no other.
    private var avoided: [String: Int64] = [:]
    private var turns = 0
    private var isScheduling = false
    private var isStopped = false

    private struct Lookups {
        /// Oldest first.
        var waiting: Deque<NameLookup> = []
        /// Oldest first; those that are over are still among them until they are at the front.
        var begun: Deque<NameLookup> = []
        var running = 0

        mutating func oldest() -> NameLookup? {
            while let first = begun.first, first.isOver { begun.removeFirst() }
            return begun.first
        }
    }

    init(hosts: String, resolvConf: String, settings: ResolverSettings?, atOnce: Int) throws(SystemError) {
        loop = try EventLoop()
        system = SystemNames(hosts: hosts, resolvConf: resolvConf, settings: settings)
        self.atOnce = max(atOnce, 2)
        timer = loop.timers.add(self)
    }

    func receive(_ message: Message) {
        switch message {
        case .lookUp(let host, let families, let isSlow, let done):
            if isStopped { return done(.failure(.exhausted)) }
            system.refresh()
            let lookup = NameLookup(self, host, families, isSlow: isSlow, done: done)
            if isSlow { slow.waiting.append(lookup) } else { usual.waiting.append(lookup) }
            schedule()
        case .stop:
            isStopped = true
            for lookup in usual.begun + slow.begun + usual.waiting + slow.waiting { lookup.fail(.exhausted) }
            loop.stop()
        }
    }

    func deadlineReached() {
        schedule()
    }

    /// A lookup that had begun is over.
    func ended(_ lookup: NameLookup) {
        if lookup.isSlow { slow.running -= 1 } else { usual.running -= 1 }
        schedule()
    }

    /// Begins what there is room for, and makes room by giving up what has run longest, once it had its time.
    private func schedule() {
        // A name of the hosts file ends as it begins.
        if isScheduling { return }
        isScheduling = true
        defer { isScheduling = false }
        while !isStopped {
            if let lookup = takeNext() {
                lookup.begin()
                continue
            }
            // A usual one takes any place, one of the slow only another's of these.
            let candidates = usual.waiting.isEmpty ? [slow.oldest()] : [usual.oldest(), slow.oldest()]
            guard !usual.waiting.isEmpty || !slow.waiting.isEmpty,
                let oldest = candidates.compactMap({ $0 }).min(by: { $0.begunAt < $1.begunAt })
            else { return }
            let end = oldest.begunAt + system.settings.patience.wholeNanoseconds
            guard end <= loop.now else {
                if let timer { loop.timers.arm(timer, at: end) }
                return
            }
            oldest.fail(.timedOut)
        }
    }

    private func takeNext() -> NameLookup? {
        guard usual.running + slow.running < atOnce else { return nil }
        if let lookup = usual.waiting.popFirst() {
            usual.running += 1
            usual.begun.append(lookup)
            return lookup
        }
        guard slow.running < atOnce / 2, let lookup = slow.waiting.popFirst() else { return nil }
        slow.running += 1
        slow.begun.append(lookup)
        return lookup
    }

    // Servers

    /// Those that lately did not answer last; the first of the others in turn, if the settings say so.
    func inOrder(_ settings: ResolverSettings) -> [SocketAddress] {
        var servers = settings.servers
        if settings.rotates && servers.count > 1 {
            turns = (turns + 1) % servers.count
            servers = Array(servers[turns...] + servers[..<turns])
        }
        let isAvoided = { (server: SocketAddress) in (self.avoided["\(server)"] ?? .min) > self.loop.now }
        return servers.filter { !isAvoided($0) } + servers.filter(isAvoided)
    }

    func failed(_ server: SocketAddress, _ settings: ResolverSettings) {
        if avoided.count > ResolverSettings.serversLimit * 4 { avoided.removeAll() }
        avoided["\(server)"] = loop.now + settings.avoidance.wholeNanoseconds
    }

    func answered(_ server: SocketAddress) {
        avoided["\(server)"] = nil
    }
}
