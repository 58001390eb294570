import RouteTable
import Testing

struct AuthorityTests {
    @Test(arguments: [
        (EndpointHost.name("app.internal", port: 8080), UInt16?.none, false, "app.internal:8080"),
        (.name("app.internal", port: 80), nil, false, "app.internal"),
        (.name("app.internal", port: 80), nil, true, "app.internal:80"),
        (.name("app.internal", port: 443), nil, true, "app.internal"),
        (.name("app.internal.", port: 80), nil, false, "app.internal"),
        (.name("app.internal", port: 80), 9000, false, "app.internal:9000"),
        (.name("app.internal", port: 8080), 80, false, "app.internal"),
        (.ip(address: "10.0.0.1", port: 8080), nil, false, "10.0.0.1:8080"),
        (.ip(address: "2001:db8::1", port: 8080), nil, false, "[2001:db8::1]:8080"),
        (.ip(address: "2001:db8::1", port: 443), nil, true, "[2001:db8::1]"),
        (.unix(path: "/run/app.sock"), nil, false, "localhost"),
    ])
    func `an endpoint is asked for as the table names it, with a port that is not the scheme's own`(
        host: EndpointHost, port: UInt16?, isEncrypted: Bool, expected: String
    ) {
        #expect(host.authority(port: port, isEncrypted: isEncrypted) == expected)
    }
}
