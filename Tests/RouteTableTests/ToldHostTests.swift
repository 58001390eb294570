import Testing

@testable import RouteTable

@Suite("The host that an endpoint is told")
struct ToldHostTests {
    private static let hosts: [EndpointHost] = [
        .ip(address: "10.0.0.1", port: 8080), .ip(address: "::1", port: 80), .name("west.internal", port: 443),
        .unix(path: "/run/app.sock"),
    ]

    @Test(
        "is the client's, its own, or another, and its own where both are given",
        arguments: [
            (.keep, nil, false, [nil, nil, nil, nil]),
            (.endpoint, nil, false, ["10.0.0.1:8080", "[::1]", "west.internal:443", "localhost"]),
            (.endpoint, nil, true, ["10.0.0.1:8080", "[::1]:80", "west.internal", "localhost"]),
            (.named("a.example:81"), nil, true, ["a.example:81", "a.example:81", "a.example:81", "a.example:81"]),
            (.named("a.example"), .keep, false, [nil, nil, nil, nil]),
            (.keep, .named("b.example"), false, ["b.example", "b.example", "b.example", "b.example"]),
        ] as [(ToldHost, ToldHost?, Bool, [String?])])
    func isTold(service: ToldHost, endpoint: ToldHost?, isEncrypted: Bool, expected: [String?]) {
        var table = Service(name: "s", cells: [])
        table.toldHost = service
        if isEncrypted { table.tls = ServiceTLS() }
        #expect(Self.hosts.map { table.toldHost(of: Endpoint(host: $0, toldHost: endpoint)) } == expected)
    }

    @Test func `is told without the dot that makes a name absolute`() {
        var service = Service(name: "s", cells: [])
        service.toldHost = .endpoint
        let host = EndpointHost.name("west.internal.", port: 8080)
        #expect(service.toldHost(of: Endpoint(host: host)) == "west.internal:8080")
        #expect(host.authority(isEncrypted: false) == "west.internal:8080")
        #expect("\(host)" == "west.internal.:8080", "as in the files")
    }

    @Test(
        "is, without its port, the name it is asked for by TLS",
        arguments: [
            (.keep, nil), (.endpoint, nil), (.named("a.example"), "a.example"), (.named("a.example:81"), "a.example"),
            (.named("[::1]:81"), "::1"), (.named("10.0.0.1"), "10.0.0.1"),
        ] as [(ToldHost, String?)])
    func isTheName(host: ToldHost, name: String?) {
        var service = Service(name: "s", cells: [])
        service.toldHost = host
        #expect(service.toldName(of: Endpoint(host: Self.hosts[0])) == name)
    }
}
