internal import COpenSSL

/// How one thread speaks TLS with a service's endpoints. It is made by whoever publishes it and is then one thread's
/// alone.
@safe package final class TLSClient: @unchecked Sendable {
    package let context: OpaquePointer
    /// The same for the same rules: a connection that was opened by others is used no more. Never 0.
    package let rules: UInt64
    /// Kept for as long as the context.
    private let library: TLSLibrary

    /// - Parameter settings: as read and checked by `TLSClientSettings.read`.
    package init(_ settings: TLSClientSettings, library: TLSLibrary) throws(TLSProblem) {
        self.library = library
        rules = settings.digest
        unsafe context = try settings.makeContext(library.library)
    }

    deinit {
        unsafe cssl_context_free(context)
    }
}

/// What an endpoint is called, and what its certificate must be for.
package struct TLSPeerName: Sendable, Equatable {
    let serverName: String?
    let host: String?
    let ip: String?

    /// A host name.
    package init(host: String) {
        serverName = host
        self.host = host
        ip = nil
    }

    /// A numeric IP address. There is no server name to ask for (RFC 6066, 3).
    package init(ip: String) {
        serverName = nil
        host = nil
        self.ip = ip
    }

    /// Nothing is asked for and nothing verified by name.
    package static let none = TLSPeerName()

    private init() {
        serverName = nil
        host = nil
        ip = nil
    }
}

/// The last session an endpoint offered to one thread, so that the next connection need not begin anew.
package final class TLSResumption {
    private var kept = KeptSession()
    /// By whose rules, and for which name, the server was verified.
    private var client: TLSClient?
    private var peer = TLSPeerName.none

    package init() {}

    /// What connections by these rules, and for this name, have kept and will keep. A session that is resumed is not
    /// verified again: those of other rules are none of theirs, also if they come later.
    func kept(by client: TLSClient, for peer: TLSPeerName) -> KeptSession {
        if client !== self.client || peer != self.peer { kept = KeptSession() }
        self.client = client
        self.peer = peer
        return kept
    }

    package var isEmpty: Bool { kept.isEmpty }
}

/// A session that can be resumed, or none.
@safe final class KeptSession {
    let state: UnsafeMutablePointer<cssl_resumption>

    init() {
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: cssl_resumption())
    }

    deinit {
        unsafe cssl_resumption_clear(state)
        unsafe state.deallocate()
    }

    var isEmpty: Bool { unsafe state.pointee.session == nil }
}
