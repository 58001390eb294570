internal import Logging
internal import Probes
internal import Proxy
internal import Reactor
internal import RouteFiles
internal import RouteTable
internal import Store
internal import TLS
internal import Telemetry

/// Tables in: read, checked, resolved, compiled, handed to every worker. The running one stays until the next is whole.
extension Control {
    /// Of one table's warnings, so many are written to the log.
    private static let warningsTold = 100

    /// Serves the given table, or the last good one if that has mistakes, be it in itself or in certificates it names.
    func adoptFirstTable() async throws {
        let problems: Problems
        switch await readTable() {
        case .failure(let found): problems = found
        case .success(let source):
            do {
                try await adopt(source.table)
                return tell(source.warnings)
            } catch let found as UnreadableEncryption {
                problems = found.problems
            }
        }
        try await adopt(await lastGoodTable(because: problems))
    }

    private func lastGoodTable(because problems: Problems) async throws -> Table {
        logger.error("the table has mistakes:\n\(problems)")
        let store = store
        let read = await Thread.run(name: "memory", within: Self.memoryLimit) { Result { try store.lastGoodTable() } }
        guard let kept = read else {
            throw StartFailure(
                description:
                    "the table has mistakes, and \(store.path) with the last good one does not answer:\n\(problems)")
        }
        guard let text = try kept.get() else {
            throw StartFailure(description: "the table has mistakes, and there is no last good one:\n\(problems)")
        }
        switch TableReader(environment: [:]).read(texts: [("table.yaml", text)]) {
        case .failure(let problems):
            throw StartFailure(description: "the last good table cannot be read either:\n\(problems)")
        case .success(let source):
            logger.critical(
                "SERVING THE LAST GOOD TABLE from \(store.path), not \(configuration.tablePath), which has mistakes")
            servesLastGoodTable = true
            refusedReload = "\(problems)"
            return source.table
        }
    }

    private func readTable() async -> Result<TableSource, Problems> {
        let configuration = configuration
        let path = configuration.tablePath
        let found = await Thread.run(name: "table files", within: Self.readingLimit) { TableFiles.texts(at: path) }
        switch found {
        case nil: return .failure(Problems([Self.silence(of: path)]))
        case .failure(let problems): return .failure(problems)
        case .success(let texts):
            return await Thread.run(name: "table") {
                TableReader(environment: configuration.environment).read(texts: texts, of: path)
            }
        }
    }

    /// How long the file systems of tables and certificates have to answer. The thread that waits for one that does not is
    /// left behind: nothing ends it.
    static let readingLimit = Duration.seconds(60)

    static func silence(of path: String) -> Problem {
        Problem(file: path, found: "a file system that has not answered for \(readingLimit)")
    }

    /// Says what is hardly meant in the table that was taken on, unless the one before it had it, too.
    private func tell(_ warnings: [TableWarning]) {
        let news = warnings.filter { !knownWarnings.contains($0.subject) }
        knownWarnings = Set(warnings.map(\.subject))
        for warning in news.prefix(Self.warningsTold) { logger.warning("\(warning)") }
        if news.count > Self.warningsTold {
            logger.warning("\(news.count - Self.warningsTold) further warnings; `spillway check` tells all")
        }
    }

    /// Reads the files again. A table with mistakes changes nothing, nor does one that would close every listener,
    /// unless it is confirmed.
    func reload(because prompt: ReloadPrompt) async {
        let began = EventLoop.clock()
        let reason = prompt.rawValue
        let before = prompt == .again ? listenerRetry : nil
        listenerRetry = nil
        switch await readTable() {
        case .failure(let problems): refuse(prompt, "\n\(problems)", "\(problems)")
        case .success(let source):
            let new = source.table
            if new == table && refusedReload == nil {
                logger.info("reload (\(reason)): nothing changed")
                looksAtSockets = true
                await restoreListeners()
                return await reloadCertificates(because: reason)
            }
            let changes = new.changes(from: table)
            if changes.closesEveryListener && !confirmation.confirms(new, by: prompt, now: EventLoop.clock()) {
                let sentence = closingSentence
                return refuse(prompt, " \(sentence)", sentence)
            }
            do {
                refusedPaths = []
                try await adopt(new, readsAll: prompt == .signal && encryption.trustsSystem)
                certificatesAreRefused = false
                reloads.accepted += 1
                reloads.lastSeconds = Double(EventLoop.clock() - began) / 1e9
                refusedReload = nil
                servesLastGoodTable = false
                logger.notice("reload (\(reason)): \(changes.summary)")
                if changes.removesEveryService { logger.warning("reload (\(reason)): every service there was is gone") }
                for sentence in changes.sentences.prefix(100) { logger.info("\(sentence)") }
                tell(source.warnings)
            } catch {
                if error is StartFailure { listenerRetry = ListenerRetry(after: before, now: EventLoop.clock()) }
                refuse(prompt, " \(error)", "\(error)")
            }
        }
    }

