internal import CLinux

/// What a read gave.
package enum ReadOutcome: Equatable {
    case bytes(Int)
    /// The peer will send no more.
    case endOfStream
    case wouldBlock
    case failed(SystemError)
}

/// What a write did.
package enum WriteOutcome: Equatable {
    /// So many bytes were taken, perhaps not all.
    case wrote(Int)
    case wouldBlock
    case failed(SystemError)
}

/// A non-blocking stream socket.
package struct Socket: ~Copyable {
    private var descriptor: Descriptor
    /// The connection is being opened: when it becomes writable, `takeError` tells how that went.
    package let isConnecting: Bool

    init(descriptor: consuming Descriptor, isConnecting: Bool = false) {
        self.descriptor = descriptor
        self.isConnecting = isConnecting
    }

    /// One that is closed.
    package static var none: Socket { Socket(descriptor: Descriptor(owning: -1)) }

    var number: Int32 { descriptor.number }

    package var isOpen: Bool { descriptor.isOpen }

    package mutating func close() {
        descriptor.close()
    }

    /// Closes so that the peer sees a reset, not an end.
    package mutating func reset() {
        if descriptor.isOpen { _ = clinux_reset_on_close(descriptor.number) }
        descriptor.close()
    }

    /// Says that no more will be sent; reading goes on.
    package borrowing func shutdownWrite() {
        _ = clinux_shutdown_write(descriptor.number)
    }

    /// Begins a connection. Small writes go out at once (no Nagle delay).
    package static func connect(to address: SocketAddress) throws(SystemError) -> Socket {
        let number = Int32(try SystemError.check(Int(clinux_socket(address.family))))
        let descriptor = Descriptor(owning: number)
        if !address.isUnix { _ = clinux_set_option(number, Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
        if address.ip?.isLoopback == true { _ = clinux_send_unpaced(number) }
        let result = unsafe withUnsafePointer(to: address.raw) { unsafe clinux_connect(number, $0) }
        if result == 0 || result == -EINPROGRESS {
            return Socket(descriptor: descriptor, isConnecting: result != 0)
        }
        // A UNIX-domain socket whose backlog is full says EAGAIN: nobody will tell us when to try again.
        if result == -EAGAIN && address.isUnix { throw .connectionRefused }
        // One of two: no local port is left, or this host has no address of that kind at all. EINVAL is for a link-local
        // address of IPv6 without its interface.
        if result == -EADDRNOTAVAIL || result == -EINVAL, !hasRoute(to: address) { throw .noRoute }
        throw SystemError(result: Int(result))
    }

    /// A datagram socket that sends to one address and hears from no other.
    package static func datagram(to address: SocketAddress) throws(SystemError) -> Socket {
        let descriptor = Descriptor(
            owning: Int32(try SystemError.check(Int(clinux_datagram_socket(address.family)))))
        let result = unsafe withUnsafePointer(to: address.raw) {
            unsafe clinux_connect(descriptor.number, $0)
        }
        _ = try SystemError.check(Int(result))
        return Socket(descriptor: descriptor)
    }

    /// Whether this host has a route to an address, and an address of its own to send from. Nothing is sent.
    package static func hasRoute(to address: SocketAddress) -> Bool {
        do {
            _ = try datagram(to: address)
            return true
        } catch {
            return !error.isUnreachable && error.code != EADDRNOTAVAIL && error.code != EINVAL
        }
    }

    /// The outcome of a pending connect, or another error the socket met.
    package borrowing func takeError() -> SystemError? {
        let result = clinux_take_error(descriptor.number)
        return result == 0 ? nil : SystemError(result: Int(result))
    }

    /// Whether an idle connection is still as it should be: open, with nothing to read.
    package borrowing func isQuiet() -> Bool {
        var byte: UInt8 = 0
        let result = unsafe clinux_peek(descriptor.number, &byte, 1)
        return result == -Int(EAGAIN)
    }

    package borrowing func localAddress() -> SocketAddress? {
        var raw = clinux_address()
        guard unsafe clinux_local_address(descriptor.number, &raw) == 0 else { return nil }
        return SocketAddress(raw: raw)
    }

    package borrowing func receive(into memory: UnsafeMutableRawBufferPointer) -> ReadOutcome {
        let result = unsafe clinux_receive(descriptor.number, memory.baseAddress, memory.count)
        if result > 0 { return .bytes(result) }
        if result == 0 { return .endOfStream }
        return result == -Int(EAGAIN) ? .wouldBlock : .failed(SystemError(result: result))
    }

    package borrowing func send(_ bytes: RawSpan) -> WriteOutcome {
        unsafe bytes.withUnsafeBytes { bytes in
            outcome(unsafe clinux_send(descriptor.number, bytes.baseAddress, bytes.count))
        }
    }

    /// Both pieces in one system call.
    package borrowing func send(_ first: RawSpan, _ second: RawSpan) -> WriteOutcome {
        unsafe first.withUnsafeBytes { first in
            unsafe second.withUnsafeBytes { second in
                outcome(
                    unsafe clinux_send_two(
                        descriptor.number, first.baseAddress, first.count, second.baseAddress, second.count))
            }
        }
    }

    /// How many bytes that were sent have not reached the other host, as far as it has told; a system call.
    package borrowing func unacknowledged() -> Int {
        max(clinux_unacknowledged(descriptor.number), 0)
    }

    private borrowing func outcome(_ result: Int) -> WriteOutcome {
        if result >= 0 { return .wrote(result) }
        return result == -Int(EAGAIN) ? .wouldBlock : .failed(SystemError(result: result))
    }
}

/// What an accept gave.
package enum AcceptOutcome: ~Copyable {
    case accepted(Socket, peer: SocketAddress)
    case wouldBlock
    case failed(SystemError)
}

/// A socket that waits for connections.
package struct ListeningSocket: ~Copyable {
    private var descriptor: Descriptor
    /// One that is closed.
    package static var none: ListeningSocket {
        ListeningSocket(descriptor: Descriptor(owning: -1), address: SocketAddress(raw: clinux_address()))
    }

    /// Where it really listens: the port is known even if port 0 was asked for.
    package let address: SocketAddress

    var number: Int32 { descriptor.number }

    package var isOpen: Bool { descriptor.isOpen }

    package mutating func close() {
        descriptor.close()
    }

    /// Connections that may wait to be accepted, unless the system allows fewer (net.core.somaxconn).
    package static let backlog: Int32 = 4_096

    /// Listens with SO_REUSEPORT, so that every worker has a queue of its own; accepted sockets inherit no delay.
    /// A UNIX-domain path must not exist.
    /// - Parameter prepare: called when the address is taken, and before anybody can connect.
    package init(
        at address: SocketAddress, backlog: Int32 = ListeningSocket.backlog,
        prepare: () throws(SystemError) -> Void = {}
    ) throws(SystemError) {
        let number = Int32(try SystemError.check(Int(clinux_socket(address.family))))
        let descriptor = Descriptor(owning: number)
        if !address.isUnix {
            for (level, option) in [
                (SOL_SOCKET, SO_REUSEADDR), (SOL_SOCKET, SO_REUSEPORT), (Int32(IPPROTO_TCP), TCP_NODELAY),
                (SOL_SOCKET, SO_KEEPALIVE),
            ] {
                _ = try SystemError.check(Int(clinux_set_option(number, level, option, 1)))
            }
            if address.ip?.isLoopback == true { _ = clinux_send_unpaced(number) }
        }
        _ = try SystemError.check(unsafe withUnsafePointer(to: address.raw) { Int(unsafe clinux_bind(number, $0)) })
        try prepare()
        _ = try SystemError.check(Int(clinux_listen(number, backlog)))
        var local = clinux_address()
        _ = try SystemError.check(unsafe Int(clinux_local_address(number, &local)))
        self.descriptor = descriptor
        self.address = SocketAddress(raw: local)
    }

    /// Whether somebody listens at an address, perhaps another process that would share it (SO_REUSEPORT).
    package static func isTaken(_ address: SocketAddress) -> Bool {
        guard let number = try? SystemError.check(Int(clinux_socket(address.family))) else { return false }
        let descriptor = Descriptor(owning: Int32(number))
        // Without it, connections of before that linger on would count, too.
        _ = clinux_set_option(descriptor.number, SOL_SOCKET, SO_REUSEADDR, 1)
        return unsafe withUnsafePointer(to: address.raw) { unsafe clinux_bind(descriptor.number, $0) } == -EADDRINUSE
    }

    /// A second owner of the same queue, for another worker of a UNIX-domain listener (which has no SO_REUSEPORT).
    package borrowing func duplicate() throws(SystemError) -> ListeningSocket {
        ListeningSocket(
            descriptor: Descriptor(owning: Int32(try SystemError.check(Int(clinux_duplicate(descriptor.number))))),
            address: address)
    }

    private init(descriptor: consuming Descriptor, address: SocketAddress) {
        self.descriptor = descriptor
        self.address = address
    }

    package borrowing func accept() -> AcceptOutcome {
        var peer = clinux_address()
        let result = unsafe clinux_accept(descriptor.number, &peer)
        if result >= 0 {
            return .accepted(Socket(descriptor: Descriptor(owning: result)), peer: SocketAddress(raw: peer))
        }
        return result == -EAGAIN ? .wouldBlock : .failed(SystemError(result: Int(result)))
    }
}
