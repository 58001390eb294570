import Backends
import RouteTable
import Synchronization
import TLS
import Telemetry
import Testing

struct ListenerTLSTests {
    private static let files = try! TestAuthority.shared.issue("listener", names: ["DNS:a.example"])
    private let name = TLSPeerName(host: "a.example")

    private func proxy(
        _ backend: Backend, server change: (inout ListenerTLS) -> Void = { _ in },
        table: (inout Table) -> Void = { _ in }
    ) throws -> ProxyUnderTest {
        try ProxyUnderTest([[backend]], server: makeServer([Self.files], change), change: table)
    }

    private func count(_ failure: TLSFailure, _ proxy: ProxyUnderTest) -> UInt64 {
        proxy.listenerCounters.handshakes.failures(Int(failure.rawValue))
    }

    @Test func `requests come encrypted, one after the other, and services are told so`() throws {
        let backend = try Backend()
        let proxy = try proxy(backend)
        let client = try proxy.connect()
        try client.secure(makeClient(), expecting: name)
        #expect(client.speaks("http/1.1"))
        for _ in 0..<3 {
            client.send(get)
            #expect(client.readMessage()?.text == "ok")
        }
        #expect(backend.requests[0]["x-forwarded-proto"] == "https")
        #expect(backend.requests[0]["forwarded"] == "for=127.0.0.1;proto=https;host=a.example")
        #expect(proxy.listenerCounters.handshakes.completed.count == 1)
        client.closeSecurely()
        #expect(eventually { proxy.listenerCounters.openConnections.level == 0 })
    }

    @Test func `a request that comes with the handshake's last bytes is answered`() throws {
        let proxy = try proxy(Backend())
        let client = try proxy.connect()
        try client.secure(makeClient(), expecting: name)
        client.send(get + get + get)
        for _ in 0..<3 { #expect(client.readMessage()?.text == "ok") }
    }

    @Test(arguments: [100, 20_000, 3_000_000])
    func `bodies of any size go both ways`(size: Int) throws {
        let text = String(repeating: "0123456789", count: size / 10)
        let backend = try Backend { request, connection in
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: \(request.body.count)\r\n\r\n\(request.text)")
            return true
        }
        let proxy = try proxy(backend)
        let client = try proxy.connect()
        try client.secure(makeClient(), expecting: name)
        for _ in 0..<2 {
            try inBackground {
                client.send("POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: \(size)\r\n\r\n\(text)")
            }
            let answer = try #require(client.readMessage())
            #expect(answer.status == 200 && answer.text == text)
        }
    }

    @Test func `a client that reads slowly holds the endpoint back, and gets everything`() throws {
        let text = String(repeating: "x", count: 8_000_000)
        let proxy = try proxy(Backend(Backend.body(text)))
        let client = try proxy.connect(receiveBuffer: 8_192)
        try client.secure(makeClient(), expecting: name)
        client.send(get)
        pause(milliseconds: 100)
        #expect(client.readMessage()?.body.count == text.utf8.count)
    }

    @Test func `an answer's end is told with notice, a broken answer without`() throws {
        let whole = try proxy(Backend())
        let client = try whole.connect()
        try client.secure(makeClient(), expecting: name)
        client.send("GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n")
        #expect(client.readMessage()?.text == "ok")
        #expect(client.readEnd() == .closed)
        let broken = try proxy(
            Backend(Backend.says("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", thenCloses: true)))
        let other = try broken.connect()
        try other.secure(makeClient(), expecting: name)
        other.send(get)
        #expect(other.readMessage()?.isWhole != true)
        #expect(other.end == .reset)
    }

    @Test func `plain HTTP on a TLS port is answered in the clear, counted and logged`() throws {
        let proxy = try proxy(Backend(), table: { $0.listener.accessLog = AccessLog() })
        let answer = try proxy.ask(get)
        #expect(answer.status == 400)
        #expect(answer["x-spillway-error"] == "plain-http-on-tls")
        #expect(count(.plainHTTP, proxy) == 1)
        #expect(
            proxy.logged.contains("\"error\":\"tls-handshake-failed\",\"tls\":\"plain-http-on-tls\""))
    }

    @Test func `each handshake that fails is counted by its reason`() throws {
        let proxy = try proxy(Backend())
        let cases: [(TLSFailure, TLSFailure, () throws -> TLSClient)] = [
            (.peerUnknownCA, .unknownCA, { try makeClient(ca: nil) }),
            (.noSharedProtocol, .noSharedProtocol, { try makeClient(protocols: ["h3"]) }),
        ]
        for (ours, theirs, client) in cases {
            let connection = try proxy.connect()
            #expect(throws: theirs) { try connection.secure(client(), expecting: name) }
            #expect(eventually { count(ours, proxy) == 1 }, "\(ours)")
        }
        let strange = try proxy.connect()
        strange.send("SSH-2.0-OpenSSH_9\r\n")
        _ = strange.readToEnd()
        #expect(count(.notTLS, proxy) == 1)
        let gone = try proxy.connect()
        gone.sendPlainly([0x16, 3, 1])
        gone.close()
        #expect(eventually { count(.peerClosed, proxy) == 1 })
        #expect(eventually { proxy.listenerCounters.openConnections.level == 0 })
    }

