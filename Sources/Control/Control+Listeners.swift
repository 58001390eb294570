internal import Logging
internal import Proxy
internal import Reactor
internal import RouteTable

extension Control {
    /// Opens what the new table adds, without holding anybody up: a socket's file may lie on a disk that does not answer,
    /// and its owner's number may be known to a server of users alone.
    func openListeners(of new: Table) async throws(StartFailure) -> ListenerOpening.Opened {
        let opening = ListenerOpening(new: new, old: table, listening: listening, workers: mailboxes.count)
        return try await Thread.run(name: "listeners") {
            Result { () throws(StartFailure) in try opening.open() }
        }.get()
    }

    /// What was opened is used from now on.
    func adopt(_ opened: ListenerOpening.Opened) {
        listening = opened.places
        for (level, sentence) in opened.news { logger.log(level: level, "\(sentence)") }
    }

    /// How often it is looked whether the files of sockets are there.
    static let socketsPause = Duration.seconds(2)
    /// How long their file system has to answer. After that nobody looks before the next table.
    private static let socketsLimit = Duration.seconds(2)

    /// Listens anew where the file of a socket was removed: nobody can come there any more. What somebody else has put in
    /// its place is left alone, and told.
    func restoreListeners() async {
        let files = table.listeners.compactMap { listener in
            listening[listener.identity].flatMap { $0.file }.map { (listener.unixPath, $0) }
        }
        guard looksAtSockets, !files.isEmpty else { return }
        let areThere = await Thread.run(name: "sockets", within: Self.socketsLimit) {
            files.allSatisfy { path, file in UnixSocketFile.isAt(path, file) }
        }
        guard areThere == false else {
            looksAtSockets = areThere != nil
            listenersProblem = nil
            return
        }
        do {
            let opened = try await openListeners(of: table)
            adopt(opened)
            publish(sockets: opened.sockets)
            listenersProblem = nil
        } catch {
            let problem = "\(error)"
            if problem != listenersProblem { logger.error("the file of a socket is gone: \(problem)") }
            listenersProblem = problem
        }
    }
}

/// When a table is tried again that was refused as a listener of it could not be opened: another process may have let go of
/// the port.
struct ListenerRetry {
    /// Reading a large table takes its time: after each try the pause is twice as long, up to this. Nanoseconds.
    private static let longest: Int64 = 60_000_000_000

    private var pause: Int64 = 2_000_000_000
    private let at: Int64

    /// - Parameter before: the try that has failed, if it was one.
    init(after before: ListenerRetry?, now: Int64) {
        if let before { pause = min(before.pause * 2, Self.longest) }
        at = now + pause
    }

    func isDue(now: Int64) -> Bool { now >= at }
}

/// Where a listener listens.
struct ListeningPlace: Sendable {
    let address: SocketAddress
    /// Of a Unix socket.
    let file: UnixSocketFile.Identity?
}

/// Listening sockets: opened before a table is taken on, so that one that cannot be had refuses the table.
struct ListenerOpening: Sendable {
    struct Opened: Sendable {
        /// For each worker.
        var sockets: [[ListeningSocketBox]]
        /// Of all listeners, also those that were open before.
        var places: [ListenerIdentity: ListeningPlace] = [:]
        /// What is to be told of those that were opened, once they are used.
        var news: [(Logger.Level, String)] = []
    }

    let new: Table
    /// The table that is served.
    let old: Table
    /// Where that listens.
    let listening: [ListenerIdentity: ListeningPlace]
    let workers: Int

    /// Opens what the new table adds, one socket for each worker, before anything is changed. If that fails, no file is
    /// left behind.
    func open() throws(StartFailure) -> Opened {
        var opened = Opened(sockets: (0..<workers).map { _ in [] })
        do throws(StartFailure) {
            for (index, listener) in new.listeners.enumerated() {
                if let known = listening[listener.identity], isThere(known, listener) {
                    opened.places[listener.identity] = known
                } else {
                    try open(listener, index, &opened)
                }
            }
            for listener in new.listeners { try updateAccess(of: listener, opened) }
        } catch {
            withdraw(opened)
            throw error
        }
        return opened
    }

