import CLinux
import CPeers

/// A client or an endpoint: what the script has it do, once it is there.
final class Peer {
    let actor: Actor
    private(set) var link: Int32 = -1
    /// Whose endpoint it is.
    var service = -1
    private(set) var tls: OpaquePointer?
    private var handshake: Int32 = 0
    private var hasBegun = false
    /// What it is to do once it is connected, and encrypted if it is to be.
    private var waiting: [Line] = []
    private(set) var isStalled = false
    private(set) var isPaced = false
    /// What it has to take before it stalls again.
    private var allowance = 0
    /// It has not taken all that it was sent, or not in time.
    private(set) var hasMissed = false

    /// Counted by itself: messages of HTTP/1, streams of HTTP/2 that are to be answered.
    private(set) var asked = RequestCounter()
    /// What every request on it is answered with; nil: only what the script says.
    var answer: [UInt8]?
    /// A client of the listener `inner` may read what others may not.
    var maySeeSecret = false
    private var secretFinder: Finder

    init(_ actor: Actor, secret: String) {
        self.actor = actor
        secretFinder = Finder(Array(secret.utf8))
    }

    deinit {
        if let tls { unsafe cpeers_free(tls) }
    }

    var isConnected: Bool { link >= 0 && fake_look(link).pointee.state != FAKE_OPENING }
    var isOpen: Bool { link >= 0 && fake_look(link).pointee.state == FAKE_OPEN }
    private var isReady: Bool { isOpen && (tls == nil || handshake == 1) }

    func connect(_ link: Int32, tls session: OpaquePointer?, isHTTP2: Bool) {
        self.link = link
        tls = session
        asked = RequestCounter(isHTTP2: isHTTP2)
    }

    // What it does

    /// How many bytes are said by the script, however often.
    func act(_ line: Line, _ budget: inout Int) {
        if link < 0 || tls != nil && handshake == 0 && line.verb != .raw || !isConnected && !isClient {
            if waiting.count < 16 { waiting.append(line) }
            return
        }
        perform(line, &budget)
    }

    private var isClient: Bool { if case .client = actor { true } else { false } }

    private func perform(_ line: Line, _ budget: inout Int) {
        switch line.verb {
        case .say: say(line.bytes, times: line.number(0, or: 1), &budget)
        case .raw: sayPlainly(line.bytes, times: line.number(0, or: 1), &budget)
        case .frame:
            let frame = Frames.frame(
                type: line.number(0, or: 0), flags: line.number(1, or: 0), stream: line.number(2, or: 0), line.bytes)
            say(frame, times: line.number(3, or: 1), &budget)
        case .fields:
            let frame = Frames.head(flags: line.number(0, or: 0), stream: line.number(1, or: 0), line.bytes)
            say(frame, times: line.number(2, or: 1), &budget)
        case .record:
            if let tls {
                sayPlainly(seal(tls, UInt8(truncatingIfNeeded: line.number(0, or: 23)), line.bytes), times: 1, &budget)
            }
        case .end:
            if let tls, handshake == 1, line.word(0) != "cut" { sayPlainly(seal(tls, 21, [1, 0]), times: 1, &budget) }
            fake_end(link)
        case .leave, .reset:
            hasMissed = true
            if line.verb == .leave { fake_leave(link) } else { fake_break(link) }
        case .stall:
            isStalled = true
            hasMissed = true
            fake_set_room(link, max(0, line.number(0, or: 0)))
        case .take:
            if line.numbers.isEmpty {
                isStalled = false
                fake_set_room(link, Int(FAKE_ROOM))
            } else {
                allowance += max(0, line.number(0, or: 0))
            }
        case .pace:
            isPaced = true
            fake_set_pace(link, max(0, line.number(0, or: 0)))
        default: break
        }
    }

    /// Goes for good.
    func leave(_ budget: inout Int) {
        if link >= 0 { fake_leave(link) }
    }

    func say(_ bytes: [UInt8], times: Int = 1, _ budget: inout Int) {
        guard let tls else { return sayPlainly(bytes, times: times, &budget) }
        // Small messages share records, as they do when somebody is in a hurry.
        let limit = 16_384
        guard !bytes.isEmpty, handshake == 1 else { return }
        let times = min(max(times, 0), budget / bytes.count)
        var left = times
        while left > 0 {
            let count = min(left, max(1, limit / bytes.count))
            var content: [UInt8] = []
            for _ in 0..<count { content += bytes }
            for start in stride(from: 0, to: content.count, by: limit) {
                sayPlainly(seal(tls, 23, Array(content[start..<min(start + limit, content.count)])), times: 1, &budget)
            }
            left -= count
        }
    }