    @Test func `a handshake that does not end has its limit`() throws {
        let proxy = try proxy(Backend(), table: { $0.listener.timeouts.handshake = .milliseconds(100) })
        let client = try proxy.connect()
        client.sendPlainly([0x16, 3, 1])
        #expect(client.readEnd() == .closed)
        #expect(count(.handshakeTimeout, proxy) == 1)
    }

    @Test func `sessions are resumed, also after other certificates and other keys came into force`() throws {
        var keys = TicketKeys()
        let proxy = try ProxyUnderTest([[Backend()]], server: makeServer([Self.files], tickets: keys))
        let client = try makeClient()
        let kept = TLSResumption()
        func connect() throws -> Bool {
            let connection = try proxy.connect()
            try connection.secure(client, expecting: name, resumption: kept)
            connection.send(get)
            #expect(connection.readMessage()?.text == "ok")
            return connection.isResumed
        }
        #expect(try !connect())
        #expect(try connect())
        keys.rotate()
        proxy.setTickets(keys)
        #expect(try connect())
        proxy.secure(try makeServer([Self.files], tickets: keys))
        #expect(try connect())
        #expect(proxy.listenerCounters.handshakes.resumed.count == 3)
        #expect(proxy.listenerCounters.handshakes.completed.count == 4)
    }

