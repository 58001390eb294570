internal import RouteTable

/// A table while it is read: names first, over all files, then what refers to them.
struct TableDraft {
    var reading: Reading
    /// What the outermost mappings of all files have.
    private var outermost: [SourceEntry] = []
    /// Of each route that was read.
    private var routePlaces: [Position] = []

    /// The keys of a table's outermost mapping.
    static let sections: [(name: String, meaning: String)] = [
        ("listeners", "Where clients connect, by name."),
        ("regions", "The regions, by name."),
        ("services", "The services, by name."),
        ("routes", "Which requests go where; the most specific match wins."),
        ("cascade", "When impairments of services are one impairment of their region."),
        ("defaults", "Settings that every service begins with; a service's own are merged into them, key by key."),
    ]

    init(reading: Reading) {
        self.reading = reading
    }

    mutating func read(_ roots: [SourceNode]) -> Table {
        let sections = roots.flatMap { readSections($0) }
        outermost = sections
        func entries(_ name: String) -> [SourceEntry] {
            sections.filter { $0.key == name }.flatMap { $0.value.entries ?? [] }
        }
        readNames(.listener, "listeners", entries("listeners"))
        readNames(.region, "regions", entries("regions"))
        readNames(.service, "services", entries("services"))
        let defaults = readOnce("defaults", sections, Shapes.settings)

        var table = Table()
        table.cascade = readOnce("cascade", sections, Shapes.cascade)
        table.listeners = read("listeners", entries("listeners"), .listener) { name, node, reading in
            var listener = Shapes.listener.fresh
            listener.name = name
            Shapes.listener.read(node, into: &listener, &reading)
            return listener
        }
        table.regions = read("regions", entries("regions"), .region) { name, node, reading in
            var region = Shapes.region.fresh
            region.name = name
            Shapes.region.read(node, into: &region, &reading)
            return region
        }
        table.services = read("services", entries("services"), .service) { name, node, reading in
            var draft = ServiceDraft()
            draft.settings = defaults
            guard Shapes.service.read(node, into: &draft, &reading) else { return Service(name: name, cells: []) }
            return draft.service(named: name, at: node, &reading)
        }
        checkBinds(table.listeners, entries("listeners"))
        let routes = sections.filter { $0.key == "routes" }
        table.routes = routes.flatMap { readRoutes($0.value, table) }
        return table
    }

    /// What a table that is to be served cannot be without; told at its key, if it is there.
    /// - Parameter whole: what the table's files together are called.
    func missingSections(of whole: String) -> [Problem] {
        func missing(_ section: String, _ consequence: String) -> Problem? {
            let found = outermost.filter { $0.key == section }
            guard found.allSatisfy({ $0.value.isEmpty }) else { return nil }
            let place = found.first?.position
            return Problem(
                file: place.map { reading.files[$0.file] } ?? whole, line: place?.line ?? 0,
                column: place?.column ?? 0, path: place == nil ? "" : section,
                found: "no \(section), so that no \(consequence)", expected: "at least one under `\(section)`")
        }
        return [
            missing("listeners", "client could connect"), missing("routes", "request could be served"),
        ].compactMap { $0 }
    }

    /// What is worth a warning in the table that was read without a mistake.
    func warnings(of table: Table) -> [TableWarning] {
        TableWarnings(of: table, reading, sections: outermost, routePlaces: routePlaces).all
    }

    // Sections

    /// The known keys of a file's outermost mapping whose values have the right kind.
    private mutating func readSections(_ root: SourceNode) -> [SourceEntry] {
        let names = Self.sections.map(\.name)
        guard let entries = root.entries else {
            reading.report(root, expected: "a mapping with \(names.joined(separator: ", "))")
            return []
        }
        return entries.filter { entry in
            reading.at(entry.key) { reading in
                guard names.contains(entry.key) else {
                    reading.report(
                        entry.position, "unknown key \(entry.key.quotedForPeople)",
                        expected: "one of \(names.joined(separator: ", "))",
                        suggestion: reading.nearName(of: entry.key, among: names))
                    return false
                }
                let isRoutes = entry.key == "routes"
                switch entry.value.content {
                case .nothing: return true
                case .sequence where isRoutes: return true
                case .mapping where !isRoutes: return true
                default:
                    reading.report(entry.value, expected: isRoutes ? "a list of routes" : "a mapping of \(entry.key)")
                    return false
                }
            }
        }
    }

