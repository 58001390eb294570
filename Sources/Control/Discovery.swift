internal import Failover
internal import Reactor
internal import RouteTable

/// The addresses behind the table's endpoint names: resolved at start, resolved again in time, and never emptied by
/// a failed or empty answer.
struct Discovery {
    struct Name: Hashable {
        var host: String
    }

    private struct Entry {
        var known = KnownAddresses()
        var isResolving = false
        /// When to ask again, nanoseconds of the monotonic clock.
        var due: Int64 = .max
        var every: Duration?
    }

    /// Asked again after this long when neither the table nor the answer says; and after a failure.
    private static let fallback = Duration.seconds(30)
    private static let afterFailure = Duration.seconds(5)
    private static let shortest = Duration.seconds(1)

    private var entries: [String: Entry] = [:]

    /// The addresses known for a name, oldest answer included.
    func addresses(of host: String) -> [String] {
        entries[host]?.known.addresses ?? []
    }

    /// Takes on the names of a table; returns those nothing is known of yet.
    mutating func setNames(of table: Table) -> [String] {
        var wanted: [String: Duration?] = [:]
        for service in table.services {
            for cell in service.cells {
                for endpoint in cell.endpoints {
                    guard case .name(let host, _) = endpoint.host else { continue }
                    if let every = service.resolveEvery {
                        wanted[host] = min(every, (wanted[host] ?? nil) ?? every)
                    } else if wanted[host] == nil {
                        wanted[host] = .some(nil)
                    }
                }
            }
        }
        entries = entries.filter { wanted[$0.key] != nil }
        var unknown: [String] = []
        for (host, every) in wanted {
            if entries[host] == nil {
                entries[host] = Entry(due: 0)
                unknown.append(host)
            }
            entries[host]?.every = every
        }
        return unknown.sorted()
    }

    /// Names whose time has come; each is said once until its answer is in.
    mutating func takeDue(now: Int64) -> [String] {
        let due = entries.filter { !$0.value.isResolving && $0.value.due <= now }.map(\.key).sorted()
        for host in due { entries[host]?.isResolving = true }
        return due
    }

    enum Change: Equatable {
        case none
        case changed
        /// The answer was an error or empty; what was known stays.
        case kept(String)
    }

    /// Takes in an answer.
    mutating func answered(_ host: String, _ answer: Result<Resolver.Answer, Resolver.Failure>, now: Int64) -> Change {
        guard var entry = entries[host] else { return .none }
        defer { entries[host] = entry }
        entry.isResolving = false
        switch answer {
        case .failure(.failed(let reason)):
            entry.due = now + nanoseconds(Self.afterFailure)
            return .kept(reason)
        case .success(let answer):
            let pause = entry.every ?? answer.timeToLive ?? Self.fallback
            entry.due = now + nanoseconds(max(pause, Self.shortest))
            return switch entry.known.answered(answer.addresses) {
            case .none: .none
            case .changed: .changed
            case .kept: .kept("empty answer")
            }
        }
    }

    private func nanoseconds(_ duration: Duration) -> Int64 {
        duration.components.seconds * 1_000_000_000 + duration.components.attoseconds / 1_000_000_000
    }
}
