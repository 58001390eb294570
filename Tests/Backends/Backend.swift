internal import Glibc
internal import Reactor
internal import Synchronization
package import TLS

/// A real server on a port of its own that answers as its script says, one thread per connection.
package final class Backend: Sendable {
    /// Answers a request on its connection. False: the connection is done with.
    package typealias Script = @Sendable (Message, RawConnection) -> Bool

    package let port: UInt16
    private let listening: Int32
    private let isStopped = Atomic<Bool>(false)
    /// Connections that wait to be accepted and never are.
    private let fillers: [Int32]
    private let received = Mutex<[Message]>([])
    private let accepted = Mutex<[RawConnection]>([])

    /// Complete requests, in the order in which they came.
    package var requests: [Message] { received.withLock { $0 } }
    /// Connections ever accepted.
    package var connections: [RawConnection] { accepted.withLock { $0 } }

    /// Handshakes that failed, and of what.
    package var handshakeFailures: [TLSFailure] { failures.withLock { $0 } }
    private let failures = Mutex<[TLSFailure]>([])

    /// The same, encrypted.
    package convenience init(tls server: TLSServer, _ script: @escaping Script = Backend.ok) throws {
        try self.init(connections: { backend, connection in
            do throws(TLSFailure) {
                try connection.secure(server)
            } catch {
                backend.failures.withLock { $0.append(error) }
                return connection.close()
            }
            while let request = connection.readMessage() {
                guard request.isWhole else { return }
                backend.received.withLock { $0.append(request) }
                if !script(request, connection) { return connection.closeSecurely() }
            }
        })
    }

    /// Reads requests in full, remembers them, and has each answered.
    package convenience init(_ script: @escaping Script = Backend.ok) throws {
        try self.init(connections: { backend, connection in
            while let request = connection.readMessage() {
                guard request.isWhole else { return }
                backend.received.withLock { $0.append(request) }
                if !script(request, connection) { return connection.close() }
            }
        })
    }

    /// Has each connection handled from its beginning.
    package init(connections handle: @escaping @Sendable (Backend, RawConnection) -> Void) throws {
        fillers = []
        (listening, port) = try Self.listen(backlog: 128)
        let number = listening
        try Thread.start(name: "backend") { [weak self] in
            while true {
                let accepted = accept(number, nil, nil)
                guard accepted >= 0, let self else {
                    close(number)
                    if accepted >= 0 { close(accepted) }
                    return
                }
                let connection = RawConnection(owning: accepted)
                self.accepted.withLock { $0.append(connection) }
                try? Thread.start(name: "backend") { handle(self, connection) }
            }
        }
    }

    /// One that takes no connection and says nothing: its queue is full, and the kernel drops what else comes.
    package static func dark() throws -> Backend { try Backend(fillers: 4) }

    private init(fillers count: Int) throws {
        (listening, port) = try Self.listen(backlog: 0)
        var fillers: [Int32] = []
        for _ in 0..<count {
            let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            var address = loopback(port: port)
            unsafe withUnsafeMutablePointer(to: &address) { address in
                unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = unsafe connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            fillers.append(number)
        }
        self.fillers = fillers
    }

    private static func listen(backlog: Int32) throws -> (number: Int32, port: UInt16) {
        let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(port: 0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = unsafe withUnsafeMutablePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(number, $0, size) == 0 && Glibc.listen(number, backlog) == 0
                    && getsockname(number, $0, &size) == 0
            }
        }
        guard result else { throw Failure(what: "listen: errno \(errno)") }
        return (number, UInt16(bigEndian: address.sin_port))
    }

    deinit {
        stop()
    }

    /// Refuses connections from now on.
    package func stop() {
        // Once: the accepting thread then closes the number, and it may be another socket's by the next time.
        if isStopped.exchange(true, ordering: .relaxed) { return }
        shutdown(listening, Int32(SHUT_RDWR))
        // Nobody accepts there.
        if !fillers.isEmpty { close(listening) }
        for number in fillers { close(number) }
    }

    /// One that refuses connections.
    package static func refusing() throws -> Backend {
        let backend = try Backend()
        backend.stop()
        return backend
    }

    // Scripts

    package static let ok: Script = { request, connection in
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\(request.method == "HEAD" ? "" : "ok")")
        return true
    }

    /// Always these bytes; then the connection is kept, or closed.
    package static func says(_ answer: String, thenCloses: Bool = false) -> Script {
        { _, connection in
            connection.send(answer)
            return !thenCloses
        }
    }

    package static func body(_ text: String) -> Script {
        says("HTTP/1.1 200 OK\r\ncontent-length: \(text.utf8.count)\r\n\r\n\(text)")
    }

    package static func status(_ status: Int) -> Script {
        says("HTTP/1.1 \(status) Whatever\r\ncontent-length: 0\r\n\r\n")
    }

    package static let resets: Script = { _, connection in
        connection.reset()
        return false
    }

    /// Never answers.
    package static let hangs: Script = { _, _ in true }
}
