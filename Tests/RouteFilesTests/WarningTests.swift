import Foundation
import RouteTable
import Testing

@testable import RouteFiles

/// A table that is as it should be, into which each row of the table below puts something that hardly is.
private let right = """
    listeners:
      web: { bind: 127.0.0.1:8080 }
      plain: { bind: 127.0.0.1:8081, redirect: https }
    regions:
      east: {}
      west: {}
    services:
      shop:
        endpoints: { east: [10.0.0.1:80], west: [10.0.0.2:80] }
        probe: { http: / }
        needs: [stock]
      stock: { endpoints: { east: [stock.internal:80] }, probe: none }
    routes:
      - { match: { listener: web, path: /api }, to: shop }
      - { to: shop }

    """

@Suite("A warning about a table")
struct WarningTests {
    @Test func `is not given where all is as it should be`() {
        #expect(warnings(right) == [])
    }

    @Test("of the tables we deliver is none", arguments: ["quickstart", "three-regions", "transports"])
    func isNotOfOurs(name: String) throws {
        let directory = root.appending(path: "routes/\(name)").path(percentEncoded: false)
        #expect(try reader().read(path: directory).get().warnings == [])
    }

    @Test(
        "says where, what comes of it, and what to do",
        arguments: [
            (
                "  plain:", "  db: { bind: 127.0.0.1:5432, protocol: tcp }\n  plain:",
                [
                    "t.yaml:3:3: listeners.db: no route is for this listener: every connection is closed; add one, or take the listener away"
                ]
            ),
            (
                "  - { to: shop }\n", "",
                [
                    // The other listener redirects all it gets.
                ]
            ),
            (
                "  plain: { bind: 127.0.0.1:8081, redirect: https }\n", "  other: { bind: 127.0.0.1:8081 }\n", []
            ),
            (
                "redirect: https }\nregions:\n  east: {}\n  west: {}\n",
                "redirect: https }\n  other: { bind: 127.0.0.1:8082 }\nregions:\n  east: {}\n  west: {}\n  north: {}\n",
                [
                    "t.yaml:8:3: regions.north: no service has endpoints in this region; add some, or take the region away"
                ]
            ),
            (
                "    needs: [stock]\n", "",
                [
                    "t.yaml:11:3: services.stock: no route leads to this service, and none that has a route needs it; add a route, or take it away"
                ]
            ),
            (
                "    probe: { http: / }\n", "",
                [
                    "t.yaml:8:3: services.shop: no probe: whether its endpoints are well is found out by requests, at their cost; add one such as `probe: { http: / }`, or `probe: none` if that is meant"
                ]
            ),
            ("    probe: { http: / }\n", "    probe: none\n", []),
            ("routes:\n", "defaults: { probe: { tcp: true } }\nroutes:\n", []),
            (
                "stock.internal:80", "10.0.0.3:80",
                [
                    "t.yaml:12:3: services.stock: one endpoint, 10.0.0.3:80: when it fails, its requests have nowhere to go; add another, in another region if there can be one"
                ]
            ),
            (
                "  - { to: shop }\n", "  - { to: shop }\n  - { to: stock }\n",
                [
                    "t.yaml:16:5: routes[2]: never matches: the route at t.yaml:15:5 is for the same requests and comes first; take one of them away"
                ]
            ),
            (
                "  - { to: shop }\n",
                "  - { match: { path: { regex: \"/api/v[0-9]+\" } }, to: stock }\n  - { match: { path: /api }, to: shop }\n",
                [
                    "t.yaml:15:5: routes[1]: never matches: the route at t.yaml:16:5, for path /api, takes all its requests first; take it away, or change what one of them matches"
                ]
            ),
            (
                "  - { to: shop }\n", "  - { match: { listener: plain }, to: shop }\n",
                [
                    "t.yaml:15:5: routes[1]: never matches: the listener \"plain\" redirects every request; take the route away, or the listener's `redirect`"
                ]
            ),
            (
                "  - { to: shop }\n",
                "  - { to: shop, request_headers: { set: { x-real: $remote_addr, x-price: $5 } } }\n",
                [
                    "t.yaml:15:5: routes[1].request_headers: x-price is sent with \"$5\" as it is: nothing of the request is filled in; write the value itself",
                    "t.yaml:15:5: routes[1].request_headers: x-real is sent with \"$remote_addr\" as it is: nothing of the request is filled in; write the value itself",
                ]
            ),
        ] as [(String, String, [String])])
    func says(part: String, other: String, expected: [String]) throws {
        let range = try #require(right.range(of: part))
        #expect(Set(warnings(right.replacingCharacters(in: range, with: other))) == Set(expected))
    }

    @Test func `is given of a key with nothing under it, as a generator leaves that found nothing`() throws {
        let texts = [("a.yaml", right), ("b.yaml", "services:\n#  shop: {}\n"), ("c.yaml", "routes: []\nregions: ~\n")]
        let source = try reader().read(texts: texts.map { (name: $0.0, text: $0.1) }).get()
        #expect(
            source.warnings.map(\.description) == [
                "b.yaml:1:1: services: nothing is under this key; delete it, or write `{}` if that is meant",
                "c.yaml:2:1: regions: nothing is under this key; delete it, or write `{}` if that is meant",
            ])
    }

    @Test func `is given of a file with nothing but comments, in the order of files and lines`() throws {
        let extra = "regions:\n  south: {}\n  north: {}\n"
        let texts = [("a.yaml", right), ("b.yaml", extra), ("c.yaml", "# later\n")]
        let source = try reader().read(texts: texts.map { (name: $0.0, text: $0.1) }).get()
        #expect(source.warnings.map { "\($0.file):\($0.line)" } == ["b.yaml:2", "b.yaml:3", "c.yaml:0"])
        #expect(
            source.warnings.last?.description
                == "c.yaml: nothing is in this file but comments; delete it if it is not needed")
    }

    private func warnings(_ text: String) -> [String] {
        (try? reader().read(texts: [("t.yaml", text)]).get().warnings.map(\.description)) ?? [
            "mistakes: \(problems(text))"
        ]
    }
}

/// What README.md says of the first run.
@Suite("The README")
struct ReadmeTests {
    @Test func `shows the table of routes/quickstart`() throws {
        let page = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        let shown = try #require(page.components(separatedBy: "```yaml\n").dropFirst().first)
            .components(separatedBy: "```")[0]
        let file = try String(contentsOf: root.appending(path: "routes/quickstart/table.yaml"), encoding: .utf8)
        let lines = file.split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(shown.split(separator: "\n") == lines)
        let command = try #require(file.split(separator: "\n").first { $0.contains("http.server") }).dropFirst().drop {
            $0 == " "
        }
        #expect(page.contains(command))
    }
}
