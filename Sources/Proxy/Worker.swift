internal import Picking
package import Reactor
internal import RouteTable
internal import TLS
package import Telemetry
package import Wire

/// One core's share of the work: its loop, its listeners' sockets, its connections, pools, buffers and counters.
///
/// Nothing here is shared with another thread; what others have to say comes through the mailbox.
package final class Worker: TimerOwner, TurnObserver {
    let loop: EventLoop
    let timers: TimerWheel
    let receiveBuffer = ReceiveBuffer(capacity: Connection.largeRead + 65_536)
    /// Beside what waits it holds the largest head there can be (`limits.head`, 1 MiB) with all that is added to it.
    var sendBuffer = WriteBuffer(capacity: 4 << 20)
    var logBuffer = WriteBuffer(capacity: 65_536)
    var random: RandomSource
    /// Made by the first who encrypts.
    private(set) lazy var tlsPort = TLSPort()

    // Parsers hold their tables; one of each serves every connection in turn.
    var clientHello = ClientHello()
    var requestHead = RequestHead(fieldLimit: 1_000)
    var keptRequestHead = RequestHead(fieldLimit: 1_000)
    var responseHead = ResponseHead(fieldLimit: 1_000)

    // What HTTP/2 needs to take heads apart and put them together, for one stream after the other.
    var headBuffer = WriteBuffer(capacity: 1 << 21)
    var fieldBuffer = WriteBuffer(capacity: 1 << 21)
    var statusText = WriteBuffer(capacity: 16)
    var fields = HTTP2Fields(capacity: 1_100)
    private var streams = HTTP2StreamPool()
    /// Connections that collect what they have to send before the turn ends.
    private var pumps: [Uncounted<HTTP2Connection>] = []

    private(set) var table: WorkerTable
    private(set) var listeners: [WorkerListener] = []
    /// Those that listen until their backlog is taken; not all of them are in the table.
    private var closingListeners: [WorkerListener] = []
    private(set) var isDraining = false
    /// The present second as an HTTP date.
    private(set) var date = HTTPDate(unixSeconds: 0)
    /// What is added to the loop's clock to have the time of day, nanoseconds.
    private var wallOffset: Int64 = 0
    /// The time of day at the beginning of this turn, since 1970; 0 if the clock was set to an earlier year.
    var wallMilliseconds: Int64 { max((loop.now + wallOffset) / 1_000_000, 0) }
    var clients = ClientList()
    /// Of clients and to endpoints.
    var openSockets = 0
    private let room: ConnectionRoom
    /// When an idle connection was last looked for to make room, so that it is looked for once a turn.
    private var roomSoughtAt: Int64 = 0
    var hasPausedListeners = false

    /// Whose messages wait in the send buffer, and where.
    private var queue: [(connection: Uncounted<Connection>, message: Range<Int>)] = []
    /// So many are sent one after the other, and no more, lest the first of them wait for too long.
    private static let queueLimit = 32

    /// Of connections to endpoints that speak HTTP/2.
    let firstStream: Int
    private let reports: any WorkerReports
    private let counters: WorkerCounters
    /// Nanoseconds: of this minute, as `counters` tells it, and of the one before.
    private var longestTurn: Int64 = 0
    private var longestOfMinute: Int64 = 0
    private var minuteEnds: Int64 = 0
    /// Earlier tables that exchanges still use.
    private var formerTables: [WorkerTable] = []
    private var secondTimer: TimerWheel.Handle?

    /// What this router calls itself in Via.
    let pseudonym: Pseudonym

    private init(
        publication: Publication, seed: UInt64, pseudonym: Pseudonym, room: ConnectionRoom, counters: WorkerCounters,
        firstStream: Int, reports: any WorkerReports
    ) throws(SystemError) {
        self.pseudonym = pseudonym
        self.room = room
        self.counters = counters
        self.firstStream = firstStream
        loop = try EventLoop()
        timers = loop.timers
        random = RandomSource(seed: seed)
        table = WorkerTable(publication, loop: loop, previous: nil)
        self.reports = reports
    }

    /// Starts a worker on a thread of its own. It serves nothing before its first `publish` message.
    ///
    /// - Parameter firstStream: of connections to endpoints that speak HTTP/2: 1, but for tests of their last.
    package static func start(
        name: String, publication: Publication, seed: UInt64, mailbox: Mailbox<WorkerMessage>,
        pseudonym: Pseudonym = .none, room: ConnectionRoom = ConnectionRoom(), counters: WorkerCounters,
        firstStream: Int = 1, reports: any WorkerReports
    ) throws(SystemError) {
        try Thread.start(name: name) {
            do {
                try run(
                    publication: publication, seed: seed, mailbox: mailbox, pseudonym: pseudonym, room: room,
                    counters: counters, firstStream: firstStream, reports: reports)
            } catch {
                preconditionFailure("a worker could not start: \(error)")
            }
        }
    }

    /// The same on the calling thread, until it has drained.
    package static func run(
        publication: Publication, seed: UInt64, mailbox: Mailbox<WorkerMessage>, pseudonym: Pseudonym,
        room: ConnectionRoom, counters: WorkerCounters, firstStream: Int, reports: any WorkerReports
    ) throws(SystemError) {
        let worker = try Worker(
            publication: publication, seed: seed, pseudonym: pseudonym, room: room, counters: counters,
            firstStream: firstStream, reports: reports)
        try mailbox.attach(to: worker.loop) { worker.receive($0) }
        worker.secondTimer = worker.timers.add(worker)
        worker.deadlineReached()
        worker.loop.observer = worker
        worker.loop.run()
        worker.end()
        reports.workerEnded()
    }

    // Messages

    private func receive(_ message: WorkerMessage) {
        switch message {
        case .publish(let publication, let sockets): publish(publication, sockets)
        case .split(let service, let shares, let shed, let generation):
            guard isServed(generation) else { return }
            let before = table.services[service].split.shares
            table.services[service].split.set(shares, shed: shed)
            splitChanged(of: table.services[service], from: before)
            table.services[service].load.placesChanged(table.services[service])
        case .endpoint(let number, let share):
            guard let (endpoint, cell) = table.endpoints[number] else { return }
            endpoint.share = share
            if share == 0 { endpoint.doubt() }
            cell.endpointsChanged()
        case .secure(let servers, let clients, let generation):
            guard isServed(generation) else { return }
            var areNew = false
            for listener in listeners {
                let rules = listener.clientRules
                listener.tls = servers[listener.index]
                if listener.clientRules != rules { areNew = true }
            }
            if areNew { dismissDisowned() }
            for (index, client) in clients.enumerated() { table.services[index].tls = client }
        case .tickets(let keys): for listener in listeners { listener.tls?.setTickets(keys) }
        case .warm(let service, let cell, let share, let generation):
            guard isServed(generation) else { return }
            warm(table.services[service], cell, share: share)
        case .drain:
            isDraining = true
            for listener in listeners { listener.close() }
            clients.forEach { $0.drainStarted() }
            stopIfIdle()
        }
    }

    /// Whether what is said is about the table that is served now; before the first there is none.
    private func isServed(_ generation: Int) -> Bool {
        generation == table.publication.generation && generation > 0
    }

    /// Opens connections to a cell's endpoints, as many as its share of what is under way now will want, and one to each
    /// at least.
    private func warm(_ service: WorkerService, _ position: Int, share: Int) {
        let cell = service.cells[position]
        let endpoints = cell.usableEndpoints
        guard !endpoints.isEmpty else { return }
        let wanted = min((service.load.inFlight * share / 10_000 + endpoints.count - 1) / endpoints.count, 16)
        if service.isHTTP2 {
            for endpoint in endpoints where endpoint.sharedCount == 0 {
                let made = HTTP2UpstreamConnection(worker: self, service: service, cell: cell, endpoint: endpoint)
                endpoint.addShared(made)
                made.warm()
            }
            return
        }
        // Its header would come before the handshake, and must name a client.
        if service.proxyHeader != nil && service.tls != nil { return }
        for endpoint in endpoints {
            for _ in endpoint.idleCount..<max(wanted, 1, endpoint.idleCount)
            where cell.load.openConnections < cell.connectionLimit / 2 {
                // The loop keeps it.
                UpstreamConnection(worker: self, service: service, cell: cell, endpoint: endpoint).warm()
            }
        }
    }

    /// Swaps the table between two requests: what is under way goes on with the one it began with.
    private func publish(_ publication: Publication, _ sockets: [ListeningSocketBox]) {
        let before = table
        if table.uses > 0 { formerTables.append(table) }
        table = WorkerTable(publication, loop: loop, previous: table, former: formerTables)
        tableChanged(from: before)
        for service in table.services { service.load.placesChanged(service) }
        var kept: [WorkerListener] = []
        var areRulesNew = false
        for (index, listener) in publication.table.listeners.enumerated() {
            if let known = listeners.first(where: { $0.identity == listener.identity }) {
                let rules = known.clientRules
                known.update(index: index, listener, publication)
                if known.clientRules != rules { areRulesNew = true }
                if let socket = sockets.first(where: { $0.listener == index })?.take() { known.listen(on: socket) }
                kept.append(known)
            } else if let socket = sockets.first(where: { $0.listener == index })?.take() {
                kept.append(
                    WorkerListener(
                        worker: self, index: index, listener: listener, publication: publication, socket: socket))
            }
        }
        let gone = listeners.filter { listener in !kept.contains { $0 === listener } }
        listeners = kept
        for listener in gone { listener.retire(from: before) }
        if !gone.isEmpty || areRulesNew { dismissDisowned() }
        reports.published(generation: publication.generation)
    }

    /// Has those connections end, each with its next answer, that the table would not have any more.
    private func dismissDisowned() {
        clients.forEach { if $0.isDisowned { $0.drainStarted() } }
    }

    @inline(__always)
    func arm(_ timer: TimerWheel.Handle, at deadline: Int64) {
        Uncounted(timers).lend { $0.arm(timer, at: deadline) }
    }

    @inline(__always)
    func disarm(_ timer: TimerWheel.Handle) {
        Uncounted(timers).lend { $0.disarm(timer) }
    }

    // Sending

    /// The message in hand is complete.
    func queueMessage(of connection: Connection) {
        queue.append((Uncounted(connection), sendBuffer.setAside()))
        if queue.count == Self.queueLimit || sendBuffer.waiting > Connection.largeRead { sendQueued() }
    }

    /// The message in hand goes on where the last one that waits ends. False: that one is another connection's.
    func extendQueued(of connection: Connection) -> Bool {
        guard let last = queue.last, last.connection.isSame(as: connection) else { return false }
        queue[queue.count - 1].message = last.message.lowerBound..<sendBuffer.setAside().upperBound
        if sendBuffer.waiting > Connection.largeRead { sendQueued() }
        return true
    }

    /// Sends what waits, in a row. It comes back to nobody: what fails is told from the loop.
    func sendQueued() {
        if queue.isEmpty { return }
        for (connection, message) in queue {
            sendBuffer.withBytes(message) { message in connection.lend { $0.sendQueued(message) } }
        }
        queue.removeAll(keepingCapacity: true)
        if sendBuffer.isEmpty { sendBuffer.clearWaiting() }
    }

    package func turnEnds() {
        if !pumps.isEmpty { pump() }
        sendQueued()
        streams.turnEnds()
    }

    package func turnTook(_ nanoseconds: Int64) {
        if nanoseconds > longestOfMinute { noteTurn(nanoseconds) }
    }

    // HTTP/2

    func queuePump(of connection: HTTP2Connection) {
        pumps.append(Uncounted(connection))
    }

    /// A pump may ask for others.
    private func pump() {
        var next = 0
        while next < pumps.count {
            pumps[next].lend { $0.pump() }
            next += 1
        }
        pumps.removeAll(keepingCapacity: true)
    }

    func takeClientStream(listener: WorkerListener, client: ClientContext) -> HTTP2ClientStream {
        streams.take() ?? HTTP2ClientStream(worker: self, listener: listener, client: client)
    }

    /// It may be in use until the end of the turn.
    func giveBack(_ stream: HTTP2ClientStream) {
        streams.giveBack(stream)
    }

    func takeRequestFields() -> HTTP2RequestFields {
        streams.fields.popLast() ?? HTTP2RequestFields()
    }

    func giveBack(_ fields: consuming HTTP2RequestFields) {
        if streams.fields.count < 4 { streams.fields.append(fields) }
    }

    // The table, while an exchange uses it

    /// To be given back.
    func lendTable(to listener: WorkerListener) -> Uncounted<WorkerTable> {
        if let former = listener.formerTable {
            former.uses += 1
            return Uncounted(former)
        }
        return lendTable()
    }

    /// The one that is served now.
    func lendTable() -> Uncounted<WorkerTable> {
        let lent = Uncounted(table)
        lent.lend { $0.uses += 1 }
        return lent
    }

    func giveBack(_ lent: WorkerTable) {
        lent.uses -= 1
        if lent.uses == 0, !formerTables.isEmpty { formerTables.removeAll { $0.uses == 0 } }
    }

    /// Tells the brain at once what cannot wait for its next look at the counters: the beginning of a run of failures.
    func report(_ endpoint: WorkerEndpoint, failures: Int, overstaying: Bool) {
        if failures == 1 || failures == 2 || failures == 5 {
            reports.urgent(endpoint: endpoint.number, failures: failures, overstaying: overstaying)
        }
    }

    func reportFailure(of listener: WorkerListener, _ error: SystemError) {
        reports.listenerFailed(listener.name, error)
    }

    /// A cell's answers show overload.
    func reportOverload() {
        reports.overloaded()
    }

    /// What this process can have open: no client is accepted beyond it, no connection made.
    var hasAllClients: Bool { clients.count >= room.clients }

    /// Whether another connection to an endpoint can be opened. One that rests is closed for it, if need be.
    func hasRoomForSocket() -> Bool {
        if openSockets < room.sockets { return true }
        guard roomSoughtAt != loop.now else { return false }
        roomSoughtAt = loop.now
        for (endpoint, _) in table.endpoints.values where endpoint.closeIdlest() { return true }
        return false
    }

    func report(_ exhaustion: Exhaustion) {
        reports.exhausted(exhaustion)
    }

    func clientLeft() {
        if isDraining { stopIfIdle() }
        if hasPausedListeners, clients.count == room.clients - 1 { resumeListeners() }
    }

    private func resumeListeners() {
        for listener in listeners { listener.resumeIfPossible() }
        hasPausedListeners = listeners.contains { $0.isPaused }
    }

    private func stopIfIdle() {
        if clients.isEmpty && closingListeners.isEmpty && !listeners.contains(where: \.isOpen) { loop.stop() }
    }

    func closingBegan(of listener: WorkerListener) { closingListeners.append(listener) }

    func closingEnded(of listener: WorkerListener) {
        closingListeners.removeAll { $0 === listener }
        if isDraining { stopIfIdle() }
    }

    /// Every client left. What is still connected to endpoints closes, or is being opened for requests that will not come;
    /// and what kept each other is let go.
    private func end() {
        loop.forEachHandler { handler in
            switch handler {
            case let upstream as UpstreamConnection: upstream.close()
            case let upstream as HTTP2UpstreamConnection: upstream.close(.reset)
            default: break
            }
        }
        listeners = []
        // They keep the worker that keeps them.
        streams = HTTP2StreamPool()
        loop.dismiss()
    }

    // The longest turn, as metrics tell it: of the present minute and the one before, so that whoever looks once a minute
    // misses none.

    private func noteTurn(_ nanoseconds: Int64) {
        longestOfMinute = nanoseconds
        guard nanoseconds > longestTurn else { return }
        longestTurn = nanoseconds
        counters.longestTurn.set(Int(nanoseconds))
    }

    private func forgetTurns() {
        guard loop.now >= minuteEnds else { return }
        minuteEnds = loop.now + 60_000_000_000
        longestTurn = longestOfMinute
        longestOfMinute = 0
        counters.longestTurn.set(Int(longestTurn))
    }

    // Once a second

    package func deadlineReached() {
        forgetTurns()
        let wall = EventLoop.wallClock()
        wallOffset = wall - EventLoop.clock()
        date = HTTPDate(unixSeconds: wall / 1_000_000_000)
        for (endpoint, _) in table.endpoints.values {
            endpoint.closeIdle(unusedSince: loop.now - endpoint.idleTimeout)
        }
        for service in table.services {
            for cell in service.cells { cell.shareResponseTime() }
        }
        if hasPausedListeners { resumeListeners() }
        for listener in closingListeners { listener.askForTurn() }
        if let secondTimer { timers.arm(secondTimer, at: loop.now + 1_000_000_000) }
    }
}