    /// Takes on the names of a section, each once over all files.
    private mutating func readNames(_ kind: NameKind, _ section: String, _ entries: [SourceEntry]) {
        for entry in entries {
            reading.at(section) { reading in
                reading.at(entry.key) { reading in
                    if let first = reading.names.position(kind, entry.key) {
                        reading.report(
                            entry.position, "the \(kind.rawValue) \(entry.key.quotedForPeople) a second time",
                            expected: "each name once; the first is at \(reading.place(first))")
                    } else {
                        if !Self.isName(entry.key) {
                            reading.report(
                                entry.position, "found \(entry.key.quotedForPeople)",
                                expected:
                                    "a name of up to 100 letters, digits, `-`, `_` and `.`, beginning with a letter or digit"
                            )
                        }
                        reading.names.add(kind, entry.key, at: entry.position)
                    }
                }
            }
        }
    }

    private static func isName(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, bytes.count <= 100 else { return false }
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        }
        return isAlphanumeric(first) && bytes.allSatisfy { isAlphanumeric($0) || "-_.".utf8.contains($0) }
    }

    /// Reads each name's value; a name that came a second time has been reported.
    private mutating func read<Value>(
        _ section: String, _ entries: [SourceEntry], _ kind: NameKind,
        _ value: (String, SourceNode, inout Reading) -> Value
    ) -> [Value] {
        entries.compactMap { entry in
            guard reading.names.position(kind, entry.key) == entry.position else { return nil }
            return reading.at(section) { $0.at(entry.key) { value(entry.key, entry.value, &$0) } }
        }
    }

    /// Reads a section that is no mapping of names: one for all files.
    private mutating func readOnce<Root>(
        _ name: String, _ sections: [SourceEntry], _ shape: Shape<Root>
    ) -> Root {
        var root = shape.fresh
        let sections = sections.filter { $0.key == name }
        for (index, section) in sections.enumerated() {
            reading.at(name) { reading in
                if index > 0 {
                    reading.report(
                        section.position, "`\(name)` a second time",
                        expected: "one for all files; the first is at \(reading.place(sections[0].position))")
                    return
                }
                shape.read(section.value, into: &root, &reading)
            }
        }
        return root
    }

    // What must hold between listeners

    private mutating func checkBinds(_ listeners: [Listener], _ entries: [SourceEntry]) {
        var seen: [BindAddress: String] = [:]
        for listener in listeners {
            if case .ip(_, port: 0) = listener.bind { continue }
            guard let other = seen.updateValue(listener.name, forKey: listener.bind),
                let entry = entries.first(where: { $0.key == listener.name })
            else { continue }
            let place = entry.value["bind"]?.position ?? entry.position
            reading.at("listeners") {
                $0.at(listener.name) {
                    $0.at("bind") { $0.report(place, "the address of the listener \(other.quotedForPeople) as well") }
                }
            }
        }
    }

    // Routes

    private mutating func readRoutes(_ node: SourceNode, _ table: Table) -> [Route] {
        guard case .sequence(let elements) = node.content else { return [] }
        return elements.enumerated().compactMap { index, element in
            let route: Route? = reading.at("routes") { reading in
                reading.at(index) { reading in
                    var draft = RouteDraft()
                    guard Shapes.route.read(element, into: &draft, &reading) else { return nil }
                    draft.checkTransport(at: element, table, &reading)
                    return draft.route(at: element, &reading)
                }
            }
            if route != nil { routePlaces.append(element.position) }
            return route
        }
    }
}

extension ServiceDraft {
    /// The service, once all that refers to regions fits together.
    fileprivate func service(named name: String, at node: SourceNode, _ reading: inout Reading) -> Service {
        var service = settings.service
        service.name = name
        service.probe = settings.probe.probe
        let before = reading.problems.count
        checkRegions(node, &reading)
        checkEndpoints(&reading)
        checkProxyHeader(node, &reading)
        checkNames(node, &reading)
        guard reading.problems.count == before else { return service }
        let order = prefer?.map(\.value) ?? endpoints.map(\.key)
        service.cells = order.compactMap { region in
            endpoints.first { $0.key == region }.map { pair in
                Cell(
                    region: region, endpoints: pair.value.map(\.value),
                    capacity: capacity.first { $0.key == region }?.value)
            }
        }
        return service
    }

