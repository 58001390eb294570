internal import Logging
internal import Proxy
internal import Reactor
internal import RouteFiles
internal import RouteTable
internal import TLS
internal import Telemetry

/// Certificates and ticket keys: read with the table, read again when their files change, told when they grow old.
extension Control {
    /// How long a ticket key makes tickets; two more such times it accepts them.
    static let ticketTime = Duration.seconds(12 * 3_600)

    /// Reads what a table's TLS is made of, without holding anybody up.
    ///
    /// - Parameter isForced: reads it also where that would give what is used already. A thousand certificates take
    ///   seconds to be read.
    /// - Returns: nil where what is used stays.
    func readEncryption(of table: Table, isForced: Bool) async throws(UnreadableEncryption) -> Encryption? {
        let (keys, libraries) = (ticketKeys, libraries)
        let present = isForced ? nil : encryption
        let answer = await Thread.run(name: "certificates", within: Self.readingLimit) {
            Result { () throws(UnreadableEncryption) -> Encryption? in
                if present?.isGood(for: table) == true { return nil }
                return try Encryption(of: table, tickets: keys, libraries: libraries)
            }
        }
        guard let read = answer else {
            let path = encryption.paths.first ?? configuration.tablePath
            throw UnreadableEncryption(problems: Problems([Self.silence(of: path)]), paths: encryption.paths)
        }
        return try read.get()
    }

    /// Reads the files again. What is wrong changes nothing.
    func reloadCertificates(because reason: String) async {
        if !refusedPaths.isEmpty { return await reload(because: .files) }
        guard !encryption.paths.isEmpty else { return }
        let readAt = EventLoop.wallClock()
        do {
            guard let new = try await readEncryption(of: table, isForced: true) else { return }
            adopt(new)
            certificatesAreRefused = false
            certificateReloads.accepted += 1
            for (worker, mailbox) in mailboxes.enumerated() {
                mailbox.post(
                    .secure(
                        listeners: new.servers(of: table, worker: worker),
                        services: new.clients(of: table, worker: worker), generation: generation))
            }
            publishProbes()
            logger.notice("certificates read again (\(reason))")
            watchCertificates(readAt: readAt)
            hasReadAnew = true
        } catch {
            hasReadAnew = true
            certificateReloads.refused += 1
            certificatesAreRefused = true
            logger.error("certificates (\(reason)) refused, the present ones stay:\n\(error)")
        }
    }

    /// Takes on what was read, and tells what there is to tell about it.
    func adopt(_ new: Encryption) {
        former.add(encryption)
        encryption = new
        for warning in new.warnings { logger.warning("\(warning)") }
        tellExpiry()
    }

    /// Warns of certificates that end soon, and of authorities: listeners', and those that endpoints meet.
    func tellExpiry() {
        let now = EventLoop.wallClock() / 1_000_000_000
        for (listener, settings) in encryption.servers.sorted(by: { $0.key < $1.key }) {
            let notices =
                settings.certificates.flatMap { ExpiryNotice.all(of: $0, now: now) }
                + ExpiryNotice.all(of: settings.authorities, in: settings.rules.client?.ca ?? "", now: now)
            tell(notices, of: "listener \(listener)")
        }
        for (service, settings) in encryption.clients.sorted(by: { $0.key < $1.key }) {
            let own = settings.certificate.map { ExpiryNotice.all(of: $0, now: now) } ?? []
            let others = ExpiryNotice.all(of: settings.authorities, in: settings.rules.ca ?? "", now: now)
            tell(own + others, of: "service \(service)")
        }
    }

    private func tell(_ notices: [ExpiryNotice], of whose: String) {
        for notice in notices {
            logger.log(level: notice.isError ? .error : .warning, "\(whose): \(notice.text)")
        }
    }

    /// New tickets are made with a new key from now on.
    func rotateTicketKeys() {
        ticketKeys.rotate()
        for mailbox in mailboxes { mailbox.post(.tickets(ticketKeys)) }
        tellExpiry()
    }

    /// Has changes of the files told, of those that are read now.
    /// - Parameter readAt: when their reading began, nanoseconds since 1970.
    func watchCertificates(readAt: Int64) {
        let paths = Set(encryption.paths + refusedPaths).sorted()
        guard paths != watchedPaths else { return }
        watchedPaths = paths
        certificateWatch?.cancel()
        guard !paths.isEmpty, let changes = watch(paths, "certificates", since: readAt, isRead: Encryption.isRead)
        else { return }
        let chores = chores
        certificateWatch = Task { for await _ in changes { chores.add(.certificates("files changed")) } }
    }

    /// Changes of files that were read at a time; nil, and a warning, if nobody can look at them.
    func watch(
        _ paths: [String], _ what: String, since readAt: Int64, isRead: @escaping @Sendable (String) -> Bool
    ) -> AsyncStream<Void>? {
        let logger = logger
        do {
            return try FileWatcher(paths: paths, isRead: isRead).changes(since: readAt) { error in
                logger.notice(
                    "inotify cannot be used (\(error)): changes of the \(what) are noticed within two seconds")
            }
        } catch {
            logger.warning("changes of the \(what) are not noticed (\(error)); SIGHUP has them read again")
            return nil
        }
    }

