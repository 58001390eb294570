internal import Failover
internal import RouteTable
internal import Telemetry

/// Metrics of endpoints. There may be tens of thousands of them, and most have nothing to tell: what has been 0 ever since
/// is left out, but for the attempts; of states, the present one is told.
extension Snapshot {
    func endpointMetrics(_ text: inout MetricsText) {
        let unhealthy = unhealthyByNumber
        let lines = endpoints.map { endpoint in
            EndpointLine(
                labels: MetricsText.Labels([
                    ("service", table.services[endpoint.service].name), ("region", endpoint.region),
                    ("endpoint", endpoint.address),
                ]),
                totals: EndpointTotals(endpoint.counters), state: unhealthy[endpoint.number]?.state ?? .healthy,
                probes: probeCounts.byEndpoint[endpoint.number] ?? ProbeCounts.Results())
        }
        text.family("spillway_endpoint_attempts_total", .counter, "Attempts begun.")
        for line in lines { text.sample(line.labels, line.totals.attempts) }
        text.family("spillway_endpoint_outcomes_total", .counter, "Attempts ended, by outcome.")
        for line in lines where line.totals != EndpointTotals() {
            for (outcome, count) in line.totals.outcomes where count > 0 {
                text.sample(line.labels.with("outcome", outcome), count)
            }
        }
        text.family(
            "spillway_endpoint_late_breaks_total", .counter,
            "Answers broken off after their attempts had been counted as a success.")
        for line in lines where line.totals.lateBreaks > 0 { text.sample(line.labels, line.totals.lateBreaks) }
        text.family("spillway_endpoint_overstays_total", .counter, "Attempts that took longer than usual.")
        for line in lines where line.totals.overstays > 0 { text.sample(line.labels, line.totals.overstays) }
        text.family("spillway_endpoint_connections_opened_total", .counter, "Connections opened.")
        for line in lines where line.totals.connectionsOpened > 0 {
            text.sample(line.labels, line.totals.connectionsOpened)
        }
        // Of these, what is 0 again is told.
        text.family("spillway_endpoint_open_connections", .gauge, "Connections open now.")
        for line in lines where line.totals.connectionsOpened > 0 {
            text.sample(line.labels, line.totals.openConnections)
        }
        text.family("spillway_endpoint_requests_in_flight", .gauge, "Attempts under way now.")
        for line in lines where line.totals.attempts > 0 { text.sample(line.labels, line.totals.inFlight) }
        text.family("spillway_endpoint_state", .gauge, "1 for the state the endpoint is in.")
        for line in lines {
            text.sample(line.labels.with("state", line.state.rawValue), 1)
        }
        text.family("spillway_probes_total", .counter, "Probes by result; unknown: the prober was late itself.")
        for line in lines {
            for (result, count) in line.probes.byName where count > 0 {
                text.sample(line.labels.with("result", result), count)
            }
        }
        text.family(
            "spillway_prober_lag_seconds", .gauge, "How late the prober's timers were, at worst, in the last second.")
        text.sample([], Double(probeCounts.lag) / 1e9)
    }

    private struct EndpointLine {
        let labels: MetricsText.Labels
        let totals: EndpointTotals
        let state: EndpointState
        let probes: ProbeCounts.Results
    }
}

extension ProbeCounts.Results {
    fileprivate var byName: [(String, UInt64)] { [("passed", passed), ("failed", failed), ("unknown", unknown)] }
}

extension EndpointTotals {
    /// How attempts ended, by the name metrics and decisions use.
    var outcomes: [(String, UInt64)] {
        [
            ("success", successes), ("connect-failed", connectFailures), ("unreachable", unreachables),
            ("connect-timeout", connectTimeouts), ("unconnected", unconnected),
            ("reset", resets), ("truncated", truncations), ("response-timeout", responseTimeouts),
            ("gateway-error", gatewayErrors),
            ("server-error", serverErrors), ("abandoned", abandoned), ("router-exhausted", exhausted),
        ]
    }
}
