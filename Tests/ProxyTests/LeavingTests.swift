import Backends
import Reactor
import RouteTable
import TLS
import Telemetry
import Testing

/// Connections whose listener or worker goes: nothing that is on its way is lost, nothing is answered by somebody else.
struct LeavingTests {
    private static let files = try! TestAuthority.shared.issue("listener", names: ["DNS:a.example"])

    private func respond(_ text: String) -> Route.Action { .respond(FixedResponse(status: 200, body: text)) }

    /// Two listeners with routes of their own; the first is `public`.
    private func twoListeners() throws -> (ProxyUnderTest, UInt16) {
        let proxy = try ProxyUnderTest([[try Backend()]]) { $0.routes[0].action = respond("internal") }
        let port = try proxy.open("public", respond("public"))
        #expect(try proxy.ask(get).text == "internal")
        return (proxy, port)
    }

    private func removePublic(_ table: inout Table) {
        table.listeners.remove(at: 0)
        table.routes.remove(at: 0)
        for index in table.routes.indices { table.routes[index].match.listener = 0 }
    }

    @Test func `a connection of a listener that is gone is not answered by another listener's routes`() throws {
        let (proxy, port) = try twoListeners()
        let client = try RawConnection(port: port)
        client.send(get)
        #expect(client.readMessage()?.text == "public")
        #expect(proxy.publish(removePublic))
        client.send(get)
        let answer = try #require(client.readMessage())
        #expect(answer.text == "public")
        #expect(answer["connection"] == "close")
        #expect(client.readEnd() == .closed)
        #expect(throws: Failure.self) { try RawConnection(port: port) }
        #expect(try proxy.ask(get).text == "internal")
    }

    @Test func `a client that has come and not asked yet is served though its listener goes`() throws {
        let (proxy, port) = try twoListeners()
        let client = try RawConnection(port: port)
        #expect(proxy.publish(removePublic))
        pause(milliseconds: 50)
        client.send(get)
        #expect(client.readMessage()?.text == "public")
        #expect(client.readEnd() == .closed)
    }

    @Test func `who rests on a listener that is gone is let go after a moment`() throws {
        let (proxy, port) = try twoListeners()
        let client = try RawConnection(port: port)
        client.send(get)
        #expect(client.readMessage()?.text == "public")
        #expect(proxy.publish(removePublic))
        #expect(client.readEnd() == .closed)
    }

    /// A listener whose only place is taken, and clients in its backlog that have asked.
    private func full(
        waiting count: Int
    ) throws -> (proxy: ProxyUnderTest, first: RawConnection, waiting: [RawConnection]) {
        let proxy = try ProxyUnderTest([[try Backend()]]) {
            $0.listener.limits.connections = 1
            $0.routes[0].action = respond("ok")
        }
        let first = try proxy.connect()
        first.send(get)
        #expect(first.readMessage()?.status == 200)
        let waiting = try (0..<count).map { _ in try proxy.connect() }
        for client in waiting { client.send(get) }
        #expect(eventually { proxy.listenerCounters.accepting.level == 0 })
        return (proxy, first, waiting)
    }

