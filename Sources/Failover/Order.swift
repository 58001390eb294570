internal import RouteTable

/// What an operator wants.
package enum Order: Sendable, Equatable, Codable {
    /// Until then, whatever the evidence says. Replaces what was ordered of the same subject.
    case override(Subject, Override.Kind, for: Duration, why: String)
    /// Ends what was ordered of a subject.
    case end(Subject, why: String)
    /// Traffic leaves a region now, as if it were impaired, and comes back as from any impairment.
    case failOver(region: String, why: String)
    /// The way back begins now: without hold, damping or what else it waits for. Its steps are verified as always.
    case failBack(region: String, why: String)

    package enum Subject: Sendable, Hashable, Codable {
        case router
        case region(String)
        case cell(service: String, region: String)
        case endpoint(service: String, region: String, address: String)
    }
}

/// What an operator has ordered, and that it ends.
package struct Override: Sendable, Equatable, Codable {
    package enum Kind: Sendable, Equatable, Codable {
        /// No traffic.
        case drain
        /// At most this share of what it would have, in ten-thousandths.
        case weight(Int)
        /// No automatic change. Of the router alone.
        case freeze
        /// No traffic, step by step, and back at once when it hurts. Of regions alone.
        case drill
    }

    package let subject: Order.Subject
    package let kind: Kind
    package let since: Instant
    package let until: Instant
    package let why: String

    /// One lasts this long unless it is said, and never longer than the limit.
    package static let usualLength = Duration.seconds(3_600)
    package static let lengthLimit = Duration.seconds(72 * 3_600)
    /// How long each of a drill's steps lasts, and what a region keeps in it.
    static let drillStep = Duration.seconds(5)
    static let drillShares = [7_500, 5_000, 2_500, 0]

    /// The most the subject may have of what it would have, in ten-thousandths.
    func ceiling(at now: Instant) -> Int {
        switch kind {
        case .drain: 0
        case .weight(let share): share
        case .freeze: whole
        case .drill:
            Self.drillShares[min(max(Int((now - since) / Self.drillStep), 0), Self.drillShares.count - 1)]
        }
    }
}

/// What became of an order.
package enum OrderAnswer: Sendable, Equatable {
    case accepted
    /// Why not, with figures.
    case refused(String)
}

extension Order.Subject: CustomStringConvertible {
    package var description: String {
        switch self {
        case .router: "router"
        case .region(let name): name
        case .cell(let service, let region): "\(service) in \(region)"
        case .endpoint(let service, let region, let address): "\(service) at \(address) in \(region)"
        }
    }
}

extension Override.Kind: CustomStringConvertible {
    package var description: String {
        switch self {
        case .drain: "drain"
        case .weight(let share): "weight \(percent(share))"
        case .freeze: "freeze"
        case .drill: "drill"
        }
    }
}
