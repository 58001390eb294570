import Backends
import RouteTable
import Synchronization
import Telemetry
import Testing

@testable import Proxy

private typealias Kind = HTTP2Speech.Kind

/// Calls that rest, at endpoints that are gone without a word.
struct HTTP2KeepAliveTests {
    private static let second: Int64 = 1_000_000_000
    private static let call = HTTP2Speech.headers(
        stream: 1,
        [
            (":method", "POST"), (":scheme", "http"), (":path", "/s.S/Watch"), (":authority", "a.example"),
            ("content-type", "application/grpc"), ("te", "trailers"),
        ])

    /// What an endpoint was asked, and whether it still answers.
    private final class Watched: Sendable {
        let pings = Atomic<Int>(0)
        let isDark = Atomic<Bool>(false)
    }

    /// Answers each call with a head and a message, and rests; acknowledges PINGs until it is dark.
    private static func endpoint(_ watched: Watched = Watched()) throws -> Backend {
        try Backend(connections: { _, connection in
            guard connection.read(HTTP2Speech.preface.count) == HTTP2Speech.preface else { return }
            connection.say(.settings)
            while let frame = connection.readFrame() {
                if frame.kind == Kind.ping {
                    watched.pings.add(1, ordering: .relaxed)
                    if watched.isDark.load(ordering: .relaxed) { continue }
                    connection.say(HTTP2Speech(Kind.ping, flags: HTTP2Speech.acknowledge, frame.payload))
                }
                guard frame.kind <= Kind.headers, frame.flags & HTTP2Speech.endStream != 0 else { continue }
                connection.say(
                    HTTP2Speech.ok(stream: frame.stream, flags: HTTP2Speech.endHeaders),
                    HTTP2Speech(Kind.data, stream: frame.stream, [0, 0, 0, 0, 0]))
            }
        })
    }

    private static func proxy(
        _ first: Backend, _ second: Backend, ping: Duration, _ choice: OnFailover = .keep
    ) throws -> ProxyUnderTest {
        try ProxyUnderTest([[first], [second]]) {
            $0.service.protocol = .http2
            $0.service.timeouts.ping = ping
            $0.service.onFailover = choice
            $0.service.retry.hedge = .off
        }
    }

    /// A caller whose call has been answered in part.
    private static func caller(_ proxy: ProxyUnderTest) throws -> RawConnection {
        let client = try proxy.connect()
        client.send(HTTP2Speech.preface)
        client.say(.settings, call)
        let message = client.readFrame { $0.kind == Kind.data }
        #expect(message?.payload.count == 5)
        return client
    }

    /// The trailers that end the call; nil if none come within five seconds.
    private static func end(_ client: RawConnection) -> HTTP2Speech? {
        client.readFrame { $0.kind == Kind.headers && $0.flags & HTTP2Speech.endStream != 0 }
    }

    private static func unavailable(_ proxy: ProxyUnderTest) -> UInt64 { proxy.cellCounters(0).grpc[14].count }

    @Test func `an endpoint that says nothing is asked, and one that answers keeps its calls`() throws {
        let watched = Watched()
        let proxy = try Self.proxy(try Self.endpoint(watched), try Self.endpoint(), ping: .milliseconds(50))
        let client = try Self.caller(proxy)
        #expect(eventually { watched.pings.load(ordering: .relaxed) >= 5 })
        #expect(Self.unavailable(proxy) == 0)
        client.say(HTTP2Speech(Kind.ping, Array(repeating: 7, count: 8)))
        #expect(client.readFrame()?.kind == Kind.ping)
    }

    @Test func `calls at an endpoint that answers no PING are told that it is unavailable`() throws {
        let watched = Watched()
        let proxy = try Self.proxy(try Self.endpoint(watched), try Self.endpoint(), ping: .milliseconds(100))
        let client = try Self.caller(proxy)
        watched.isDark.store(true, ordering: .relaxed)
        #expect(Self.end(client) != nil)
        #expect(eventually { Self.unavailable(proxy) == 1 })
        #expect(proxy.endpointCounters(0, 0).truncations.count == 1)
    }

