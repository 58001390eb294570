import Foundation
import RouteTable
import Testing

@testable import RouteFiles

@Suite("The normal form")
struct NormalFormTests {
    /// Every key there is, with a value that is not its default.
    static let everything = """
        listeners:
          web:
            bind: "[::1]:8080"
            protocol: http
            trusted_proxies: [10.0.0.0/8, "2001:db8::/32", 192.0.2.1]
            proxy_protocol: true
            limits: { head: 16KiB, target: 4KiB, headers: 50, body: 10MiB, connections: 77 }
            timeouts: { head: 5s, idle: 30s, body: 7s, tunnel: 2h }
            access_log: { format: text, path: /tmp/access.log }
            tls:
              certificates: [ /etc/certs, { certificate: a.pem, key: a.key, ocsp: a.ocsp }, { certificate: both.pem } ]
              min_version: 1.3
              ciphers: [TLS_AES_256_GCM_SHA384, ECDHE-RSA-AES128-GCM-SHA256]
              groups: [P-384]
              alpn: [http/1.1]
              client: { verify: optional, ca: ca.pem, header: x-client }
          local: { bind: "unix:/run/spillway.sock", redirect: https, timeouts: { handshake: 3s } }
          guarded: { bind: { unix: /run/guarded.sock, mode: 0660, owner: root, group: "33" } }
          db: { bind: "127.0.0.1:5432", protocol: tcp }
          edge: { bind: "127.0.0.1:443", protocol: tls_passthrough }
        regions:
          us-east-1: {}
          us-west-2: { capacity: 4000 }
        defaults:
          timeouts: { connect: 250ms }
          failover: { hold: 7s }
        services:
          checkout:
            prefer: [us-west-2, us-east-1]
            endpoints:
              us-east-1: [10.0.1.10:8080, { address: "[::1]:8081", weight: 2, host: "[::1]" }]
              us-west-2: [west.internal:8080, "unix:/run/app.sock"]
            probe:
              http: /healthz
              method: HEAD
              host: checkout.example
              port: 9000
              every: 3s
              timeout: 500ms
              fall: 3
              rise: 4
              expect: { status: [200-204, 301], header: { x-ready: "yes" }, body: ok }
            balance: { hash: { cookie: session } }
            timeouts: { connect: 1500ms, response: 16s, idle: 61s, request: none }
            retry: { attempts: 3, budget: 12.5%, on: [reset, 503, connect], hedge_after: 75ms }
            limits: { connections: 10, pending: 11, requests: 12 }
            capacity: { us-west-2: 800 }
            importance: critical
            needs: [inventory]
            resolve_every: 30s
            resolve_family: ipv4
            failover: { hold: 11s, steps: [10%, 50%, 100%], soak: 3s, ejection: 2s }
          inventory:
            endpoints: { us-east-1: [10.0.1.10:8080] }
            probe: { tcp: true, tls: true }
            tls: { verify: false, ca: ca.pem, name: inventory.example, certificate: me.pem, key: me.key, min_version: 1.3 }
            retry: { hedge_after: { learned: 80ms } }
            balance: round_robin
            host: bucket.example:8443
            proxy_protocol: v1
            on_failover: close
          greeter:
            endpoints: { us-east-1: [10.0.1.10:8080] }
            probe: { grpc: my.Service }
          whole:
            endpoints: { us-east-1: [10.0.1.10:8080] }
            probe: { grpc: "" }
          plain:
            endpoints: { us-west-2: [10.0.1.10:80] }
            probe: none
            tls: {}
            retry: { attempts: 0, hedge_after: off }
            proxy_protocol: v2
            on_failover: { close_after: 30s }
        routes:
          - match: { listener: web, host: shop.example.com, path: /checkout, method: [GET, POST], header: { x-canary: "1" } }
            to: [ { service: checkout, weight: 90 }, { service: plain, weight: 10 } ]
            rewrite: { prefix: / }
            request_headers: { set: { x-a: "b: c" }, add: { x-b: "1" }, remove: [x-c] }
            response_headers: { remove: [server] }
          - { match: { host: "*.example.com", path: { exact: /x } }, redirect: { status: 308, scheme: https, host: a.example, port: 444, path: /y?z } }
          - { match: { path: { regex: "/v[0-9]+/.*" } }, respond: { status: 418, body: "a\\nb", content_type: text/html } }
          - { to: inventory }
          - { match: { listener: db }, to: plain }
          - { match: { listener: edge, host: "*.example.com", alpn: [http/1.1, h2] }, to: checkout }
        """

