package import Reactor

/// How the DNS is asked: what resolv.conf(5) says, and what it leaves open.
package struct ResolverSettings: Sendable {
    /// Asked one after the other.
    package var servers: [SocketAddress]
    /// Domains that a name may be meant to lie in.
    package var search: [String] = []
    /// With so many dots a name is first asked for as it is.
    package var dots = 1
    /// How long one server is waited for.
    package var timeout = Duration.seconds(2)
    /// How often each is asked.
    package var attempts = 2
    /// While others wait, a name that has been asked for so long gives up its place: enough for a second server.
    package var patience = Duration.milliseconds(2_500)
    /// How long a server that did not answer is asked last.
    package var avoidance = Duration.seconds(30)
    /// Each question begins with another server.
    package var rotates = false
    /// UDP is not used.
    package var usesTCP = false

    package static let serversLimit = 8
    package static let searchLimit = 16

    package init(servers: [SocketAddress]) {
        self.servers = servers
    }

    /// - Parameter domain: the host's own, which is searched where nothing else is said.
    init(resolvConf text: String, domain: String?) {
        servers = []
        search = domain.map { [$0] } ?? []
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split { $0 == " " || $0 == "\t" }.map(String.init)
            guard let key = words.first, !key.hasPrefix("#"), !key.hasPrefix(";") else { continue }
            switch key {
            case "nameserver" where words.count > 1 && servers.count < Self.serversLimit:
                if let server = Self.server(words[1]) { servers.append(server) }
            // The last of these counts.
            case "domain", "search":
                search = words.dropFirst().prefix(key == "domain" ? 1 : Self.searchLimit).map {
                    $0.hasSuffix(".") ? String($0.dropLast()) : $0
                }.filter { !$0.isEmpty }
            case "options": words.dropFirst().forEach { take(option: $0) }
            default: break
            }
        }
        // The one on this machine, where none is named.
        if servers.isEmpty { servers = ["127.0.0.1"].compactMap { SocketAddress(ip: $0, port: 53) } }
    }

    /// `10.0.0.53`, or with a port as OpenBSD has it, `[10.0.0.53]:5353`.
    private static func server(_ text: String) -> SocketAddress? {
        guard text.hasPrefix("["), let end = text.lastIndex(of: "]") else { return SocketAddress(ip: text, port: 53) }
        let port = UInt16(text[text.index(after: end)...].drop { $0 == ":" })
        return port.flatMap { SocketAddress(ip: String(text[text.index(after: text.startIndex)..<end]), port: $0) }
    }

    private mutating func take(option: String) {
        if option == "rotate" { rotates = true }
        if option == "use-vc" { usesTCP = true }
        let parts = option.split(separator: ":")
        guard parts.count == 2, let number = Int(parts[1]), number >= 0 else { return }
        switch parts[0] {
        case "ndots": dots = min(number, 15)
        case "timeout": timeout = .seconds(min(max(number, 1), 5))
        case "attempts": attempts = min(max(number, 1), 5)
        default: break
        }
    }

    /// The absolute names that a name may mean, in the order in which they are asked for.
    package func candidates(for name: String) -> [String] {
        if name.hasSuffix(".") { return [String(name.dropLast())] }
        let searched = search.map { "\(name).\($0)" }
        let isFirst = name.utf8.count { $0 == UInt8(ascii: ".") } >= dots
        return isFirst ? [name] + searched : searched + [name]
    }
}