/// How many connections one worker may have open, so that the process keeps descriptors for all else.
package struct ConnectionRoom: Sendable, Equatable {
    /// Of clients, on all listeners together.
    package var clients: Int
    /// Of clients and to endpoints.
    package var sockets: Int

    package init(clients: Int = .max, sockets: Int = .max) {
        self.clients = clients
        self.sockets = sockets
    }
}

/// What this router has run out of.
package enum Exhaustion: Sendable, Hashable {
    /// Clients wait in the backlog: as many are connected as the limit of open files allows.
    case clients
    /// No connection to an endpoint is opened, for the same reason.
    case sockets
    /// The system has refused.
    case system(SystemError)
}

/// What a worker has to tell. Called on the worker's thread; must not block.
package protocol WorkerReports: Sendable {
    /// An endpoint failed so many requests in a row.
    func urgent(endpoint: Int, failures: Int, overstaying: Bool)
    /// A cell's answers have come to show overload; its counters say which.
    func overloaded()
    /// The table of this generation is served.
    func published(generation: Int)
    func listenerFailed(_ name: String, _ error: SystemError)
    /// Something that connections need has run out. Told each time.
    func exhausted(_ what: Exhaustion)
    /// The worker has drained and its thread ends.
    func workerEnded()
}

/// Streams that were used and can be used again.
private struct HTTP2StreamPool {
    private var free: [HTTP2ClientStream] = []
    /// Closed in this turn.
    private var leaving: [HTTP2ClientStream] = []
    var fields: [HTTP2RequestFields] = []

