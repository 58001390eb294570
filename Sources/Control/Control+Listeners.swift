internal import Logging
internal import Proxy
internal import Reactor
internal import RouteTable

extension Control {
    /// Opens what the new table adds, without holding anybody up: a socket's file may lie on a disk that does not answer,
    /// and its owner's number may be known to a server of users alone.
    func openListeners(of new: Table) async throws(StartFailure) -> ListenerOpening.Opened {
        let opening = ListenerOpening(
            new: new, old: table, listening: listening, workers: mailboxes.count, logger: logger)
        return try await Thread.run(name: "listeners") {
            Result { () throws(StartFailure) in try opening.open() }
        }.get()
    }
}

/// Listening sockets: opened before a table is taken on, so that one that cannot be had refuses the table.
struct ListenerOpening: Sendable {
    typealias Opened = (sockets: [[ListeningSocketBox]], addresses: [ListenerIdentity: SocketAddress])

    let new: Table
    /// The table that is served.
    let old: Table
    /// Where that listens.
    let listening: [ListenerIdentity: SocketAddress]
    let workers: Int
    let logger: Logger

    /// Opens what the new table adds, one socket for each worker, before anything is changed.
    func open() throws(StartFailure) -> Opened {
        var boxes: [[ListeningSocketBox]] = (0..<workers).map { _ in [] }
        var opened: [ListenerIdentity: SocketAddress] = [:]
        for (index, listener) in new.listeners.enumerated() {
            if let known = listening[listener.identity] {
                opened[listener.identity] = known
                try updateAccess(of: listener)
                continue
            }
            do {
                let first = try open(listener, beside: opened)
                opened[listener.identity] = first.address
                for worker in 1..<max(workers, 1) {
                    let another = first.address.isUnix ? try first.duplicate() : try ListeningSocket(at: first.address)
                    boxes[worker].append(ListeningSocketBox(listener: index, socket: another))
                }
                logger.notice("listener \(listener.name) on \(listener.place(first.address))")
                boxes[0].append(ListeningSocketBox(listener: index, socket: first))
            } catch let error as SystemError {
                throw listener.failure("\(error)")
            } catch let error as StartFailure {
                throw error
            } catch {
                throw listener.failure("\(error)")
            }
        }
        return (boxes, opened)
    }

    private func open(_ listener: Listener, beside opened: [ListenerIdentity: SocketAddress]) throws -> ListeningSocket
    {
        switch listener.bind {
        case .ip(let text, let port):
            guard let address = SocketAddress(ip: text, port: port) else { throw SystemError.invalid }
            if !isOurs(port, opened), ListeningSocket.isTaken(address) {
                logger.warning(
                    "another process listens on \(address), too: the system gives each of the two some of the connections"
                )
            }
            return try ListeningSocket(at: address)
        case .unix(let path):
            guard let address = SocketAddress(unixPath: path) else { throw SystemError.invalid }
            try makeRoom(at: path, for: listener)
            let access = try listener.resolvedAccess()
            return try ListeningSocket(at: address) { () throws(SystemError) in try access.apply(to: path) }
        }
    }

    /// Whether this router listens on a port already, on that address or another.
    private func isOurs(_ port: UInt16, _ opened: [ListenerIdentity: SocketAddress]) -> Bool {
        port == 0 || (Array(listening.values) + opened.values).contains { !$0.isUnix && $0.port == port }
    }

    /// Takes away a socket that a process left behind when it ended, and nothing else: what is there may be somebody's.
    private func makeRoom(at path: String, for listener: Listener) throws(StartFailure) {
        do {
            switch try UnixSocketFile.state(of: path) {
            case .absent: break
            case .stale: try UnixSocketFile.remove(path)
            case .other: throw listener.failure("something is there that is no socket; remove it, or name another path")
            case .inUse: throw listener.failure("another process listens there")
            }
        } catch let error as SystemError {
            throw listener.failure("\(error)")
        } catch let error as StartFailure {
            throw error
        } catch {
            throw listener.failure("\(error)")
        }
    }

    /// A socket that stays gets the mode and owner of the new table.
    private func updateAccess(of listener: Listener) throws(StartFailure) {
        guard case .unix(let path) = listener.bind,
            old.listeners.first(where: { $0.identity == listener.identity })?.socketAccess != listener.socketAccess
        else { return }
        let access = try listener.resolvedAccess()
        do {
            try access.apply(to: path)
        } catch {
            throw listener.failure("its mode or owner cannot be set: \(error)")
        }
    }
}

/// The mode and owner of a socket's file, with numbers for names.
private struct ResolvedAccess {
    var mode: Int?
    var user: UInt32?
    var group: UInt32?

    func apply(to path: String) throws(SystemError) {
        // The owner first: giving a file away may take bits of its mode.
        if user != nil || group != nil { try UnixSocketFile.setOwner(path, user: user, group: group) }
        if let mode { try UnixSocketFile.setMode(path, mode) }
    }
}

extension Listener {
    fileprivate func failure(_ reason: String) -> StartFailure {
        StartFailure(description: "listener \(name) cannot listen on \(bind): \(reason)")
    }

    /// Where it listens: with the port that it got.
    func place(_ address: SocketAddress) -> String { address.isUnix ? "\(bind)" : "\(address)" }

    fileprivate func resolvedAccess() throws(StartFailure) -> ResolvedAccess {
        var access = ResolvedAccess(mode: socketAccess.mode)
        if let owner = socketAccess.owner {
            access.user = UnixSocketFile.user(owner)
            if access.user == nil { throw failure("there is no user \"\(owner)\"") }
        }
        if let group = socketAccess.group {
            access.group = UnixSocketFile.group(group)
            if access.group == nil { throw failure("there is no group \"\(group)\"") }
        }
        return access
    }
}
