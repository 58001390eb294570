internal import Failover
internal import RouteTable
internal import Telemetry
internal import Wire

/// The metrics page. Every name is in docs/metrics.md.
extension Snapshot {
    func metrics() -> [UInt8] {
        var text = MetricsText()
        processMetrics(&text)
        listenerMetrics(&text)
        encryptionMetrics(&text)
        routeMetrics(&text)
        serviceMetrics(&text)
        cellMetrics(&text)
        endpointMetrics(&text)
        decisionMetrics(&text)
        nameMetrics(&text)
        return text.bytes
    }

    private func nameMetrics(_ text: inout MetricsText) {
        text.family("spillway_dns_lookups", .gauge, "Names that are being asked for now, or wait to be.")
        text.sample([], lookups)
        text.family("spillway_dns_addresses", .gauge, "Addresses that are known of a name; 0: none yet.")
        for name in names { text.sample([("name", name.host)], name.addresses) }
        text.family("spillway_dns_failures_total", .counter, "Times a name was asked for in vain.")
        for name in names { text.sample([("name", name.host)], name.failures) }
        text.family(
            "spillway_dns_answer_age_seconds", .gauge, "Since the last good answer for a name, or the first question.")
        for name in names { text.sample([("name", name.host)], Double(name.age) / 1e9) }
    }

    private func processMetrics(_ text: inout MetricsText) {
        ProcessStatistics().write(to: &text, descriptorLimit: descriptors.limit)
        text.family("spillway_build_info", .gauge, "The version that runs; always 1.")
        text.sample([("version", version)], 1)
        text.family("spillway_uptime_seconds", .gauge, "Since the process started.")
        text.sample([], Double(uptime) / 1e9)
        text.family("spillway_workers", .gauge, "Worker threads.")
        text.sample([], workers.count)
        text.family(
            "spillway_client_connections_limit", .gauge, "Client connections that the limit of open files allows.")
        text.sample([], descriptors.clients)
        text.family(
            "spillway_worker_longest_turn_seconds", .gauge,
            "The longest turn of a worker's loop in the last one to two minutes.")
        for (worker, counters) in workers.enumerated() {
            text.sample([("worker", "\(worker)")], Double(counters.longestTurn.level) / 1e9)
        }
        text.family("spillway_table_generation", .gauge, "Rises with every table or address change taken on.")
        text.sample([], generation)
        text.family(
            "spillway_table_last_good", .gauge, "1 while the last good table is served instead of the given one.")
        text.sample([], servesLastGoodTable ? 1 : 0)
        text.family(
            "spillway_table_refused", .gauge, "1 while the table on disk is refused, and another one is served.")
        text.sample([], refusedReload == nil ? 0 : 1)
        text.family("spillway_reloads_total", .counter, "Reloads by outcome.")
        text.sample([("outcome", "accepted")], reloads.accepted)
        text.sample([("outcome", "refused")], reloads.refused)
        text.family("spillway_reload_seconds", .gauge, "How long the last accepted reload took, reading included.")
        text.sample([], reloads.lastSeconds)
        text.family(
            "spillway_slow_reloads_total", .counter,
            "Readings of tables and certificates that took over 5 s, or still do.")
        text.sample([], slowChores)
        text.family("spillway_reports_dropped_total", .counter, "Reports of workers and prober that found no room.")
        text.sample([], droppedReports)
        text.family("spillway_log_lost_total", .counter, "Lines of the router's own log that could not be written.")
        text.sample([], log?.lostLines ?? 0)
        text.family("spillway_access_log_lost_total", .counter, "Access-log lines that could not be written.")
        text.sample([], logWriter.lostLines)
    }