    private static let limit = 512

    mutating func take() -> HTTP2ClientStream? { free.popLast() }

    mutating func giveBack(_ stream: HTTP2ClientStream) { leaving.append(stream) }

    mutating func turnEnds() {
        if leaving.isEmpty { return }
        free.append(contentsOf: leaving.prefix(Self.limit - free.count))
        leaving.removeAll(keepingCapacity: leaving.count <= Self.limit)
    }
}

/// A client's connection, as its worker keeps it.
protocol Client: AnyObject {
    /// Where it stands in the worker's list.
    var place: Int { get set }
    /// Where it came from.
    var listener: WorkerListener { get }
    /// By which of the listener's rules for clients it was begun.
    var clientRules: UInt64 { get }
    /// The worker drains, or the connection is disowned: what is under way is finished, and who has just come may ask once.
    func drainStarted()
    /// What may stay open for long: tunnels, and calls within their answers.
    func forEachTunnel(_ visit: (Exchange) -> Void)
}

extension Client {
    /// The listener is gone, or has other rules for clients: who has no certificate, or one that is good no more, must not
    /// go on as if it had.
    var isDisowned: Bool { listener.isRetired || clientRules != listener.clientRules }

    func forEachTunnel(_ visit: (Exchange) -> Void) {}
}

/// The open client connections of a worker, in no order.
struct ClientList {
    private var members: [any Client] = []

    var isEmpty: Bool { members.isEmpty }
    var count: Int { members.count }

    mutating func insert(_ client: any Client) {
        client.place = members.count
        members.append(client)
    }

    mutating func remove(_ client: any Client) {
        let last = members.removeLast()
        if last !== client {
            members[client.place] = last
            last.place = client.place
        }
    }

    /// Visits a copy: visiting may close connections.
    func forEach(_ visit: (any Client) -> Void) {
        for client in members { visit(client) }
    }
}
