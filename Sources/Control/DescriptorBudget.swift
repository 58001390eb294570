internal import Proxy

/// How the limit of open files is shared: some are kept for all that is no connection of a client or to an endpoint
/// (listeners, logs, the state directory, the admin address, probes, names, the runtime itself), the rest is the
/// workers'. A client takes one, its connection to an endpoint another.
struct DescriptorBudget: Equatable {
    /// Of the process (RLIMIT_NOFILE).
    let limit: Int
    let reserve: Int
    let workers: Int

    /// Kept at least, beside `reservePerWorker`; and an eighth of the limit, as far as `reserveMost`.
    private static let reserveLeast = 64
    private static let reserveMost = 1_024
    private static let reservePerWorker = 8
    /// However low the limit is, so many clients a worker are tried.
    private static let clientsLeast = 4
    private static let namesLeast = 4
    private static let namesMost = 128

    /// - Parameter limit: what the system says; not positive where it has none, or does not tell.
    init(limit: Int, workers: Int) {
        let limit = limit > 0 ? limit : 1_048_576
        self.limit = limit
        self.workers = max(workers, 1)
        reserve = max(Self.reserveLeast, min(limit / 8, Self.reserveMost)) + Self.reservePerWorker * self.workers
    }

    /// What a router needs that serves nobody.
    var least: Int { 40 + 4 * workers }

    /// No socket (of a client, to an endpoint, of a probe, of a listener) gets a descriptor of this number or above. The
    /// runtime opens files at moments of its own choosing, and some of it ends the process when it cannot: libdispatch, for
    /// one, reads /proc to see how its threads fare. Each worker may take one beyond it.
    var ceiling: Int { max(limit - Self.untouchable - workers, limit / 2) }

    private static let untouchable = 16

    /// What is kept when the workers have their rooms: less than the reserve where the limit is low.
    var kept: Int { max(0, min(reserve, limit - room.sockets * workers)) }

    /// Of each worker.
    var room: ConnectionRoom {
        let sockets = max((limit - reserve) / workers, 2 * Self.clientsLeast)
        return ConnectionRoom(clients: sockets / 2, sockets: sockets)
    }

    /// Names that are asked for at once, by a part of the reserve: each takes two descriptors, four at most.
    var names: Int { min(max(reserve / 10, Self.namesLeast), Self.namesMost) }

    /// Of all workers together.
    var clients: Int { room.clients * workers }
}
