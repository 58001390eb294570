internal import Glibc
internal import Reactor
internal import Wire

/// One question, until a server has answered it: by UDP, by TCP if the answer does not fit, one server after the other.
///
/// Each try has a socket of its own, and so a port and a number that nobody else can know. The latest few stay open: a
/// server that is slow, but answers, is heard.
final class NameQuery: TimerOwner {
    enum Outcome: Equatable {
        case addresses([[UInt8]], timeToLive: Int)
        /// No address of this kind.
        case none
        case noSuchName
        case failed(NameFailure)
    }

    private static let openLimit = 2

    private let resolver: ResolverLoop
    private var question: DNSQuestion
    /// Names that were meant instead, one after the other, and for how long in seconds.
    private var aliases = 0
    private var aliasTime = Int.max
    private let settings: ResolverSettings
    /// Servers still to be asked, the next one last.
    private var plan: [(server: SocketAddress, isExtended: Bool)]
    private var tries: [NameTry] = []
    private var timer: TimerWheel.Handle?
    private var failure = NameFailure.timedOut
    private var done: ((Outcome) -> Void)?

    init(
        _ resolver: ResolverLoop, _ question: DNSQuestion, _ settings: ResolverSettings,
        done: @escaping (Outcome) -> Void
    ) {
        self.resolver = resolver
        self.question = question
        self.done = done
        self.settings = settings
        plan = Self.plan(resolver, settings)
    }

    private static func plan(
        _ resolver: ResolverLoop, _ settings: ResolverSettings
    ) -> [(server: SocketAddress, isExtended: Bool)] {
        let servers = resolver.inOrder(settings)
        // Something on the way may drop questions with an extension: the first one has it alone.
        return (0..<settings.attempts).flatMap { attempt in servers.map { ($0, attempt == 0) } }.reversed()
    }

    func begin() {
        timer = resolver.loop.timers.add(self)
        askNext()
    }

    /// Nobody waits for it any more.
    func cancel() {
        done = nil
        close()
    }

    private func askNext() {
        guard done != nil, let timer else { return }
        while let (server, isExtended) = plan.popLast() {
            do {
                let made = try NameTry(
                    resolver, question, server, isExtended: isExtended, overTCP: settings.usesTCP, of: self)
                tries.append(made)
                if tries.count > Self.openLimit { tries.removeFirst().close() }
                return resolver.loop.timers.arm(timer, at: resolver.loop.now + settings.timeout.wholeNanoseconds)
            } catch {
                failure = error.isOfThisProcess ? .exhausted : .unreachable
                resolver.failed(server, settings)
            }
        }
        end(.failed(failure))
    }

    func deadlineReached() {
        failure = .timedOut
        if let latest = tries.last { resolver.failed(latest.server, settings) }
        askNext()
    }

    /// What came of a try.
    func answered(_ answer: DNSQuestion.Answer, by one: NameTry) {
        switch answer {
        case .addresses(let addresses, let timeToLive):
            resolver.answered(one.server)
            end(.addresses(addresses, timeToLive: min(timeToLive, aliasTime)))
        case .alias(let name, let timeToLive):
            resolver.answered(one.server)
            follow(name, timeToLive)
        case .none:
            resolver.answered(one.server)
            end(.none)
        case .noSuchName:
            resolver.answered(one.server)
            end(.noSuchName)
        case .truncated: repeatTry(one, isExtended: one.isExtended, overTCP: true)
        // Old servers do not know the extension.
        case .refused(1) where one.isExtended, .refused(4) where one.isExtended:
            repeatTry(one, isExtended: false, overTCP: one.isOverTCP)
        case .refused(let code): broke(one, .refused(code))
        case .malformed: broke(one, .malformed)
        case .unrelated: break
        }
    }

    private func follow(_ alias: String, _ timeToLive: Int) {
        aliases += 1
        guard aliases <= DNSQuestion.aliasesLimit, let next = DNSQuestion(alias, question.kind) else {
            return end(.none)
        }
        aliasTime = min(aliasTime, timeToLive)
        question = next
        for one in tries { one.close() }
        tries.removeAll()
        plan = Self.plan(resolver, settings)
        askNext()
    }

    /// A try has come to nothing: another server is asked at once.
    func broke(_ one: NameTry, _ failure: NameFailure) {
        let wasLatest = tries.last === one
        drop(one)
        resolver.failed(one.server, settings)
        self.failure = failure
        if wasLatest { askNext() }
    }