    @Test func `an open connection outlives the certificate it began with`() throws {
        let proxy = try proxy(Backend())
        let old = try proxy.connect()
        try old.secure(makeClient(), expecting: name)
        let other = try TestAuthority.shared.issue("newer", names: ["DNS:b.example"])
        proxy.secure(try makeServer([other]))
        #expect(
            eventually {
                guard let new = try? proxy.connect() else { return false }
                return (try? new.secure(makeClient(), expecting: TLSPeerName(host: "b.example"))) != nil
            })
        old.send(get)
        #expect(old.readMessage()?.text == "ok")
    }

    private func required(_ rules: inout ListenerTLS) {
        rules.client = ClientVerification(ca: TestAuthority.shared.certificate)
    }

    @Test func `a connection that was begun by other rules for clients ends with its next answer`() throws {
        let proxy = try proxy(Backend())
        func connect() throws -> RawConnection {
            let connection = try proxy.connect()
            try connection.secure(makeClient(), expecting: name)
            connection.send(get)
            #expect(connection.readMessage()?.text == "ok")
            return connection
        }
        let (asking, resting) = (try connect(), try connect())
        #expect(proxy.encrypt(with: try makeServer([Self.files])), "other certificates are no other rules")
        asking.send(get)
        #expect(asking.readMessage()?["connection"] == nil)
        #expect(proxy.encrypt(with: try makeServer([Self.files], required)))
        asking.send(get)
        let last = try #require(asking.readMessage())
        #expect(last.status == 200 && last["connection"] == "close")
        #expect(asking.readEnd() == .closed)
        #expect(resting.readEnd() == .closed)
        #expect(eventually { proxy.listenerCounters.openConnections.level == 0 })
    }

    @Test func `rules for clients that come with certificates alone end what was begun by others, too`() throws {
        let proxy = try proxy(Backend())
        let client = try proxy.connect()
        try client.secure(makeClient(), expecting: name)
        client.send(get)
        #expect(client.readMessage()?.text == "ok")
        proxy.secure(try makeServer([Self.files], required))
        #expect(client.readEnd() == .closed)
    }

    @Test func `an HTTP/2 connection that was begun by other rules for clients is told to go away`() throws {
        let proxy = try proxy(Backend())
        let client = try proxy.connect()
        try client.secure(makeClient(protocols: ["h2"]), expecting: name)
        let request = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a.example")]
        client.send(HTTP2Speech.preface)
        client.say(.settings, .headers(stream: 1, request))
        #expect(client.readFrame { $0.kind == HTTP2Speech.Kind.headers } != nil)
        #expect(proxy.encrypt(with: try makeServer([Self.files], required)))
        #expect(client.readFrame { $0.kind == HTTP2Speech.Kind.goAway } != nil)
    }

    @Test func `a connection in the clear ends with its next answer when its listener is encrypted`() throws {
        let proxy = try ProxyUnderTest([[Backend()]])
        let client = try proxy.connect()
        client.send(get)
        #expect(client.readMessage()?["connection"] == nil)
        #expect(proxy.encrypt(with: try makeServer([Self.files])))
        client.send(get)
        #expect(client.readMessage()?["connection"] == "close")
        #expect(client.readEnd() == .closed)
    }

    @Test func `a client whose certificate has thousands of names is told by the first of them, in a bounded time`()
        throws
    {
        let backend = try Backend()
        let many = try TestAuthority.shared.issue("many", names: (0..<4_000).map { "DNS:h\($0).example" })
        let proxy = try proxy(
            backend,
            server: {
                required(&$0)
                $0.client?.header = "x-client-identity"
            })
        let client = try proxy.connect()
        try client.secure(
            makeClient {
                $0.certificate = many.certificate
                $0.key = many.key
            }, expecting: name)
        client.send(get)
        #expect(client.readMessage()?.status == 200)
        let value = try #require(backend.requests.last?["x-client-identity"])
        #expect(value.hasSuffix(";DNS=h99.example"), "\(value.suffix(40))")
        // The handshake itself takes some milliseconds; reading each of the names by its number took 900.
        if !isSanitized { #expect(proxy.counters.longestTurn.level < 250_000_000) }
    }

    @Test func `who a client has proved to be is told in a field that no client can send`() throws {
        let backend = try Backend()
        let mine = try TestAuthority.shared.issue("me", names: ["URI:spiffe://test/me"])
        let proxy = try proxy(
            backend,
            server: {
                $0.client = ClientVerification(ca: TestAuthority.shared.certificate)
                $0.client?.header = "x-client-identity"
                $0.client?.mode = .optional
            },
            table: {
                $0.listener.tls = ListenerTLS()
                $0.listener.tls?.client = ClientVerification(ca: "")
                $0.listener.tls?.client?.header = "x-client-identity"
            })
        let forged = "GET / HTTP/1.1\r\nhost: a.example\r\nX-Client-Identity: root\r\nx_client-identity: root\r\n\r\n"
        let known = try proxy.connect()
        try known.secure(
            makeClient {
                $0.certificate = mine.certificate
                $0.key = mine.key
            }, expecting: name)
        known.send(forged)
        #expect(known.readMessage()?.status == 200)
        let value = try #require(backend.requests.last?["x-client-identity"])
        #expect(value.hasPrefix("Hash=") && value.hasSuffix(";Subject=\"CN=me\";URI=spiffe://test/me"))
        let unknown = try proxy.connect()
        try unknown.secure(makeClient(), expecting: name)
        unknown.send(forged)
        #expect(unknown.readMessage()?.status == 200)
        #expect(backend.requests.last?["x-client-identity"] == nil)
        #expect(backend.requests.allSatisfy { $0["x_client-identity"] == nil })
    }

    @Test func `a plain listener can send every request to where it is encrypted`() throws {
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]]) { $0.listener.redirectsToHTTPS = true }
        let answer = try proxy.ask("GET /a/b?c=d HTTP/1.1\r\nhost: a.example:8080\r\n\r\n")
        #expect(answer.status == 308)
        #expect(answer["location"] == "https://a.example/a/b?c=d")
        #expect(backend.requests.isEmpty)
    }

    @Test func `TLS on a plain port is refused with an answer that says so`() throws {
        let proxy = try ProxyUnderTest([[Backend()]])
        let client = try proxy.connect()
        #expect(throws: TLSFailure.notTLS) { try client.secure(makeClient()) }
        let other = try proxy.connect()
        other.sendPlainly([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])
        #expect(other.readMessage()?["x-spillway-error"] == "tls-on-plain-http")
        #expect(proxy.listenerCounters.refused.count == 2)
    }

    @Test func `a client whose records are hostile is gone at once, and breaks nobody else's answer`() throws {
        let ends = Atomic<Int>(0)
        let endpoint = try Backend(tls: makeServer([Self.files])) { request, connection in
            connection.send("HTTP/1.1 200 OK\r\n\r\nall of it")
            return !eventually { ends.load(ordering: .relaxed) > 0 }
        }
        let proxy = try ProxyUnderTest(
            [[endpoint]], server: makeServer([Self.files]) { $0.ciphers = ["TLS_AES_128_GCM_SHA256"] },
            client: makeClient(), expecting: name)
        let (attacker, records) = try makeHostile(proxy, name)
        let clean = try proxy.connect()
        try clean.secure(makeClient(), expecting: name)
        clean.send("GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n")
        #expect(clean.readLine() == "HTTP/1.1 200 OK")
        attacker.sendPlainly(records)
        let end = attacker.readEnd()
        #expect(end != nil && end != .timedOut)
        // Only now does the clean client's answer end, and only its end says that it is whole.
        ends.store(1, ordering: .relaxed)
        #expect(clean.readToEnd().hasSuffix("all of it\r\n0\r\n\r\n"))
        #expect(clean.end == .closed)
        #expect(proxy.endpointCounters(0, 0).truncations.count == 0)
    }

    /// A client that has shaken hands, and what it sends then: a part of a handshake's message, and data behind it.
    private func makeHostile(_ proxy: ProxyUnderTest, _ name: TLSPeerName) throws -> (RawConnection, [UInt8]) {
        let client = try makeClient()
        var forged = ForgedRecords(by: client)
        let connection = try proxy.connect()
        try connection.secure(client, expecting: name)
        let records = forged.seal(.handshake, ForgedRecords.partOfKeyUpdate) + forged.seal(.data, Array("GET".utf8))
        return (connection, records)
    }
}
