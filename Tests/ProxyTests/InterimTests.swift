import Backends
import RouteTable
import Synchronization
import Telemetry
import Testing
import Wire

private typealias Kind = HTTP2Speech.Kind

/// Interim answers (1xx): passed on as they come, and bounded, whatever both sides speak.
struct InterimTests {
    /// Which protocol the client and the endpoint speak.
    enum Way: CaseIterable {
        case http1, toHTTP2, fromHTTP2, http2

        var clientSpeaksHTTP2: Bool { self == .fromHTTP2 || self == .http2 }
        var endpointSpeaksHTTP2: Bool { self == .toHTTP2 || self == .http2 }
    }

    private final class Sent: Sendable {
        let bytes = Atomic<Int>(0)
    }

    /// An endpoint that gives each request so many interim answers and then, if that came to pass, a final one.
    private static func endpoint(_ way: Way, interims: Int, size: Int = 25, sent: Sent = Sent()) throws -> Backend {
        let filler = String(repeating: "x", count: max(size - 50, 0) % 100)
        if way.endpointSpeaksHTTP2 {
            return try Backend(connections: { _, connection in
                guard let stream = connection.awaitRequest() else { return }
                let interim = HTTP2Speech.headers(
                    stream: stream, [(":status", "103"), ("link", "<a>\(filler)")], flags: HTTP2Speech.endHeaders)
                let batch = Array(repeating: interim.bytes, count: min(interims, 100)).joined()
                for _ in 0..<(interims + 99) / 100 {
                    let count = connection.send(Array(batch))
                    sent.bytes.add(count, ordering: .relaxed)
                    if count < batch.count { return }
                }
                connection.say(.ok(stream: stream))
                _ = connection.readToEnd()
            })
        }
        return try Backend { _, connection in
            let interim = Array("HTTP/1.1 103 Early Hints\r\nlink: <a>\(filler)\r\n\r\n".utf8)
            let batch = Array(Array(repeating: interim, count: min(interims, 100)).joined())
            for _ in 0..<(interims + 99) / 100 {
                let count = connection.send(batch)
                sent.bytes.add(count, ordering: .relaxed)
                if count < batch.count { return false }
            }
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            return true
        }
    }

    private static func proxy(_ way: Way, _ endpoint: Backend) throws -> ProxyUnderTest {
        try ProxyUnderTest([[endpoint]]) {
            if way.endpointSpeaksHTTP2 { $0.service.protocol = .http2 }
            $0.service.retry.attempts = 0
        }
    }

    /// The statuses that a client is told, the final one last; nil where the connection ended before.
    private static func ask(_ way: Way, _ proxy: ProxyUnderTest) throws -> [String] {
        let client = try proxy.connect()
        var statuses: [String] = []
        if way.clientSpeaksHTTP2 {
            client.send(HTTP2Speech.preface)
            client.say(.settings, .get(stream: 1))
            while let frame = client.readFrame({ $0.kind <= Kind.headers }) {
                let isLast = frame.flags & HTTP2Speech.endStream != 0
                // A body is behind the final head alone.
                if frame.kind == Kind.data { statuses.removeLast() }
                statuses.append(frame.kind == Kind.data || isLast ? "final" : "1xx")
                if frame.kind == Kind.data || isLast { break }
            }
            return statuses
        }
        client.send(get)
        while let answer = client.readMessage() {
            statuses.append(answer.status < 200 ? "1xx" : "\(answer.status)")
            if answer.status >= 200 { break }
        }
        return statuses
    }

    @Test(arguments: Way.allCases)
    func `some pass`(way: Way) throws {
        let proxy = try Self.proxy(way, Self.endpoint(way, interims: 100))
        let statuses = try Self.ask(way, proxy)
        #expect(statuses.count == 101)
        #expect(statuses.dropLast().allSatisfy { $0 == "1xx" })
        #expect(["200", "final"].contains(statuses.last))
        #expect(proxy.endpointCounters(0, 0).resets.count == 0)
    }

    @Test(arguments: Way.allCases, [25, 120])
    func `an endless row of them is no answer, and the endpoint is read no further`(way: Way, size: Int) throws {
        let sent = Sent()
        let proxy = try Self.proxy(way, Self.endpoint(way, interims: 2_000_000, size: size, sent: sent))
        let statuses = try Self.ask(way, proxy)
        #expect(statuses.count <= InterimAllowance.answers + 1)
        #expect(statuses.last == (way.clientSpeaksHTTP2 ? "final" : "502"))
        #expect(proxy.endpointCounters(0, 0).resets.count == 1)
        // What sockets keep, and what was read at once.
        #expect(sent.bytes.load(ordering: .relaxed) < 32 << 20)
    }

    @Test func `some answers, or some bytes of them, are the allowance of a final one`() {
        var many = InterimAllowance()
        #expect((0..<InterimAllowance.answers + 3).count { _ in many.take(25) } == InterimAllowance.answers)
        var large = InterimAllowance()
        #expect([InterimAllowance.bytes - 1, 1, 1, .max].map { large.take($0) } == [true, true, false, false])
    }
}

extension RawConnection {
    /// Greets a client of HTTP/2; its first request's stream, once that is complete.
    func awaitRequest() -> UInt32? {
        guard read(HTTP2Speech.preface.count).count == HTTP2Speech.preface.count else { return nil }
        say(.settings)
        return readFrame { $0.kind <= Kind.headers && $0.flags & HTTP2Speech.endStream != 0 }?.stream
    }
}
