import Backends
import RouteTable
import Telemetry
import Testing

private typealias Kind = HTTP2Speech.Kind

/// What a client of HTTP/2 may say, and what becomes of its connection: never of the process.
struct HTTP2ClientTests {
    /// Streams at the ends of their range, the reserved bit among them (RFC 9113, 4.1 and 5.1.1).
    private static let streams: [UInt32] = [0, 1, 2, 0x7fff_fffd, 0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]

    private static func said(_ kind: UInt8, _ stream: UInt32) -> HTTP2Speech {
        switch kind {
        case Kind.headers: .get(stream: stream, flags: HTTP2Speech.endHeaders)
        case Kind.data: HTTP2Speech(kind, stream: stream, [1, 2, 3])
        case Kind.goAway: .goAway(lastStream: stream)
        default: HTTP2Speech(kind, stream: stream, HTTP2Speech.bigEndian(0x7fff_ffff))
        }
    }

    @Test func `no order of frames on streams of the highest numbers ends the process`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]])
        let kinds = [Kind.headers, Kind.data, Kind.reset, Kind.windowUpdate, Kind.goAway]
        for first in Self.streams {
            for then in Self.streams {
                for kind in kinds {
                    let client = try proxy.connect()
                    client.send(HTTP2Speech.preface)
                    client.say(.settings, Self.said(Kind.headers, first), Self.said(kind, then), Self.said(kind, 0))
                    client.close()
                }
            }
        }
        #expect(try proxy.ask(get).status == 200)
    }

    @Test func `a burst of fields that are an octet each waits for its turns, and others have theirs`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]]) {
            $0.services = []
            $0.routes = [Route(match: Match(), action: .respond(FixedResponse(status: 204)))]
        }
        // Eight hundred empty crumbs of a cookie: name and value are entry 32 of HPACK's table.
        let head = HTTP2Speech.get(stream: 1).payload + [UInt8](repeating: 0xa0, count: 800)
        let burst = (0..<300).flatMap {
            HTTP2Speech(
                Kind.headers, flags: HTTP2Speech.endHeaders | HTTP2Speech.endStream, stream: UInt32(2 * $0 + 1), head
            ).bytes
        }
        let clean = try proxy.connect()
        clean.send(get)
        #expect(clean.readMessage(hasBody: false)?.status == 204)
        let greedy = try proxy.connect()
        greedy.send(HTTP2Speech.preface + HTTP2Speech.settings.bytes + burst)
        clean.send(get)
        #expect(clean.readMessage(hasBody: false)?.status == 204)
        #expect(proxy.listenerCounters.requests.count < 290, "the clean request did not wait for all of the others")
    }

    @Test func `a stream of the highest number is served`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]])
        let client = try proxy.connect()
        client.send(HTTP2Speech.preface)
        client.say(.settings, .get(stream: 0x7fff_ffff))
        let answer = try #require(client.readFrame { $0.kind == Kind.headers })
        #expect(answer.stream == 0x7fff_ffff)
    }

    @Test func `DATA on stream 0 is an error of the connection, also behind the last stream there can be`() throws {
        let proxy = try ProxyUnderTest([[try Backend()]])
        let client = try proxy.connect()
        client.send(HTTP2Speech.preface)
        client.say(.settings, .get(stream: 0x7fff_ffff, flags: HTTP2Speech.endHeaders), HTTP2Speech(Kind.data))
        let goodbye = try #require(client.readFrame { $0.kind == Kind.goAway })
        #expect(goodbye.code == 1)
    }
}
