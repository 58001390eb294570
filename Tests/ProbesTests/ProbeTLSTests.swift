import Backends
import RouteTable
import TLS
import Testing

@testable import Probes

struct ProbeTLSTests {
    private static let files = try! TestAuthority.shared.issue("probed", names: ["DNS:probed.example"])
    private static let expired = try! TestAuthority.shared.issue(
        "probed-old", names: ["DNS:probed.example"], days: -10 ... -1)

    @Test func `a probe that is encrypted passes when the handshake is good, and over HTTP when the answer is, too`()
        throws
    {
        let prober = try ProberUnderTest()
        let good = try Backend(tls: makeServer([Self.files]))
        let failing = try Backend(tls: makeServer([Self.files]), Backend.status(503))
        let old = try Backend(tls: makeServer([Self.expired]))
        let plain = try Backend(connections: { _, connection in connection.send("220 smtp.example\r\n") })
        let client = try makeClient()
        let http = Probe.Kind.http(HTTPProbe(path: "/healthz"))
        prober.probe(
            [(1, good, http), (2, good, .tcp), (3, failing, http), (4, old, .tcp), (5, plain, http)], tls: client,
            expecting: .init(host: "probed.example"))
        #expect(prober.next(of: 1)?.isPass == true)
        #expect(prober.next(of: 2)?.isPass == true)
        #expect(prober.next(of: 3) == .failed(.status(503)))
        #expect(prober.next(of: 4) == .failed(.tls(.expired)))
        #expect(prober.next(of: 5) == .failed(.tls(.notTLS)))
        prober.probe([(6, good, http)], tls: client, expecting: .init(host: "other.example"))
        #expect(prober.next(of: 6) == .failed(.tls(.nameMismatch)))
    }
}
