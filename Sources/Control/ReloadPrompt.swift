internal import RouteTable

/// What a reload is asked for by.
enum ReloadPrompt: String, Sendable {
    case signal = "SIGHUP"
    case files = "files changed"
    /// A listener of a table that was refused may be had by now.
    case again = "tried again"
}

/// Tells an operator who means it from a table that got there by mistake: a table that would close every listener is
/// taken on only at the second SIGHUP in a row.
struct ReloadConfirmation {
    /// How long the first SIGHUP is remembered: nanoseconds.
    static let lifetime: Int64 = 60_000_000_000

    private var refused: (table: Table, at: Int64)?

    /// Whether a table that was refused before is to be taken on now. If not, it is refused, and that is remembered.
    mutating func confirms(_ table: Table, by prompt: ReloadPrompt, now: Int64) -> Bool {
        guard prompt == .signal else { return false }
        let before = refused
        refused = (table, now)
        guard let before, before.table == table, now - before.at <= Self.lifetime else { return false }
        refused = nil
        return true
    }
}