    private func refuse(_ prompt: ReloadPrompt, _ told: String, _ kept: String) {
        if prompt == .again && kept == refusedReload { return }
        reloads.refused += 1
        refusedReload = kept
        logger.error("reload (\(prompt.rawValue)) refused, the running table stays:\(told)")
    }

    private var closingSentence: String {
        let shown = table.listeners.prefix(5).map { "\($0.name) on \($0.bind)" }.joined(separator: ", ")
        let more = table.listeners.count > 5 ? " and \(table.listeners.count - 5) more" : ""
        return "it would close every listener: it has neither the name nor the address of \(shown)\(more); "
            + "if that is meant, send SIGHUP twice within a minute, or restart"
    }

    /// Serves `new` from now on. Throws, changing nothing, if a listener cannot be opened or a certificate not be used.
    ///
    /// - Parameter readsAll: certificates, too, where neither they nor what the table says of them has changed.
    func adopt(_ new: Table, readsAll: Bool = true) async throws {
        defer { hasReadAnew = true }
        let readAt = EventLoop.wallClock()
        let encryption: Encryption?
        do {
            encryption = try await readEncryption(of: new, isForced: readsAll)
        } catch {
            // What is missing may come later: a table can be there before its certificates are.
            refusedPaths = error.paths
            certificatesAreRefused = true
            watchCertificates(readAt: readAt)
            throw error
        }
        let opened = try await openListeners(of: new)
        // Answers may come while routes are compiled; nothing waits for them.
        discovery.add(new, now: EventLoop.clock())
        askForNames()
        let (compiled, routes) = await compile(new)
        // From here on nothing is waited for: who looks sees the old table or the new one.
        table = new
        discovery.keep(new)
        adopt(opened)
        looksAtSockets = true
        if let encryption { adopt(encryption) }
        former.add(self.compiled)
        self.compiled = compiled
        self.routes = routes
        publish(sockets: opened.sockets)
        watchCertificates(readAt: readAt)
        stateWriter.keep(new)
    }

    /// One table for each worker, and the counters of its routes.
    private func compile(_ table: Table) async -> ([CompiledTable], RouteRegistry) {
        let (count, previous) = (mailboxes.count, routes)
        return await Thread.run(name: "compile") {
            let routes = RouteRegistry(table, workers: count, previous: previous)
            return ((0..<count).map { CompiledTable(table, counters: routes.counters(ofWorker: $0)) }, routes)
        }
    }

    /// Tells the brain, the workers and the prober what there is now.
    func publish(sockets: [[ListeningSocketBox]]) {
        generation += 1
        let began = EventLoop.clock()
        defer {
            publishedAt = EventLoop.clock()
            publishingTook = publishedAt - began
        }
        var live: Set<Registry.EndpointKey> = []
        var liveCells: Set<Registry.CellKey> = []
        var places: [Int: EndpointPlace] = [:]
        var resolved: [[[ResolvedEndpoint]]] = []
        var members: [Registry.CellKey: [ResolvedEndpoint]] = [:]
        for (serviceIndex, service) in table.services.enumerated() {
            resolved.append([])
            for (cellIndex, cell) in service.cells.enumerated() {
                let region = table.regions[cell.region].name
                let key = Registry.CellKey(service: service.name, region: region)
                liveCells.insert(key)
                let found = endpoints(of: cell, service, key)
                for endpoint in found {
                    live.insert(endpoint.key)
                    places[endpoint.entry.number] = EndpointPlace(
                        service: serviceIndex, cell: cellIndex, key: endpoint.key, weight: endpoint.weight)
                }
                resolved[serviceIndex].append(found)
                members[key] = found
            }
        }
        cellMembers = members
        endpointPlaces = places
        servedEndpoints = places.sorted { $0.key < $1.key }.compactMap { registry.endpoints[$0.value.key] }
        tellBrain(resolved)
        let table = table
        for (worker, mailbox) in mailboxes.enumerated() {
            let services = table.services.indices.map { index in
                publishedService(index, resolved[index], worker: worker)
            }
            let publication = Publication(
                compiled[worker], services: services,
                listeners: table.listeners.map { registry.listener($0.name)[worker] },
                accessLogs: table.listeners.map { logWriter.ring(for: $0, worker: worker) },
                tlsServers: encryption.servers(of: table, worker: worker), generation: generation,
                workers: mailboxes.count)
            mailbox.post(.publish(publication, sockets: sockets.isEmpty ? [] : sockets[worker]))
        }
        self.resolved = resolved
        roster = makeRoster()
        publishProbes()
        carryOutTopologyActions()
        cellEvidence.adopt(table, registry)
        probeCounts.keep(places.keys)
        registry.keep(endpoints: live, cells: liveCells, table: table)
        requestsSeen.keep(table.services.map(\.name))
        handshakesSeen.keep(table)
        logWriter.keep(table)
    }

