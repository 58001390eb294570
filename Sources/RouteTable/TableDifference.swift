/// What changed between two tables: how much, and in sentences for the log.
///
/// Things are the same thing when they have the same name; endpoints, when they have the same address in the same
/// region of the same service; routes, when they match the same requests.
package struct TableDifference: Sendable, Equatable {
    package struct Count: Sendable, Equatable {
        package var added = 0
        package var removed = 0
        package var changed = 0

        package var isEmpty: Bool { added == 0 && removed == 0 && changed == 0 }

        package init(added: Int = 0, removed: Int = 0, changed: Int = 0) {
            self.added = added
            self.removed = removed
            self.changed = changed
        }
    }

    package internal(set) var listeners = Count()
    package internal(set) var regions = Count()
    /// Changed: anything about the service but its endpoints.
    package internal(set) var services = Count()
    /// Changed: the weight, or the host it is told.
    package internal(set) var endpoints = Count()
    /// Changed: what is done with the requests.
    package internal(set) var routes = Count()
    package internal(set) var hasOtherCascade = false
    /// The older table had listeners, and the new one has neither the name nor the address of any of them.
    package internal(set) var closesEveryListener = false
    /// The older table had services, and the new one has none of them.
    package internal(set) var removesEveryService = false
    /// Listeners first, then regions, services and routes; each in the order of the new table, then what is gone.
    package internal(set) var sentences: [String] = []

    /// Whether the tables mean the same. They may still number their listeners, regions and services differently.
    package var isEmpty: Bool { sentences.isEmpty }

    /// The numbers in a sentence: `3 endpoints added, 1 route changed`; `nothing changed`.
    package var summary: String {
        let kinds = [
            ("listener", listeners), ("region", regions), ("service", services), ("endpoint", endpoints),
            ("route", routes),
        ]
        let parts =
            kinds.flatMap { kind, count in
                [(count.added, "added"), (count.removed, "removed"), (count.changed, "changed")]
                    .filter { $0.0 > 0 }
                    .map { "\($0.0) \(kind)\($0.0 == 1 ? "" : "s") \($0.1)" }
            }
            + (hasOtherCascade ? ["another cascade rule"] : [])
        if !parts.isEmpty { return parts.joined(separator: ", ") }
        return isEmpty ? "nothing changed" : "only the order of routes changed"
    }
}

extension Table {
    /// What is different in this table from an older one.
    package func changes(from old: Table) -> TableDifference {
        var difference = TableDifference()
        if self == old { return difference }
        difference.compareListeners(old, self)
        difference.compareRegions(old, self)
        difference.compareCascades(old.cascade, cascade)
        difference.compareServices(old, self)
        difference.compareRoutes(old, self)
        return difference
    }
}

extension TableDifference {
    /// Notes of one thing, such as `timeouts.connect 1s → 2s`.
    struct Notes {
        private(set) var texts: [String] = []

        mutating func compare<Value: Equatable>(_ what: String, _ old: Value, _ new: Value, _ text: (Value) -> String) {
            if old != new { texts.append("\(what) \(text(old)) → \(text(new))") }
        }

        mutating func compare(_ what: String, _ old: Int?, _ new: Int?) {
            compare(what, old, new) { $0.map { "\($0)" } ?? "none" }
        }

        mutating func compare(_ what: String, _ old: Duration?, _ new: Duration?) {
            compare(what, old, new) { $0.map(\.tableText) ?? "none" }
        }

        mutating func compareShare(_ what: String, _ old: Int, _ new: Int) {
            compare(what, old, new, \.percentText)
        }

        mutating func compare(_ what: String, _ old: DampingPolicy, _ new: DampingPolicy) {
            compare("\(what).suppress", old.suppress, new.suppress)
            compare("\(what).reuse", old.reuse, new.reuse)
            compare("\(what).half_life", old.halfLife, new.halfLife)
            compare("\(what).limit", old.limit, new.limit)
        }

        /// For what is too much to print.
        mutating func compareUnprinted<Value: Equatable>(_ what: String, _ old: Value, _ new: Value) {
            if old != new { texts.append("\(what) changed") }
        }
    }

