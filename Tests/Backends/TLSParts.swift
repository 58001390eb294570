package import RouteTable
package import TLS

/// A server with these certificates, or with other rules.
package func makeServer(
    _ files: [TestAuthority.Files], name: String = "test", tickets: TicketKeys = TicketKeys(),
    _ change: (inout ListenerTLS) -> Void = { _ in }
) throws -> TLSServer {
    var rules = ListenerTLS(certificates: files.map { .pair(certificate: $0.certificate, key: $0.key, ocsp: nil) })
    change(&rules)
    var reader = TLSFileReader()
    return try TLSServer(try reader.server(name: name, rules), tickets: tickets, library: TLSLibrary())
}

/// A client that trusts an authority, or with other rules.
package func makeClient(
    ca: String? = TestAuthority.shared.certificate, protocols: [String] = ["http/1.1"],
    _ change: (inout ServiceTLS) -> Void = { _ in }
) throws -> TLSClient {
    var rules = ServiceTLS()
    rules.ca = ca
    change(&rules)
    var reader = TLSFileReader()
    return try TLSClient(try reader.client(rules, protocols: protocols), library: TLSLibrary())
}
