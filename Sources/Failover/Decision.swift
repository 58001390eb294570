/// A change the brain made, and why.
package struct Decision: Sendable, Equatable {
    /// Counts up from 1.
    package let sequence: UInt64
    package let time: Instant
    package let subject: Subject
    package let change: Change
    package let rule: Rule
    /// At least one.
    package let evidence: [Evidence]

    package enum Subject: Sendable, Equatable {
        case endpoint(service: String, region: String, address: String)
        case cell(service: String, region: String)
        case service(String)
        case region(String)
        /// The router as a whole.
        case router
    }

    package enum Change: Sendable, Equatable {
        /// An endpoint's state.
        case state(before: EndpointState, after: EndpointState)
        /// The most of its service's traffic a cell may have, in ten-thousandths.
        case ceiling(before: Int, after: Int)
        /// Shares by region and what is shed, in ten-thousandths.
        case split(regions: [String], before: [Int], after: [Int], shedBefore: Int, shedAfter: Int)
        /// What a cell can carry, as it has shown, in requests per second; nil: not known.
        case capacity(before: Int?, after: Int?)
        /// What is ordered of the subject.
        case order(before: String, after: String)
        /// A region's state.
        case region(before: RegionState, after: RegionState)
        /// The router holds what it last decided, because the fault seems to be its own.
        case holds(before: Bool, after: Bool)
    }

    /// Which rule made the change. The names are stable: logs, metrics and alerts use them.
    package enum Rule: String, Sendable, Equatable, CaseIterable {
        // Endpoints
        case consecutiveFailures = "consecutive-failures"
        case fallenSilent = "fallen-silent"
        case failureRatio = "failure-ratio"
        case hanging
        case hangingLong = "hanging-long"
        case answersAgain = "answers-again"
        case ejectionOver = "ejection-over"
        case trialPassed = "trial-passed"
        case trialFailed = "trial-failed"
        case probeFall = "probe-fall"
        case probeFallWithinLimit = "probe-fall-within-limit"
        case probeRise = "probe-rise"
        case requestsOutrankProbes = "requests-outrank-probes"
        // Cells
        case cellFailures = "cell-failures"
        case cellDown = "cell-down"
        case capacityLost = "capacity-lost"
        case failbackStep = "failback-step"
        case failbackDone = "failback-done"
        case failbackAborted = "failback-aborted"
        case carriesWell = "carries-well"
        case slow
        case capacityLearned = "capacity-learned"
        case capacityTried = "capacity-tried"
        case capacityForgotten = "capacity-forgotten"
        // Regions
        case cascade
        case cascadeRevoked = "cascade-revoked"
        case regionRestored = "region-restored"
        case regionBack = "region-back"
        // Services
        case followsCapacity = "follows-capacity"
        case followsDemand = "follows-demand"
        case followsRegion = "follows-region"
        case followsNeeds = "follows-needs"
        case shed
        case lastResort = "last-resort"
        case failOpen = "fail-open"
        // The router
        case everythingSilent = "everything-silent"
        case stalled
        case signsAgain = "signs-again"
        // Operators
        case ordered
        case orderEnded = "order-ended"
        case orderExpired = "order-expired"
        case drillAborted = "drill-aborted"
        case frozen
    }

    package struct Evidence: Sendable, Equatable {
        package let name: String
        package let value: Value

        package enum Value: Sendable, Equatable {
            case count(Int)
            /// Ten-thousandths.
            case ratio(Int)
            case milliseconds(Int)
            case text(String)
        }

        static func count(_ name: String, _ value: Int) -> Evidence { Evidence(name: name, value: .count(value)) }
        static func ratio(_ name: String, _ value: Int) -> Evidence { Evidence(name: name, value: .ratio(value)) }
        static func text(_ name: String, _ value: String) -> Evidence { Evidence(name: name, value: .text(value)) }

        static func time(_ name: String, _ value: Duration) -> Evidence {
            Evidence(name: name, value: .milliseconds(value.milliseconds))
        }
    }
}

extension Decision: CustomStringConvertible {
    /// One sentence: who, what changed, the rule, the evidence.
    package var description: String {
        "\(subject): \(change) (\(rule.rawValue): \(evidence.map(\.description).joined(separator: ", ")))"
    }
}

extension Decision.Subject: CustomStringConvertible {
    package var description: String {
        switch self {
        case .endpoint(let service, let region, let address): "\(service) at \(address) in \(region)"
        case .cell(let service, let region): "\(service) in \(region)"
        case .service(let name), .region(let name): name
        case .router: "router"
        }
    }
}

