internal import Picking
internal import RouteTable
internal import Wire

/// A route as one worker follows it.
final class WorkerRoute {
    /// Where requests are forwarded to; nowhere, if they are answered here.
    let destinations: Destinations
    let forwards: Bool
    private let redirect: WorkerRedirect?
    private let response: OwnAnswer?
    /// Replaces the matched prefix of the path.
    let rewrite: PathRewrite?
    let requestEdits: CompiledEdits
    let responseEdits: CompiledEdits

    /// - Parameter identityFields: those that tell who a client has proved to be, which no client may send.
    init(_ route: Route, services: [WorkerService], identityFields: [String]) {
        var weighted: [(WorkerService, Int)] = []
        var redirect: WorkerRedirect?
        var response: OwnAnswer?
        switch route.action {
        case .forward(let destinations): weighted = destinations.map { (services[$0.service], $0.weight) }
        case .redirect(let told): redirect = WorkerRedirect(told)
        case .respond(let told): response = OwnAnswer(told)
        }
        destinations = Destinations(weighted)
        forwards = !weighted.isEmpty
        self.redirect = redirect
        self.response = response
        let prefix = if case .prefix(let prefix)? = route.match.path { prefix } else { "/" }
        rewrite = route.rewritePrefix.map { PathRewrite(prefixCount: prefix.utf8.count, replacement: $0) }
        var edits = route.requestHeaders
        edits.remove += identityFields
        requestEdits = CompiledEdits(edits: edits)
        responseEdits = CompiledEdits(edits: route.responseHeaders)
    }

    /// What a route that does not forward answers.
    func ownAnswer(_ head: borrowing RequestHead, _ bytes: RawSpan, _ client: ClientContext) -> OwnAnswer {
        redirect?.answer(head, bytes, client) ?? response ?? .noRoute
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

    /// Of at least one.
    func pick(_ random: inout RandomSource) -> Uncounted<WorkerService> {
        let last = services.count - 1
        if last > 0 {
            let point = random.below(sums[last])
            for index in 0..<last where point < sums[index] { return Uncounted(services[index]) }
        }
        return Uncounted(services[last])
    }
}

enum FieldAliases {
    /// A field's name and all that gateways take for it because they read `_` as `-`.
    static func of(_ name: String) -> [String] {
        name.reduce(into: [""]) { names, letter in
            let letters: [Character] = letter == "-" || letter == "_" ? ["-", "_"] : [letter]
            names = names.flatMap { name in letters.map { name + String($0) } }
        }
    }
}

extension CompiledEdits {
    fileprivate init(edits: HeaderEdits) {
        self.init(
            remove: edits.remove, set: edits.set.map { ($0.name, $0.value) }, add: edits.add.map { ($0.name, $0.value) }
        )
    }
}