    /// Each preferred region once and with endpoints; endpoints and capacities only where the service is.
    private func checkRegions(_ node: SourceNode, _ reading: inout Reading) {
        let names = reading.names.list(.region)
        if let node = node["endpoints"], node.isEmpty {
            reading.at("endpoints") {
                $0.report(
                    node.position, "no endpoints in any region", expected: "at least one region with endpoints")
            }
        }
        var seen: Set<Int> = []
        for (index, region) in (prefer ?? []).enumerated() {
            reading.at("prefer") {
                $0.at(index) { reading in
                    let name = names[region.value].quotedForPeople
                    if !seen.insert(region.value).inserted {
                        reading.report(region.position, "the region \(name) a second time")
                    } else if !endpoints.contains(where: { $0.key == region.value }) {
                        reading.report(
                            region.position, "the region \(name), where the service has no endpoints",
                            expected: "a region that `endpoints` names")
                    }
                }
            }
        }
        if prefer != nil {
            for pair in endpoints where !seen.contains(pair.key) {
                reading.at("endpoints") {
                    $0.at(names[pair.key]) {
                        $0.report(
                            pair.position, "endpoints in the region \(names[pair.key].quotedForPeople)",
                            expected: "the region among those of `prefer` as well")
                    }
                }
            }
        }
        for pair in capacity where !endpoints.contains(where: { $0.key == pair.key }) {
            reading.at("capacity") {
                $0.at(names[pair.key]) {
                    $0.report(
                        pair.position,
                        "a capacity in \(names[pair.key].quotedForPeople), where the service has no endpoints")
                }
            }
        }
    }

    /// A header names one client, and requests of many share a connection of HTTP/2.
    private func checkProxyHeader(_ node: SourceNode, _ reading: inout Reading) {
        guard settings.service.proxyHeader != nil, settings.service.protocol == .http2 else { return }
        let place = (node["proxy_protocol"] ?? node["protocol"])?.position ?? node.position
        reading.at("proxy_protocol") {
            $0.report(
                place, "a header that names one client, before HTTP/2 that all of them share",
                expected: "`protocol: http1` beside it, or `none`")
        }
    }

    /// What is verified must have a name to be verified by.
    private func checkNames(_ node: SourceNode, _ reading: inout Reading) {
        guard let tls = settings.service.tls, tls.verify, tls.name == nil else { return }
        let nameless = endpoints.flatMap(\.value).map(\.value).contains { endpoint in
            guard case .unix = endpoint.host else { return false }
            return settings.service.toldName(of: endpoint) == nil
        }
        guard nameless else { return }
        reading.at("tls") {
            $0.report(
                node["tls"]?.position ?? node.position, "endpoints without a name, on a path",
                expected: "`name`, a name as `host` beside `tls`, or `verify: false`")
        }
    }

    /// Each address once in a region.
    private func checkEndpoints(_ reading: inout Reading) {
        let names = reading.names.list(.region)
        for pair in endpoints {
            var seen: [EndpointHost: Position] = [:]
            for (index, endpoint) in pair.value.enumerated() {
                guard let first = seen.updateValue(endpoint.position, forKey: endpoint.value.host) else { continue }
                reading.at("endpoints") {
                    $0.at(names[pair.key]) {
                        $0.at(index) { $0.report(endpoint.position, "the same address as at \($0.place(first))") }
                    }
                }
            }
        }
    }
}

extension RouteDraft {
    fileprivate func route(at node: SourceNode, _ reading: inout Reading) -> Route? {
        let actions = [("to", to != nil), ("redirect", redirect != nil), ("respond", respond != nil)].filter(\.1)
        guard actions.count == 1 else {
            let found =
                actions.isEmpty
                ? "a route without an action" : "a route with \(actions.map { "`\($0.0)`" }.joined(separator: " and "))"
            reading.report(node.position, found, expected: "one of `to`, `redirect` and `respond`")
            return nil
        }
        if let rewrite = node["rewrite"], self.rewrite != nil {
            if to == nil {
                reading.at("rewrite") {
                    $0.report(rewrite.position, "a rewrite of requests that go nowhere", expected: "`to` beside it")
                }
            }
            switch match.path {
            case .exact, .regex:
                reading.at("rewrite") {
                    $0.report(
                        rewrite.position, "a rewrite of the prefix of a path that is matched as a whole",
                        expected: "a path prefix in `match`, or no path")
                }
            case .prefix, nil: break
            }
        }
        let action: Route.Action
        if let to {
            guard to.contains(where: { $0.value.weight > 0 }) else {
                reading.at("to") {
                    $0.report(
                        node["to"]?.position ?? node.position, "weights of 0 only", expected: "at least one above 0")
                }
                return nil
            }
            action = .forward(to.map(\.value))
        } else if let redirect {
            action = .redirect(redirect)
        } else if let respond {
            action = .respond(respond)
        } else {
            return nil
        }
        return Route(
            match: match, action: action, rewritePrefix: rewrite?.prefix, requestHeaders: requestHeaders,
            responseHeaders: responseHeaders)
    }
}