    private func listenerMetrics(_ text: inout MetricsText) {
        let listeners = table.listeners.compactMap { listener in
            registry.listeners[listener.name].map { (listener.name, $0) }
        }
        func counters(_ name: String, _ help: String, _ value: (ListenerCounters) -> UInt64) {
            text.family(name, .counter, help)
            for (listener, counters) in listeners {
                text.sample([("listener", listener)], counters.reduce(0) { $0 &+ value($1) })
            }
        }
        counters("spillway_listener_connections_total", "Client connections accepted.") { $0.connections.count }
        counters("spillway_listener_requests_total", "Requests whose head was complete.") { $0.requests.count }
        counters("spillway_listener_abuses_total", "HTTP/2 connections ended for an error, or what they cost.") {
            $0.abuses.count
        }
        counters("spillway_listener_refused_total", "Requests refused as malformed or over a limit.") {
            $0.refused.count
        }
        counters("spillway_listener_unrouted_total", "Requests that no route was for.") { $0.unrouted.count }
        counters("spillway_listener_client_aborts_total", "Clients gone before their answer was whole.") {
            $0.clientAborts.count
        }
        counters("spillway_listener_truncated_total", "Answers cut off because the upstream broke within them.") {
            $0.truncated.count
        }
        counters("spillway_listener_received_bytes_total", "Bytes from clients.") { $0.bytesReceived.count }
        counters("spillway_listener_sent_bytes_total", "Bytes to clients.") { $0.bytesSent.count }
        counters("spillway_access_log_dropped_total", "Access-log lines that found no room.") {
            $0.accessLogDropped.count
        }
        text.family("spillway_tunnels_ended_total", .counter, "Tunnels that ended, by who or what ended them.")
        for (listener, counters) in listeners {
            for (reason, value) in [
                ("client", { $0.tunnelsEndedByClient.count }), ("server", { $0.tunnelsEndedByServer.count }),
                ("client-reset", { $0.tunnelsResetByClient.count }),
                ("server-reset", { $0.tunnelsResetByServer.count }), ("idle", { $0.tunnelsIdle.count }),
                ("failover", { $0.tunnelsFailedOver.count }),
            ] as [(String, (ListenerCounters) -> UInt64)] {
                text.sample(
                    [("listener", listener), ("reason", reason)], counters.reduce(0) { $0 &+ value($1) })
            }
        }
        text.family(
            "spillway_listener_accepting_workers", .gauge, "Workers that accept the listener's connections now.")
        for (listener, counters) in listeners {
            text.sample([("listener", listener)], counters.reduce(0) { $0 + $1.accepting.level })
        }
        text.family("spillway_listener_open_connections", .gauge, "Client connections open now.")
        for (listener, counters) in listeners {
            text.sample([("listener", listener)], counters.reduce(0) { $0 + $1.openConnections.level })
        }
    }

    private func serviceMetrics(_ text: inout MetricsText) {
        func counters(_ name: String, _ help: String, _ value: (ServiceCounters) -> UInt64) {
            text.family(name, .counter, help)
            for (service, counters) in services {
                text.sample([("service", service)], counters.reduce(0) { $0 &+ value($1) })
            }
        }
        counters("spillway_service_requests_total", "Requests routed to the service.") { $0.requests.count }
        counters("spillway_service_failures_total", "Requests answered by an error of the router's own.") {
            $0.failures.count
        }
        counters("spillway_service_budget_exhausted_total", "Retries and hedges that the budget did not allow.") {
            $0.budgetExhausted.count
        }
        counters("spillway_service_shed_total", "Requests refused because no capacity was left for them.") {
            $0.shed.count
        }
        counters("spillway_service_overflows_total", "Requests refused because a limit was reached.") {
            $0.overflows.count
        }
        answerMetrics(&text)
        text.family("spillway_service_requests_in_flight", .gauge, "Requests under way now.")
        for (service, counters) in services {
            text.sample([("service", service)], counters.reduce(0) { $0 + $1.inFlight.level })
        }
        text.family("spillway_service_requests_pending", .gauge, "Requests that wait for a connection now.")
        for (service, counters) in services {
            text.sample([("service", service)], counters.reduce(0) { $0 + $1.pending.level })
        }
    }

    /// Of those that anybody has used.
    private func routeMetrics(_ text: inout MetricsText) {
        let routes = routes.rows.map { row in
            (
                labels: MetricsText.Labels([("route", row.match)]),
                requests: row.counters.reduce(0) { $0 &+ $1.requests.count },
                failures: row.counters.reduce(0) { $0 &+ $1.failures.count }
            )
        }
        text.family("spillway_route_requests_total", .counter, "Requests that the route was chosen for.")
        for route in routes where route.requests > 0 { text.sample(route.labels, route.requests) }
        text.family("spillway_route_failures_total", .counter, "Those that failed in the eyes of their clients.")
        for route in routes where route.requests > 0 { text.sample(route.labels, route.failures) }
    }

