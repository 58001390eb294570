internal import RouteTable
internal import Telemetry

/// Counters of a table's routes, kept over reloads by what a route matches.
///
/// It is made anew with each table, off Control's thread, and takes over what it knows.
struct RouteRegistry: Sendable {
    struct Row: Sendable {
        /// As warnings and logs name the route: `host a.example, path /checkout`.
        let match: String
        /// One for each worker.
        let counters: [RouteCounters]
    }

    /// So many routes have counters of their own; those after them in the table share the last row.
    static let rowLimit = 10_000
    /// Bytes of a match that are told. Routes that are alike up to there share a row.
    static let matchBytes = 256
    static let others = "(others)"

    /// In the order of the table, each match once.
    let rows: [Row]
    /// Of each route of the table, where its row is.
    private let places: [Int]

    init() {
        rows = []
        places = []
    }

    init(_ table: Table, workers: Int, previous: RouteRegistry) {
        var known: [String: [RouteCounters]] = [:]
        for row in previous.rows { known[row.match] = row.counters }
        var rows: [Row] = []
        var found: [String: Int] = [:]
        places = table.routes.map { route in
            var match = Self.cut(table.text(of: route.match))
            if found[match] == nil && rows.count >= Self.rowLimit { match = Self.others }
            if let place = found[match] { return place }
            found[match] = rows.count
            rows.append(
                Row(match: match, counters: known[match] ?? (0..<workers).map { _ in RouteCounters() }))
            return rows.count - 1
        }
        self.rows = rows
    }

    /// Of one worker, of each route of the table.
    func counters(ofWorker worker: Int) -> [RouteCounters] { places.map { rows[$0].counters[worker] } }

    private static func cut(_ match: String) -> String {
        guard match.utf8.count > matchBytes else { return match }
        var text = ""
        var room = matchBytes
        for character in match.unicodeScalars {
            room -= UTF8.width(character)
            if room < 0 { break }
            text.unicodeScalars.append(character)
        }
        return text + "…"
    }
}