    private func repeatTry(_ one: NameTry, isExtended: Bool, overTCP: Bool) {
        drop(one)
        guard let timer else { return }
        do {
            tries.append(
                try NameTry(
                    resolver, question, one.server, isExtended: isExtended, overTCP: overTCP, of: self))
            resolver.loop.timers.arm(timer, at: resolver.loop.now + settings.timeout.wholeNanoseconds)
        } catch {
            failure = error.isOfThisProcess ? .exhausted : .unreachable
            askNext()
        }
    }

    private func drop(_ one: NameTry) {
        one.close()
        tries.removeAll { $0 === one }
    }

    private func end(_ outcome: Outcome) {
        let done = done
        self.done = nil
        close()
        done?(outcome)
    }

    private func close() {
        if let timer { resolver.loop.timers.remove(timer) }
        timer = nil
        for one in tries { one.close() }
        tries.removeAll()
    }
}

/// One server, asked once.
final class NameTry: EventHandler, Yielding {
    let server: SocketAddress
    let isExtended: Bool
    let isOverTCP: Bool
    private let resolver: ResolverLoop
    private let question: DNSQuestion
    private let id = UInt16.random(in: 0...UInt16.max)
    private weak var query: NameQuery?
    private var socket: Socket
    private var registration: EventLoop.Registration?
    private var isConnected: Bool
    /// What has come by TCP: two bytes of length, and the answer.
    private var received: [UInt8] = []
    private var strangers = 0
    private var hasYielded = false

    private static let readsATurn = 8
    /// Datagrams from the server that answer something else.
    private static let strangersLimit = 64

    init(
        _ resolver: ResolverLoop, _ question: DNSQuestion, _ server: SocketAddress, isExtended: Bool, overTCP: Bool,
        of query: NameQuery
    ) throws(SystemError) {
        self.resolver = resolver
        self.question = question
        self.server = server
        self.isExtended = isExtended
        self.query = query
        isOverTCP = overTCP
        isConnected = !overTCP
        socket = overTCP ? try Socket.connect(to: server) : try Socket.datagram(to: server)
        registration = try resolver.loop.register(socket, self)
        if !overTCP { sendQuestion() }
    }

    private func sendQuestion() {
        let message = question.message(id: id, isExtended: isExtended)
        let length =
            isOverTCP ? [UInt8(truncatingIfNeeded: message.count >> 8), UInt8(truncatingIfNeeded: message.count)] : []
        // A new socket has room for it. What fails is told by the next event.
        _ = (length + message).withBytes { socket.send($0) }
    }

    func ready(_ readiness: Readiness) {
        guard socket.isOpen else { return }
        if !isConnected {
            guard readiness.isWritable || readiness.isEnded else { return }
            if socket.takeError() != nil { return broke(.unreachable) }
            isConnected = true
            sendQuestion()
        }
        if readiness.isReadableOrEnded { read() }
    }

    func turnCame() {
        hasYielded = false
        if socket.isOpen { read() }
    }

    private func read() {
        for _ in 0..<Self.readsATurn {
            guard socket.isOpen else { return }
            switch resolver.receiveBuffer.receive(from: socket) {
            case .bytes(let count): resolver.receiveBuffer.withBytes(count) { take($0) }
            case .wouldBlock: return
            // By UDP an empty datagram, which says nothing.
            case .endOfStream where !isOverTCP: strange()
            case .endOfStream: return broke(.malformed)
            case .failed: return broke(.unreachable)
            }
        }
        if socket.isOpen && !hasYielded {
            hasYielded = true
            resolver.loop.yield(self)
        }
    }

    private func take(_ bytes: RawSpan) {
        if !isOverTCP { return judge(question.answer(in: bytes, id: id)) }
        received.append(contentsOf: bytes)
        guard received.count >= 2 else { return }
        let length = Int(received[0]) << 8 | Int(received[1])
        guard received.count >= 2 + length else { return }
        let answer = received.withBytes { question.answer(in: $0.extracting(2..<(2 + length)), id: id) }
        judge(answer == .unrelated || answer == .truncated ? .malformed : answer)
    }

    private func judge(_ answer: DNSQuestion.Answer) {
        if answer == .unrelated { return strange() }
        query?.answered(answer, by: self)
    }

    private func strange() {
        strangers += 1
        if strangers > Self.strangersLimit { broke(.malformed) }
    }

    private func broke(_ failure: NameFailure) {
        query?.broke(self, failure)
    }

    func close() {
        guard socket.isOpen else { return }
        if let registration { resolver.loop.unregister(registration) }
        registration = nil
        socket.close()
    }
}

extension SystemError {
    /// Not of the server, nor of the way to it. EADDRNOTAVAIL is: this host has no address of the server's kind.
    fileprivate var isOfThisProcess: Bool { isExhaustion && code != EADDRNOTAVAIL }
}

extension Duration {
    /// Whole nanoseconds, of a time that is short enough.
    package var wholeNanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
