internal import COpenSSL
internal import RouteTable

/// How one thread speaks TLS with a listener's clients: its certificates by name, its rules, its ticket keys.
///
/// Every thread has its own, down to the algorithms and the counts of references within OpenSSL, so that no handshake
/// waits for another thread's (docs/decisions/0010). It is made by whoever publishes it and is then one thread's alone.
@safe package final class TLSServer: @unchecked Sendable {
    /// Kept for as long as the contexts.
    private let library: TLSLibrary
    private let state: UnsafeMutablePointer<cssl_server>
    private let tickets: UnsafeMutablePointer<cssl_ticket_keys>
    private let protocols: UnsafeMutableBufferPointer<UInt8>
    /// The first is for clients that name no server, or none that is known.
    private var contexts: [TLSContext] = []
    private var exact: [String: Int] = [:]
    /// `example.com` for `*.example.com`.
    private var wildcards: [String: Int] = [:]

    /// Of the handshakes' first context: it finds the others.
    package var context: OpaquePointer { unsafe contexts[0].pointer }

    /// The name and value of the field that tells who the client is, where there is one.
    package let identityHeader: String?

    /// By which rules for clients it was made: see `TLSServerSettings.clientRules`.
    package let clientRules: UInt64

    /// - Parameter settings: as read and checked by `TLSServerSettings.read`.
    package init(_ settings: TLSServerSettings, tickets keys: TicketKeys, library: TLSLibrary) throws(TLSProblem) {
        self.library = library
        unsafe state = .allocate(capacity: 1)
        unsafe tickets = .allocate(capacity: 1)
        unsafe protocols = .allocate(capacity: settings.protocolList.count)
        _ = unsafe protocols.initialize(from: settings.protocolList)
        unsafe tickets.initialize(to: keys.state)
        unsafe state.initialize(to: cssl_server())
        identityHeader = settings.rules.client?.header
        clientRules = settings.clientRules
        let mode: Int32 =
            switch settings.rules.client?.mode {
            case nil: 0
            case .optional: 1
            case .required: 2
            }
        unsafe state.pointee.client_mode = mode
        unsafe state.pointee.clients_until = settings.clientsUntil
        unsafe state.pointee.tickets = UnsafePointer(tickets)
        unsafe state.pointee.protocols = UnsafePointer(protocols.baseAddress)
        unsafe state.pointee.protocols_count = settings.protocolList.count
        // The state does not outlive this object, nor does any of its sessions.
        unsafe state.pointee.owner = UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque())
        unsafe state.pointee.choose = { owner, name in
            guard let owner = unsafe owner, let name = unsafe name else { return nil }
            let server = unsafe Unmanaged<TLSServer>.fromOpaque(owner).takeUnretainedValue()
            return unsafe server.context(named: String(cString: name))
        }
        for group in settings.identities {
            let context = unsafe TLSContext(owning: try settings.makeContext(library.library, state))
            contexts.append(context)
            for index in group.certificates { try use(settings.certificates[index], in: context) }
            for name in group.names {
                if name.hasPrefix("*.") {
                    wildcards[String(name.dropFirst(2))] = contexts.count - 1
                } else {
                    exact[name] = contexts.count - 1
                }
            }
        }
        precondition(!contexts.isEmpty, "a server without a certificate")
    }

    deinit {
        // Contexts look into what follows.
        contexts = []
        unsafe cssl_server_free_algorithms(state)
        unsafe state.deallocate()
        unsafe tickets.deallocate()
        unsafe protocols.deallocate()
    }

    private func use(_ certificate: ServerCertificate, in context: TLSContext) throws(TLSProblem) {
        let loaded = try unsafe certificate.load(library.library)
        defer { unsafe cssl_certificate_free(loaded) }
        guard unsafe cssl_use_certificate(context.pointer, loaded) == 1 else {
            throw TLSProblem(
                file: certificate.file, found: "a certificate that cannot be used (\(OpenSSL.lastError()))")
        }
        if let staple = certificate.staple { context.use(staple) }
    }

    /// Tickets are made with the first of the keys from now on, and accepted if they were made with any.
    package func setTickets(_ keys: TicketKeys) {
        unsafe tickets.pointee = keys.state
    }

    /// RFC 6125, 6.4.3: a wildcard stands for one label.
    private func context(named name: String) -> OpaquePointer? {
        let name = name.lowercased()
        if let index = exact[name] { return unsafe contexts[index].pointer }
        guard let dot = name.firstIndex(of: "."), let index = wildcards[String(name[name.index(after: dot)...])] else {
            return nil
        }
        return unsafe contexts[index].pointer
    }
}

/// A context, owned, with what it staples. Its sessions keep it, too.
@safe private final class TLSContext {
    let pointer: OpaquePointer
    private var staples: [StapleMemory] = []

    @safe private struct StapleMemory {
        let response: UnsafeMutableBufferPointer<UInt8>
        let staple: UnsafeMutablePointer<cssl_staple>
    }

    init(owning pointer: OpaquePointer) {
        unsafe self.pointer = pointer
    }

    deinit {
        unsafe cssl_context_free(pointer)
        for memory in staples {
            unsafe memory.response.deallocate()
            unsafe memory.staple.deallocate()
        }
    }

    func use(_ response: ServerCertificate.Staple) {
        let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: response.bytes.count)
        _ = unsafe copy.initialize(from: response.bytes)
        let staple = UnsafeMutablePointer<cssl_staple>.allocate(capacity: 1)
        unsafe staple.initialize(to: cssl_staple(response: copy.baseAddress, count: copy.count, until: response.until))
        staples.append(unsafe StapleMemory(response: copy, staple: staple))
        unsafe cssl_use_staple(pointer, staple)
    }
}

/// OpenSSL's algorithms, fetched and cached for one thread's servers and clients.
///
/// It is never freed. Each thread that has used it keeps random generators of its own in it, which OpenSSL lets go of when
/// that thread ends, through the library: in memory that would be somebody else's by then.
@safe package final class TLSLibrary: @unchecked Sendable {
    // OpenSSL locks it where two threads meet: while a new server is made for a thread that is at work.
    let library: OpaquePointer

    package init() {
        guard let library = unsafe cssl_library_create() else { preconditionFailure("out of memory") }
        unsafe self.library = library
    }

    /// For those who only try whether settings are good.
    static let forTrials = TLSLibrary()
}

/// What OpenSSL has to say beside its results.
enum OpenSSL {
    /// The reason of this thread's last error, which is then forgotten.
    static func lastError() -> String {
        unsafe String(unsafeUninitializedCapacity: 256) { room in
            unsafe room.withMemoryRebound(to: CChar.self) { unsafe cssl_take_error($0.baseAddress, $0.count) }
        }
    }
}
