internal import Reactor
internal import RouteTable
internal import Wire

/// Where a route sends the client instead of forwarding.
struct WorkerRedirect: Sendable {
    private let redirect: Redirect

    /// The same place, encrypted.
    static let toHTTPS = WorkerRedirect(Redirect(status: 308, scheme: "https"))

    init(_ redirect: Redirect) {
        self.redirect = redirect
    }

    /// The parts that the redirect does not name are the request's own; its port belongs to its scheme and host, and is
    /// left out where one of these is another.
    func answer(_ head: borrowing RequestHead, _ bytes: RawSpan, _ client: ClientContext) -> OwnAnswer {
        let own = head.authority.isEmpty
        // An HTTP/1.0 request need not say where it was sent: then only what is named can be told.
        if own && redirect.host == nil && (redirect.scheme != nil || redirect.port != nil) {
            return .malformed(.hostMissing)
        }
        var location = Array("location: ".utf8)
        if redirect.host != nil || !own {
            location += Array("\(redirect.scheme ?? (head.isSecure(bytes, client) ? "https" : "http"))://".utf8)
            if let host = redirect.host {
                location += Array(host.utf8)
            } else {
                let keepsPort = redirect.scheme == nil && redirect.port == nil
                location.append(contentsOf: bytes.extracting((keepsPort ? head.authority : head.host).bounds))
            }
            if let port = redirect.port { location += Array(":\(port)".utf8) }
        }
        if let path = redirect.path {
            location += Array(path.utf8)
        } else {
            location.append(contentsOf: bytes.extracting(head.path.bounds))
            location.append(contentsOf: bytes.extracting(head.query.bounds))
        }
        location += Array("\r\n".utf8)
        var answer = OwnAnswer(status: redirect.status)
        answer.content = OwnAnswer.Content(body: [], fields: location)
        return answer
    }
}
