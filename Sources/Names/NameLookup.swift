internal import Reactor
internal import RouteTable
internal import Wire

/// One name, looked up: in the hosts file, then in the DNS, by each absolute name it may mean, for both kinds of addresses
/// at once.
final class NameLookup: TimerOwner {
    /// However many servers and domains there are to be asked, after this it has failed.
    private static let limit: Int64 = 10_000_000_000

    let host: String
    /// It did not answer in time when it was last asked for.
    let isSlow: Bool
    private let families: AddressFamilies
    private let resolver: ResolverLoop
    private let settings: ResolverSettings
    private var candidates: [String]
    private var queries: [DNSQuestion.Kind: NameQuery] = [:]
    private var outcomes: [DNSQuestion.Kind: NameQuery.Outcome] = [:]
    private var timer: TimerWheel.Handle?
    private var deadline: Int64 = 0
    private var failure: NameFailure?
    private var done: ((Result<NameAnswer, NameFailure>) -> Void)?
    private(set) var begunAt: Int64 = 0
    private var hasBegun = false

    var isOver: Bool { done == nil }

    init(
        _ resolver: ResolverLoop, _ host: String, _ families: AddressFamilies, isSlow: Bool,
        done: @escaping (Result<NameAnswer, NameFailure>) -> Void
    ) {
        self.resolver = resolver
        self.host = host.lowercased()
        self.families = families
        self.isSlow = isSlow
        self.done = done
        settings = resolver.system.settings
        candidates = settings.candidates(for: self.host).reversed()
    }

    func begin() {
        hasBegun = true
        begunAt = resolver.loop.now
        if let known = local { return end(.success(answer(known.filter(families.contains), timeToLive: nil))) }
        timer = resolver.loop.timers.add(self)
        deadline = resolver.loop.now + Self.limit
        arm(at: deadline)
        askNext()
    }

    func fail(_ failure: NameFailure) {
        end(.failure(failure))
    }

    /// What the machine knows by itself (hosts(5); RFC 6761, 6.3).
    private var local: [IPAddress]? {
        let name = host.hasSuffix(".") ? String(host.dropLast()) : host
        if let address = IPAddress(name) { return [address] }
        if let found = resolver.system.hosts[name], found.contains(where: families.contains) { return found }
        guard name == "localhost" || name.hasSuffix(".localhost") else { return nil }
        return ["127.0.0.1", "::1"].compactMap { IPAddress($0) }
    }

    private func askNext() {
        queries = [:]
        outcomes = [:]
        guard let name = candidates.popLast() else { return end(.failure(failure ?? .notFound)) }
        let kinds = families.kinds
        let questions = kinds.compactMap { DNSQuestion(name, $0) }
        guard questions.count == kinds.count else {
            failure = failure ?? .notAName
            return askNext()
        }
        for question in questions {
            let kind = question.kind
            queries[kind] = NameQuery(resolver, question, settings) { [unowned self] in ended(kind, $0) }
        }
        for kind in kinds { queries[kind]?.begin() }
    }

    private func ended(_ kind: DNSQuestion.Kind, _ outcome: NameQuery.Outcome) {
        outcomes[kind] = outcome
        if outcomes.count < queries.count {
            // Some servers do not answer what they have no addresses for. Those that are there need not wait for long.
            if case .addresses = outcome {
                arm(at: min(deadline, resolver.loop.now + settings.timeout.wholeNanoseconds))
            }
            return
        }
        conclude()
    }

    func deadlineReached() {
        for kind in families.kinds where outcomes[kind] == nil {
            queries[kind]?.cancel()
            outcomes[kind] = .failed(.timedOut)
        }
        if resolver.loop.now >= deadline { candidates = [] }
        conclude()
    }

    /// All questions about a candidate have come to an end.
    private func conclude() {
        var addresses: [IPAddress] = []
        var timeToLive: Int?
        var worst: NameFailure?
        for kind in families.kinds {
            switch outcomes[kind] {
            case .addresses(let found, let time):
                addresses += found.map { IPAddress(bytes: $0) }.filter(\.isUsableOfName)
                timeToLive = min(timeToLive ?? time, time)
            case .failed(let failure): worst = worst ?? failure
            case .some(.none), .noSuchName, nil: break
            }
        }
        if !addresses.isEmpty { return end(.success(answer(addresses, timeToLive: timeToLive))) }
        if let worst {
            failure = worst
            // Another candidate may be another host: it is asked for only when a server has said something of this one.
            guard case .refused = worst else { return end(.failure(worst)) }
        }
        askNext()
    }

    private func answer(_ addresses: [IPAddress], timeToLive: Int?) -> NameAnswer {
        var answer = NameAnswer(timeToLive: timeToLive.map { .seconds($0) })
        func sorted(_ kind: DNSQuestion.Kind) -> [IPAddress]? {
            guard families.kinds.contains(kind) else { return nil }
            if case .failed = outcomes[kind] { return nil }
            return Set(addresses.filter { $0.isFour == (kind == .a) }).sorted {
                $0.bytes.lexicographicallyPrecedes($1.bytes)
            }
        }
        answer.ipv4 = sorted(.a)
        answer.ipv6 = sorted(.aaaa)
        answer.unreachable = Set(
            addresses.filter { ip in
                SocketAddress(ip: ip.description, port: 9).map { !Socket.hasRoute(to: $0) } ?? false
            })
        return answer
    }

    private func arm(at time: Int64) {
        if let timer { resolver.loop.timers.arm(timer, at: time) }
    }

    private func end(_ result: Result<NameAnswer, NameFailure>) {
        guard let done else { return }
        self.done = nil
        if let timer { resolver.loop.timers.remove(timer) }
        timer = nil
        for query in queries.values { query.cancel() }
        queries = [:]
        if hasBegun { resolver.ended(self) }
        done(result)
    }
}

extension IPAddress {
    /// Whether a connection to it could be meant by who has it from the DNS. 0.0.0.0 and :: would be this machine: servers
    /// that block a name say so. Groups (224.0.0.0/4, ff00::/8) and the broadcast address take no connections, and a
    /// link-local address of IPv6 (fe80::/10) is none without the interface, which the DNS cannot tell.
    fileprivate var isUsableOfName: Bool {
        if bytes.allSatisfy({ $0 == 0 }) { return false }
        if isFour { return !(224...239).contains(bytes[0]) && bytes != [255, 255, 255, 255] }
        return bytes[0] != 0xff && !(bytes[0] == 0xfe && bytes[1] & 0xc0 == 0x80)
    }
}

extension AddressFamilies {
    fileprivate var kinds: [DNSQuestion.Kind] {
        switch self {
        case .any: [.a, .aaaa]
        case .ipv4: [.a]
        case .ipv6: [.aaaa]
        }
    }
}
