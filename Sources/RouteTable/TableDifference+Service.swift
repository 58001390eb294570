extension TableDifference {
    /// What changed about a service, its endpoints left out.
    static func notes(
        _ old: Service, _ new: Service, oldRegions: [String], newRegions: [String], old oldTable: Table,
        new newTable: Table
    ) -> Notes {
        var notes = Notes()
        notes.compare(
            "prefer", old.cells.map { oldRegions[$0.region] }, new.cells.map { newRegions[$0.region] }
        ) { $0.joined(separator: ", ") }
        for cell in new.cells {
            let region = newRegions[cell.region]
            guard let known = old.cells.first(where: { oldRegions[$0.region] == region }) else { continue }
            notes.compare("capacity.\(region)", known.capacity, cell.capacity)
        }
        compareProbes(old.probe, new.probe, &notes)
        notes.compare("protocol", old.protocol, new.protocol) { $0.rawValue }
        notes.compare("balance", old.balance, new.balance) { "\($0)" }
        notes.compare("timeouts.connect", old.timeouts.connect, new.timeouts.connect)
        notes.compare("timeouts.response", old.timeouts.response, new.timeouts.response)
        notes.compare("timeouts.idle", old.timeouts.idle, new.timeouts.idle)
        notes.compare("timeouts.ping", old.timeouts.ping, new.timeouts.ping)
        notes.compare("timeouts.request", old.timeouts.request, new.timeouts.request)
        notes.compare("retry.attempts", old.retry.attempts, new.retry.attempts)
        notes.compareShare("retry.budget", old.retry.budget, new.retry.budget)
        notes.compare("retry.on", old.retry.on, new.retry.on) { $0.map { "\($0)" }.joined(separator: " ") }
        notes.compare("retry.hedge_after", old.retry.hedge, new.retry.hedge) { "\($0)" }
        notes.compare("limits.connections", old.limits.connections, new.limits.connections)
        notes.compare("limits.pending", old.limits.pending, new.limits.pending)
        notes.compare("limits.requests", old.limits.requests, new.limits.requests)
        notes.compare("importance", old.importance, new.importance) { $0.name }
        notes.compare(
            "needs", old.needs.map { oldTable.services[$0].name }, new.needs.map { newTable.services[$0].name }
        ) { $0.isEmpty ? "nothing" : $0.joined(separator: ", ") }
        notes.compare("moves", old.moves, new.moves) { $0.rawValue }
        notes.compare("mode", old.mode, new.mode) { $0.rawValue }
        compareFailover(old.failover, new.failover, &notes)
        notes.compare("resolve_every", old.resolveEvery, new.resolveEvery)
        notes.compare("resolve_family", old.addressFamilies, new.addressFamilies) { $0.rawValue }
        notes.compare("proxy_protocol", old.proxyHeader, new.proxyHeader) { $0?.rawValue ?? "none" }
        notes.compare("host", old.toldHost, new.toldHost) { "\($0)" }
        notes.compare("on_failover", old.onFailover, new.onFailover) { "\($0)" }
        notes.compareUnprinted("tls", old.tls, new.tls)
        return notes
    }

    private static func compareProbes(_ old: Probe?, _ new: Probe?, _ notes: inout Notes) {
        guard let old, let new else {
            notes.compare("probe", old, new) { $0 == nil ? "none" : "some" }
            return
        }
        notes.compareUnprinted("probe", old.kind, new.kind)
        notes.compare("probe.port", old.port.map(Int.init), new.port.map(Int.init))
        notes.compareUnprinted("probe.tls", old.tls, new.tls)
        notes.compare("probe.every", old.every, new.every)
        notes.compare("probe.timeout", old.timeout, new.timeout)
        if old.everyUsed != new.everyUsed {
            notes.compare("probe.every_used", old.everyUsed ?? old.every, new.everyUsed ?? new.every)
        }
        notes.compare("probe.every_suspect", old.everySuspect, new.everySuspect)
        notes.compare("probe.every_down", old.everyDown, new.everyDown)
        notes.compare("probe.fall", old.fall, new.fall)
        notes.compare("probe.rise", old.rise, new.rise)
    }

    private static func compareFailover(_ old: FailoverPolicy, _ new: FailoverPolicy, _ notes: inout Notes) {
        notes.compare("failover.consecutive_failures", old.consecutiveFailures, new.consecutiveFailures)
        notes.compareShare("failover.failure_ratio", old.failureRatio, new.failureRatio)
        notes.compare("failover.ratio_minimum", old.ratioMinimum, new.ratioMinimum)
        notes.compare("failover.ratio_window", old.ratioWindow, new.ratioWindow)
        notes.compareShare("failover.cell_failure_ratio", old.cellFailureRatio, new.cellFailureRatio)
        notes.compare("failover.ejection", old.ejection, new.ejection)
        notes.compare("failover.ejection_limit", old.ejectionLimit, new.ejectionLimit)
        notes.compareShare("failover.overprovisioning", old.overprovisioning, new.overprovisioning)
        notes.compareShare("failover.down_below", old.downBelow, new.downBelow)
        notes.compareShare("failover.restored_at", old.restoredAt, new.restoredAt)
        notes.compareShare("failover.probe_removal", old.probeRemoval, new.probeRemoval)
        notes.compare("failover.removal_window", old.removalWindow, new.removalWindow)
        notes.compare("failover.hold", old.hold, new.hold)
        notes.compare("failover.steps", old.steps, new.steps) { $0.map(\.percentText).joined(separator: " ") }
        notes.compare("failover.soak", old.soak, new.soak)
        notes.compare("failover.soak_requests", old.soakRequests, new.soakRequests)
        notes.compareShare("failover.abort_ratio", old.abortRatio, new.abortRatio)
        notes.compare("failover.damping", old.damping, new.damping)
        notes.compare("failover.probation_passes", old.probationPasses, new.probationPasses)
        notes.compare("failover.slow_start", old.slowStart, new.slowStart)
    }
}

extension Table {
    /// The conditions of a route in words: `host shop.example.com, path /checkout, GET`; `all requests`.
    package func text(of match: Match) -> String {
        var parts: [String] = []
        if let listener = match.listener { parts.append("listener \(listeners[listener].name)") }
        if let host = match.host { parts.append("host \(host)") }
        if let path = match.path { parts.append("path \(path)") }
        if !match.methods.isEmpty { parts.append("method \(match.methods.joined(separator: " or "))") }
        parts += match.headers.map { "header \($0)" }
        if !match.alpn.isEmpty { parts.append("alpn \(match.alpn.joined(separator: " or "))") }
        return parts.isEmpty ? "all requests" : parts.joined(separator: ", ")
    }

    /// What a route does with its requests: `web`; `web 90, web-next 10`; `redirect 301 to https`; `respond 404`.
    package func text(of action: Route.Action) -> String {
        switch action {
        case .forward(let destinations):
            if destinations.count == 1 { return services[destinations[0].service].name }
            return destinations.map { "\(services[$0.service].name) \($0.weight)" }.joined(separator: ", ")
        case .redirect(let redirect):
            let scheme = redirect.scheme.map { "\($0)://" } ?? ""
            let port = redirect.port.map { ":\($0)" } ?? ""
            let target = scheme + (redirect.host ?? "") + port + (redirect.path ?? "")
            return "redirect \(redirect.status)" + (target.isEmpty ? "" : " to \(target)")
        case .respond(let response):
            return "respond \(response.status)"
        }
    }
}