extension Decision.Change: CustomStringConvertible {
    package var description: String {
        switch self {
        case .state(let before, let after) where before == after: "stays \(after.rawValue)"
        case .state(let before, let after): "\(before.rawValue) → \(after.rawValue)"
        case .ceiling(let before, let after): "at most \(percent(before)) → \(percent(after))"
        case .split(let regions, let before, let after, let shedBefore, let shedAfter)
        where before == after && shedBefore == shedAfter:
            "stays " + zip(regions, after).map { "\($0) \(percent($1))" }.joined(separator: ", ")
        case .split(let regions, let before, let after, let shedBefore, let shedAfter):
            (zip(regions, zip(before, after)) + [("shed", (shedBefore, shedAfter))])
                .filter { $0.1.0 != $0.1.1 }
                .map { "\($0) \(percent($1.0)) → \(percent($1.1))" }.joined(separator: ", ")
        case .capacity(let before, let after):
            "carries \(before.map { "\($0)/s" } ?? "unknown") → \(after.map { "\($0)/s" } ?? "unknown")"
        case .order(let before, let after): "ordered: \(before) → \(after)"
        case .region(let before, let after): "\(before.rawValue) → \(after.rawValue)"
        case .holds(_, let after): after ? "holds what it decided last" : "decides again"
        }
    }
}

extension Decision.Evidence: CustomStringConvertible {
    package var description: String {
        switch value {
        case .count(let count): "\(name) \(count)"
        case .ratio(let ratio): "\(name) \(percent(ratio))"
        case .milliseconds(let milliseconds): "\(name) \(milliseconds) ms"
        case .text(let text): "\(name) \(text)"
        }
    }
}

/// Ten-thousandths as people write them: `12.5 %`.
package func percent(_ ratio: Int) -> String {
    let hundredths = ratio % 100
    if hundredths == 0 { return "\(ratio / 100) %" }
    return hundredths % 10 == 0
        ? "\(ratio / 100).\(hundredths / 10) %" : "\(ratio / 100).\(hundredths / 10)\(hundredths % 10) %"
}

extension Decision {
    /// One line of JSON.
    package var json: String {
        var text = "{\"sequence\":\(sequence),\"time\":\(quoted(time.date))"
        switch subject {
        case .endpoint(let service, let region, let address):
            text += ",\"subject\":\"endpoint\",\"service\":\(quoted(service)),\"region\":\(quoted(region))"
            text += ",\"endpoint\":\(quoted(address))"
        case .cell(let service, let region):
            text += ",\"subject\":\"cell\",\"service\":\(quoted(service)),\"region\":\(quoted(region))"
        case .service(let name): text += ",\"subject\":\"service\",\"service\":\(quoted(name))"
        case .region(let name): text += ",\"subject\":\"region\",\"region\":\(quoted(name))"
        case .router: text += ",\"subject\":\"router\""
        }
        switch change {
        case .state(let before, let after):
            text += ",\"change\":\"state\",\"before\":\(quoted(before.rawValue)),\"after\":\(quoted(after.rawValue))"
        case .ceiling(let before, let after): text += ",\"change\":\"ceiling\",\"before\":\(before),\"after\":\(after)"
        case .split(let regions, let before, let after, let shedBefore, let shedAfter):
            text += ",\"change\":\"split\",\"before\":\(shares(regions, before)),\"after\":\(shares(regions, after))"
            if shedBefore != 0 || shedAfter != 0 {
                text += ",\"shed_before\":\(shedBefore),\"shed_after\":\(shedAfter)"
            }
        case .capacity(let before, let after):
            text += ",\"change\":\"capacity\",\"before\":\(before.map { "\($0)" } ?? "null")"
            text += ",\"after\":\(after.map { "\($0)" } ?? "null")"
        case .order(let before, let after):
            text += ",\"change\":\"order\",\"before\":\(quoted(before)),\"after\":\(quoted(after))"
        case .region(let before, let after):
            text += ",\"change\":\"region\",\"before\":\(quoted(before.rawValue)),\"after\":\(quoted(after.rawValue))"
        case .holds(let before, let after): text += ",\"change\":\"holds\",\"before\":\(before),\"after\":\(after)"
        }
        text += ",\"rule\":\(quoted(rule.rawValue)),\"evidence\":{"
        text += evidence.map { "\(quoted($0.name.split(separator: " ").joined(separator: "_"))):\($0.jsonValue)" }
            .joined(separator: ",")
        return text + "}}"
    }

    private func shares(_ regions: [String], _ shares: [Int]) -> String {
        "{" + zip(regions, shares).map { "\(quoted($0)):\($1)" }.joined(separator: ",") + "}"
    }
}

extension Decision.Evidence {
    fileprivate var jsonValue: String {
        switch value {
        case .count(let number), .ratio(let number), .milliseconds(let number): "\(number)"
        case .text(let text): quoted(text)
        }
    }
}

/// A JSON string.
private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case _ where scalar.value < 0x20:
            let hex = String(scalar.value, radix: 16)
            result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}