    private static let mostAtOnce = 1 << 20

    private func sayPlainly(_ bytes: [UInt8], times: Int, _ budget: inout Int) {
        guard !bytes.isEmpty else { return }
        let times = min(max(times, 0), min(budget, Self.mostAtOnce) / bytes.count)
        budget -= times * bytes.count
        if times > 0 { unsafe fake_say(link, bytes, bytes.count, times) }
    }

    private func seal(_ tls: OpaquePointer, _ type: UInt8, _ content: [UInt8]) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: content.count + 22) { record, count in
            count = unsafe cpeers_seal(tls, type, content, content.count, record.baseAddress)
        }
    }

    // What it hears

    /// Takes what the router has sent, goes on with a handshake, and does what waited for it. `heard` is lent what was
    /// said to it.
    func attend(_ budget: inout Int, heard: (ArraySlice<UInt8>) -> Void = { _ in }) {
        guard link >= 0 else { return }
        take(heard)
        if !waiting.isEmpty, isReady || tls != nil && handshake < 0 || isConnected && !isOpen {
            let lines = waiting
            waiting = []
            for line in lines { act(line, &budget) }
        }
        if let answer, isReady {
            for message in asked.takeAnswers(answer) { say(message, &budget) }
        }
        forgetSession()
    }

    /// The router has closed, and all that it sent was heard. A session is 28 KB, and a script may have hundreds of them:
    /// what is held for long is to be the router's.
    private func forgetSession() {
        guard let session = tls, hasBeenClosed else { return }
        unsafe cpeers_free(session)
        tls = nil
        handshake = -1
    }

    private var hasBeenClosed: Bool {
        var bytes: UnsafePointer<UInt8>?
        return unsafe fake_look(link).pointee.state.rawValue > FAKE_OPEN.rawValue && fake_lend(link, &bytes) == 0
    }

    private func take(_ heard: (ArraySlice<UInt8>) -> Void) {
        var bytes: UnsafePointer<UInt8>?
        var count = Int(unsafe fake_lend(link, &bytes))
        if isStalled {
            count = min(count, allowance)
            allowance -= count
        }
        guard count > 0 || tls != nil && !hasBegun && isConnected else { return }
        let said = unsafe [UInt8](UnsafeBufferPointer(start: bytes, count: count))
        if count > 0 { fake_take(link, count) }
        guard let tls else { return hear(said[...], heard) }
        if count > 0 { unsafe cpeers_hear(tls, said, count) }
        if handshake == 0, isConnected { shakeHands(tls) }
        guard handshake == 1, count > 0 else { return }
        while true {
            let read = unsafe cpeers_read(tls, Self.room.baseAddress, Self.room.count)
            guard read > 0 else { return }
            hear(unsafe Array(Self.room[..<read])[...], heard)
        }
    }

    private func shakeHands(_ tls: OpaquePointer) {
        hasBegun = true
        handshake = unsafe cpeers_go_on(tls)
        let written = unsafe cpeers_say(tls, Self.room.baseAddress, Self.room.count)
        if written > 0 { unsafe fake_say(link, Self.room.baseAddress, written, 1) }
    }

    nonisolated(unsafe) private static let room = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 16_384)

    private func hear(_ bytes: ArraySlice<UInt8>, _ heard: (ArraySlice<UInt8>) -> Void) {
        tell("\(actor) hears \(String(decoding: LineReader.quote(bytes.prefix(200)), as: UTF8.self))")
        asked.count(bytes)
        if isClient, !maySeeSecret, secretFinder.finds(in: bytes) {
            demand(false, "a client is answered by the routes of its own listener")
        }
        heard(bytes)
    }
}

/// Finds a word in bytes that come in pieces. Byte by byte: what libFuzzer knows of comparisons would end up in inputs.
struct Finder {
    private let word: [UInt8]
    private var matched = 0

    init(_ word: [UInt8]) { self.word = word }

