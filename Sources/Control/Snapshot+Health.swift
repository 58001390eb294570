internal import Failover
internal import RouteTable
internal import Telemetry

/// What the brain thinks, as metrics.
extension Snapshot {
    func cellHealthMetrics(
        _ text: inout MetricsText, _ cells: [(labels: [(String, String)], service: Int, cell: Int)]
    ) {
        let views = cells.map { ($0.labels, cellViews[$0.service][$0.cell]) }
        text.family("spillway_cell_usable_ratio", .gauge, "Weight that counts times success of recent requests.")
        for (labels, view) in views { text.sample(labels, Double(view.usable) / 10_000) }
        text.family("spillway_cell_ceiling_ratio", .gauge, "The most of its service's traffic the cell may have.")
        for (labels, view) in views { text.sample(labels, Double(view.ceiling) / 10_000) }
        text.family("spillway_cell_state", .gauge, "1 for the state the cell is in, 0 for the others.")
        for (labels, view) in views {
            for state in Brain.CellState.allCases {
                text.sample(labels + [("state", state.rawValue)], view.state == state ? 1 : 0)
            }
        }
        text.family("spillway_cell_learned_capacity", .gauge, "Requests per second; 0: declared, or not known.")
        for (labels, view) in views { text.sample(labels, view.learnedCapacity ?? 0) }
        text.family("spillway_region_state", .gauge, "1 for the state the region is in, 0 for the others.")
        for region in regions {
            for state in RegionState.allCases {
                text.sample(
                    [("region", region.name), ("state", state.rawValue)], region.state == state ? 1 : 0)
            }
        }
        text.family("spillway_holds", .gauge, "1 while nothing anywhere answers and what was decided last is held.")
        text.sample([], holds ? 1 : 0)
        text.family("spillway_shed_ratio", .gauge, "Share of the service's requests refused for want of capacity.")
        for (index, service) in table.services.enumerated() {
            text.sample([("service", service.name)], Double(splits[index].shed) / 10_000)
        }
        text.family("spillway_service_fails_open", .gauge, "1 while nothing is healthy and traffic goes where it can.")
        for (index, service) in table.services.enumerated() {
            text.sample([("service", service.name)], failsOpen[index] ? 1 : 0)
        }
    }

    func decisionMetrics(_ text: inout MetricsText) {
        text.family(
            "spillway_brain_lag_seconds", .gauge, "How late the brain looked, at worst, in the last 10 to 20 seconds.")
        text.sample([], Double(lag) / 1e9)
        text.family("spillway_override_seconds_left", .gauge, "Until an operator's order ends by itself.")
        for order in orders {
            text.sample(
                [("subject", "\(order.subject)"), ("kind", "\(order.kind)")],
                Double(Int((order.until - now) / .milliseconds(1))) / 1_000)
        }
        text.family("spillway_decisions_total", .counter, "Decisions by rule.")
        for rule in Decision.Rule.allCases {
            text.sample([("rule", rule.rawValue)], decisionCounts[rule.rawValue] ?? 0)
        }
        text.family("spillway_journal_lost_total", .counter, "Decisions that could not be written to the journal.")
        text.sample([], stateWriter.lostDecisions)
        text.family("spillway_evidence_lost_total", .counter, "Events that could not be written to the evidence.")
        text.sample([], stateWriter.lostEvents)
    }
}
