internal import RouteTable
internal import Wire

/// A route as one worker follows it.
final class WorkerRoute {
    enum Action {
        case forward(Destinations)
        case redirect(WorkerRedirect)
        case respond(OwnAnswer)
    }

    let action: Action
    /// Replaces the matched prefix of the path.
    let rewrite: PathRewrite?
    let requestEdits: CompiledEdits
    let responseEdits: CompiledEdits

    init(_ route: Route, services: [WorkerService]) {
        switch route.action {
        case .forward(let destinations):
            action = .forward(Destinations(destinations.map { (services[$0.service], $0.weight) }))
        case .redirect(let redirect): action = .redirect(WorkerRedirect(redirect))
        case .respond(let response): action = .respond(OwnAnswer(response))
        }
        let prefix = if case .prefix(let prefix)? = route.match.path { prefix } else { "/" }
        rewrite = route.rewritePrefix.map { PathRewrite(prefixCount: prefix.utf8.count, replacement: $0) }
        requestEdits = CompiledEdits(edits: route.requestHeaders)
        responseEdits = CompiledEdits(edits: route.responseHeaders)
    }
}

/// Services that share a route's requests by weight.
struct Destinations {
    private let services: [WorkerService]
    private let sums: [Int]

    init(_ weighted: [(WorkerService, Int)]) {
        let weighted = weighted.filter { $0.1 > 0 }
        services = weighted.map(\.0)
        var sum = 0
        sums = weighted.map {
            sum += $0.1; return sum
        }
    }

    func pick(_ random: inout RandomSource) -> WorkerService? {
        if services.count <= 1 { return services.first }
        let point = random.below(sums[sums.count - 1])
        for (index, sum) in sums.enumerated() where point < sum { return services[index] }
        return services.last
    }
}

extension CompiledEdits {
    fileprivate init(edits: HeaderEdits) {
        self.init(
            remove: edits.remove, set: edits.set.map { ($0.name, $0.value) }, add: edits.add.map { ($0.name, $0.value) }
        )
    }
}
