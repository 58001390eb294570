internal import AdminAPI
internal import ArgumentParser
internal import Control
internal import FoundationEssentials
internal import Glibc
internal import Logging
internal import Reactor
internal import ServiceLifecycle
internal import Store

/// Flags that every command running a router takes.
struct SettingsOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where metrics and the API listen.", valueName: "host:port"))
    var admin: String?
    @Option(help: ArgumentHelp("Further names under which that may be asked, with commas.", valueName: "names"))
    var adminHosts: String?
    @Option(help: ArgumentHelp("Worker threads: a number, or auto for one a core.", valueName: "n"))
    var workers: String?
    @Option(help: ArgumentHelp("Directory for what must outlive the process.", valueName: "dir"))
    var state: String?
    @Option(help: ArgumentHelp("text or json.", valueName: "format"))
    var logFormat: String?
    @Option(help: ArgumentHelp("trace, debug, info, notice, warning or error.", valueName: "level"))
    var logLevel: String?
    @Option(help: ArgumentHelp("Seconds to finish what is under way after SIGTERM.", valueName: "s"))
    var drain: String?
    @Option(help: ArgumentHelp("Where the name servers are said.", valueName: "file"))
    var resolvConf: String?
    @Option(help: ArgumentHelp("A YAML file with any of these.", valueName: "file"))
    var settings: String?

    func resolve() throws -> Settings {
        var flags: [Settings.Key: String] = [:]
        flags[.admin] = admin
        flags[.adminHosts] = adminHosts
        flags[.workers] = workers
        flags[.state] = state
        flags[.logFormat] = logFormat
        flags[.logLevel] = logLevel
        flags[.drain] = drain
        flags[.resolvConf] = resolvConf
        let environment = ProcessInfo.processInfo.environment
        do {
            return try Settings(
                flags: flags, environment: environment, file: settings ?? environment["SPILLWAY_SETTINGS"])
        } catch {
            throw ValidationError(error.description)
        }
    }
}

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve a routing table.",
        discussion: "Every flag can be given as SPILLWAY_… in the environment or in a settings file instead.")

    @Argument(help: "The table: a directory of YAML files, or one file.")
    var table: String

    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let settings = try options.resolve()
        try await Router(table: table, settings: settings).run()
        // Threads that stand still or have not ended yet are left behind. They may use what `exit` takes down, OpenSSL's own
        // state for one.
        _exit(0)
    }
}

/// A router, wired: control, admin address and signals.
struct Router {
    let table: String
    let settings: Settings

    /// Runs until a signal, or until `companion` ends.
    /// - Parameter onDecision: told each decision as a sentence, besides the log.
    func run(
        beside companion: (any Service)? = nil, onDecision: (@Sendable (String) -> Void)? = nil
    ) async throws {
        StandardStreams.outliveReaders()
        // Before anything listens, so that no signal finds nobody.
        let signals = try Signals()
        let lines = try LogOutput.lines(settings)
        do {
            try await run(companion, onDecision, lines, signals)
        } catch {
            // What was logged comes before the reason why there is nothing more to log.
            await lines.finish()
            throw error
        }
        await lines.finish(within: .milliseconds(200))
    }

    private func run(
        _ companion: (any Service)?, _ onDecision: (@Sendable (String) -> Void)?, _ lines: LineOutput,
        _ signals: Signals
    ) async throws {
        let logger = LogOutput.logger(settings, to: lines)
        try checkAdminAddress()
        let store = StateDirectory(path: settings.state)
        let process = ProcessInfo.processInfo
        let holder =
            "process \(process.processIdentifier) on \(process.hostName), admin address \(settings.admin)"
        let control = try Control(
            configuration: .init(
                tablePath: table, environment: process.environment,
                workers: settings.workers ?? Cores.available, seed: UInt64.random(in: 1 ... .max),
                drain: .seconds(settings.drain), resolvConf: settings.resolvConf, version: Version.current,
                holder: holder),
            store: store, logger: logger, log: lines, onDecision: onDecision)
        let group = try services(control, companion, logger)
        guard try await start(control, group, signals, logger) else {
            return logger.notice("told to end before anything was served")
        }
        try await group.run()
    }

    /// Starts, and has signals taken from now on. False when a signal came first, and the start did not end by itself.
    private func start(
        _ control: Control, _ group: ServiceGroup, _ signals: Signals, _ logger: Logger
    ) async throws -> Bool {
        let (starts, start) = AsyncStream.makeStream(of: Result<Void, any Error>.self)
        let deadline = ExitDeadline()
        let limit = Duration.seconds(settings.drain) + .milliseconds(950)
        signals.deliver { signal in
            switch signal {
            case .hangUp: control.reload()
            case .user1: control.reopenLogs()
            case .user2: logger.notice("SIGUSR2 has no meaning, and nothing is done about it")
            case .terminate, .interrupt:
                deadline.set(within: limit, logger)
                Task {
                    await group.triggerGracefulShutdown()
                    // A start that stands still does not keep the process.
                    try? await Task.sleep(for: .milliseconds(500))
                    start.finish()
                }
            }
        }
        Task { start.yield(await Task { try await control.start() }.result) }
        switch await starts.first(where: { _ in true }) {
        case .success: return true
        case .failure(let failure as StartFailure): throw Failure("\(failure)")
        case .failure(let error): throw error
        case nil: return false
        }
    }

    /// Before a single connection is taken: another router may run here with the same settings, and the kernel would
    /// share the listeners between the two.
    private func checkAdminAddress() throws {
        guard let admin = HostPort(settings.admin), let port = UInt16(exactly: admin.port),
            let address = SocketAddress(ip: admin.host, port: port)
        else { return }
        do {
            _ = try ListeningSocket(at: address)
        } catch {
            throw Failure(
                "the admin address \(settings.admin) cannot be listened on: \(error); "
                    + "if another router runs here, give this one another with --admin, and a state directory of its own "
                    + "with --state")
        }
    }

    /// What runs once a table is served.
    private func services(
        _ control: Control, _ companion: (any Service)?, _ logger: Logger
    ) throws -> ServiceGroup {
        guard let address = HostPort(settings.admin) else { throw Failure("\(settings.admin) is not an address") }
        let hosts = AdminHosts(address: address.host, allowed: settings.adminHosts)
        let admin = AdminServer(
            control: control, host: address.host, port: address.port, hosts: hosts, logger: logger
        ) { port in
            var address = address
            address.port = port
            logger.notice("admin address \(address)")
        }
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = [
            .init(service: admin),
            .init(service: control, successTerminationBehavior: .gracefullyShutdownGroup),
        ]
        if let companion {
            services.append(.init(service: companion, successTerminationBehavior: .gracefullyShutdownGroup))
        }
        return ServiceGroup(configuration: .init(services: services, logger: logger))
    }
}

/// An error for people: its text is all there is to say.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
