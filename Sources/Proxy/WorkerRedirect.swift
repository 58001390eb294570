internal import Reactor
internal import RouteTable
internal import Wire

/// Where a route sends the client instead of forwarding.
struct WorkerRedirect {
    private let redirect: Redirect

    /// The same place, encrypted.
    static let toHTTPS = WorkerRedirect(Redirect(status: 308, scheme: "https"))

    init(_ redirect: Redirect) {
        self.redirect = redirect
    }

    /// The parts that the redirect does not name are the request's own.
    func answer(_ head: borrowing RequestHead, _ bytes: RawSpan, _ client: ClientContext) -> OwnAnswer {
        var location: [UInt8] = Array(
            "location: \(redirect.scheme ?? (client.scheme == .https ? "https" : "http"))://".utf8)
        if let host = redirect.host {
            location += Array(host.utf8)
        } else {
            location.append(contentsOf: bytes.extracting(head.host.bounds))
        }
        if let port = redirect.port { location += Array(":\(port)".utf8) }
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