    @Test func `a region that is left is asked at once, however seldom it is asked otherwise`() throws {
        let watched = Watched()
        let proxy = try Self.proxy(try Self.endpoint(watched), try Self.endpoint(), ping: .seconds(300))
        let client = try Self.caller(proxy)
        #expect(watched.pings.load(ordering: .relaxed) == 0)
        for shares in [[0, 10_000], [10_000, 0], [0, 10_000]] { proxy.split(shares) }
        #expect(eventually { watched.pings.load(ordering: .relaxed) == 1 })
        // And only once: gRPC's servers do not like to be asked.
        client.say(HTTP2Speech(Kind.ping, Array(repeating: 7, count: 8)))
        #expect(client.readFrame()?.kind == Kind.ping)
        #expect(watched.pings.load(ordering: .relaxed) == 1)
        #expect(Self.unavailable(proxy) == 0)
    }

    @Test(arguments: [OnFailover.close, .closeAfter(.milliseconds(100))])
    func `calls in a region that is left are ended as on_failover has it`(choice: OnFailover) throws {
        let proxy = try Self.proxy(try Self.endpoint(), try Self.endpoint(), ping: .seconds(300), choice)
        let client = try Self.caller(proxy)
        proxy.split([0, 10_000])
        #expect(Self.end(client) != nil)
        #expect(eventually { Self.unavailable(proxy) == 1 })
        // Nothing was wrong with the endpoint.
        #expect(proxy.endpointCounters(0, 0).truncations.count == 0)
        #expect(proxy.endpointCounters(0, 0).abandoned.count == 1)
    }

    @Test func `calls in a region that is left and regained within its time are kept`() throws {
        let proxy = try Self.proxy(
            try Self.endpoint(), try Self.endpoint(), ping: .seconds(300), .closeAfter(.milliseconds(200)))
        let client = try Self.caller(proxy)
        proxy.split([0, 10_000])
        proxy.split([10_000, 0])
        pause(milliseconds: 300)
        #expect(Self.unavailable(proxy) == 0)
        client.say(HTTP2Speech(Kind.ping, Array(repeating: 7, count: 8)))
        #expect(client.readFrame()?.kind == Kind.ping)
    }

    @Test func `an endpoint is asked after the interval, or once in it at a doubt, and is dead when it stays silent`() {
        var keepAlive = HTTP2KeepAlive(interval: 300 * Self.second, now: 0)
        #expect(keepAlive.next(now: Self.second, isBusy: true) == .wait(until: 300 * Self.second))
        #expect(keepAlive.next(now: 300 * Self.second, isBusy: false) == .wait(until: 600 * Self.second))
        #expect(keepAlive.next(now: 300 * Self.second, isBusy: true) == .ask)
        let first = keepAlive.asked(now: 300 * Self.second)
        #expect(first == 310 * Self.second)
        var doubts = [301, 309].map { keepAlive.doubts(now: $0 * Self.second) }
        #expect(keepAlive.next(now: 309 * Self.second, isBusy: true) == .wait(until: 310 * Self.second))
        #expect(keepAlive.next(now: 310 * Self.second, isBusy: true) == .dead)
        keepAlive.heard(now: 309 * Self.second)
        #expect(keepAlive.next(now: 310 * Self.second, isBusy: true) == .wait(until: 609 * Self.second))
        doubts.append(keepAlive.doubts(now: 400 * Self.second))
        let second = keepAlive.asked(now: 400 * Self.second)
        #expect(second == 410 * Self.second)
        keepAlive.heard(now: 401 * Self.second)
        doubts += [699, 700].map { keepAlive.doubts(now: $0 * Self.second) }
        #expect(doubts == [false, false, true, false, true])
    }
}