    /// Compares two lists by name; says what is new, gone, or changed as `notes` tell.
    private mutating func compare<Element>(
        _ kind: String, _ old: [Element], _ new: [Element], name: (Element) -> String,
        notes: (Element, Element) -> Notes
    ) -> Count {
        let before = Dictionary(old.map { (name($0), $0) }, uniquingKeysWith: { first, _ in first })
        let names = Set(new.map(name))
        var count = Count()
        for element in new {
            guard let known = before[name(element)] else {
                count.added += 1
                sentences.append("\(kind) \(name(element)): added")
                continue
            }
            let texts = notes(known, element).texts
            if !texts.isEmpty {
                count.changed += 1
                sentences.append("\(kind) \(name(element)): \(texts.joined(separator: ", "))")
            }
        }
        for element in old where !names.contains(name(element)) {
            count.removed += 1
            sentences.append("\(kind) \(name(element)): removed")
        }
        return count
    }

    mutating func compareListeners(_ old: Table, _ new: Table) {
        let (names, binds) = (Set(new.listeners.map(\.name)), Set(new.listeners.map(\.bind)))
        closesEveryListener =
            !old.listeners.isEmpty
            && old.listeners.allSatisfy { !names.contains($0.name) && !binds.contains($0.bind) }
        listeners = compare("listener", old.listeners, new.listeners, name: \.name) { old, new in
            var notes = Notes()
            notes.compare("bind", old.bind, new.bind) { "\($0)" }
            notes.compare("bind.mode", old.socketAccess.modeText, new.socketAccess.modeText) { $0 ?? "as made" }
            notes.compare("bind.owner", old.socketAccess.owner, new.socketAccess.owner) { $0 ?? "as made" }
            notes.compare("bind.group", old.socketAccess.group, new.socketAccess.group) { $0 ?? "as made" }
            notes.compare("protocol", old.transport, new.transport) { $0.rawValue }
            notes.compareUnprinted("trusted_proxies", old.trustedProxies, new.trustedProxies)
            notes.compare("proxy_protocol", old.readsProxyHeader, new.readsProxyHeader) { "\($0)" }
            notes.compare("limits.head", old.limits.headBytes, new.limits.headBytes, \.sizeText)
            notes.compare("limits.target", old.limits.targetBytes, new.limits.targetBytes, \.sizeText)
            notes.compare("limits.headers", old.limits.headerCount, new.limits.headerCount)
            notes.compare("limits.body", old.limits.bodyBytes, new.limits.bodyBytes) { $0.map(\.sizeText) ?? "none" }
            notes.compare("limits.connections", old.limits.connections, new.limits.connections)
            notes.compare("timeouts.head", old.timeouts.head, new.timeouts.head)
            notes.compare("timeouts.idle", old.timeouts.idle, new.timeouts.idle)
            notes.compare("timeouts.body", old.timeouts.body, new.timeouts.body)
            notes.compare("timeouts.tunnel", old.timeouts.tunnel, new.timeouts.tunnel)
            notes.compare("timeouts.handshake", old.timeouts.handshake, new.timeouts.handshake)
            notes.compareUnprinted("tls", old.tls, new.tls)
            notes.compare("redirect", old.redirectsToHTTPS, new.redirectsToHTTPS) { $0 ? "https" : "none" }
            notes.compare("access_log", old.accessLog, new.accessLog) {
                $0.map { "\($0.format.rawValue) to \($0.path)" } ?? "none"
            }
            return notes
        }
    }

    mutating func compareRegions(_ old: Table, _ new: Table) {
        regions = compare("region", old.regions, new.regions, name: \.name) { old, new in
            var notes = Notes()
            notes.compare("capacity", old.capacity, new.capacity)
            notes.compareShare("target", old.target, new.target)
            return notes
        }
    }

    mutating func compareCascades(_ old: CascadePolicy, _ new: CascadePolicy) {
        var notes = Notes()
        notes.compare("services", old.services, new.services)
        notes.compareShare("share", old.share, new.share)
        notes.compare("within", old.within, new.within)
        notes.compareShare("restored_at", old.restoredAt, new.restoredAt)
        notes.compare("damping", old.damping, new.damping)
        hasOtherCascade = old != new
        if !notes.texts.isEmpty { sentences.append("cascade: \(notes.texts.joined(separator: ", "))") }
    }

