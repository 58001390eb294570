extension Service {
    /// The value of Host for an endpoint; nil: what the client said.
    package func toldHost(of endpoint: Endpoint) -> String? {
        switch endpoint.toldHost ?? toldHost {
        case .keep: nil
        case .named(let name): name
        case .endpoint: authority(of: endpoint.host)
        }
    }

    /// The name by which an endpoint is told to be another than it is called; nil: none is told.
    package func toldName(of endpoint: Endpoint) -> String? {
        guard case .named(let name) = endpoint.toldHost ?? toldHost else { return nil }
        if name.hasPrefix("[") {
            return name.firstIndex(of: "]").map { String(name[name.index(after: name.startIndex)..<$0]) }
        }
        return String(name.prefix { $0 != ":" })
    }

    /// An endpoint's own name, with its port unless that is the one of its scheme.
    private func authority(of host: EndpointHost) -> String {
        let usual: UInt16 = tls == nil ? 80 : 443
        func with(_ port: UInt16) -> String { port == usual ? "" : ":\(port)" }
        return switch host {
        case .ip(let address, let port): (address.contains(":") ? "[\(address)]" : address) + with(port)
        case .name(let name, let port): name.withoutFinalDot + with(port)
        case .unix: "localhost"
        }
    }
}
