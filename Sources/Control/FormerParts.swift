internal import Proxy
internal import Synchronization
internal import TLS

/// The large parts of tables and certificates that were replaced, until nobody uses them any more.
///
/// A thousand certificates, or ten thousand routes, take a tenth of a second to be freed. Whoever lets go last does it, and
/// that would be a worker: its connections keep what they began with. So these are kept here for as long as anybody else
/// has them, and freed by a thread that nobody waits for.
struct FormerParts {
    private var servers: [TLSServer] = []
    private var clients: [TLSClient] = []
    private var tables: [CompiledTable] = []

    mutating func add(_ encryption: Encryption) {
        servers += encryption.workerServers.values.joined()
        clients += encryption.workerClients.values.joined()
    }

    mutating func add(_ compiled: [CompiledTable]) {
        tables += compiled
    }

    /// Those that nobody else has any more; nil if there are none.
    mutating func takeUnused() -> Unused? {
        let unused = Unused(
            servers: Self.takeUnused(&servers), clients: Self.takeUnused(&clients), tables: Self.takeUnused(&tables))
        return unused.isEmpty ? nil : unused
    }

    private static func takeUnused<Part: AnyObject>(_ parts: inout [Part]) -> [Part] {
        var unused: [Part] = []
        var used: [Part] = []
        for index in parts.indices {
            if isKnownUniquelyReferenced(&parts[index]) {
                unused.append(parts[index])
            } else {
                used.append(parts[index])
            }
        }
        parts = used
        return unused
    }

    /// The only owner of what it holds, so that whoever frees it does all of the work.
    final class Unused: Sendable {
        private struct Parts {
            var servers: [TLSServer] = []
            var clients: [TLSClient] = []
            var tables: [CompiledTable] = []
        }

        private let parts: Mutex<Parts>

        init() {
            parts = Mutex(Parts())
        }

        fileprivate init(servers: [TLSServer], clients: [TLSClient], tables: [CompiledTable]) {
            parts = Mutex(Parts(servers: servers, clients: clients, tables: tables))
        }

        fileprivate var isEmpty: Bool {
            parts.withLock { $0.servers.isEmpty && $0.clients.isEmpty && $0.tables.isEmpty }
        }

        func free() {
            parts.withLock { $0 = Parts() }
        }
    }
}
