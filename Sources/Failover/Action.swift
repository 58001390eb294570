/// What the brain wants done.
package enum Action: Sendable, Equatable {
    /// A service's shares per cell, and what of it is to be refused at once, in ten-thousandths that add up to 10,000.
    case split(service: Int, shares: [Int], shed: Int)
    /// How much of an endpoint's weight counts, in ten-thousandths. 0: none while another endpoint of the cell has any.
    case endpoint(EndpointID, share: Int)
    /// How often to probe from now on; `soon`: and once at once.
    case probe(EndpointID, ProbePace, soon: Bool)
    /// A cell is about to get this share of its service's traffic: connections are to be opened.
    case warm(service: Int, position: Int, share: Int)
    case decision(Decision)
    /// To whoever gave the order.
    case answer(OrderAnswer)
}

/// How often an endpoint is to be probed.
package enum ProbePace: Sendable, Equatable, Codable {
    case normal, suspect, down
}
