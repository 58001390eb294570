internal import Glibc
internal import Reactor
internal import Synchronization
package import TLS

/// Tests run under a sanitizer (`make sanitize`), where everything takes several times as long.
package let isSanitized = unsafe getenv("SPILLWAY_SANITIZE") != nil

/// A blocking connection of a test: whatever bytes it likes, in whatever pieces. Nothing waits longer than five
/// seconds.
package final class RawConnection: @unchecked Sendable {
    package enum End: Equatable {
        case closed, reset, timedOut
        /// Of an encrypted connection: without notice, or not to be decrypted.
        case truncated, corrupted
    }

    private let number: Int32
    private let isOpen = Atomic<Bool>(true)
    private var buffered: [UInt8] = []
    private var session: TLSSession?
    /// The end of an encrypted connection, behind the bytes that came with it.
    private var coming: End?
    private let ending = Mutex<End?>(nil)
    /// How it ended, once a read has met the end. Others than the reader may ask.
    package private(set) var end: End? {
        get { ending.withLock { $0 } }
        set { ending.withLock { $0 = newValue } }
    }

    /// Takes over an open socket.
    package init(owning number: Int32) {
        self.number = number
        // What is said last is with the other side, whatever becomes of the connection.
        var hurries: Int32 = 1
        unsafe setsockopt(
            number, Int32(IPPROTO_TCP), TCP_NODELAY, &hurries, socklen_t(MemoryLayout<Int32>.size))
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        unsafe setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        unsafe setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// - Parameter receiveBuffer: of the kernel, in bytes; nil: as large as it likes.
    package convenience init(port: UInt16, receiveBuffer: Int32? = nil) throws {
        let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.init(owning: number)
        if var size = receiveBuffer {
            unsafe setsockopt(number, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = loopback(port: port)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = unsafe withUnsafePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe Glibc.connect(number, $0, size) }
        }
        if result != 0 { throw Failure(what: "connect: errno \(errno)") }
    }

    deinit {
        close()
    }

    /// Closed by this side.
    package var isClosed: Bool { !isOpen.load(ordering: .relaxed) }

    package func close() {
        if isOpen.exchange(false, ordering: .relaxed) { Glibc.close(number) }
    }

    /// Closes so that the other side sees a reset.
    package func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(number, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    package func shutdownWrite() {
        shutdown(number, Int32(SHUT_WR))
    }

    // Writing

    package func send(_ text: String) {
        send(Array(text.utf8))
    }

    /// Sends all of it; returns how much the other side took before it broke, or stood still for five seconds.
    @discardableResult
    package func send(_ bytes: [UInt8]) -> Int {
        guard let session else { return sendPlainly(bytes) }
        var count = 0
        while count < bytes.count {
            let (taken, output) = using.withLock { _ in
                (
                    try? bytes.withBytes { try session.write($0.extracting(count..<bytes.count)) },
                    takeOutput(of: session)
                )
            }
            guard let taken else { break }
            count += taken
            if !output.isEmpty { sendPlainly(output) }
        }
        return count
    }

    /// A session serves one thread at a time; a test may read in one and send in another.
    private let using = Mutex(())

    private func sendOutput(of session: TLSSession) {
        let output = takeOutput(of: session)
        if !output.isEmpty { sendPlainly(output) }
    }

    private func takeOutput(of session: TLSSession) -> [UInt8] {
        var output: [UInt8] = []
        session.port.takeOutput { output.append(contentsOf: $0) }
        return output
    }

    /// Bytes as they are, also on an encrypted connection.
    @discardableResult
    package func sendPlainly(_ bytes: [UInt8]) -> Int {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes[sent...].withUnsafeBytes {
                unsafe Glibc.send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { break }
            sent += count
        }
        return sent
    }

    // Reading

    /// Reads what there is into the buffer. False at the end.
    private func fill() -> Bool {
        if end == nil, let coming { end = coming }
        if end != nil { return false }
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe chunk.withUnsafeMutableBytes { unsafe recv(number, $0.baseAddress, $0.count, 0) }
        switch count {
        case 1... where session != nil: decrypt(chunk[..<count])
        case 0: end = session == nil ? .closed : .truncated
        case ..<0: end = errno == EAGAIN ? .timedOut : .reset
        default: buffered += chunk[..<count]
        }
        return end == nil
    }

    private func decrypt(_ bytes: ArraySlice<UInt8>) {
        guard let session else { return }
        let output = using.withLock { _ in
            read(bytes, session)
            return takeOutput(of: session)
        }
        if !output.isEmpty { sendPlainly(output) }
    }

    private func read(_ bytes: ArraySlice<UInt8>, _ session: TLSSession) {
        Array(bytes).withBytes { session.port.fill($0) }
        var room = [UInt8](repeating: 0, count: bytes.count + TLSPort.recordLimit)
        repeat {
            switch unsafe room.withUnsafeMutableBytes({ unsafe session.read(into: $0) }) {
            case .bytes(let count): buffered += room[..<count]
            case .wantsMore: break
            case .closed: coming = .closed
            case .failed(let failure):
                coming = .corrupted
                self.failure = failure
            }
        } while session.hasUnread && coming == nil
    }

    // Encryption

    /// What encryption failed of.
    package private(set) var failure: TLSFailure?
    package var isResumed: Bool { session?.isResumed ?? false }
    package var identity: PeerIdentity? { session?.peerIdentity }

    /// Whether this was agreed on.
    package func speaks(_ name: StaticString) -> Bool { session?.speaks(name) ?? false }

    /// Shakes hands as a client.
    package func secure(
        _ client: TLSClient, expecting peer: TLSPeerName = .none, resumption: TLSResumption? = nil
    ) throws(TLSFailure) {
        try shakeHands(try TLSSession(client, expecting: peer, resumption: resumption, port: TLSPort()))
    }

    /// Shakes hands as a server.
    package func secure(_ server: TLSServer) throws(TLSFailure) {
        try shakeHands(try TLSSession(server, port: TLSPort()))
    }

    private func shakeHands(_ session: TLSSession) throws(TLSFailure) {
        var outcome = session.handshake()
        while true {
            sendOutput(of: session)
            switch outcome {
            case .done:
                session.keepInput()
                self.session = session
                if session.hasUnread { readHeld(session) }
                return
            case .failed(let failure): throw failure
            case .wantsMore: break
            }
            guard !buffered.isEmpty || fill() else { throw .peerClosed }
            buffered.withBytes { session.port.fill($0) }
            buffered = []
            outcome = session.handshake()
        }
    }

    private func readHeld(_ session: TLSSession) {
        session.offerHeld()
        var room = [UInt8](repeating: 0, count: 1 << 17)
        if case .bytes(let count) = unsafe room.withUnsafeMutableBytes({ unsafe session.read(into: $0) }) {
            buffered += room[..<count]
        }
    }

    /// Ends it with notice.
    package func closeSecurely() {
        session?.close()
        if let session { sendOutput(of: session) }
        close()
    }

    /// Everything until the end.
    package func readToEnd() -> String {
        while fill() {}
        defer { buffered = [] }
        return String(decoding: buffered, as: UTF8.self)
    }

    /// The next bytes; fewer if the connection ends before.
    package func read(_ count: Int) -> [UInt8] {
        while buffered.count < count, fill() {}
        let taken = Array(buffered.prefix(count))
        buffered.removeFirst(taken.count)
        return taken
    }

    /// The next line without its line end; nil if the connection ends before.
    package func readLine() -> String? {
        var searched = 0
        while true {
            if let newline = buffered[searched...].firstIndex(of: 0x0a) {
                let end = newline > 0 && buffered[newline - 1] == 0x0d ? newline - 1 : newline
                // Not a slice that lives on: it would have all that follows copied.
                let line = String(decoding: buffered[..<end], as: UTF8.self)
                buffered.removeFirst(newline + 1)
                return line
            }
            searched = buffered.count
            if !fill() { return nil }
        }
    }

    /// Waits for the end and for nothing else.
    package func readEnd() -> End? {
        while fill() {
            if !buffered.isEmpty { return nil }
        }
        return end
    }

    /// The next message's start line, fields and body; nil if the connection ends before its head is complete.
    ///
    /// - Parameter hasBody: false for what has none whatever its fields say.
    package func readMessage(hasBody: Bool = true, bodyUntilEnd: Bool = false) -> Message? {
        guard let start = readLine() else { return nil }
        var message = Message(start: start)
        guard readFields(into: &message.fields) else { return nil }
        guard hasBody else { return message }
        if message["transfer-encoding"] == "chunked" {
            readChunks(into: &message)
        } else if let length = message["content-length"].flatMap({ Int($0) }) {
            message.body = read(length)
            message.isWhole = message.body.count == length
        } else if bodyUntilEnd {
            message.body = Array(readToEnd().utf8)
            message.isWhole = end == .closed
        }
        return message
    }

    private func readFields(into fields: inout [Field]) -> Bool {
        while let line = readLine() {
            if line.isEmpty { return true }
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            fields.append(
                Field(name: parts[0].lowercased(), value: parts.count == 2 ? trimmed(parts[1]) : ""))
        }
        return false
    }

    private func readChunks(into message: inout Message) {
        message.isWhole = false
        while let line = readLine(), let size = Int(line, radix: 16) {
            if size == 0 {
                message.isWhole = readFields(into: &message.trailers)
                return
            }
            let piece = read(size)
            message.body += piece
            message.chunks += 1
            if piece.count < size || readLine() != "" { return }
        }
    }
}

package struct Field: Equatable {
    package var name: String
    package var value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// A request or a response as a test sees it.
package struct Message {
    package var start: String
    package var fields: [Field] = []
    package var body: [UInt8] = []
    package var trailers: [Field] = []
    package var chunks = 0
    package var isWhole = true

    package init(start: String) {
        self.start = start
    }

    /// A field's values, joined by commas; nil if there is none.
    package subscript(name: String) -> String? {
        let values = fields.filter { $0.name == name }.map(\.value)
        return values.isEmpty ? nil : values.joined(separator: ",")
    }

    package var text: String { String(decoding: body, as: UTF8.self) }

    /// Of a response.
    package var status: Int { start.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0 }

    /// Of a request.
    package var method: String { start.split(separator: " ").first.map(String.init) ?? "" }
    package var target: String { start.split(separator: " ").dropFirst().first.map(String.init) ?? "" }
}

/// What keeps a test from being carried out.
package struct Failure: Error {
    package var what: String

    package init(what: String) {
        self.what = what
    }
}

/// The descriptor of this process's socket that listens on that port of 127.0.0.1.
package func descriptor(listeningAt port: UInt16) -> Int32? {
    (3..<4_096).first { number in
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = unsafe withUnsafeMutablePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(number, $0, &size) }
        }
        return result == 0 && address.sin_family == AF_INET && UInt16(bigEndian: address.sin_port) == port
    }
}

func loopback(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
}

func portNumber(of address: sockaddr_in) -> UInt16 {
    UInt16(bigEndian: address.sin_port)
}

func trimmed(_ text: Substring) -> String {
    String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
}

package func pause(milliseconds: UInt32) {
    usleep(milliseconds * 1_000)
}

/// Whether a condition comes to hold within five seconds.
package func eventually(_ condition: () -> Bool) -> Bool {
    for _ in 0..<5_000 {
        if condition() { return true }
        usleep(1_000)
    }
    return condition()
}

/// Runs `body` on a thread of its own.
package func inBackground(_ body: @escaping @Sendable () -> Void) throws {
    try Reactor.Thread.start(name: "test", body)
}
