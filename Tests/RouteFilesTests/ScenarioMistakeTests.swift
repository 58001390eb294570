import Testing

@testable import RouteFiles

/// A scenario without mistakes, into which each row of the table below puts one.
private let right = """
    table:
      regions: { us-east-1: {}, us-west-2: {} }
      services:
        shop: { endpoints: { us-east-1: [10.0.0.1:80], us-west-2: [10.0.0.2:80] } }
    length: 60s
    load: { shop: { rate: 50 } }
    dependencies: { leases: { shop: 2s } }
    timeline:
      - { at: 10s, what: hangs, region: us-east-1, for: 20s }
      - { at: 40s, what: errs, share: 10%, service: shop }
    expect:
      - { failed: all, at_most: 1% }
      - { share: us-east-1, of: shop, at_most: 0%, from: 12s, to: 30s }

    """

@Suite("A mistake in a scenario")
struct ScenarioMistakeTests {
    private func problems(_ text: String) -> [String] {
        switch ScenarioReader(environment: [:]).read(text: text, file: "s.yaml") {
        case .success: []
        case .failure(let problems): problems.all.map(\.description)
        }
    }

    @Test func `is not found where there is none`() {
        #expect(problems(right) == [])
    }

    @Test(
        "is named with its place, what was found and expected, and a near name",
        arguments: [
            (
                "what: hangs", "what: hang",
                #"s.yaml:9:22: timeline[0].what: found "hang"; expected one of refuses, hangs, drops, resets, errs, slows, truncates, loses, heals, probes_fail, probes_pass, capacity, prober_stalls, prober_lags, router_stalls, router_restarts, network_cut, resolves, load, drain, weight, drill, freeze, end_order, fail_over, fail_back, imagine; did you mean "hangs"?"#
            ),
            (
                "region: us-east-1, for", "region: us-esat-1, for",
                #"s.yaml:9:37: timeline[0].region: unknown region "us-esat-1"; expected one of the regions of this table; did you mean "us-east-1"?"#
            ),
            (
                "for: 20s", "share: 20%",
                #"s.yaml:9:55: timeline[0].share: `share` of `hangs`; expected one of region, service, address, for, flapping, dependency"#
            ),
            (
                "share: 10%, ", "",
                #"s.yaml:10:22: timeline[1].what: `errs` without `share`; expected `share` beside it"#
            ),
            (
                "region: us-east-1, for", "region: us-east-1, dependency: lease, for",
                #"s.yaml:9:60: timeline[0].dependency: unknown dependency "lease"; expected one of `dependencies`; did you mean "leases"?"#
            ),
            (
                "at_most: 1%", "at_mots: 1%",
                #"s.yaml:12:20: expect[0].at_mots: unknown key "at_mots"; expected one of failed, answered, shed, p99, load, share, of, decisions, about, witnesses, returns, attempts, out, sent, what_if, restart, at_most, at_least, from and to; did you mean "at_most"?"#
            ),
            (
                "at_most: 1%", "at_most: 5ms",
                #"s.yaml:12:29: expect[0].at_most: 5ms of `failed`; expected a number or a percentage"#
            ),
            (
                "us-east-1: [10.0.0.1:80]", "us-east-1: [10.0.0.1]",
                #"s.yaml:4:38: table.services.shop.endpoints.us-east-1[0]: found "10.0.0.1"; expected an address such as 10.0.1.10:8080, [::1]:8080, west.internal:8080 or unix:/path"#
            ),
            (
                "length: 60s\n", "",
                #"s.yaml:1:1: no `length`; expected a duration such as 500ms, 2s or 1m, from 1s to 24h"#
            ),
        ])
    func mistakes(text: String, instead: String, problem: String) {
        let found = problems(right.replacing(text, with: instead, maxReplacements: 1))
        #expect(found.contains(problem), "\(found.joined(separator: "\n"))")
    }
}
