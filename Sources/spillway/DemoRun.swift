internal import Control
internal import Demo
internal import FoundationEssentials
internal import Glibc
internal import Reactor
internal import RouteFiles
internal import RouteTable
internal import ServiceLifecycle

/// The demo, running: regions, router, load, and a line a second.
struct DemoRun {
    let tablePath: String
    let rate: Int
    let seconds: Int?
    let settings: Settings

    func run() async throws {
        let table: Table
        switch TableReader(environment: ProcessInfo.processInfo.environment).read(path: tablePath) {
        case .success(let source): table = source.table
        case .failure(let problems): throw Failure("\(problems)")
        }
        guard let front = frontAddress(of: table) else {
            throw Failure("\(tablePath) has no listener on an IP address")
        }
        let orders = DemoOrders()
        let endpoints = endpoints(of: table)
        try orders.open(endpoints.map(\.region))
        defer { orders.close() }
        let world: DemoWorld
        do {
            world = try DemoWorld(endpoints)
        } catch {
            throw Failure("the demo's regions cannot listen on the addresses in \(tablePath): \(error)")
        }
        var settings = settings
        settings.state = orders.directory.appendingPathComponent("state").path
        settings.logLevel = "warning"
        let router = Router(table: tablePath, settings: settings)
        let screen = try LineOutput(descriptor: STDOUT_FILENO) { lines, _ in
            "(\(lines) lines are missing here)"
        }
        let paths = table.routes.compactMap { route -> String? in
            if case .prefix(let path)? = route.match.path { path } else { nil }
        }
        try await router.run(
            beside: Teller(
                demo: self, front: front, paths: paths.isEmpty ? ["/"] : paths, world: world, orders: orders,
                screen: screen),
            onDecision: { screen.write("  → \($0)") })
        await screen.finish()
    }

    /// Load and the line a second, as a service beside the router.
    private struct Teller: ServiceLifecycle.Service {
        let demo: DemoRun
        let front: SocketAddress
        let paths: [String]
        let world: DemoWorld
        let orders: DemoOrders
        let screen: LineOutput

        func run() async throws {
            screen.write(demo.introduction(front, world))
            let load = try DemoLoad(to: front, paths: paths, perSecond: demo.rate)
            await cancelWhenGracefulShutdown { await demo.tell(load, world, orders, screen) }
        }
    }

    private func introduction(_ front: SocketAddress, _ world: DemoWorld) -> String {
        """
        Three regions are up, and the router in front of them on http://\(front).

          curl -i http://\(front)/checkout      one request
          spillway status                          what the router sees        (\(settings.admin))
          spillway demo break \(world.regions.first ?? "") --how hang      refuse, hang, errors or slow
          spillway demo heal \(world.regions.first ?? "")

        Requests per second by region, failures, slowest answer; decisions as they are taken. End with ^C.

        """
    }

    /// Prints a line a second and carries out orders, until cancelled, the time is over, or nobody reads any more.
    private func tell(_ load: DemoLoad, _ world: DemoWorld, _ orders: DemoOrders, _ screen: LineOutput) async {
        var second = 0
        var failures = 0
        _ = load.take()
        while !Task.isCancelled && !screen.isReaderGone && second < seconds ?? .max {
            for _ in 0..<10 {
                try? await Task.sleep(for: .milliseconds(100))
                for region in world.regions {
                    guard let mode = orders.mode(of: region), mode != world.mode(of: region) else { continue }
                    world.set(region, mode)
                    screen.write("  * \(region): \(mode.rawValue)")
                }
            }
            second += 1
            let counts = load.take()
            failures += counts.failed
            let regions = world.regions.map { region in
                let mode = world.mode(of: region)
                return "\(region)\(mode == .healthy ? "" : " (\(mode.rawValue))") \(counts.answered[region] ?? 0)"
            }
            screen.write(
                "\(second) s   \(regions.joined(separator: "   "))   failed \(counts.failed)"
                    + " (\(failures) in all)   slowest \(counts.slowest) ms")
        }
    }

    private func frontAddress(of table: Table) -> SocketAddress? {
        for listener in table.listeners {
            guard case .ip(let text, let port) = listener.bind else { continue }
            let reachable = text == "0.0.0.0" ? "127.0.0.1" : text == "::" ? "::1" : text
            if let address = SocketAddress(ip: reachable, port: port) { return address }
        }
        return nil
    }

    private func endpoints(of table: Table) -> [DemoWorld.Endpoint] {
        table.services.flatMap { service in
            service.cells.flatMap { cell in
                cell.endpoints.compactMap { endpoint -> DemoWorld.Endpoint? in
                    guard case .ip(let text, let port) = endpoint.host,
                        let address = SocketAddress(ip: text, port: port)
                    else { return nil }
                    return DemoWorld.Endpoint(
                        region: table.regions[cell.region].name, service: service.name, address: address)
                }
            }
        }
    }
}
