import Backends
import RouteTable
import Synchronization
import TLS
import Telemetry
import Testing

struct UpstreamTLSTests {
    private static let authority = TestAuthority.shared
    private static let files = try! authority.issue("upstream", names: ["DNS:up.example", "IP:127.0.0.1"])
    private static let expired = try! authority.issue("upstream-old", names: ["DNS:up.example"], days: -10 ... -1)

    private func proxy(
        _ regions: [[Backend]], expecting peer: TLSPeerName = .init(host: "up.example"),
        client: (inout ServiceTLS) -> Void = { _ in }, table: (inout Table) -> Void = { _ in }
    ) throws -> ProxyUnderTest {
        try ProxyUnderTest(regions, client: makeClient(client), expecting: peer) {
            $0.service.timeouts.connect = .seconds(5)
            table(&$0)
        }
    }

    @Test(arguments: [TLSPeerName(host: "up.example"), TLSPeerName(ip: "127.0.0.1")])
    func `an endpoint is spoken to encrypted, over connections that are kept`(peer: TLSPeerName) throws {
        let backend = try Backend(tls: makeServer([Self.files]))
        let proxy = try proxy([[backend]], expecting: peer)
        for _ in 0..<3 { #expect(try proxy.ask(get).text == "ok") }
        #expect(try proxy.ask(post).text == "ok")
        #expect(backend.connections.count <= 2)
        #expect(proxy.handshakes.completed.count == UInt64(backend.connections.count))
    }

    /// An endpoint that accepts and says nothing: the handshake never comes to an end by itself.
    @Test(arguments: [false, true])
    func `a connection that is opened ahead has a connection's time to open`(speaksHTTP2: Bool) throws {
        let isOver = Atomic<Bool>(false)
        defer { isOver.store(true, ordering: .relaxed) }
        let silent = try Backend(connections: { _, connection in
            while !eventually({ isOver.load(ordering: .relaxed) }) {}
            connection.close()
        })
        let proxy = try proxy(
            [[silent]],
            table: {
                $0.service.protocol = speaksHTTP2 ? .http2 : .http1
                $0.service.timeouts.connect = .milliseconds(200)
            })
        let counters = proxy.endpointCounters(0, 0)
        proxy.warm(0)
        #expect(eventually { counters.connectionsOpened.count == 1 })
        #expect(eventually { counters.openConnections.level == 0 })
    }

    @Test(arguments: [false, true])
    func `a worker that ends closes what it was opening ahead`(speaksHTTP2: Bool) throws {
        let isOver = Atomic<Bool>(false)
        defer { isOver.store(true, ordering: .relaxed) }
        let silent = try Backend(connections: { _, connection in
            while !eventually({ isOver.load(ordering: .relaxed) }) {}
            connection.close()
        })
        let proxy = try proxy([[silent]], table: { $0.service.protocol = speaksHTTP2 ? .http2 : .http1 })
        let counters = proxy.endpointCounters(0, 0)
        proxy.warm(0)
        #expect(eventually { counters.openConnections.level == 1 })
        proxy.drain()
        #expect(eventually { proxy.hasEnded })
        #expect(counters.openConnections.level == 0)
    }

    @Test func `a request that moves while its connection is still being made is no failed connect`() throws {
        let isOver = Atomic<Bool>(false)
        let server = try makeServer([Self.files])
        let slow = try Backend(connections: { _, connection in
            _ = eventually { isOver.load(ordering: .relaxed) }
            guard (try? connection.secure(server)) != nil else { return connection.close() }
        })
        let good = try Backend(tls: server)
        let proxy = try proxy([[slow], [good]]) { _ in
        } table: {
            $0.service.retry.hedge = .after(.milliseconds(30))
        }
        for _ in 0..<3 { #expect(try proxy.ask(post).text == "ok") }
        isOver.store(true, ordering: .relaxed)
        let counters = proxy.endpointCounters(0, 0)
        #expect(counters.attempts.count == 3 && counters.abandoned.count == 3)
        #expect(counters.connectTimeouts.count == 0 && counters.failureRun.level == 0)
    }

    private static func speakingHTTP2() throws -> @Sendable (Backend, RawConnection) -> Void {
        let server = try makeServer([files]) { $0.protocols = ["h2"] }
        return { _, connection in
            guard (try? connection.secure(server)) != nil else { return connection.close() }
            _ = connection.read(HTTP2Speech.preface.count)
            connection.say(.settings)
            while let frame = connection.readFrame() {
                if frame.kind == HTTP2Speech.Kind.headers { connection.say(.ok(stream: frame.stream)) }
            }
        }
    }

    @Test(arguments: [false, true], [get, post])
    func `a connection that was opened by other rules of TLS serves no more requests`(
        speaksHTTP2: Bool, request: String
    ) throws {
        let backend =
            speaksHTTP2 ? try Backend(connections: Self.speakingHTTP2()) : try Backend(tls: makeServer([Self.files]))
        let protocols = [speaksHTTP2 ? "h2" : "http/1.1"]
        let other = try TestAuthority(named: "Another CA of endpoints")
        let unverified = try makeClient(protocols: protocols) { $0.verify = false }
        let proxy = try ProxyUnderTest([[backend]], client: unverified, expecting: .init(host: "up.example")) {
            $0.service.protocol = speaksHTTP2 ? .http2 : .http1
            $0.service.retry.attempts = 0
            $0.service.retry.hedge = .off
        }
        for _ in 0..<2 { #expect(try proxy.ask(get).status == 200) }
        // Read again, and the same.
        #expect(proxy.encrypt(with: try makeClient(protocols: protocols) { $0.verify = false }))
        #expect(try proxy.ask(get).status == 200)
        #expect(backend.connections.count == 1)
        #expect(proxy.encrypt(with: try makeClient(ca: other.certificate, protocols: protocols)))
        let refused = try proxy.ask(request)
        #expect(refused.status == 502 && refused["x-spillway-error"] == "tls-failed")
        #expect(proxy.handshakes.failures(Int(TLSFailure.unknownCA.rawValue)) == 1)
    }

    @Test func `the next connection resumes the session of the last`() throws {
        let backend = try Backend(tls: makeServer([Self.files])) { request, connection in
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
            return false
        }
        let proxy = try proxy([[backend]])
        for _ in 0..<4 { #expect(try proxy.ask(get).text == "ok") }
        #expect(proxy.handshakes.completed.count == 4)
        #expect(proxy.handshakes.resumed.count == 3)
    }

    @Test func `a PROXY header comes in the clear, before the handshake`() throws {
        let server = try makeServer([Self.files])
        let backend = try Backend(connections: { _, connection in
            let header = connection.readLine() ?? ""
            guard (try? connection.secure(server)) != nil else { return connection.close() }
            while connection.readMessage() != nil {
                connection.send("HTTP/1.1 200 OK\r\ncontent-length: \(header.utf8.count)\r\n\r\n\(header)")
            }
        })
        let proxy = try proxy([[backend]], table: { $0.service.proxyHeader = .v1 })
        let clients = [try proxy.connect(), try proxy.connect()]
        for client in clients + clients {
            client.send(get)
            #expect(client.readMessage()?.text.hasPrefix("PROXY TCP4 127.0.0.1 127.0.0.1 ") == true)
        }
        #expect(backend.connections.count == 2)
    }

    @Test(arguments: [false, true])
    func `a tunnel's endpoint is spoken to encrypted, too`(hasHeader: Bool) throws {
        let server = try makeServer([Self.files])
        let backend = try Backend(connections: { _, connection in
            if hasHeader, connection.readLine()?.hasPrefix("PROXY TCP4 127.0.0.1 ") != true {
                return connection.close()
            }
            guard (try? connection.secure(server)) != nil else { return connection.close() }
            connection.send("welcome\n")
            while let line = connection.readLine() { connection.send("\(line)\n") }
            connection.closeSecurely()
        })
        let proxy = try proxy(
            [[try .refusing()], [backend]],
            table: {
                $0.listener.transport = .tcp
                $0.routes[0].match.listener = 0
                $0.service.proxyHeader = hasHeader ? .v1 : nil
            })
        let client = try proxy.connect()
        #expect(client.readLine() == "welcome")
        client.send("words\n")
        #expect(client.readLine() == "words")
        let long = String(repeating: "0123456789", count: 20_000)
        client.send("\(long)\n")
        #expect(client.readLine() == long)
        client.shutdownWrite()
        #expect(client.readEnd() == .closed)
        #expect(proxy.handshakes.completed.count == 1)
    }

    @Test func `a tunnel goes elsewhere when an endpoint's certificate is no good`() throws {
        let bad = try Backend(tls: makeServer([Self.expired]))
        let server = try makeServer([Self.files])
        let good = try Backend(connections: { _, connection in
            guard (try? connection.secure(server)) != nil else { return connection.close() }
            while let line = connection.readLine() { connection.send("\(line)\n") }
        })
        let proxy = try proxy(
            [[bad], [good]],
            table: {
                $0.listener.transport = .tcp
                $0.routes[0].match.listener = 0
            })
        let client = try proxy.connect()
        client.send("words\n")
        #expect(client.readLine() == "words")
        #expect(proxy.endpointCounters(0, 0).connectFailures.count == 1)
    }

    @Test func `connections that are opened at once resume the same session, all of them`() throws {
        let backend = try Backend(tls: makeServer([Self.files])) { _, connection in
            pause(milliseconds: 20)
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
            return false
        }
        let proxy = try proxy([[backend]])
        #expect(try proxy.ask(get).text == "ok")
        for _ in 0..<5 {
            let clients = try (0..<4).map { _ in try proxy.connect() }
            for client in clients { client.send(get) }
            for client in clients { #expect(client.readMessage()?.text == "ok") }
        }
        #expect(proxy.handshakes.completed.count == proxy.handshakes.resumed.count + 1)
    }

    @Test func `large bodies go both ways`() throws {
        let text = String(repeating: "0123456789", count: 300_000)
        let backend = try Backend(tls: makeServer([Self.files])) { request, connection in
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: \(request.body.count)\r\n\r\n\(request.text)")
            return true
        }
        let proxy = try proxy([[backend]])
        let client = try proxy.connect()
        try inBackground {
            client.send("POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: \(text.utf8.count)\r\n\r\n\(text)")
        }
        #expect(client.readMessage()?.text == text)
    }

    @Test func `a handshake that fails is a failure to connect, with its reason in log, metric and answer`() throws {
        let other = try TestAuthority(named: "Nobody's CA")
        let unknown = try other.issue("unknown", names: ["DNS:up.example"])
        let cases: [(TLSFailure, Backend, TLSPeerName)] = [
            (.expired, try Backend(tls: makeServer([Self.expired])), .init(host: "up.example")),
            (.nameMismatch, try Backend(tls: makeServer([Self.files])), .init(host: "down.example")),
            (.nameMismatch, try Backend(tls: makeServer([Self.files])), .init(ip: "127.0.0.2")),
            (.unknownCA, try Backend(tls: makeServer([unknown])), .init(host: "up.example")),
            (
                .noSharedProtocol, try Backend(tls: makeServer([Self.files]) { $0.protocols = ["h3"] }),
                .init(host: "up.example")
            ),
        ]
        for (failure, backend, peer) in cases {
            let proxy = try proxy(
                [[backend]], expecting: peer,
                table: {
                    $0.listener.accessLog = AccessLog()
                    $0.service.retry.attempts = 0
                })
            let answer = try proxy.ask(get)
            #expect(answer.status == 502 && answer["x-spillway-error"] == "tls-failed", "\(failure)")
            #expect(proxy.handshakes.failures(Int(failure.rawValue)) == 1, "\(failure)")
            #expect(proxy.endpointCounters(0, 0).connectFailures.count == 1)
            #expect(eventually { proxy.logged.contains("\"tls\":\"\(failure.word)\"") }, "\(failure)")
        }
    }

    @Test func `a request goes elsewhere when an endpoint's certificate is no good`() throws {
        let bad = try Backend(tls: makeServer([Self.expired]))
        let good = try Backend(tls: makeServer([Self.files]))
        let proxy = try proxy([[bad], [good]])
        #expect(try proxy.ask(post).text == "ok")
        #expect(good.requests.count == 1 && bad.requests.isEmpty)
    }

    @Test func `what speaks no TLS is no connection`() throws {
        let backend = try Backend(connections: { _, connection in
            connection.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        })
        let proxy = try proxy([[backend]], table: { $0.service.retry.attempts = 0 })
        #expect(try proxy.ask(get)["x-spillway-error"] == "tls-failed")
        #expect(proxy.handshakes.failures(Int(TLSFailure.notTLS.rawValue)) == 1)
    }

    @Test func `a handshake has no more time than a connection`() throws {
        let backend = try Backend(connections: { _, _ in pause(milliseconds: 2_000) })
        let proxy = try proxy(
            [[backend]],
            table: {
                $0.service.timeouts.connect = .milliseconds(100)
                $0.service.retry.attempts = 0
            })
        #expect(try proxy.ask(get)["x-spillway-error"] == "connect-timeout")
    }

    @Test func `an answer that only the connection's end ends must end with notice`() throws {
        let answer = "HTTP/1.1 200 OK\r\n\r\nto the end"
        let clean = try Backend(tls: makeServer([Self.files]), Backend.says(answer, thenCloses: true))
        #expect(try proxy([[clean]]).ask(get).text == "to the end")
        let cut = try Backend(tls: makeServer([Self.files])) { _, connection in
            connection.send(answer)
            connection.close()
            return true
        }
        let client = try proxy([[cut]]).connect()
        client.send(get)
        #expect(client.readMessage(bodyUntilEnd: true)?.isWhole != true)
        #expect(client.end == .reset)
    }

    @Test func `an endpoint is shown the certificate it asks for`() throws {
        let mine = try Self.authority.issue("router", names: ["DNS:router.example"])
        let server = try makeServer([Self.files]) { $0.client = ClientVerification(ca: Self.authority.certificate) }
        let backend = try Backend(tls: server)
        let shown = try proxy([[backend]]) {
            $0.certificate = mine.certificate
            $0.key = mine.key
        }
        #expect(try shown.ask(get).text == "ok")
        let hidden = try proxy([[backend]]) { _ in
        } table: {
            $0.service.retry.attempts = 0
        }
        #expect(try hidden.ask(get).status == 502)
        #expect(eventually { backend.handshakeFailures == [.clientCertificateRequired] })
    }
}