    /// Says which handshakes failed since it was asked last, and of what.
    func tellHandshakes() {
        for listener in table.listeners {
            guard listener.tls != nil, let counters = registry.listeners[listener.name] else { continue }
            if let text = handshakesSeen.news("listener \(listener.name)", counters.map(\.handshakes)) {
                logger.info("\(text)")
            }
        }
        for service in table.services {
            guard let counters = registry.handshakes[service.name] else { continue }
            if let text = handshakesSeen.news("service \(service.name)", counters) { logger.warning("\(text)") }
        }
    }
}

/// Failures of handshakes that were told already.
struct HandshakesSeen {
    private(set) var seen = SeenCounts()

    /// `listener web: 3 handshakes failed: peer-unknown-ca 2, not-tls 1`; nil where there is nothing new.
    mutating func news(_ name: String, _ counters: [HandshakeCounters]) -> String? {
        let new = seen.since(name, TLSFailure.allCases.map { counters.failures($0) })
        let total = new.reduce(0, &+)
        guard total > 0 else { return nil }
        let parts = zip(TLSFailure.allCases, new).filter { $0.1 > 0 }.map { "\($0.0.word) \($0.1)" }
        return "\(name): \(total) handshake\(total == 1 ? "" : "s") failed: \(parts.joined(separator: ", "))"
    }

    /// Forgets what the table does not name.
    mutating func keep(_ table: Table) {
        seen.keep(table.listeners.map { "listener \($0.name)" } + table.services.map { "service \($0.name)" })
    }
}

extension [HandshakeCounters] {
    func failures(_ failure: TLSFailure) -> UInt64 {
        reduce(0) { $0 &+ $1.failures(Int(failure.rawValue)) }
    }
}

// Metrics

extension Snapshot {
    func encryptionMetrics(_ text: inout MetricsText) {
        let listeners = table.listeners.filter { $0.tls != nil }.compactMap { listener in
            registry.listeners[listener.name].map { (listener.name, $0.map(\.handshakes)) }
        }
        handshakes(&text, of: "listener", listeners, "Handshakes with clients")
        let services = table.services.compactMap { service in
            registry.handshakes[service.name].map { (service.name, $0) }
        }
        handshakes(&text, of: "service", services, "Handshakes with endpoints")
        expiryMetrics(&text)
        text.family(
            "spillway_certificates_refused", .gauge, "1 while certificates on disk are refused, and others are used.")
        text.sample([], certificatesAreRefused ? 1 : 0)
        text.family(
            "spillway_certificate_reloads_total", .counter,
            "Certificates read again while the table stayed, by outcome.")
        text.sample([("outcome", "accepted")], certificateReloads.accepted)
        text.sample([("outcome", "refused")], certificateReloads.refused)
    }

    private func expiryMetrics(_ text: inout MetricsText) {
        let servers = encryption.servers.sorted { $0.key < $1.key }
        let clients = encryption.clients.sorted { $0.key < $1.key }
        func sample(_ kind: String, _ name: String, _ certificate: ServerCertificate) {
            text.sample(
                [(kind, name), ("file", certificate.file), ("name", certificate.names.first ?? "")],
                Int(certificate.notAfter))
        }
        text.family("spillway_certificate_expiry_seconds", .gauge, "When a certificate expires, in Unix time.")
        for (listener, settings) in servers {
            for certificate in settings.certificates { sample("listener", listener, certificate) }
        }
        for (service, settings) in clients {
            if let certificate = settings.certificate { sample("service", service, certificate) }
        }
        let now = EventLoop.wallClock() / 1_000_000_000
        text.family(
            "spillway_authority_expiry_seconds", .gauge,
            "When the next of a file's authorities expires, or the last did if all have, in Unix time.")
        for (listener, settings) in servers {
            guard let file = settings.rules.client?.ca, let expiry = settings.authorities.expiry(now: now) else {
                continue
            }
            text.sample([("listener", listener), ("file", file)], Int(expiry))
        }
        for (service, settings) in clients {
            guard let file = settings.rules.ca, let expiry = settings.authorities.expiry(now: now) else { continue }
            text.sample([("service", service), ("file", file)], Int(expiry))
        }
    }

    private func handshakes(
        _ text: inout MetricsText, of kind: String, _ all: [(name: String, counters: [HandshakeCounters])],
        _ what: String
    ) {
        text.family("spillway_\(kind)_handshakes_total", .counter, "\(what) that were completed.")
        for (name, counters) in all {
            let completed = counters.reduce(0) { $0 &+ $1.completed.count }
            let resumed = counters.reduce(0) { $0 &+ $1.resumed.count }
            text.sample([(kind, name), ("session", "new")], completed &- resumed)
            text.sample([(kind, name), ("session", "resumed")], resumed)
        }
        text.family("spillway_\(kind)_handshake_failures_total", .counter, "\(what) that failed, by reason.")
        for (name, counters) in all {
            for failure in TLSFailure.allCases where counters.failures(failure) > 0 {
                text.sample([(kind, name), ("reason", failure.word)], counters.failures(failure))
            }
        }
    }
}
