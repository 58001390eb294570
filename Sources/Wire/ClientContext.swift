/// What every request of a client connection carries on to upstreams: who the client is, and how it came.
///
/// Made once for a connection. What is the same in all its requests is rendered here.
package struct ClientContext: Sendable {
    package enum Scheme: UInt8, Sendable {
        case http, https

        var text: StaticString {
            switch self {
            case .http: "http"
            case .https: "https"
            }
        }
    }

    /// The peer is one of the listener's trusted proxies: what it says of its own client is believed.
    package let isTrusted: Bool
    package let scheme: Scheme
    /// Its requests come in HTTP/2, and not in a version that their heads name.
    package private(set) var speaksHTTP2 = false
    /// The client's address as text, without brackets or port; the first `addressCount` bytes.
    package let address: InlineArray<46, UInt8>
    /// 0 for a client without an IP address (of a UNIX-domain socket).
    package let addressCount: Int
    /// The same for those who are told in a PROXY protocol header; nil for a client without an IP address.
    package let proxied: ProxiedClient?

    /// What the router that it is connected to calls itself.
    package private(set) var pseudonym = Pseudonym.none

    /// The line that tells who the client has proved to be, with its line end; empty: none.
    let identity: [UInt8]

    /// The lines that say so, up to the place where the request's authority follows.
    private(set) var prelude = InlineArray<176, UInt8>(repeating: 0)
    private(set) var preludeCount = 0

    /// What ends the prelude, and must go if there is no authority to follow it.
    static let hostParameter: StaticString = ";host="

    package func through(_ pseudonym: Pseudonym) -> ClientContext {
        var copy = self
        copy.pseudonym = pseudonym
        return copy
    }

    package func speakingHTTP2() -> ClientContext {
        var copy = self
        copy.speaksHTTP2 = true
        return copy
    }

    /// A client without an IP address.
    package init(scheme: Scheme = .http, identity: String = "") {
        self.init(
            address: InlineArray(repeating: 0), addressCount: 0, proxied: nil, isTrusted: false, scheme: scheme,
            identity: identity)
    }

    /// `address`: the usual text of an IPv4 or IPv6 address.
    package init(
        address: InlineArray<46, UInt8>, addressCount: Int, proxied: ProxiedClient? = nil, isTrusted: Bool,
        scheme: Scheme, identity: String = ""
    ) {
        self.identity = Array(identity.utf8)
        precondition(addressCount >= 0 && addressCount <= 46, "an address has at most 46 bytes")
        self.address = address
        self.addressCount = addressCount
        self.proxied = proxied
        self.isTrusted = isTrusted
        self.scheme = scheme
        if addressCount > 0 {
            write("x-forwarded-for: ")
            writeAddress()
            write("\r\n")
        }
        write("x-forwarded-proto: ")
        write(scheme.text)
        write("\r\nforwarded: ")
        writeElement()
        write(Self.hostParameter)
    }

    /// The same client, who speaks TLS, and has proved who it is if `identity` says so: a field line with its line end.
    package func encrypted(identity: String) -> ClientContext {
        ClientContext(
            address: address, addressCount: addressCount, proxied: proxied, isTrusted: isTrusted, scheme: .https,
            identity: identity
        ).through(pseudonym)
    }

    /// RFC 7239, 4: an IPv6 address is bracketed, and so must be quoted.
    private mutating func writeElement() {
        write("for=")
        if addressCount == 0 {
            write("unknown")
        } else if (0..<addressCount).contains(where: { address[$0] == .colon }) {
            write("\"[")
            writeAddress()
            write("]\"")
        } else {
            writeAddress()
        }
        write(";proto=")
        write(scheme.text)
    }

    private mutating func write(_ text: StaticString) {
        for i in 0..<text.utf8CodeUnitCount {
            // Within the literal by the loop's bounds.
            prelude[preludeCount] = unsafe text.utf8Start[i]
            preludeCount += 1
        }
    }

    private mutating func writeAddress() {
        for i in 0..<addressCount {
            prelude[preludeCount] = address[i]
            preludeCount += 1
        }
    }

    /// The Forwarded element within the prelude, without its host.
    var element: Range<Int> {
        let lines = addressCount > 0 ? 19 + addressCount : 0
        let start = lines + 21 + scheme.text.utf8CodeUnitCount + 11
        return start..<(preludeCount - Self.hostParameter.utf8CodeUnitCount)
    }
}