    /// Tells the prober what there is to be probed, and how.
    func publishProbes() {
        proberMailbox.post(.targets(probeTargets(resolved)))
    }

    struct ResolvedEndpoint {
        let key: Registry.EndpointKey
        let entry: Registry.EndpointEntry
        /// As the table names it.
        let host: EndpointHost
        let address: SocketAddress
        let name: String
        let weight: Int
        let peerName: TLSPeerName
        /// What it is told in Host; nil: what the client said.
        let toldHost: String?
    }

    private func publishedService(_ index: Int, _ cells: [[ResolvedEndpoint]], worker: Int) -> Publication.Service {
        let service = table.services[index]
        return Publication.Service(
            counters: registry.service(service.name)[worker],
            cells: service.cells.enumerated().map { position, cell in
                let key = Registry.CellKey(service: service.name, region: table.regions[cell.region].name)
                return Publication.Cell(
                    counters: registry.cell(key)[worker], responseTime: registry.estimate(key),
                    endpoints: cells[position].map { endpoint in
                        Publication.Endpoint(
                            number: endpoint.entry.number, address: endpoint.address, name: endpoint.name,
                            weight: endpoint.weight, share: share(ofEndpoint: endpoint.entry.number),
                            counters: endpoint.entry.counters[worker], peerName: endpoint.peerName,
                            toldHost: endpoint.toldHost)
                    })
            },
            split: split(ofService: index).shares, shed: split(ofService: index).shed,
            tls: service.tls == nil ? nil : encryption.workerClients[service.name]?[worker],
            handshakes: service.tls == nil ? nil : registry.handshakes(service.name)[worker])
    }

    /// The endpoints of a cell, each address once.
    ///
    /// Where all that the table gives are names that are asked for the first time, the cell goes on with the endpoints it
    /// had: a reload waits for no name, and no request has to either.
    private func endpoints(
        of cell: Cell, _ service: RouteTable.Service, _ cellKey: Registry.CellKey
    ) -> [ResolvedEndpoint] {
        var seen: Set<String> = []
        let found = cell.endpoints.flatMap { addresses(of: $0, service) }.filter { seen.insert($0.name).inserted }
        if found.isEmpty, let before = cellMembers[cellKey], cell.endpoints.contains(where: isUnanswered) {
            return before
        }
        return found.map { place in
            let key = Registry.EndpointKey(service: cellKey.service, region: cellKey.region, address: place.name)
            return ResolvedEndpoint(
                key: key, entry: registry.endpoint(key), host: place.host, address: place.address, name: place.name,
                weight: place.weight, peerName: place.peerName, toldHost: place.toldHost)
        }
    }

    private func isUnanswered(_ endpoint: Endpoint) -> Bool {
        if case .name(let host, _) = endpoint.host { discovery.isUnanswered(host) } else { false }
    }

    /// An address that an endpoint of the table stands for.
    private struct Place {
        let host: EndpointHost
        let address: SocketAddress
        let name: String
        let weight: Int
        let peerName: TLSPeerName
        /// What it is told in Host; nil: what the client said.
        let toldHost: String?
    }

    /// The socket addresses an endpoint of the table stands for now.
    private func addresses(of endpoint: Endpoint, _ service: RouteTable.Service) -> [Place] {
        func place(_ address: SocketAddress, _ name: String) -> Place {
            Place(
                host: endpoint.host, address: address, name: name, weight: endpoint.weight,
                peerName: service.peerName(of: endpoint), toldHost: service.toldHost(of: endpoint))
        }
        return switch endpoint.host {
        case .ip(let ip, let port):
            SocketAddress(ip: ip, port: port).map { [place($0, $0.description)] } ?? []
        case .unix(let path):
            SocketAddress(unixPath: path).map { [place($0, "unix:\(path)")] } ?? []
        case .name(let host, let port):
            discovery.addresses(of: host, service.addressFamilies).compactMap { ip in
                SocketAddress(ip: ip, port: port).map { place($0, $0.description) }
            }
        }
    }

    private func probeTargets(_ resolved: [[[ResolvedEndpoint]]]) -> [ProbeTarget] {
        var targets: [ProbeTarget] = []
        for (index, service) in table.services.enumerated() {
            guard let probe = service.probe else { continue }
            for endpoint in resolved[index].joined() {
                let address = probe.port.flatMap { endpoint.address.withPort($0) } ?? endpoint.address
                let client = encryption.prober(of: service)
                targets.append(
                    ProbeTarget(
                        number: endpoint.entry.number, address: address,
                        authority: endpoint.toldHost
                            ?? endpoint.host.authority(port: probe.port, isEncrypted: client != nil),
                        probe: probe,
                        // Another port than that of requests is asked as it is.
                        proxyHeader: probe.port == nil ? service.proxyHeader : nil,
                        counters: endpoint.entry.counters, tls: client,
                        peerName: endpoint.peerName))
            }
        }
        return targets
    }
}