    private func table(_ text: String) throws -> Table {
        try reader().read(texts: [("t.yaml", text)]).get().table
    }

    @Test("reads as the same table, and is its own normal form")
    func isStable() throws {
        let first = try table(Self.everything)
        let text = NormalForm.text(of: first)
        let second = try table(text)
        #expect(second == first)
        #expect(NormalForm.text(of: second) == text)
    }

    @Test("has the defaults, and each service's own settings merged into them, filled in")
    func fillsIn() throws {
        let table = try table(Self.everything)
        let checkout = try #require(table.services.first { $0.name == "checkout" })
        #expect(checkout.timeouts.connect == .milliseconds(1_500))
        #expect(checkout.failover.hold == .seconds(11))
        #expect(checkout.cells.map { table.regions[$0.region].name } == ["us-west-2", "us-east-1"])
        let inventory = try #require(table.services.first { $0.name == "inventory" })
        #expect(inventory.timeouts.connect == .milliseconds(250))
        #expect(inventory.timeouts.response == ServiceTimeouts().response)
        #expect(inventory.failover.hold == .seconds(7))
        let text = NormalForm.text(of: table)
        for key in ["hold: 7s", "connect: 250ms", "attempts: 2", "importance: normal", "hash: { cookie: session }"] {
            #expect(text.contains(key), "\(key)")
        }
    }

    @Test func `has the IPv4 addresses that are written as IPv6 ones as what they are`() throws {
        let text = """
            listeners:
              web: { bind: "127.0.0.1:80", trusted_proxies: ["::ffff:127.0.0.1", "::ffff:10.0.0.0/104", "::ffff:0:0/96", "::/0"] }
            regions: { r: {} }
            services: { s: { endpoints: { r: ["127.0.0.1:81"] } } }
            routes: [ { to: s } ]
            """
        let table = try table(text)
        #expect(
            table.listeners[0].trustedProxies.map { "\($0)" } == ["127.0.0.1/32", "10.0.0.0/8", "0.0.0.0/0", "::/0"])
    }

    @Test func `keeps the dot that makes an endpoint's name absolute`() throws {
        let text = """
            listeners: { web: { bind: "127.0.0.1:80" } }
            regions: { r: {} }
            services: { s: { endpoints: { r: ["API.example.test.:81", "api.example.test:81"] } } }
            routes: [ { match: { host: a.example. }, to: s } ]
            """
        let table = try table(text)
        #expect(
            table.services[0].cells[0].endpoints.map(\.host) == [
                .name("api.example.test.", port: 81), .name("api.example.test", port: 81),
            ])
        #expect(table.routes[0].match.host == .exact("a.example"), "hosts are compared without it")
        #expect(try self.table(NormalForm.text(of: table)) == table)
    }

    @Test("keeps a certificate that stands alone, not in a list")
    func keepsOneCertificate() throws {
        let text = """
            listeners: { web: { bind: "127.0.0.1:80", tls: { certificates: { certificate: a.pem, key: a.key } } } }
            regions: { r: {} }
            services: { s: { endpoints: { r: ["127.0.0.1:81"] } } }
            routes: [ { to: s } ]
            """
        let table = try table(text)
        #expect(table.listeners[0].tls?.certificates.count == 1)
        #expect(try self.table(NormalForm.text(of: table)) == table)
    }

    @Test("of the tables we deliver reads as the same table", arguments: ["quickstart", "three-regions", "transports"])
    func keepsDelivered(name: String) throws {
        let directory = root.appending(path: "routes/\(name)").path(percentEncoded: false)
        let table = try reader().read(path: directory).get().table
        #expect(try self.table(NormalForm.text(of: table)) == table)
    }

    @Test("is the same for YAML and JSON, one file or several")
    func isIndependentOfFiles() throws {
        let json = """
            {"listeners": {"web": {"bind": "127.0.0.1:80"}}, "regions": {"r": {}},
             "services": {"s": {"endpoints": {"r": ["127.0.0.1:81"]}}}, "routes": [{"to": "s"}]}
            """
        let parts = [
            ("1.yaml", "routes: [ { to: s } ]"), ("2.yaml", "services: { s: { endpoints: { r: [127.0.0.1:81] } } }"),
            ("3.json", #"{"regions": {"r": {}}, "listeners": {"web": {"bind": "127.0.0.1:80"}}}"#),
        ]
        let one = try reader().read(texts: [("t.json", json)]).get().table
        let many = try reader().read(texts: parts.map { (name: $0.0, text: $0.1) }).get().table
        #expect(one == many)
    }
}

/// The top of the package.
let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