    /// Whether clients still find it.
    private func isThere(_ place: ListeningPlace, _ listener: Listener) -> Bool {
        place.file.map { UnixSocketFile.isAt(listener.unixPath, $0) } ?? true
    }

    private func open(_ listener: Listener, _ index: Int, _ opened: inout Opened) throws(StartFailure) {
        do {
            let first = try firstSocket(of: listener, &opened)
            for worker in 1..<max(workers, 1) {
                let another = first.address.isUnix ? try first.duplicate() : try ListeningSocket(at: first.address)
                opened.sockets[worker].append(ListeningSocketBox(listener: index, socket: another))
            }
            if listening[listener.identity] != nil {
                opened.news.append(
                    (
                        .warning,
                        "the file of listener \(listener.name)'s socket was removed or replaced: it listens anew"
                    ))
            }
            opened.news.append((.notice, "listener \(listener.name) on \(listener.place(first.address))"))
            opened.sockets[0].append(ListeningSocketBox(listener: index, socket: first))
        } catch let error as StartFailure {
            throw error
        } catch {
            throw listener.failure("\(error)")
        }
    }

    /// Takes away the files of what was opened in vain.
    private func withdraw(_ opened: Opened) {
        for listener in new.listeners {
            let place = opened.places[listener.identity]
            guard let file = place?.file, file != listening[listener.identity]?.file,
                UnixSocketFile.isAt(listener.unixPath, file)
            else { continue }
            try? UnixSocketFile.remove(listener.unixPath)
        }
    }

    private func firstSocket(of listener: Listener, _ opened: inout Opened) throws -> ListeningSocket {
        switch listener.bind {
        case .ip(let text, let port):
            guard let address = SocketAddress(ip: text, port: port) else { throw SystemError.invalid }
            if !isOurs(port, opened), ListeningSocket.isTaken(address) {
                opened.news.append(
                    (
                        .warning,
                        """
                        another process listens on \(address), too: the system gives each of the two some of the \
                        connections
                        """
                    ))
            }
            let socket = try ListeningSocket(at: address)
            opened.places[listener.identity] = ListeningPlace(address: socket.address, file: nil)
            return socket
        case .unix(let path):
            guard let address = SocketAddress(unixPath: path) else { throw SystemError.invalid }
            try makeRoom(at: path, for: listener)
            let access = try listener.resolvedAccess()
            return try ListeningSocket(at: address) { () throws(SystemError) in
                let file = try UnixSocketFile.identity(of: path)
                opened.places[listener.identity] = ListeningPlace(address: address, file: file)
                try access.apply(to: path, file)
            }
        }
    }

    /// Whether this router listens on a port already, on that address or another.
    private func isOurs(_ port: UInt16, _ opened: Opened) -> Bool {
        port == 0
            || (Array(listening.values) + opened.places.values).contains {
                !$0.address.isUnix && $0.address.port == port
            }
    }

    /// Takes away a socket that a process left behind when it ended, and nothing else: what is there may be somebody's.
    private func makeRoom(at path: String, for listener: Listener) throws {
        switch try UnixSocketFile.state(of: path) {
        case .absent: break
        case .stale: try UnixSocketFile.remove(path)
        case .other: throw listener.failure("something is there that is no socket; remove it, or name another path")
        case .inUse: throw listener.failure("another process listens there")
        }
    }

    /// A socket that stays gets the mode and owner of the new table.
    private func updateAccess(of listener: Listener, _ opened: Opened) throws(StartFailure) {
        guard let file = opened.places[listener.identity]?.file,
            old.listeners.first(where: { $0.identity == listener.identity })?.socketAccess != listener.socketAccess
        else { return }
        let access = try listener.resolvedAccess()
        do {
            try access.apply(to: listener.unixPath, file)
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

    func apply(to path: String, _ file: UnixSocketFile.Identity) throws(SystemError) {
        if mode == nil && user == nil && group == nil { return }
        try UnixSocketFile.change(path, file, mode: mode, user: user, group: group)
    }
}

extension Listener {
    fileprivate func failure(_ reason: String) -> StartFailure {
        StartFailure(description: "listener \(name) cannot listen on \(bind): \(reason)")
    }

    /// Of its socket; empty where it has none.
    fileprivate var unixPath: String {
        if case .unix(let path) = bind { path } else { "" }
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
