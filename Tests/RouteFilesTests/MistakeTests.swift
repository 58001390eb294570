import Foundation
import RouteTable
import Testing

@testable import RouteFiles

private let ciphers =
    "TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, ECDHE-ECDSA-AES128-GCM-SHA256, "
    + "ECDHE-RSA-AES128-GCM-SHA256, ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES256-GCM-SHA384, "
    + "ECDHE-ECDSA-CHACHA20-POLY1305 or ECDHE-RSA-CHACHA20-POLY1305"

/// A table without mistakes, into which each row of the table below puts one.
private let right = """
    listeners:
      web: { bind: 127.0.0.1:8080, protocol: http }
    regions:
      us-east-1: {}
      us-west-2: { capacity: 4000 }
    services:
      shop:
        prefer: [us-east-1, us-west-2]
        endpoints:
          us-east-1: [10.0.0.1:80]
          us-west-2: [10.0.0.2:80]
    routes:
      - { match: { listener: web }, to: shop }

    """

@Suite("A mistake in a table")
struct MistakeTests {
    @Test("is not found where there is none")
    func findsNone() {
        #expect(problems(right) == [])
    }

    @Test(
        "is named with its file, line, column and path, what was found, what was expected, and a near name",
        arguments: [
            (
                "us-west-2]", "us-esat-1]",
                [
                    #"t.yaml:8:25: services.shop.prefer[1]: unknown region "us-esat-1"; expected one of the regions of this table; did you mean "us-east-1"?"#
                ]
            ),
            (
                "us-west-2]", "us-east-1]",
                [
                    #"t.yaml:8:25: services.shop.prefer[1]: the region "us-east-1" a second time"#,
                    #"t.yaml:11:7: services.shop.endpoints.us-west-2: endpoints in the region "us-west-2"; expected the region among those of `prefer` as well"#,
                ]
            ),
            (
                "127.0.0.1:8080", "127.0.0.1",
                [
                    #"t.yaml:2:16: listeners.web.bind: found "127.0.0.1"; expected a numeric address such as 0.0.0.0:8080, [::]:8080 or unix:/path"#
                ]
            ),
            (
                "127.0.0.1:8080", "127.0.0.1:99999",
                [
                    #"t.yaml:2:16: listeners.web.bind: found "127.0.0.1:99999"; expected a numeric address such as 0.0.0.0:8080, [::]:8080 or unix:/path"#
                ]
            ),
            (
                "127.0.0.1:8080", "localhost:80",
                [
                    #"t.yaml:2:16: listeners.web.bind: found "localhost:80"; expected a numeric address such as 0.0.0.0:8080, [::]:8080 or unix:/path; did you mean "127.0.0.1:80"?"#
                ]
            ),
            (
                "127.0.0.1:8080", "{ unix: run/s, mode: 0888 }",
                [
                    #"t.yaml:2:24: listeners.web.bind.unix: found "run/s"; expected an absolute path of up to 107 bytes"#,
                    #"t.yaml:2:37: listeners.web.bind.mode: found "0888"; expected permissions in octal digits, such as 0660"#,
                ]
            ),
            (
                "127.0.0.1:8080", "{ unix: \"unix:/run/s\", owner: \"a:b\" }",
                [
                    #"t.yaml:2:24: listeners.web.bind.unix: found "unix:/run/s"; expected an absolute path of up to 107 bytes; did you mean "/run/s"?"#,
                    #"t.yaml:2:46: listeners.web.bind.owner: found "a:b"; expected the name or number of a user"#,
                ]
            ),
            (
                "protocol: http", "protocol: htp",
                [
                    #"t.yaml:2:42: listeners.web.protocol: found "htp"; expected http, tcp or tls_passthrough; did you mean "http"?"#
                ]
            ),
            (
                "protocol: http", "protocol: http, trusted: x",
                [
                    #"t.yaml:2:48: listeners.web.trusted: unknown key "trusted"; expected one of bind, protocol, trusted_proxies, proxy_protocol, limits, timeouts, access_log, tls and redirect"#
                ]
            ),
            (
                "listeners:", "listenres:",
                [
                    #"t.yaml:1:1: listenres: unknown key "listenres"; expected one of listeners, regions, services, routes, cascade, defaults; did you mean "listeners"?"#,
                    #"t.yaml:13:26: routes[0].match.listener: unknown listener "web"; expected one of the listeners of this table"#,
                ]
            ),
            (
                "regions:\n", "regions: []\nx:\n",
                [
                    #"t.yaml:3:10: regions: found a list; expected a mapping of regions"#,
                    #"t.yaml:4:1: x: unknown key "x"; expected one of listeners, regions, services, routes, cascade, defaults"#,
                    #"t.yaml:9:14: services.shop.prefer[0]: unknown region "us-east-1"; expected one of the regions of this table"#,
                    #"t.yaml:9:25: services.shop.prefer[1]: unknown region "us-west-2"; expected one of the regions of this table"#,
                    #"t.yaml:11:7: services.shop.endpoints.us-east-1: unknown region "us-east-1"; expected one of the regions of this table"#,
                    #"t.yaml:12:7: services.shop.endpoints.us-west-2: unknown region "us-west-2"; expected one of the regions of this table"#,
                ]
            ),
            (
                "10.0.0.1:80]", "10.0.0.1]",
                [
                    #"t.yaml:10:19: services.shop.endpoints.us-east-1[0]: found "10.0.0.1"; expected an address such as 10.0.1.10:8080, [::1]:8080, west.internal:8080 or unix:/path"#
                ]
            ),
            (
                "10.0.0.1:80]", "10.0.0.1:80, 10.0.0.1:80]",
                [#"t.yaml:10:32: services.shop.endpoints.us-east-1[1]: the same address as at t.yaml:10:19"#]
            ),
            (
                "10.0.0.1:80]", "{ adress: \"10.0.0.1:80\" }]",
                [
                    #"t.yaml:10:19: services.shop.endpoints.us-east-1[0]: no `address`; expected an address such as 10.0.1.10:8080, [::1]:8080, west.internal:8080 or unix:/path"#,
                    #"t.yaml:10:21: services.shop.endpoints.us-east-1[0].adress: unknown key "adress"; expected one of address, weight and host; did you mean "address"?"#,
                ]
            ),
            (
                "10.0.0.1:80]", "{ address: \"10.0.0.1:80\", weight: 0 }]",
                [
                    #"t.yaml:10:53: services.shop.endpoints.us-east-1[0].weight: found "0"; expected a whole number from 1 to 1000"#
                ]
            ),
            (
                "10.0.0.1:80]", "]",
                [
                    #"t.yaml:10:18: services.shop.endpoints.us-east-1: found a list; expected a list of endpoints, at least 1"#
                ]
            ),
            (
                "    prefer:", "    probe: { http: healthz }\n    prefer:",
                [
                    #"t.yaml:8:20: services.shop.probe.http: found "healthz"; expected a path that begins with /; did you mean "/healthz"?"#
                ]
            ),
            (
                "    prefer:", "    probe: { tcp: true, http: / }\n    prefer:",
                [
                    #"t.yaml:8:14: services.shop.probe.tcp: `tcp` beside `http`; expected `tcp` alone, or an `http` probe"#
                ]
            ),
            (
                "    prefer:", "    probe: { grpc: my.Service, http: / }\n    prefer:",
                [
                    #"t.yaml:8:14: services.shop.probe.grpc: `grpc` beside `http`; expected `grpc` alone, or an `http` probe"#
                ]
            ),
            (
                "    prefer:", "    probe: { tcp: true, grpc: my.Service }\n    prefer:",
                [
                    #"t.yaml:8:14: services.shop.probe.tcp: `tcp` beside `grpc`; expected `tcp` alone, or a `grpc` probe"#
                ]
            ),
            (
                "    prefer:", "    probe: { grpc: my Service }\n    prefer:",
                [
                    #"t.yaml:8:20: services.shop.probe.grpc: found "my Service"; expected a gRPC service such as my.Service, or an empty text"#
                ]
            ),
            (
                "    prefer:", "    probe: { every: 2 }\n    prefer:",
                [
                    #"t.yaml:8:21: services.shop.probe.every: found "2"; expected a duration such as 500ms, 2s or 1m, from 10ms to 1h; did you mean "2s"?"#
                ]
            ),
            (
                "    prefer:", "    timeouts: { connect: 1 s }\n    prefer:",
                [
                    #"t.yaml:8:26: services.shop.timeouts.connect: found "1 s"; expected a duration such as 500ms, 2s or 1m, from 1ms to 1m; did you mean "1s"?"#
                ]
            ),
            (
                "    prefer:", "    retry: { budget: 20 }\n    prefer:",
                [
                    #"t.yaml:8:22: services.shop.retry.budget: found "20"; expected a percentage such as 20% or 0.5%, from 0% to 100%; did you mean "20%"?"#
                ]
            ),
            (
                "    prefer:", "    retry: { on: [conect] }\n    prefer:",
                [
                    #"t.yaml:8:19: services.shop.retry.on[0]: found "conect"; expected connect, reset, timeout or a status from 400 to 599; did you mean "connect"?"#
                ]
            ),
            (
                "    prefer:", "    retry: { on: [700] }\n    prefer:",
                [
                    #"t.yaml:8:19: services.shop.retry.on[0]: found "700"; expected connect, reset, timeout or a status from 400 to 599"#
                ]
            ),
            (
                "    prefer:", "    balance: hash\n    prefer:",
                [
                    #"t.yaml:8:14: services.shop.balance: found "hash"; expected least_requests, round_robin, random, or { hash: source }, { hash: path }, { hash: { header: NAME } } or { hash: { cookie: NAME } }"#
                ]
            ),
            (
                "    prefer:", "    balance: least_request\n    prefer:",
                [
                    #"t.yaml:8:14: services.shop.balance: found "least_request"; expected least_requests, round_robin or random; did you mean "least_requests"?"#
                ]
            ),
            (
                "    prefer:", "    importance: higher\n    prefer:",
                [
                    #"t.yaml:8:17: services.shop.importance: found "higher"; expected critical, high, normal or low; did you mean "high"?"#
                ]
            ),
            (
                "    prefer:", "    needs: [shpo]\n    prefer:",
                [
                    #"t.yaml:8:13: services.shop.needs[0]: unknown service "shpo"; expected one of the services of this table; did you mean "shop"?"#
                ]
            ),
            (
                "    prefer:", "    capacity: { us-west-3: 5 }\n    prefer:",
                [
                    #"t.yaml:8:17: services.shop.capacity.us-west-3: unknown region "us-west-3"; expected one of the regions of this table; did you mean "us-west-2"?"#
                ]
            ),
            (
                "    prefer:", "    failover: { steps: [50%, 25%, 100%] }\n    prefer:",
                [
                    #"t.yaml:8:24: services.shop.failover.steps: steps 50%, 25%, 100%; expected ascending percentages, the last of them 100%"#
                ]
            ),
            (
                "to: shop", "to: shpo",
                [
                    #"t.yaml:13:37: routes[0].to: unknown service "shpo"; expected one of the services of this table; did you mean "shop"?"#
                ]
            ),
            (
                "to: shop", "to: []",
                [#"t.yaml:13:37: routes[0].to: found a list; expected a list of services, at least 1"#]
            ),
            (
                "to: shop", "to: [ { service: shop, weight: 0 } ]",
                [#"t.yaml:13:37: routes[0].to: weights of 0 only; expected at least one above 0"#]
            ),
            (
                "to: shop", "to: shop, redirect: { to: / }",
                [
                    #"t.yaml:13:55: routes[0].redirect.to: unknown key "to"; expected one of status, scheme, host, port and path"#
                ]
            ),
            (
                ", to: shop", "",
                [#"t.yaml:13:5: routes[0]: a route without an action; expected one of `to`, `redirect` and `respond`"#]
            ),
            (
                "to: shop", "redirect: { status: 200, to: / }",
                [
                    #"t.yaml:13:53: routes[0].redirect.status: found "200"; expected 301, 302, 303, 307 or 308"#,
                    #"t.yaml:13:58: routes[0].redirect.to: unknown key "to"; expected one of status, scheme, host, port and path"#,
                ]
            ),
            (
                "to: shop", "redirect: { path: /new/$1 }",
                [
                    #"t.yaml:13:51: routes[0].redirect.path: "$1", which would be sent as it is; expected a path as it is to be: nothing of the request is filled in; `%24` stands for a `$`"#
                ]
            ),
            (
                "to: shop", "redirect: { scheme: https, path: /odata/$metadata$request_uri }",
                [
                    #"t.yaml:13:66: routes[0].redirect.path: "$request_uri", which would be sent as it is; expected a path as it is to be: nothing of the request is filled in; `%24` stands for a `$`"#
                ]
            ),
            ("to: shop", "redirect: { path: /odata/$metadata }", []),
            (
                "to: shop", "to: shop, rewrite: { prefix: /$2 }",
                [
                    #"t.yaml:13:62: routes[0].rewrite.prefix: "$2", which would be sent as it is; expected a path as it is to be: nothing of the request is filled in; `%24` stands for a `$`"#
                ]
            ),
            (
                "to: shop", "respond: { status: 99 }",
                [#"t.yaml:13:52: routes[0].respond.status: found "99"; expected a whole number from 200 to 599"#]
            ),
            (
                "match: { listener: web }", "match: { listener: wbe }",
                [
                    #"t.yaml:13:26: routes[0].match.listener: unknown listener "wbe"; expected one of the listeners of this table; did you mean "web"?"#
                ]
            ),
            (
                "match: { listener: web }", "match: { host: \"a.*.example\" }",
                [
                    #"t.yaml:13:22: routes[0].match.host: found "a.*.example"; expected a host such as shop.example.com or *.example.com, without a port"#
                ]
            ),
            (
                "match: { listener: web }", "match: { path: api }",
                [
                    #"t.yaml:13:22: routes[0].match.path: found "api"; expected a path that begins with /, without a query; did you mean "/api"?"#
                ]
            ),
            (
                "match: { listener: web }", "match: { path: { regex: \"/a(\" } }",
                [
                    #"t.yaml:13:31: routes[0].match.path.regex: the pattern "/a(" is wrong at its character 3: this group is not closed"#
                ]
            ),
            (
                "match: { listener: web }", "match: { method: \"GE T\" }",
                [#"t.yaml:13:24: routes[0].match.method: found "GE T"; expected a method in capitals, such as GET"#]
            ),
            (
                "match: { listener: web }", "match: { header: { \"x y\": \"1\" } }",
                [
                    #"t.yaml:13:26: routes[0].match.header.x y: found "x y"; expected the name of a field, such as x-canary"#
                ]
            ),
            (
                "to: shop", "to: shop, rewrite: { prefix: x }",
                [
                    #"t.yaml:13:62: routes[0].rewrite.prefix: found "x"; expected a path that begins with /, without a query; did you mean "/x"?"#
                ]
            ),
            (
                "to: shop", "to: shop, request_headers: { set: { Host: a.example } }",
                [
                    #"t.yaml:13:69: routes[0].request_headers.set.Host: the field "host"; expected `host` of the service or of an endpoint: `keep`, `endpoint`, or a name"#
                ]
            ),
            (
                "    prefer:", "    host: https://a.example/\n    prefer:",
                [
                    #"t.yaml:8:11: services.shop.host: found "https://a.example/"; expected keep, endpoint, or a host such as shop.example.com or shop.example.com:8443; did you mean "a.example"?"#
                ]
            ),
            (
                "    prefer:", "    host: \"*.example\"\n    prefer:",
                [
                    #"t.yaml:8:11: services.shop.host: found "*.example"; expected keep, endpoint, or a host such as shop.example.com or shop.example.com:8443"#
                ]
            ),
            (
                "10.0.0.1:80]", "{ address: 10.0.0.1:80, host: a.example:99999 }]",
                [
                    #"t.yaml:10:49: services.shop.endpoints.us-east-1[0].host: found "a.example:99999"; expected keep, endpoint, or a host such as shop.example.com or shop.example.com:8443"#
                ]
            ),
            (
                "to: shop", "to: shop, request_headers: { set: { \"content-length\": \"1\" } }",
                [
                    #"t.yaml:13:69: routes[0].request_headers.set.content-length: the field "content-length"; expected another field: this one the router makes itself"#
                ]
            ),
            (
                "protocol: http", "protocol: http, proxy_protocol: true",
                [
                    #"t.yaml:2:64: listeners.web.proxy_protocol: a header that anybody could send; expected `trusted_proxies` beside it: those who send it"#
                ]
            ),
            (
                "protocol: http", "protocol: tcp, proxy_protocol: yes",
                [#"t.yaml:2:63: listeners.web.proxy_protocol: found "yes"; expected true or false"#]
            ),
            (
                "protocol: http", "protocol: http, timeouts: { tunnel: 8d }",
                [
                    #"t.yaml:2:68: listeners.web.timeouts.tunnel: found "8d"; expected a duration such as 500ms, 2s or 1m, from 100ms to 168h"#
                ]
            ),
            (
                "    prefer:", "    on_failover: kep\n    prefer:",
                [
                    #"t.yaml:8:18: services.shop.on_failover: found "kep"; expected keep, close or { close_after: 30s }; did you mean "keep"?"#
                ]
            ),
            (
                "    prefer:", "    on_failover: { close_after: 30 }\n    prefer:",
                [
                    #"t.yaml:8:33: services.shop.on_failover.close_after: found "30"; expected a duration such as 500ms, 2s or 1m, from 1ms to 24h; did you mean "30s"?"#
                ]
            ),
            (
                "    prefer:", "    proxy_protocol: v1\n    protocol: http2\n    prefer:",
                [
                    #"t.yaml:8:21: services.shop.proxy_protocol: a header that names one client, before HTTP/2 that all of them share; expected `protocol: http1` beside it, or `none`"#
                ]
            ),
            (
                "    prefer:", "    proxy_protocol: v3\n    prefer:",
                [
                    #"t.yaml:8:21: services.shop.proxy_protocol: found "v3"; expected v1, v2 or none; did you mean "v1"?"#
                ]
            ),
            (
                "match: { listener: web }", "match: { listener: web, alpn: h2 }",
                [
                    #"t.yaml:13:37: routes[0].match.alpn: protocols on the listener "web", of http; expected a listener of `tls_passthrough`"#
                ]
            ),
            (
                "match: { listener: web }", "match: { alpn: [h2] }",
                [
                    #"t.yaml:13:22: routes[0].match.alpn: protocols of requests; expected `listener` beside it, one of `tls_passthrough`"#
                ]
            ),
            (
                "match: { listener: web }", "match: { alpn: \"h 2\" }",
                [
                    #"t.yaml:13:22: routes[0].match.alpn: found "h 2"; expected the name of a protocol, such as h2 or http/1.1"#
                ]
            ),
            (
                "protocol: http", "tls: { certificates: [{ key: a.key }] }",
                [
                    #"t.yaml:2:54: listeners.web.tls.certificates[0]: no `certificate`; expected a path of up to 4096 bytes, relative to this file or absolute"#
                ]
            ),
            (
                "protocol: http", "tls: { min_version: 1.1, certificates: certs }",
                [#"t.yaml:2:52: listeners.web.tls.min_version: found "1.1"; expected 1.2 or 1.3; did you mean "1.2"?"#]
            ),
            (
                "protocol: http", "tls: { certificates: certs, ciphers: [ECDHE-RSA-AES128-GCM-SHA25] }",
                [
                    #"t.yaml:2:70: listeners.web.tls.ciphers[0]: found "ECDHE-RSA-AES128-GCM-SHA25"; expected \#(ciphers); did you mean "ECDHE-RSA-AES128-GCM-SHA256"?"#
                ]
            ),
            (
                "protocol: http", "redirect: https, tls: { certificates: certs }",
                [
                    "t.yaml:2:42: listeners.web.redirect: a redirect to where the request already is; expected no `tls` beside it"
                ]
            ),
            (
                "prefer:", "tls: { key: a.key }\n    prefer:",
                [
                    "t.yaml:8:17: services.shop.tls.key: a key without a certificate; expected `certificate` beside it"
                ]
            ),
            (
                "us-east-1: {}", "us-east-1: {}\n  us-east-1: {}",
                [#"t.yaml:5:3: regions: the key "us-east-1" a second time: it is in line 4 already"#]
            ),
            (
                "us-east-1: {}", "us-east-1: ${NOWHERE_SET}",
                [
                    #"t.yaml:4:14: regions.us-east-1: the variable NOWHERE_SET is not set; expected it in the environment, or a default as in ${NOWHERE_SET:-value}"#
                ]
            ),
            (
                "us-east-1: {}", "us-east-1: [",
                [#"t.yaml:6:1: not YAML: did not find expected ',' or ']' while parsing a flow sequence"#]
            ),
        ] as [(String, String, [String])])
    func names(part: String, mistake: String, expected: [String]) throws {
        let range = try #require(right.range(of: part))
        #expect(problems(right.replacingCharacters(in: range, with: mistake)) == expected)
    }

    /// A listener of each kind that passes connections on, into which each row below puts a route.
    private static let tunnels = """
        listeners:
          db: { bind: 127.0.0.1:5432, protocol: tcp }
          edge: { bind: 127.0.0.1:443, protocol: tls_passthrough }
        regions: { r: {} }
        services: { s: { endpoints: { r: [10.0.0.1:80] } }, t: { endpoints: { r: [10.0.0.1:81] }, tls: {} } }
        routes:
          - 
        """

    @Test(
        "in a route of a listener that passes connections on is named as well",
        arguments: [
            ("{ match: { listener: db }, to: s }", []),
            ("{ match: { listener: edge, host: \"*.example\", alpn: h2 }, to: s }", []),
            (
                "{ to: s }",
                [
                    #"t.yaml:7:5: routes[0].match: a route for requests, of which no listener has any; expected `listener`, the name of one of `tcp` or `tls_passthrough`"#
                ]
            ),
            ("{ match: { listener: db }, to: t }", []),
            (
                "{ match: { listener: edge }, to: [s, t] }",
                [
                    #"t.yaml:7:42: routes[0].to: the service "t", to which TLS would be spoken within TLS; expected a service without `tls`"#
                ]
            ),
            (
                "{ match: { listener: db, host: a.example }, to: s }",
                [
                    #"t.yaml:7:36: routes[0].match.host: `host` for the listener "db", of tcp; expected `listener` alone"#
                ]
            ),
            (
                "{ match: { listener: db, alpn: h2 }, to: s }",
                [
                    #"t.yaml:7:36: routes[0].match.alpn: `alpn` for the listener "db", of tcp; expected `listener` alone"#
                ]
            ),
            (
                "{ match: { listener: edge, path: /a, method: GET }, to: s }",
                [
                    #"t.yaml:7:38: routes[0].match.path: `path` for the listener "edge", of tls_passthrough; expected `host` and `alpn` at most: more is not in the clear"#,
                    #"t.yaml:7:50: routes[0].match.method: `method` for the listener "edge", of tls_passthrough; expected `host` and `alpn` at most: more is not in the clear"#,
                ]
            ),
            (
                "{ match: { listener: edge }, respond: { status: 404 } }",
                [
                    #"t.yaml:7:43: routes[0].respond: `respond` for the listener "edge", of tls_passthrough; expected `to` alone: what passes is not understood"#
                ]
            ),
            (
                "{ match: { listener: db }, to: s, request_headers: { remove: [x-a] } }",
                [
                    #"t.yaml:7:56: routes[0].request_headers: `request_headers` for the listener "db", of tcp; expected `to` alone: what passes is not understood"#
                ]
            ),
        ] as [(String, [String])])
    func namesTunnels(route: String, expected: [String]) {
        #expect(problems(Self.tunnels + route + "\n") == expected)
    }

    @Test("about paths is none: they begin at the file they are written in")
    func resolvesPaths() throws {
        let text = right.replacing("protocol: http", with: "tls: { certificates: [certs, /etc/certs, ../up] }")
        for (name, paths) in [
            ("routes/t.yaml", ["routes/certs", "/etc/certs", "routes/../up"]),
            ("t.yaml", ["certs", "/etc/certs", "../up"]),
        ] {
            let table = try reader().read(texts: [(name, text)]).get().table
            #expect(table.listeners[0].tls?.certificates == paths.map { .directory($0) })
        }
    }

    @Test("is reported together with all others, by file and line")
    func reportsAll() {
        let a = "regions: { a: {} }\nservices: { s: { endpoints: { b: [1.2.3.4:5] }, wieght: 3 } }\n"
        let b = "regions: { a: {} }\nroutes: [ { to: t } ]\n"
        guard case .failure(let problems) = reader().read(texts: [("a.yaml", a), ("b.yaml", b)]) else {
            Issue.record("a table with mistakes was read")
            return
        }
        #expect(
            problems.description == """
                a.yaml:2:31: services.s.endpoints.b: unknown region "b"; expected one of the regions of this table; did you mean "a"?
                a.yaml:2:49: services.s.wieght: unknown key "wieght"; expected one of prefer, endpoints, capacity, needs, \
                probe, protocol, balance, timeouts, retry, limits, importance, moves, mode, failover, resolve_every, resolve_family, proxy_protocol, host, on_failover and tls
                b.yaml:1:12: regions.a: the region "a" a second time; expected each name once; the first is at a.yaml:1:12
                b.yaml:2:17: routes[0].to: unknown service "t"; expected one of the services of this table; did you mean "s"?
                """)
    }

    @Test(
        "in the file itself is told from one in the table",
        arguments: [
            (
                "- a",
                "t.yaml:1:1: found a list; expected a mapping with listeners, regions, services, routes, cascade, defaults"
            ),
            ("a: b: c", "t.yaml:1:5: not YAML: mapping values are not allowed in this context"),
            (
                "{ \"listeners\": {} ",
                "t.yaml:2:1: not YAML: did not find expected ',' or '}' while parsing a flow mapping"
            ),
        ] as [(String, String)])
    func tellsBrokenFiles(text: String, expected: String) {
        #expect(problems(text) == [expected])
    }

    @Test(
        "of a text that should be in quotes says so, with the text in them",
        arguments: [
            ("{ match: { host: *.example.com }, to: s }", #""*.example.com""#),
            ("{ match: { host: [*.example.com] }, to: s }", #""*.example.com""#),
            ("{ match: { host: *.${DOMAIN} }, to: s }", #""*.${DOMAIN}""#),
            ("{ match: { path: ${PATH} }, to: s }", #""${PATH}""#),
            ("{ match: { method: [GET, ${METHOD}] }, to: s }", #""${METHOD}""#),
            ("{ match: { path: ${PATH:-/a} }, to: s }", #""${PATH:-/a}""#),
            ("{ to: [ { service: ${S}, weight: 1 } ] }", #""${S}""#),
            ("{ to: s, request_headers: { set: { x-a: v${X} } } }", #""v${X}""#),
            ("{ match: { path: { regex: /v[0-9]+/.* } }, to: s }", #""/v[0-9]+/.*""#),
            (#"{ match: { path: { regex: /\d{2}/x } }, to: s }"#, #"'/\d{2}/x'"#),
            ("{ to: s, request_headers: { set: { x-a: @b } } }", #""@b""#),
            ("{ to: s, request_headers: { set: { x-a: %b, x-c: d } } }", #""%b""#),
        ])
    func tellsQuotes(route: String, expected: String) throws {
        let found = problems("routes:\n  - \(route)\n")
        #expect(found.count == 1)
        let first = try #require(found.first)
        #expect(first.hasSuffix("; expected quotes around the text: \(expected)"), "\(first)")
    }

    @Test(
        "of YAML's own is not taken for a missing quote",
        arguments: ["{ to: s", "{ to: [s, }", "{ to: s ] }", "{ to: s } }", "{ to: \"s }", "{ to: [s] [t] }"])
    func tellsOther(route: String) {
        #expect(problems("routes:\n  - \(route)\n").allSatisfy { !$0.contains("quotes") })
    }

    @Test("that nests or repeats without an end is refused, not followed")
    func refusesBombs() {
        let deep = "regions: { a: " + String(repeating: "[", count: 40) + String(repeating: "]", count: 40) + " }"
        #expect(problems(deep).contains { $0.contains("nested") })
        var bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        for i in 1...9 {
            bomb += "a\(i): &a\(i) [" + Array(repeating: "*a\(i - 1)", count: 10).joined(separator: ",") + "]\n"
        }
        #expect(!problems(bomb).isEmpty)
    }
}

@Suite("The environment")
struct EnvironmentTests {
    private let environment = Environment(variables: ["PORT": "8080", "EMPTY": ""])

    @Test(
        "fills in what is named",
        arguments: [
            ("a", "a"), ("${PORT}", "8080"), ("a:${PORT}/b", "a:8080/b"), ("${EMPTY}", ""), ("${EMPTY:-x}", "x"),
            ("${NONE:-x}", "x"), ("${NONE:-}", ""), ("$${PORT}", "${PORT}"), ("$PORT $", "$PORT $"),
            ("${PORT}${PORT}", "80808080"),
        ] as [(String, String)])
    func fills(text: String, expected: String) throws {
        #expect(try environment.filled(text) == expected)
    }

    @Test(
        "says what is not set, and what is no name",
        arguments: ["${NONE}", "${", "${PORT", "${}", "${1A}", "${A-B}", "${PORT:+x}"])
    func refuses(text: String) {
        #expect(throws: Environment.Mistake.self) { try environment.filled(text) }
    }

    @Test("is not read again in what it fills in", arguments: ["${PORT}", "$${PORT}", "a${b", "$$$${"])
    func escapes(text: String) throws {
        #expect(try environment.filled(Environment.escaped(text)) == text)
    }
}

func reader() -> TableReader { TableReader(environment: [:]) }

/// What is wrong with a text, one line each.
func problems(_ text: String) -> [String] {
    switch reader().read(texts: [("t.yaml", text)]) {
    case .success: []
    case .failure(let problems): problems.all.map(\.description)
    }
}