    /// Answers by status, of those that occurred.
    private func answerMetrics(_ text: inout MetricsText) {
        text.family(
            "spillway_service_responses_total", .counter, "Answers to clients by status, the router's own among them.")
        for (service, counters) in services {
            var sums: [Int: UInt64] = [:]
            var others: UInt64 = 0
            for one in counters {
                one.answers.forEach { code, count in
                    if let code { sums[code, default: 0] &+= count } else { others &+= count }
                }
            }
            let labels = MetricsText.Labels([("service", service)])
            for (code, count) in sums.sorted(by: { $0.key < $1.key }) {
                text.sample(labels.with("code", "\(code)"), count)
            }
            if others > 0 { text.sample(labels.with("code", "other"), others) }
        }
    }

    private var services: [(name: String, counters: [ServiceCounters])] {
        table.services.compactMap { service in registry.services[service.name].map { (service.name, $0) } }
    }

    /// Every cell with its labels.
    private var cells: [(labels: [(String, String)], service: Int, cell: Int, counters: [CellCounters])] {
        table.services.indices.flatMap { index in
            let service = table.services[index]
            return service.cells.indices.compactMap { position in
                let region = table.regions[service.cells[position].region].name
                return registry.cells[.init(service: service.name, region: region)].map {
                    ([("service", service.name), ("region", region)], index, position, $0)
                }
            }
        }
    }

    private func cellMetrics(_ text: inout MetricsText) {
        let cells = cells
        text.family("spillway_responses_total", .counter, "Answers passed on to clients, by status class.")
        for (labels, _, _, counters) in cells {
            for (name, value) in [
                ("2xx", counters.reduce(0) { $0 &+ $1.responses2xx.count }),
                ("3xx", counters.reduce(0) { $0 &+ $1.responses3xx.count }),
                ("4xx", counters.reduce(0) { $0 &+ $1.responses4xx.count }),
                ("5xx", counters.reduce(0) { $0 &+ $1.responses5xx.count }),
            ] as [(String, UInt64)] {
                text.sample(labels + [("class", name)], value)
            }
        }
        text.family(
            "spillway_grpc_responses_total", .counter,
            "gRPC calls by the status they ended with; without a region: none has answered.")
        for (labels, _, _, counters) in cells {
            for status in GRPCStatus.allCases {
                let count = counters.reduce(0) { $0 &+ $1.grpc[status.rawValue].count }
                if count > 0 { text.sample(labels + [("status", status.name)], count) }
            }
        }
        for (name, counters) in services {
            for status in GRPCStatus.allCases {
                let count = counters.reduce(0) { $0 &+ $1.grpc[status.rawValue].count }
                if count > 0 { text.sample([("service", name), ("status", status.name)], count) }
            }
        }
        text.family("spillway_retries_total", .counter, "Attempts made because one in this region failed.")
        for (labels, _, _, counters) in cells { text.sample(labels, counters.reduce(0) { $0 &+ $1.retries.count }) }
        text.family("spillway_hedges_total", .counter, "Attempts made because one in this region took long.")
        for (labels, _, _, counters) in cells { text.sample(labels, counters.reduce(0) { $0 &+ $1.hedges.count }) }
        text.family("spillway_response_seconds", .histogram, "From a request's head to its answer's head.")
        for (labels, _, _, counters) in cells { text.histogram(labels, counters.map(\.latency)) }
        text.family("spillway_attempt_seconds", .histogram, "From an attempt's beginning to its answer's head.")
        for (labels, _, _, counters) in cells { text.histogram(labels, counters.map(\.attemptTime)) }
        text.family("spillway_cell_overloads_total", .counter, "Tenths of a second that showed overload.")
        for (labels, _, _, counters) in cells { text.sample(labels, counters.reduce(0) { $0 &+ $1.overloads.count }) }
        text.family("spillway_cell_concurrency_limit", .gauge, "Attempts under way that are enough; 0: no limit.")
        for (labels, _, _, counters) in cells {
            text.sample(labels, counters.reduce(0) { $0 + $1.concurrencyLimit.level })
        }
        text.family("spillway_split_ratio", .gauge, "Share of the service's requests sent to this region.")
        for (labels, service, cell, _) in cells {
            text.sample(labels, Double(splits[service].shares[cell]) / 10_000)
        }
        cellHealthMetrics(&text, cells.map { ($0.labels, $0.service, $0.cell) })
    }
}
