internal import Failover
package import Foundation
internal import RouteTable

/// An order as the admin address takes it, in JSON.
package struct OrderRequest: Codable, Sendable {
    /// `drain`, `undrain`, `weight`, `freeze`, `unfreeze`, `drill`, `fail-over` or `fail-back`.
    package var order: String
    /// With `service` a cell; with `endpoint` as well an endpoint; alone the region.
    package var region: String?
    package var service: String?
    package var endpoint: String?
    /// Of `weight`: ten-thousandths, 0 to 10,000.
    package var weight: Int?
    package var seconds: Int?
    package var why: String?
    /// Safe or not.
    package var force: Bool?

    struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    package init(
        order: String, region: String? = nil, service: String? = nil, endpoint: String? = nil, weight: Int? = nil,
        seconds: Int? = nil, why: String? = nil, force: Bool? = nil
    ) {
        self.order = order
        self.region = region
        self.service = service
        self.endpoint = endpoint
        self.weight = weight
        self.seconds = seconds
        self.why = why
        self.force = force
    }

    /// Whether it is an object without members that mean nothing: a misspelt one would widen an order.
    package static func hasOnlyKnownKeys(_ data: Data) -> Bool {
        guard let members = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else { return false }
        return Set(members.keys).isSubset(of: CodingKeys.allCases.map(\.rawValue))
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case order, region, service, endpoint, weight, seconds, why, force
    }

    /// What the brain is to be told.
    func parsed() -> Result<Order, Problem> {
        for (name, text) in [
            ("order", order), ("region", region), ("service", service), ("endpoint", endpoint), ("why", why),
        ] as [(String, String?)] {
            if let text, let problem = Self.problem(of: text) { return self.problem("\(name) \(problem)") }
        }
        let why = why ?? "no reason given"
        let length = seconds.map { Duration.seconds($0) } ?? Override.usualLength
        guard length > .zero, length <= Override.lengthLimit else { return problem("an override lasts 1 s to 72 h") }
        switch order {
        case "freeze" where region != nil || service != nil || endpoint != nil,
            "unfreeze" where region != nil || service != nil || endpoint != nil:
            return problem("the router is frozen as a whole: no region, service or endpoint")
        case "fail-over" where service != nil || endpoint != nil, "fail-back" where service != nil || endpoint != nil:
            return problem("\(order) is of a whole region: no service or endpoint")
        case "freeze": return .success(.override(.router, .freeze, for: length, why: why))
        case "unfreeze": return .success(.end(.router, why: why))
        default: break
        }
        guard let region else { return problem("\(order) of which region?") }
        let subject: Order.Subject
        switch (service, endpoint) {
        case (nil, nil): subject = .region(region)
        case (let service?, nil): subject = .cell(service: service, region: region)
        case (let service?, let endpoint?): subject = .endpoint(service: service, region: region, address: endpoint)
        case (nil, _?): return problem("an endpoint of which service?")
        }
        switch order {
        case "drain": return .success(.override(subject, .drain, for: length, why: why))
        case "undrain": return .success(.end(subject, why: why))
        case "weight":
            guard let weight, (0...10_000).contains(weight) else { return problem("a weight is 0 to 10000") }
            return .success(.override(subject, .weight(weight), for: length, why: why))
        case "drill": return .success(.override(subject, .drill, for: length, why: why))
        case "fail-over": return .success(.failOver(region: region, why: why))
        case "fail-back": return .success(.failBack(region: region, why: why))
        default: return problem("no such order: \(order)")
        }
    }

    /// Bytes of each text, at most: it is written to the log and to the journal.
    package static let textLimit = 1_000

    /// Lines and control characters would be taken for the log's own, or a terminal's.
    private static func problem(of text: String) -> String? {
        if text.utf8.count > textLimit { return "is at most \(textLimit) bytes" }
        let refused: [Unicode.GeneralCategory] = [.control, .lineSeparator, .paragraphSeparator]
        let isPlain = text.unicodeScalars.allSatisfy { !refused.contains($0.properties.generalCategory) }
        return isPlain ? nil : "is one line without control characters"
    }

    private func problem(_ text: String) -> Result<Order, Problem> { .failure(Problem(description: text)) }
}

/// What became of an order.
package enum OrderOutcome: Sendable {
    case done
    /// It is none.
    case malformed(String)
    /// It is not safe, or there is nothing to do; why, with figures.
    case refused(String)
}
