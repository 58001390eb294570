internal import Failover
internal import RouteTable

/// Happenings as sentences.
extension Happening {
    func text(in scenario: Scenario) -> String {
        let lasting = length.map { " for \(timeText($0))" } ?? ""
        return what.text(in: scenario) + lasting
    }

    /// What is said when it is undone; nil: nothing.
    func undoneText(in scenario: Scenario) -> String? {
        switch what {
        case .fault(let scope, _), .flap(let scope, _, _): "\(scope.text(in: scenario)) is well again"
        case .probesLie(let scope, _): "health checks of \(scope.text(in: scenario)) tell the truth again"
        case .dependencyFault(let index, let region, _):
            "\(scenario.dependencies[index].name) in \(scenario.table.regions[region].name) is back"
        case .capacity(let scope, _, _, _): "\(scope.text(in: scenario)) has its whole capacity again"
        case .proberStalls: "the prober goes on"
        case .proberLags: "the prober keeps up again"
        case .routerStalls: "the router goes on"
        case .ownNetworkIsCut: "our own network is back"
        case .routerRestarts: "the router is up again"
        case .load(let service, _, _): "clients ask as much of \(scenario.table.services[service].name) as at first"
        case .heal, .resolves, .order, .imagine: nil
        }
    }
}

extension Happening.What {
    fileprivate func text(in scenario: Scenario) -> String {
        let table = scenario.table
        return switch self {
        case .fault(let scope, let fault): "\(scope.text(in: scenario)) \(fault.text)"
        case .heal(let scope): "\(scope.text(in: scenario)) is well again"
        case .flap(let scope, let fault, let every):
            "\(scope.text(in: scenario)) \(fault.text), on and off every \(timeText(every))"
        case .probesLie(let scope, .fails): "health checks of \(scope.text(in: scenario)) fail whatever requests meet"
        case .probesLie(let scope, .passes): "health checks of \(scope.text(in: scenario)) pass whatever requests meet"
        case .dependencyFault(let index, let region, let fault):
            "\(scenario.dependencies[index].name) in \(table.regions[region].name) is lost: what depends on it \(fault.text)"
        case .capacity(let scope, let from, let to, let over):
            "\(scope.text(in: scenario)) can take "
                + (from.map { "\(percent($0)), then " } ?? "") + "\(percent(to)) of what it could"
                + (over > .zero ? " within \(timeText(over))" : "")
        case .proberStalls: "the prober stands still"
        case .proberLags(let lag): "the prober is overloaded, and \(timeText(lag)) late"
        case .routerStalls: "the router stands still"
        case .ownNetworkIsCut: "our own network is cut"
        case .routerRestarts: "the router restarts"
        case .resolves(let name, let addresses):
            addresses.isEmpty
                ? "\(name) resolves to nothing" : "\(name) resolves to \(addresses.joined(separator: ", "))"
        case .load(let service, let perSecond, let over):
            "clients ask \(perSecond) requests/s of \(table.services[service].name)"
                + (over > .zero ? " within \(timeText(over))" : "")
        case .order(let order, let isForced): "ordered: \(order.text)" + (isForced ? ", by force" : "")
        case .imagine(let region): "asked: what if \(region) were lost?"
        }
    }
}

extension Happening.Scope {
    func text(in scenario: Scenario) -> String {
        var text = address ?? service.map { scenario.table.services[$0].name } ?? ""
        if let region {
            let name = scenario.table.regions[region].name
            text = text.isEmpty ? name : "\(text) in \(name)"
        } else if text.isEmpty {
            text = "everything"
        }
        return text
    }
}

extension Fault {
    var text: String {
        switch self {
        case .refuses: "refuses"
        case .hangs: "hangs"
        case .drops: "drops everything"
        case .resets: "resets every request"
        case .errs(let share, let status): "answers \(percent(share)) of requests with \(status)"
        case .slows(let delay): "answers \(timeText(delay)) later"
        case .truncates: "breaks its answers off"
        case .loses(let share): "loses \(percent(share)) of packets"
        }
    }
}

extension Order {
    fileprivate var text: String {
        switch self {
        case .override(let subject, let kind, let length, _): "\(kind) of \(subject) for \(timeText(length))"
        case .end(let subject, _): "end what was ordered of \(subject)"
        case .failOver(let region, _): "fail over from \(region)"
        case .failBack(let region, _): "fail back to \(region)"
        }
    }
}

/// `90s`, `1.5s`, `200ms`.
package func timeText(_ duration: Duration) -> String {
    let milliseconds = duration.nanoseconds / 1_000_000
    if milliseconds % 1_000 == 0 { return "\(milliseconds / 1_000)s" }
    if milliseconds >= 1_000 && milliseconds % 100 == 0 { return "\(milliseconds / 1_000).\(milliseconds / 100 % 10)s" }
    return "\(milliseconds)ms"
}
