internal import RouteTable

extension RouteDraft {
    /// What of a route has no meaning for the listener it is for: tunnels have no requests, and requests no protocols.
    func checkTransport(at node: SourceNode, _ table: Table, _ reading: inout Reading) {
        let listeners = table.listeners
        let matchNode = node["match"]
        let place = matchNode?.position ?? node.position
        // A listener that was named a second time is not in the list; that has been reported.
        guard let index = match.listener, listeners.indices.contains(index) else {
            if let alpn = matchNode?["alpn"], !match.alpn.isEmpty {
                reading.report(
                    alpn.position, "protocols of requests",
                    expected: "`listener` beside it, one of `tls_passthrough`", under: ["match", "alpn"])
            } else if !listeners.isEmpty, listeners.allSatisfy(\.transport.isTunnel) {
                reading.report(
                    place, "a route for requests, of which no listener has any",
                    expected: "`listener`, the name of one of `tcp` or `tls_passthrough`", under: ["match"])
            }
            return
        }
        let listener = listeners[index]
        guard listener.transport.isTunnel else {
            if let alpn = matchNode?["alpn"], !match.alpn.isEmpty {
                reading.report(
                    alpn.position, "protocols on the listener \(listener.name.quotedForPeople), of http",
                    expected: "a listener of `tls_passthrough`", under: ["match", "alpn"])
            }
            return
        }
        let kind = listener.transport.rawValue
        let seen = listener.transport == .tcp ? ["listener"] : ["listener", "host", "alpn"]
        for key in ["host", "path", "method", "header", "alpn"] where !seen.contains(key) {
            guard let entry = matchNode?[key] else { continue }
            reading.report(
                entry.position, "`\(key)` for the listener \(listener.name.quotedForPeople), of \(kind)",
                expected: seen.count == 1 ? "`listener` alone" : "`host` and `alpn` at most: more is not in the clear",
                under: ["match", key])
        }
        for key in ["redirect", "respond", "rewrite", "request_headers", "response_headers"] {
            guard let entry = node[key] else { continue }
            reading.report(
                entry.position, "`\(key)` for the listener \(listener.name.quotedForPeople), of \(kind)",
                expected: "`to` alone: what passes is not understood", under: [key])
        }
        guard listener.transport == .tlsPassthrough else { return }
        for destination in to ?? [] where table.services[destination.value.service].tls != nil {
            let name = table.services[destination.value.service].name.quotedForPeople
            reading.report(
                destination.position, "the service \(name), to which TLS would be spoken within TLS",
                expected: "a service without `tls`", under: ["to"])
        }
    }
}

extension Reading {
    fileprivate mutating func report(
        _ position: Position, _ found: String, expected: String, under keys: [String]
    ) {
        guard let key = keys.first else { return report(position, found, expected: expected) }
        at(key) { $0.report(position, found, expected: expected, under: Array(keys.dropFirst())) }
    }
}
