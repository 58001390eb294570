import CLinux
import CPeers

/// A client beside the others that does everything by the book, as its endpoint does: whatever the others do, it is
/// answered, with what its endpoint has said to it, soon.
final class CleanClient {
    /// So many turns of the router may pass until it is answered.
    private static let turnLimit = 40

    private let isSecure: Bool
    private var peer: Peer?
    private var asked = 0
    private var answer: [UInt8] = []
    private var turns = 0
    private(set) var isAwaiting = false
    private(set) var answered = 0
    private var askedAt: Int64 = 0
    /// A listener that ran out of something tries again each second.
    private static let respite: Int64 = 1_100_000_000
    /// The router is without something that it needs, or was since this client has asked.
    private var isExcused: Bool { fake_failed_at() > 0 && fake_failed_at() + Self.respite >= askedAt }
    /// Its endpoint's connections.
    private var endpoints: [Int32: CleanEndpoint] = [:]

    init(isSecure: Bool) { self.isSecure = isSecure }

    /// Asks for something, unless it waits for an answer already.
    func ask(_ budget: inout Int) {
        guard !isAwaiting else { return }
        if peer?.isOpen != true || isSecure || asked % 8 == 7 {
            peer?.leave(&budget)
            let place = World.place(isSecure ? "tls" : "web")
            let link = fake_open(place.port, 0x0a01_0001)
            // Nobody listens there, by the script's own doing.
            guard link >= 0 else { return peer = nil }
            let made = Peer(.client(99), secret: World.shared.secret)
            made.connect(link, tls: isSecure ? unsafe cpeers_create(0, 0) : nil, isHTTP2: false)
            peer = made
        }
        asked += 1
        answer = []
        turns = 0
        isAwaiting = true
        askedAt = fake_now()
        let request =
            "GET /\(isSecure ? "sclean" : "clean") HTTP/1.1\r\nhost: a.test\r\nx-pass: \(World.shared.pass)\r\n"
            + "x-token: \(asked)\r\n\r\n"
        peer?.act(Line(verb: .say, bytes: Array(request.utf8)), &budget)
    }

    /// Goes on after a turn.
    func attend(_ budget: inout Int) {
        for (_, endpoint) in endpoints { endpoint.attend(&budget) }
        guard let peer else { return }
        peer.attend(&budget) { answer += $0 }
        guard isAwaiting else { return }
        turns += 1
        if isAnswered {
            isAwaiting = false
            answered += 1
        } else if peer.isConnected, !peer.isOpen, isExcused || turns <= 1 && !isSecure {
            // There was nothing to accept it with; or it was kept, and ended in the turn in which it was used again.
            isAwaiting = false
        } else {
            let isInTime =
                isExcused ? fake_now() < max(askedAt, fake_failed_at()) + 2 * Self.respite : turns <= Self.turnLimit
            demand(isInTime, "a clean client is answered within \(Self.turnLimit) turns (heard \(answer.count) bytes)")
        }
    }

    private var isAnswered: Bool {
        guard !answer.isEmpty, let end = Self.endOfHead(answer) else { return false }
        let whole = Array("<\(asked)>\(isSecure ? "\r\n0\r\n\r\n" : "")".utf8)
        let isCut = peer?.isOpen != true && peer?.isConnected == true
        guard answer.hasSuffix(whole) || isCut || answer.count > end + 20 else { return false }
        if isExcused { return true }
        demand(answer.starts(with: "HTTP/1.1 200 ".utf8), "a clean client is answered by its endpoint")
        demand(answer.hasSuffix(whole), "an answer is whole, and its own")
        return true
    }

    static func endOfHead(_ bytes: [UInt8]) -> Int? {
        var lineFeeds = 0
        for (index, byte) in bytes.enumerated() {
            if byte == 10 { lineFeeds += 1 } else if byte != 13 { lineFeeds = 0 }
            if lineFeeds == 2 { return index + 1 }
        }
        return nil
    }

    /// The router has come to an endpoint of its own.
    func adopt(_ link: Int32, isSecure: Bool) {
        endpoints[link] = CleanEndpoint(link, isSecure: isSecure)
    }

    func leave(_ budget: inout Int) {
        isAwaiting = false
        peer?.leave(&budget)
        for (_, endpoint) in endpoints { endpoint.peer.leave(&budget) }
    }
}

/// Answers each request with its token: to the end of the connection where it is encrypted.
private final class CleanEndpoint {
    let peer: Peer
    private let isSecure: Bool
    private var heard: [UInt8] = []

    init(_ link: Int32, isSecure: Bool) {
        self.isSecure = isSecure
        peer = Peer(.endpoint(99), secret: World.shared.secret)
        peer.connect(link, tls: isSecure ? unsafe cpeers_create(1, 0) : nil, isHTTP2: false)
    }

    func attend(_ budget: inout Int) {
        peer.attend(&budget) { heard += $0 }
        guard let end = CleanClient.endOfHead(heard) else { return }
        let head = heard[..<end]
        heard.removeFirst(end)
        demand(head.value(after: Self.pass).elementsEqual(World.shared.pass.utf8), "an endpoint is sent what is for it")
        let body = [UInt8(ascii: "<")] + head.value(after: Self.token) + [UInt8(ascii: ">")]
        let framing = isSecure ? "connection: close" : "content-length: \(body.count)"
        peer.say(Array("HTTP/1.1 200 OK\r\n\(framing)\r\n\r\n".utf8) + body, &budget)
        if isSecure { peer.act(Line(verb: .end), &budget) }
    }

    private static let pass = Array("\nx-pass: ".utf8)
    private static let token = Array("\nx-token: ".utf8)
}

extension [UInt8] {
    func hasSuffix(_ end: [UInt8]) -> Bool { suffix(end.count).elementsEqual(end) }
}

extension ArraySlice<UInt8> {
    /// What follows `name` up to the line's end.
    fileprivate func value(after name: [UInt8]) -> ArraySlice<UInt8> {
        var matched = 0
        for index in indices {
            matched = self[index] == name[matched] ? matched + 1 : self[index] == name[0] ? 1 : 0
            if matched == name.count { return self[(index + 1)...].prefix { $0 != 13 } }
        }
        return []
    }
}
