internal import HTTPTypes
internal import Hummingbird
internal import Reactor

/// The names under which the admin address may be asked, against pages that people of this network look at.
///
/// A page can have its own name resolve to the admin address (DNS rebinding), and then asks it as its own server: only the
/// Host tells. An IP address in it cannot be made up in this way, nor can `localhost`.
package struct AdminHosts: Sendable {
    private let names: Set<String>
    private let endings: [String]

    /// - Parameters:
    ///   - address: what the admin address is given as: a name or an IP address.
    ///   - allowed: further names; `*.example.com` stands for all that end so.
    package init(address: String, allowed: [String] = []) {
        let all = ([address] + allowed).map { $0.lowercased() }
        names = Set(all.filter { !$0.hasPrefix("*.") } + ["localhost"])
        endings = all.filter { $0.hasPrefix("*.") }.map { String($0.dropFirst()) }
    }

    /// - Parameter authority: a request's Host; absent in HTTP/1.0, which no browser speaks.
    func allow(_ authority: String?) -> Bool {
        guard let authority, !authority.isEmpty else { return true }
        let host = Self.host(of: authority.lowercased())
        return SocketAddress(ip: host, port: 0) != nil || names.contains(host)
            || endings.contains { host.hasSuffix($0) && host.count > $0.count }
    }

    /// Without port, brackets, and the dot that may end a name.
    private static func host(of authority: String) -> String {
        if authority.hasPrefix("[") { return String(authority.dropFirst().prefix { $0 != "]" && $0 != "%" }) }
        let host = authority.prefix { $0 != ":" }
        return String(host.hasSuffix(".") ? host.dropLast() : host)
    }
}

/// Refuses what a page of somebody else's asks through an operator's browser.
struct AdminGuard<Context: RequestContext>: RouterMiddleware {
    let hosts: AdminHosts

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard hosts.allow(request.head.authority) else {
            return AdminServer.answer(
                .misdirectedRequest,
                "\(request.head.authority ?? "") is not a name of this admin address; ask by IP address or localhost, or "
                    + "allow the name with --admin-hosts")
        }
        if request.method != .get, request.method != .head, Self.isFromElsewhere(request) {
            return AdminServer.answer(.forbidden, "orders are not taken from pages of other origins")
        }
        return try await next(request, context)
    }

    /// Sent by a browser for a page that this router has not served.
    private static func isFromElsewhere(_ request: Request) -> Bool {
        if let site = request.headers[.secFetchSite], site != "same-origin", site != "none" { return true }
        guard let origin = request.headers[.origin] else { return false }
        let own = request.head.authority ?? ""
        return origin != "http://\(own)" && origin != "https://\(own)"
    }
}

extension HTTPField.Name {
    fileprivate static let secFetchSite = HTTPField.Name("Sec-Fetch-Site")!
}