    mutating func finds(in bytes: ArraySlice<UInt8>) -> Bool {
        for byte in bytes {
            // The word begins with a character that it may have again: close enough for one made by chance.
            if byte == word[matched] { matched += 1 } else { matched = byte == word[0] ? 1 : 0 }
            if matched == word.count {
                matched = 0
                return true
            }
        }
        return false
    }
}

/// Counts the requests that an endpoint is sent.
struct RequestCounter {
    private let isHTTP2: Bool
    /// Of HTTP/1: heads that have ended; of HTTP/2: streams whose request is complete.
    private var heads = 0
    /// Requests that were begun.
    private(set) var total = 0
    private var streams: [Int] = []
    private var lineFeeds = 0
    // Of HTTP/2
    private var skipping = 24
    private var head: [UInt8] = []
    private var hasGreeted = false

    init(isHTTP2: Bool = false) { self.isHTTP2 = isHTTP2 }

    mutating func count(_ bytes: ArraySlice<UInt8>) {
        if isHTTP2 { return countFrames(bytes) }
        for byte in bytes {
            if byte == 10 {
                lineFeeds += 1
                if lineFeeds == 2 {
                    heads += 1
                    total += 1
                }
            } else if byte != 13 {
                lineFeeds = 0
            }
        }
    }

    private mutating func countFrames(_ bytes: ArraySlice<UInt8>) {
        var offset = bytes.startIndex
        while offset < bytes.endIndex {
            let passed = min(skipping, bytes.endIndex - offset)
            skipping -= passed
            offset += passed
            guard offset < bytes.endIndex else { return }
            head.append(bytes[offset])
            offset += 1
            guard head.count == 9 else { continue }
            skipping = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
            let stream = Int(head[5] & 0x7f) << 24 | Int(head[6]) << 16 | Int(head[7]) << 8 | Int(head[8])
            if head[3] == 1 { total += 1 }
            if head[3] <= 1, head[4] & 1 != 0, streams.count < 256 { streams.append(stream) }
            head = []
        }
    }

    mutating func takeAnswers(_ answer: [UInt8]) -> [[UInt8]] {
        if !isHTTP2 {
            defer { heads = 0 }
            return Array(repeating: answer, count: min(heads, 256))
        }
        var messages: [[UInt8]] = []
        if !hasGreeted {
            hasGreeted = true
            messages.append(Frames.frame(type: 4, flags: 0, stream: 0, []))
        }
        for stream in streams {
            messages.append(Frames.head(flags: 4, stream: stream, Array(":status: 200".utf8)))
            messages.append(Frames.frame(type: 0, flags: 1, stream: stream, answer))
        }
        streams = []
        return messages
    }
}

/// Frames of HTTP/2 (RFC 9113, 4.1), well-formed as far as the script has them so.
enum Frames {
    static func frame(type: Int, flags: Int, stream: Int, _ payload: [UInt8]) -> [UInt8] {
        let count = payload.count
        let stream = UInt32(truncatingIfNeeded: stream)
        return [
            UInt8(truncatingIfNeeded: count >> 16), UInt8(truncatingIfNeeded: count >> 8),
            UInt8(truncatingIfNeeded: count),
            UInt8(truncatingIfNeeded: type), UInt8(truncatingIfNeeded: flags),
            UInt8(truncatingIfNeeded: stream >> 24), UInt8(truncatingIfNeeded: stream >> 16),
            UInt8(truncatingIfNeeded: stream >> 8), UInt8(truncatingIfNeeded: stream),
        ] + payload
    }

    /// HEADERS whose fields, a line each, are literals without indexing (RFC 7541, 6.2.2).
    static func head(flags: Int, stream: Int, _ fields: [UInt8]) -> [UInt8] {
        var block: [UInt8] = []
        for line in fields.split(separator: 10) {
            // A name may begin with a colon.
            let colon = line.dropFirst().firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
            var value = line[min(colon + 1, line.endIndex)...]
            if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
            block.append(0)
            append(line[line.startIndex..<colon], to: &block)
            append(value, to: &block)
        }
        return frame(type: 1, flags: flags, stream: stream, block)
    }

    private static func append(_ string: ArraySlice<UInt8>, to block: inout [UInt8]) {
        if string.count < 127 {
            block.append(UInt8(string.count))
        } else {
            block.append(127)
            var rest = string.count - 127
            while rest >= 128 {
                block.append(UInt8(rest & 127 | 128))
                rest >>= 7
            }
            block.append(UInt8(rest))
        }
        block += string
    }
}