    @Test(arguments: [true, false])
    func `who waits in the backlog of a listener that is full is served when it goes`(drains: Bool) throws {
        let (proxy, first, waiting) = try full(waiting: 20)
        if drains {
            proxy.drain()
        } else {
            #expect(proxy.publish { $0.listener.bind = .ip(address: "127.0.0.2", port: 1) })
        }
        first.close()
        for client in waiting {
            let answer = try #require(client.readMessage())
            #expect(answer.text == "ok")
            #expect(answer["connection"] == "close")
            client.close()
        }
        #expect(eventually { (try? proxy.connect()) == nil })
        if drains { #expect(eventually { proxy.hasEnded }) }
    }

    @Test func `more than is accepted in one turn is served when a listener goes`() throws {
        let (proxy, first, waiting) = try full(waiting: 150)
        // It is looked for room once a second: in the backlog they are still when the drain begins.
        #expect(proxy.publish { $0.listener.limits.connections = 1_000 })
        proxy.drain()
        for client in waiting { #expect(client.readMessage()?.text == "ok") }
        for client in waiting + [first] { client.close() }
        #expect(eventually { proxy.hasEnded })
    }

    @Test func `who finds no room in the backlog of a listener that goes is turned away in the end`() throws {
        let proxy = try ProxyUnderTest([[try Backend(Backend.hangs)]]) { $0.listener.limits.connections = 1 }
        let first = try proxy.connect()
        first.send(get)
        let waiting = try proxy.connect()
        waiting.send(get)
        #expect(eventually { proxy.listenerCounters.accepting.level == 0 })
        proxy.drain()
        #expect(waiting.readEnd() == .reset)
        #expect(first.end == nil)
    }

    @Test(arguments: [true, false])
    func `a client that has come and not asked yet is served in a drain`(encrypted: Bool) throws {
        let proxy = try ProxyUnderTest([[try Backend()]], server: encrypted ? try makeServer([Self.files]) : nil)
        let clients = try (0..<20).map { _ in try proxy.connect() }
        #expect(eventually { proxy.listenerCounters.openConnections.level == 20 })
        proxy.drain()
        pause(milliseconds: 50)
        for client in clients {
            if encrypted { try client.secure(makeClient(), expecting: TLSPeerName(host: "a.example")) }
            client.send(get)
            let answer = try #require(client.readMessage())
            #expect(answer.text == "ok")
            #expect(answer["connection"] == "close")
        }
        clients.forEach { $0.close() }
        #expect(eventually { proxy.hasEnded })
    }

    @Test func `a client between two requests may still ask in a drain, for a moment`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]])
        let client = try proxy.connect()
        client.send(get)
        #expect(client.readMessage()?.text == "ok")
        proxy.drain()
        pause(milliseconds: 100)
        client.send(get)
        let answer = try #require(client.readMessage())
        #expect(answer.text == "ok")
        #expect(answer["connection"] == "close")
        #expect(eventually { proxy.hasEnded })
    }

    @Test func `a listener whose socket cannot be watched says so, and is tried again`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]])
        #expect(try proxy.ask(get).text == "ok")
        let counters = proxy.counters(ofListener: "late")
        let port = try proxy.openUnwatchable("late", respond("late")) {
            #expect(eventually { proxy.failedListeners == 1 && counters.accepting.level == 0 })
        }
        #expect(eventually { counters.accepting.level == 1 })
        let client = try RawConnection(port: port)
        client.send(get)
        #expect(client.readMessage()?.text == "late")
    }

    @Test func `connections are counted where their listener is, also when listeners have swapped their names`() throws
    {
        let (proxy, port) = try twoListeners()
        let other = try proxy.open("other", respond("other"))
        let (first, second) = (proxy.counters(ofListener: "other"), proxy.counters(ofListener: "public"))
        let ofOther = try (0..<2).map { _ in try RawConnection(port: other) }
        let ofPublic = try (0..<3).map { _ in try RawConnection(port: port) }
        #expect(eventually { first.openConnections.level == 2 && second.openConnections.level == 3 })
        #expect(
            proxy.publish { table in
                let names = table.listeners.map(\.name)
                table.listeners[0].name = names[1]
                table.listeners[1].name = names[0]
            })
        #expect(first.openConnections.level == 3 && second.openConnections.level == 2)
        #expect(first.accepting.level == 1 && second.accepting.level == 1)
        for client in ofOther + ofPublic { client.close() }
        #expect(eventually { first.openConnections.level == 0 && second.openConnections.level == 0 })
    }

    @Test func `a listener whose port has moved accepts, though the socket before it is gone`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]]) { $0.routes[0].action = respond("before") }
        let port = try proxy.open("web", respond("moved"))
        #expect(
            proxy.publish {
                $0.listeners.remove(at: 1)
                $0.routes.remove(at: 1)
            })
        let client = try RawConnection(port: port)
        client.send(get)
        #expect(client.readMessage()?.text == "moved")
        #expect(proxy.listenerCounters.accepting.level == 1)
    }

    private struct Weak { weak var counters: WorkerCounters? }

    @Test func `a worker that has drained is freed, whatever it has served`() throws {
        var proxy: ProxyUnderTest? = try ProxyUnderTest([[try Backend()]])
        // They are held by the worker, and by `proxy`.
        let worker = Weak(counters: proxy?.counters)
        let client = try #require(try proxy?.connect())
        client.send(HTTP2Speech.preface)
        client.say(.settings, .get(stream: 1), .goAway(lastStream: 0))
        client.shutdownWrite()
        // The worker's own SETTINGS may come first, or not at all.
        _ = client.readToEnd()
        #expect(client.readEnd() == .closed)
        proxy?.drain()
        #expect(eventually { proxy?.hasEnded == true })
        proxy = nil
        #expect(eventually { worker.counters == nil })
    }
}
