internal import CLinux
internal import Failover
package import Logging
internal import Names
internal import Probes
internal import Proxy
internal import Reactor
internal import RouteFiles
internal import RouteTable
internal import ServiceLifecycle
package import Store
internal import TLS
internal import Telemetry
internal import Wire

/// The one caller of the brain: it reads tables, publishes them and the splits to the workers, collects what they
/// counted, and keeps the prober on its targets.
///
/// Nothing here is on a request's path, and nothing remote is needed: every decision is made from this process's own
/// observations.
package actor Control: ServiceLifecycle.Service {
    package struct Configuration: Sendable {
        package var tablePath: String
        package var environment: [String: String]
        package var workers: Int
        package var seed: UInt64
        package var drain: Duration
        package var resolvConf: String
        package var version: String
        /// What a router is told that wants the same state directory: which process this is.
        package var holder: String

        package init(
            tablePath: String, environment: [String: String], workers: Int, seed: UInt64, drain: Duration,
            resolvConf: String, version: String, holder: String
        ) {
            self.holder = holder
            self.tablePath = tablePath
            self.environment = environment
            self.workers = workers
            self.seed = seed
            self.drain = drain
            self.resolvConf = resolvConf
            self.version = version
        }
    }

    let configuration: Configuration
    let logger: Logger
    let log: LineOutput?
    let store: StateDirectory
    let onDecision: (@Sendable (String) -> Void)?
    let inbox = Inbox()
    let mailboxes: [Mailbox<WorkerMessage>]
    let workerCounters: [WorkerCounters]
    let descriptors: DescriptorBudget
    /// When it was last told, nanoseconds.
    var exhaustionTold: [Exhaustion: Int64] = [:]
    let proberMailbox: Mailbox<ProberMessage>
    let resolver: Resolver
    let executor: ControlExecutor
    /// Where pages are made, and where longer questions are answered.
    let pages: WorkThread
    let questions: WorkThread
    let logWriter: AccessLogWriter
    let began = EventLoop.clock()

    // The table that is served
    var table = Table()
    /// One for each worker.
    var compiled: [CompiledTable] = []
    var routes = RouteRegistry()
    var generation = 0
    var registry: Registry
    var discovery = Discovery()
    /// Since addresses were last published, others are known.
    var haveAddressesChanged = false
    /// Since addresses were last written to the state directory, others are known.
    var haveAddressesToKeep = false
    var addressesKeptAt: Int64 = .min / 2
    /// When something was last published, and how long that took: nanoseconds of the monotonic clock.
    var publishedAt: Int64 = 0
    var publishingTook: Int64 = 0
    var listening: [ListenerIdentity: ListeningPlace] = [:]
    /// The file system of the sockets' files answered when it was last asked.
    var looksAtSockets = true
    /// Why a listener whose socket's file is gone does not listen anew, as told.
    var listenersProblem: String?
    /// The table on disk was refused for a listener alone.
    var listenerRetry: ListenerRetry?
    var servesLastGoodTable = false
    var refusedReload: String?
    var confirmation = ReloadConfirmation()
    /// What was told of the table that is served.
    var knownWarnings: Set<String> = []
    var reloads = ReloadCounts()
    /// Chores that took longer than `chorePatience`.
    var slowChores: UInt64 = 0
    /// By number, as published.
    var endpointPlaces: [Int: EndpointPlace] = [:]
    /// The endpoints of each cell of each service, as published, and the same by names.
    var resolved: [[[ResolvedEndpoint]]] = []
    var cellMembers: [Registry.CellKey: [ResolvedEndpoint]] = [:]

    // Encryption
    var encryption = Encryption()
    /// What workers may still use of tables and certificates that were replaced.
    var former = FormerParts()
    /// Tables or certificates were read since memory was last given back.
    var hasReadAnew = false
    var ticketKeys = TicketKeys()
    /// One for each worker, and the prober's.
    let libraries: [TLSLibrary]
    var certificateReloads = ReloadCounts()
    /// The certificates on disk were refused when they were last read, alone or with the table that names them.
    var certificatesAreRefused = false
    var certificateWatch: Task<Void, Never>?
    var watchedPaths: [String] = []
    /// Of certificates for which a table was refused: when they change, the table may be good.
    var refusedPaths: [String] = []
    /// When the reading of the first table began, nanoseconds since 1970.
    private var firstReadAt: Int64 = 0
    var handshakesSeen = HandshakesSeen()
    var handshakesTold: Int64 = 0
    let chores = Chores()

    // The brain and what goes in
    var brain: Brain
    var topologyActions: [Action] = []
    var latestDecisions: [RouterStatus.Decision] = []
    var memory = DecisionMemory()
    var decisionCounts: [String: UInt64] = [:]
    var probeCounts = ProbeCounts()
    /// Of services.
    var requestsSeen = SeenCounts()
    var droppedReports = 0
    var cellEvidence = CellEvidence()
    /// The endpoints that are served, by number.
    var servedEndpoints: [Registry.EndpointEntry] = []
    /// The same, for pages.
    var roster: [Snapshot.Endpoint] = []
    let stateWriter: StateWriter
    /// The state directory was this router's from the start.
    var hasState = false
    var clock = BrainClock(wall: EventLoop.wallClock(), boot: EventLoop.bootClock())
    var rates = Rates()
    var lag = BrainLag()

    /// A table is served and the router does not drain.
    package private(set) var isReady = false
    private var workersRunning = 0
    private var isDraining = false
    /// When the first table was served: nanoseconds of the monotonic clock.
    private var adoptedAt: Int64 = 0

    /// Where an endpoint stands in the published table.
    struct EndpointPlace {
        var service: Int
        var cell: Int
        var key: Registry.EndpointKey
        var weight: Int
    }

    struct ReloadCounts {
        var accepted: UInt64 = 0
        var refused: UInt64 = 0
        var lastSeconds = 0.0
    }

    /// - Parameters:
    ///   - log: where the lines of `logger` go, if what it loses is to be counted.
    ///   - onDecision: told each decision as a sentence, besides the log. It must not wait for anything.
    package init(
        configuration: Configuration, store: StateDirectory, logger: Logger, log: LineOutput? = nil,
        onDecision: (@Sendable (String) -> Void)? = nil
    ) throws {
        // Threads that read tables and certificates come and go, and each may get an arena of its own, which keeps what it
        // left there. Without this limit there are eight for each core.
        clinux_limit_arenas(Int32(clamping: configuration.workers) &+ 12)
        descriptors = DescriptorBudget(limit: clinux_raise_descriptor_limit(), workers: configuration.workers)
        guard descriptors.limit >= descriptors.least else {
            throw StartFailure(
                description:
                    "only \(descriptors.limit) files may be open, and a router of \(configuration.workers) workers "
                    + "needs at least \(descriptors.least): raise the limit (ulimit -n, LimitNOFILE=)")
        }
        clinux_set_descriptor_ceiling(Int32(clamping: descriptors.ceiling))
        executor = try ControlExecutor()
        pages = try WorkThread(name: "pages", costLimit: 16, givesWay: true)
        questions = try WorkThread(name: "questions", costLimit: 16, givesWay: true)
        self.log = log
        self.onDecision = onDecision
        self.configuration = configuration
        self.store = store
        self.logger = logger
        mailboxes = try (0..<configuration.workers).map { _ in try Mailbox<WorkerMessage>() }
        workerCounters = (0..<configuration.workers).map { _ in WorkerCounters() }
        proberMailbox = try Mailbox<ProberMessage>()
        registry = Registry(workers: configuration.workers)
        logWriter = AccessLogWriter(workers: configuration.workers, logger: logger)
        libraries = (0...configuration.workers).map { _ in TLSLibrary() }
        brain = Brain()
        stateWriter = try StateWriter(store: store, holder: configuration.holder, logger: logger)
        resolver = try Resolver(resolvConf: configuration.resolvConf, atOnce: descriptors.names)
    }

    /// Connections that the admin address may have at a time.
    package nonisolated var adminConnections: Int { min(64, descriptors.reserve / 4) }

    package nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    // Life

    /// Reads the table and serves it. Throws `StartFailure` when there is nothing to serve.
    package func start() async throws {
        logger.info(
            "open files: at most \(descriptors.limit), \(descriptors.kept) of them kept, so at most \(descriptors.clients) clients at once"
        )
        try await takeState()
        firstReadAt = EventLoop.wallClock()
        try Prober.start(seed: configuration.seed, mailbox: proberMailbox, reports: inbox)
        let empty = Publication.empty(workers: configuration.workers)
        let pseudonym = Pseudonym(UInt32(truncatingIfNeeded: (configuration.seed &* 0x9e37_79b9_7f4a_7c15) >> 32))
        for (index, mailbox) in mailboxes.enumerated() {
            try Worker.start(
                name: "worker \(index)", publication: empty, seed: configuration.seed &+ UInt64(index) &* 7919,
                mailbox: mailbox, pseudonym: pseudonym, room: descriptors.room, counters: workerCounters[index],
                reports: inbox)
        }
        workersRunning = mailboxes.count
        await remember()
        try await adoptFirstTable()
        adoptedAt = EventLoop.clock()
        becomeReady()
    }

    /// As soon as all names have been asked for; when that takes long, without: what needs none is served already.
    private func becomeReady() {
        isReady = discovery.hasAsked && !haveAddressesChanged || EventLoop.clock() - adoptedAt >= Self.firstAnswersTime
    }

    /// Runs until told to stop, then drains.
    package func run() async throws {
        let chores = chores
        let changes = watch([configuration.tablePath], "table", since: firstReadAt, isRead: TableFiles.isTableFile)
        // Not one of the group, which ends when all in it have ended: a chore that stands still must not hold the exit.
        let choresTask = Task.detached {
            await chores.carryOut(patience: Self.chorePatience, onSlow: { await self.tellSlow($0) }) {
                await self.carryOut($0)
            }
        }
        defer { choresTask.cancel() }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.look() }
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: Self.ticketTime)
                    if !Task.isCancelled { await self.rotateTicketKeys() }
                }
            }
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: Self.socketsPause)
                    chores.add(.sockets)
                }
            }
            if let changes { group.addTask { for await _ in changes { chores.add(.reload(.files)) } } }
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: .nanoseconds(BrainLag.pause))
                    self.inbox.tick()
                }
            }
            group.addTask {
                var memoryReturn = MemoryReturn()
                while !Task.isCancelled {
                    try? await Task.sleep(for: MemoryReturn.interval)
                    if let leftovers = await self.takeLeftovers() {
                        await Thread.run(name: "memory return") {
                            leftovers.free()
                            MemoryReturn.perform()
                        }
                    } else if memoryReturn.isDue(open: await self.openConnections) {
                        MemoryReturn.perform()
                    }
                }
            }
            group.addTask {
                try? await gracefulShutdown()
                await self.drain()
            }
            // The first to end is the drain.
            await group.next()
            group.cancelAll()
        }
        certificateWatch?.cancel()
    }

    /// Has the table, its certificates and the access logs read or opened anew, as soon as a table is served.
    package nonisolated func reload() {
        reopenLogs()
        chores.add(.reload(.signal))
    }

    /// Has the access logs opened anew, for those who rotate them.
    package nonisolated func reopenLogs() {
        logWriter.reopen()
    }

    private func carryOut(_ chore: Chores.Chore) async {
        let began = EventLoop.clock()
        switch chore {
        case .reload(let prompt): await reload(because: prompt)
        case .certificates(let reason): await reloadCertificates(because: reason)
        case .sockets:
            await restoreListeners()
            if listenerRetry?.isDue(now: EventLoop.clock()) == true { await reload(because: .again) }
        }
        let took = Duration.nanoseconds(EventLoop.clock() - began)
        if took >= Self.chorePatience { logger.notice("\(chore) took \(took.components.seconds) s") }
    }

    /// A chore that takes longer is told.
    private static let chorePatience = Duration.seconds(5)

    private func tellSlow(_ chore: Chores.Chore) {
        slowChores += 1
        logger.warning(
            """
            \(chore) has not ended after \(Self.chorePatience): its files may be on a file system that does not answer, or be \
            very many; until it ends nothing else is read again
            """)
    }

    /// Looks at the evidence whenever it is time, or urgent.
    private func look() async {
        for await _ in inbox.wakes {
            step()
            // Thousands that fail at once must not cause as many looks.
            try? await Task.sleep(for: .milliseconds(2))
            lookAtNames()
            if !isReady && !isDraining { becomeReady() }
        }
    }

    private func drain() async {
        isReady = false
        isDraining = true
        logger.notice("draining: no new connections, at most \(configuration.drain) for those under way")
        for mailbox in mailboxes { mailbox.post(.drain) }
        proberMailbox.post(.stop)
        let end = ContinuousClock.now + configuration.drain
        while workersRunning > 0 && ContinuousClock.now < end {
            try? await Task.sleep(for: .milliseconds(20))
            step()
        }
        if workersRunning > 0 { logger.warning("drain time is over; what is still under way is cut off") }
        keepAddresses()
        // What stands still is left behind: the process ends within a second of the drain's time.
        let rest = max(.milliseconds(300), min(.seconds(2), end - ContinuousClock.now))
        async let logs: Void = logWriter.stop(within: rest)
        await stateWriter.finish(within: rest)
        await logs
    }

    /// What a reload has left: parts that nobody uses any more, and memory that reading took.
    private func takeLeftovers() -> FormerParts.Unused? {
        let unused = former.takeUnused()
        guard unused != nil || hasReadAnew else { return nil }
        hasReadAnew = false
        return unused ?? FormerParts.Unused()
    }

    /// Of clients, on all listeners.
    private var openConnections: Int {
        registry.listeners.values.joined().reduce(0) { $0 + $1.openConnections.level }
    }

    /// The brain's time.
    var now: Instant { clock.now(boot: EventLoop.bootClock()) }

    /// Tells the brain, and keeps what it was told.
    func tell(_ event: Event, at now: Instant) -> [Action] {
        if stateWriter.wantsSegment { stateWriter.begin(brain) }
        stateWriter.write(event, at: now)
        return brain.observe(event, at: now)
    }

    func workerEnded() {
        workersRunning -= 1
    }
}

/// Why there is nothing to serve.
package struct StartFailure: Error, CustomStringConvertible {
    package let description: String
}
