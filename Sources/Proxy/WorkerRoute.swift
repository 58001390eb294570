internal import Picking
internal import RouteTable
internal import Telemetry
internal import Wire

/// A route as one worker follows it: compiled before the worker is told of its table, and never changed.
final class WorkerRoute: Sendable {
    /// Where requests are forwarded to; nowhere, if they are answered here.
    let destinations: Destinations
    let forwards: Bool
    private let redirect: WorkerRedirect?
    private let response: OwnAnswer?
    /// Replaces the matched prefix of the path.
    let rewrite: PathRewrite?
    let requestEdits: CompiledEdits
    let responseEdits: CompiledEdits
    let counters: RouteCounters

    /// - Parameter identityFields: those that tell who a client has proved to be, which no client may send.
    init(_ route: Route, identityFields: [String], counters: RouteCounters) {
        self.counters = counters
        var weighted: [(service: Int, weight: Int)] = []
        var redirect: WorkerRedirect?
        var response: OwnAnswer?
        switch route.action {
        case .forward(let destinations): weighted = destinations.map { ($0.service, $0.weight) }
        case .redirect(let told): redirect = WorkerRedirect(told)
        case .respond(let told): response = OwnAnswer(told)
        }
        destinations = Destinations(weighted)
        forwards = !weighted.isEmpty
        self.redirect = redirect
        self.response = response
        let prefix = if case .prefix(let prefix)? = route.match.path { prefix } else { "/" }
        rewrite = route.rewritePrefix.map { PathRewrite(prefixCount: prefix.utf8.count, replacement: $0) }
        requestEdits = CompiledEdits(edits: route.requestHeaders, removeAlike: identityFields)
        responseEdits = CompiledEdits(edits: route.responseHeaders)
    }

    /// What a route that does not forward answers.
    func ownAnswer(_ head: borrowing RequestHead, _ bytes: RawSpan, _ client: ClientContext) -> OwnAnswer {
        redirect?.answer(head, bytes, client) ?? response ?? .noRoute
    }
}

/// Services that share a route's requests by weight.
struct Destinations: Sendable {
    /// Where they stand in the table.
    private let services: [Int]
    private let sums: [Int]

    init(_ weighted: [(service: Int, weight: Int)]) {
        let weighted = weighted.filter { $0.weight > 0 }
        services = weighted.map(\.service)
        var sum = 0
        sums = weighted.map {
            sum += $0.weight; return sum
        }
    }

    /// The place of one in the table; of at least one.
    func pick(_ random: inout RandomSource) -> Int {
        let last = services.count - 1
        if last > 0 {
            let point = random.below(sums[last])
            for index in 0..<last where point < sums[index] { return services[index] }
        }
        return services[last]
    }
}

extension CompiledEdits {
    fileprivate init(edits: HeaderEdits, removeAlike: [String] = []) {
        self.init(
            remove: edits.remove, removeAlike: removeAlike, set: edits.set.map { ($0.name, $0.value) },
            add: edits.add.map { ($0.name, $0.value) }
        )
    }
}
