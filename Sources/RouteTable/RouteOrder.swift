/// The order in which a table's routes are considered, the most specific first (see `RouteMatcher`).
///
/// It is a total order that does not depend on the request: of two routes that both fit one, the first in it is
/// taken.
package struct RouteOrder {
    /// Indices into `Table.routes`.
    package let mostSpecificFirst: [Int]

    package init(_ table: Table) {
        var firstAppearance: [Pattern: Int] = [:]
        for (number, route) in table.routes.enumerated() {
            guard case .regex(let text) = route.match.path else { continue }
            let pattern = Pattern(host: route.match.host, text: text)
            if firstAppearance[pattern] == nil { firstAppearance[pattern] = number }
        }
        let keys = table.routes.enumerated().map { number, route in
            var appearance = 0
            if case .regex(let text) = route.match.path {
                appearance = firstAppearance[Pattern(host: route.match.host, text: text)] ?? number
            }
            return Specificity(route.match, number: number, patternAppearance: appearance)
        }
        mostSpecificFirst = keys.sorted().map(\.number)
    }

    private struct Pattern: Hashable {
        let host: HostMatch?
        let text: String
    }

    /// What is compared, field after field; smaller comes first.
    private struct Specificity: Comparable {
        let host: Int
        let path: Int
        let pattern: Int
        let conditions: Int
        let number: Int

        init(_ match: Match, number: Int, patternAppearance: Int) {
            // Longer before shorter within a kind, and kinds far enough apart.
            let kind = 1 << 32
            host =
                switch match.host {
                case .exact: 0
                case .wildcard(let name): kind - name.utf8.count
                case nil: 2 * kind
                }
            path =
                switch match.path {
                case .exact: 0
                case .prefix("/"), nil: 3 * kind
                case .prefix(let text): kind - text.utf8.count
                case .regex: 2 * kind
                }
            pattern = patternAppearance
            let hasListener = match.listener != nil, hasMethods = !match.methods.isEmpty, hasALPN = !match.alpn.isEmpty
            conditions = -([hasListener, hasMethods, hasALPN].count { $0 } + match.headers.count)
            self.number = number
        }

        static func < (a: Specificity, b: Specificity) -> Bool {
            (a.host, a.path, a.pattern, a.conditions, a.number) < (b.host, b.path, b.pattern, b.conditions, b.number)
        }
    }
}