    mutating func compareServices(_ old: Table, _ new: Table) {
        let oldNames = old.regions.map(\.name)
        let newNames = new.regions.map(\.name)
        var before: [String: Service] = [:]
        for service in old.services { before[service.name] = service }
        services = compare("service", old.services, new.services, name: \.name) {
            Self.notes($0, $1, oldRegions: oldNames, newRegions: newNames, old: old, new: new)
        }
        for service in new.services {
            compareEndpoints(before[service.name], service, oldRegions: oldNames, newRegions: newNames)
        }
        let names = Set(new.services.map(\.name))
        removesEveryService = !old.services.isEmpty && old.services.allSatisfy { !names.contains($0.name) }
        for service in old.services where !names.contains(service.name) {
            endpoints.removed += service.cells.reduce(0) { $0 + $1.endpoints.count }
        }
    }

    private mutating func compareEndpoints(
        _ old: Service?, _ new: Service, oldRegions: [String], newRegions: [String]
    ) {
        guard let old else {
            endpoints.added += new.cells.reduce(0) { $0 + $1.endpoints.count }
            return
        }
        let before = Dictionary(
            old.cells.map { (oldRegions[$0.region], $0.endpoints) }, uniquingKeysWith: { first, _ in first })
        for cell in new.cells {
            let region = newRegions[cell.region]
            let known = Dictionary(
                (before[region] ?? []).map { ($0.host, $0) }, uniquingKeysWith: { first, _ in first })
            for endpoint in cell.endpoints {
                let subject = "service \(new.name): endpoint \(endpoint.host)"
                if let known = known[endpoint.host] {
                    var notes = Notes()
                    notes.compare("weight", known.weight, endpoint.weight)
                    notes.compare("host", known.toldHost, endpoint.toldHost) { $0.map { "\($0)" } ?? "as its service" }
                    if notes.texts.isEmpty { continue }
                    endpoints.changed += 1
                    sentences.append("\(subject) in \(region): \(notes.texts.joined(separator: ", "))")
                } else {
                    endpoints.added += 1
                    sentences.append("\(subject) added in \(region)")
                }
            }
        }
        let after = Dictionary(
            new.cells.map { (newRegions[$0.region], Set($0.endpoints.map(\.host))) },
            uniquingKeysWith: { first, _ in first })
        for cell in old.cells {
            let region = oldRegions[cell.region]
            for endpoint in cell.endpoints where after[region]?.contains(endpoint.host) != true {
                endpoints.removed += 1
                sentences.append("service \(new.name): endpoint \(endpoint.host) removed from \(region)")
            }
        }
    }

    mutating func compareRoutes(_ old: Table, _ new: Table) {
        let before = RouteText.all(of: old)
        let after = RouteText.all(of: new)
        routes = compare("route", before, after, name: \.match) { old, new in
            var notes = Notes()
            notes.compare("to", old.action, new.action) { $0 }
            if old.action == new.action { notes.compareUnprinted("respond", old.response, new.response) }
            notes.compare("rewrite", old.rewrite, new.rewrite) { $0 ?? "none" }
            notes.compareUnprinted("request_headers", old.requestHeaders, new.requestHeaders)
            notes.compareUnprinted("response_headers", old.responseHeaders, new.responseHeaders)
            return notes
        }
        if routes.added == 0, routes.removed == 0, before.map(\.match) != after.map(\.match) {
            sentences.append("routes: another order")
        }
    }
}

/// A route with names instead of indices, so that it can be compared with one of another table.
private struct RouteText {
    /// Of several routes that match the same requests, the second and later ones are numbered.
    private(set) var match: String
    let action: String
    let response: FixedResponse?
    let rewrite: String?
    let requestHeaders: HeaderEdits
    let responseHeaders: HeaderEdits

    static func all(of table: Table) -> [RouteText] {
        var counts: [String: Int] = [:]
        return table.routes.map { route in
            var text = RouteText(route, in: table)
            let number = counts[text.match, default: 0] + 1
            counts[text.match] = number
            if number > 1 { text.match += " (\(number))" }
            return text
        }
    }

    private init(_ route: Route, in table: Table) {
        match = table.text(of: route.match)
        action = table.text(of: route.action)
        response = if case .respond(let response) = route.action { response } else { nil }
        rewrite = route.rewritePrefix
        requestHeaders = route.requestHeaders
        responseHeaders = route.responseHeaders
    }
}
