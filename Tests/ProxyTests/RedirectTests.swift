import Backends
import RouteTable
import Testing

@Suite("A redirect")
struct RedirectTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String { "\(redirect) of \(target), host \(host ?? "none")" }
        let redirect: Redirect
        var target = "/a/b?c=d"
        var host: String? = "a.example:8080"
        let location: String
    }

    @Test(
        "leads to what it names, and for the rest to where the request was",
        arguments: [
            Case(redirect: Redirect(path: "/new"), location: "http://a.example:8080/new"),
            Case(redirect: Redirect(path: "/new"), host: "a.example", location: "http://a.example/new"),
            Case(redirect: Redirect(path: "/new"), host: "[::1]:80", location: "http://[::1]:80/new"),
            Case(
                redirect: Redirect(path: "/new"), target: "http://b.example:81/x", host: "b.example:81",
                location: "http://b.example:81/new"),
            Case(redirect: Redirect(port: 444), location: "http://a.example:444/a/b?c=d"),
            // A port belongs to its scheme and host.
            Case(redirect: Redirect(scheme: "https"), location: "https://a.example/a/b?c=d"),
            Case(redirect: Redirect(scheme: "https", port: 444), location: "https://a.example:444/a/b?c=d"),
            Case(redirect: Redirect(host: "b.example"), location: "http://b.example/a/b?c=d"),
            Case(redirect: Redirect(host: "b.example", port: 81, path: "/"), location: "http://b.example:81/"),
            // HTTP/1.0 without Host: relative to wherever that was.
            Case(redirect: Redirect(path: "/new"), host: nil, location: "/new"),
            Case(redirect: Redirect(host: "b.example"), host: nil, location: "http://b.example/a/b?c=d"),
        ])
    func leads(example: Case) throws {
        let proxy = try ProxyUnderTest([[]]) { $0.routes[0].action = .redirect(example.redirect) }
        let request = "GET \(example.target) HTTP/1.\(example.host == nil ? 0 : 1)\r\n"
        let answer = try proxy.ask(request + (example.host.map { "host: \($0)\r\n" } ?? "") + "\r\n")
        #expect(answer.status == 302)
        #expect(answer["location"] == example.location)
    }

    @Test func `to another scheme, of a request that does not say where it was sent, is refused`() throws {
        for redirect in [Redirect(scheme: "https"), Redirect(port: 444)] {
            let proxy = try ProxyUnderTest([[]]) { $0.routes[0].action = .redirect(redirect) }
            let answer = try proxy.ask("GET / HTTP/1.0\r\n\r\n")
            #expect(answer.status == 400)
            #expect(answer["x-spillway-error"] == "host-missing")
        }
    }

    @Test(
        "keeps the scheme that a trusted proxy tells of",
        arguments: [("https", "https"), ("HTTPS, http", "https"), ("http", "http"), ("httpsx", "http")])
    func keepsScheme(told: String, scheme: String) throws {
        for isTrusted in [true, false] {
            let proxy = try ProxyUnderTest([[]]) {
                $0.routes[0].action = .redirect(Redirect(path: "/new"))
                if isTrusted { $0.listener.trustedProxies = [AddressBlock(bytes: [127, 0, 0, 0], prefixBits: 8)] }
            }
            let answer = try proxy.ask("GET / HTTP/1.1\r\nhost: a.example\r\nx-forwarded-proto: \(told)\r\n\r\n")
            #expect(answer["location"] == "\(isTrusted ? scheme : "http")://a.example/new")
        }
    }
}
