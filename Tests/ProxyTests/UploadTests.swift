import Backends
import Proxy
import RouteTable
import Synchronization
import Telemetry
import Testing

private typealias Kind = HTTP2Speech.Kind

/// Requests whose bodies take their time: on the way, at an endpoint that takes them slowly, or not at all.
struct UploadTests {
    enum Spoken: CaseIterable {
        case http1, http2
    }

    /// What endpoints do with a request that has a body.
    private struct Pace: Sendable {
        /// Taken at once, and the pause after it.
        var piece = 50_000
        var milliseconds: UInt32 = 12
        /// The answer's head comes first, and its body once all is taken.
        var answersEarly = false
    }

    /// Answers what has no body at once, and takes bodies at a pace that its kernel cannot hide.
    private static func endpoint(_ spoken: Spoken, _ pace: Pace = Pace()) throws -> Backend {
        try Backend(connections: { _, connection in
            switch spoken {
            case .http1: while take(connection, pace) {}
            case .http2: takeStreams(connection, pace)
            }
        })
    }

    private static func take(_ connection: RawConnection, _ pace: Pace) -> Bool {
        var length = 0
        guard let start = connection.readLine(), !start.isEmpty else { return false }
        while let line = connection.readLine(), !line.isEmpty {
            if line.lowercased().hasPrefix("content-length:") { length = Int(line.dropFirst(16)) ?? 0 }
        }
        if pace.answersEarly { connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n") }
        while length > 0 {
            let count = connection.read(min(length, pace.piece)).count
            if count == 0 { return false }
            length -= count
            pause(milliseconds: pace.milliseconds)
        }
        connection.send(pace.answersEarly ? "ok" : "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        return true
    }

    private static func takeStreams(_ connection: RawConnection, _ pace: Pace) {
        guard connection.read(HTTP2Speech.preface.count) == HTTP2Speech.preface else { return }
        connection.say(.settings)
        var taken = 0
        while let frame = connection.readFrame() {
            guard frame.kind <= Kind.headers else { continue }
            let isLast = frame.flags & HTTP2Speech.endStream != 0
            if frame.kind == Kind.headers, !isLast, pace.answersEarly {
                connection.say(.ok(stream: frame.stream, flags: HTTP2Speech.endHeaders))
            }
            taken += frame.payload.count
            if taken >= pace.piece || isLast, frame.kind == Kind.data {
                pause(milliseconds: pace.milliseconds)
                for stream in [0, frame.stream] {
                    connection.say(
                        HTTP2Speech(Kind.windowUpdate, stream: stream, HTTP2Speech.bigEndian(UInt32(taken))))
                }
                taken = 0
            }
            guard isLast else { continue }
            if pace.answersEarly {
                connection.say(HTTP2Speech(Kind.data, flags: HTTP2Speech.endStream, stream: frame.stream, [111, 107]))
            } else {
                connection.say(.ok(stream: frame.stream))
            }
        }
    }

    private static func proxy(
        _ endpoint: Backend, _ spoken: Spoken = .http1, change: (inout Table) -> Void = { _ in }
    ) throws -> ProxyUnderTest {
        try ProxyUnderTest([[endpoint]]) {
            if spoken == .http2 { $0.service.protocol = .http2 }
            change(&$0)
        }
    }

    /// All that counts against it.
    private static func held(_ counters: EndpointCounters) -> UInt64 {
        counters.connectFailures.count + counters.unreachables.count + counters.connectTimeouts.count
            + counters.resets.count + counters.truncations.count + counters.responseTimeouts.count
            + counters.gatewayErrors.count + counters.serverErrors.count + counters.overstays.count
    }

    /// Sends a request with a body of that many bytes, and returns the answer.
    private static func upload(_ size: Int, _ method: String, _ proxy: ProxyUnderTest) throws -> Message? {
        let client = try proxy.connect()
        client.send("\(method) / HTTP/1.1\r\nhost: a\r\ncontent-length: \(size)\r\n\r\n")
        try inBackground { client.send([UInt8](repeating: 0x61, count: size)) }
        return client.readMessage()
    }

    // Uploads that go on

    /// The usual time is known from requests without a body, and far shorter.
    @Test(arguments: Spoken.allCases)
    func `an upload that takes its time is no overstay`(spoken: Spoken) throws {
        let proxy = try Self.proxy(try Self.endpoint(spoken), spoken)
        let client = try proxy.connect()
        for _ in 0..<40 {
            client.send(get)
            #expect(client.readMessage()?.status == 200)
        }
        for method in ["POST", "PUT"] { #expect(try Self.upload(4_000_000, method, proxy)?.status == 200) }
        #expect(Self.held(proxy.endpointCounters(0, 0)) == 0)
        #expect(proxy.endpointCounters(0, 0).failureRun.level == 0)
        // Nor is it a sample of what answers take.
        let times = proxy.cellCounters(0).attemptTime
        let samples = (0..<Histogram.bucketCount).reduce(0) { $0 + times.count(inBucket: $1) }
        #expect(samples == 40)
    }

    @Test(arguments: Spoken.allCases)
    func `an upload may go on for longer than an answer is waited for`(spoken: Spoken) throws {
        let proxy = try Self.proxy(try Self.endpoint(spoken), spoken) {
            $0.service.timeouts.response = .milliseconds(500)
        }
        let answer = try Self.upload(4_000_000, "POST", proxy)
        #expect(answer?.status == 200)
        #expect(Self.held(proxy.endpointCounters(0, 0)) == 0)
    }

    @Test(arguments: Spoken.allCases)
    func `an upload may go on behind an answer's head for longer than an answer may stand still`(spoken: Spoken) throws
    {
        let proxy = try Self.proxy(try Self.endpoint(spoken, Pace(answersEarly: true)), spoken) {
            $0.service.timeouts.idle = .milliseconds(500)
        }
        let answer = try Self.upload(4_000_000, "POST", proxy)
        #expect(answer?.status == 200)
        #expect(answer?.isWhole == true || spoken == .http2)
        #expect(eventually { proxy.endpointCounters(0, 0).inFlight.level == 0 })
        #expect(Self.held(proxy.endpointCounters(0, 0)) == 0)
        #expect(proxy.listenerCounters.truncated.count == 0)
    }

    @Test func `a ping waits behind an upload that goes on`() throws {
        let endpoint = try Backend(connections: { _, connection in
            guard connection.read(HTTP2Speech.preface.count) == HTTP2Speech.preface else { return }
            // All may be sent at once: the endpoint need not say a word until it has all of it.
            connection.say(
                .settings(4, 0x7fff_ffff), HTTP2Speech(Kind.windowUpdate, HTTP2Speech.bigEndian(0x7fff_0000)))
            var taken = 0
            while let frame = connection.readFrame() {
                taken += frame.payload.count
                if taken > 50_000 {
                    pause(milliseconds: 12)
                    taken = 0
                }
                if frame.kind == Kind.ping {
                    connection.say(HTTP2Speech(Kind.ping, flags: HTTP2Speech.acknowledge, frame.payload))
                }
                if frame.kind <= Kind.headers, frame.flags & HTTP2Speech.endStream != 0 {
                    connection.say(.ok(stream: frame.stream))
                }
            }
        })
        let proxy = try Self.proxy(endpoint, .http2) { $0.service.timeouts.ping = .milliseconds(300) }
        #expect(try Self.upload(4_000_000, "POST", proxy)?.status == 200)
        #expect(Self.held(proxy.endpointCounters(0, 0)) == 0)
    }

    @Test func `an endpoint of a tunnel whose client speaks on is not late`() throws {
        let endpoint = try Backend(connections: { _, connection in
            while let line = connection.readLine(), line != "end" {}
            connection.send("bye\r\n")
        })
        let proxy = try Self.proxy(endpoint) {
            $0.listener.transport = .tcp
            $0.routes[0].match.listener = 0
        }
        for index in 0..<41 {
            let client = try proxy.connect()
            if index == 40 {
                for _ in 0..<40 {
                    client.send("more\r\n")
                    pause(milliseconds: 10)
                }
            }
            client.send("end\r\n")
            #expect(client.readLine() == "bye")
        }
        #expect(Self.held(proxy.endpointCounters(0, 0)) == 0)
    }

    // Uploads that do not

    @Test(arguments: Spoken.allCases)
    func `an endpoint that takes no more of an upload is to blame, and not its client`(spoken: Spoken) throws {
        let endpoint = try Backend(connections: { _, connection in
            if spoken == .http2 {
                _ = connection.read(HTTP2Speech.preface.count)
                connection.say(.settings)
            } else {
                while let line = connection.readLine(), !line.isEmpty {}
            }
            pause(milliseconds: 4_000)
        })
        let proxy = try Self.proxy(endpoint, spoken) {
            $0.listener.timeouts.body = .milliseconds(200)
            $0.service.timeouts.response = .milliseconds(700)
            $0.service.retry.hedge = .off
        }
        #expect(try Self.upload(40_000_000, "POST", proxy)?.status == 504)
        #expect(proxy.endpointCounters(0, 0).responseTimeouts.count == 1)
        #expect(proxy.listenerCounters.refused.count == 0)
    }

    @Test func `an endpoint that takes no more of an upload, and breaks off in the end, is to blame`() throws {
        let endpoint = try Backend(connections: { _, connection in
            while let line = connection.readLine(), !line.isEmpty {}
            pause(milliseconds: 1_500)
            connection.reset()
        })
        let proxy = try Self.proxy(endpoint) { $0.service.retry.hedge = .off }
        #expect(try Self.upload(40_000_000, "POST", proxy)?.status == 502)
        #expect(proxy.endpointCounters(0, 0).resets.count == 1)
    }

    @Test func `a client that has taken its answer late and owes the rest of its request is not waited for for ever`()
        throws
    {
        let endpoint = try Backend(connections: { _, connection in
            while let line = connection.readLine(), !line.isEmpty {}
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 8000001\r\n\r\n")
            connection.send([UInt8](repeating: 0x61, count: 8_000_000))
            pause(milliseconds: 5_000)
        })
        let proxy = try Self.proxy(endpoint) {
            $0.listener.timeouts.body = .milliseconds(600)
            $0.service.timeouts.idle = .milliseconds(200)
        }
        let client = try proxy.connect(receiveBuffer: 65_536)
        client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nabc")
        pause(milliseconds: 300)
        let answer = client.readMessage()
        #expect(answer?.body.count == 8_000_000)
        #expect(client.end == .reset)
        #expect(eventually { proxy.endpointCounters(0, 0).inFlight.level == 0 })
        #expect(Self.held(proxy.endpointCounters(0, 0)) == 0)
    }

    @Test func `a body that has waited for a connection in part is read on once there is one`() throws {
        let isOver = Atomic<Bool>(false)
        let endpoint = try Backend { request, connection in
            if request.method == "GET" { #expect(eventually { isOver.load(ordering: .relaxed) }) }
            return Backend.ok(request, connection)
        }
        let proxy = try Self.proxy(endpoint) {
            $0.listener.timeouts.body = .milliseconds(500)
            $0.service.limits.connections = 1
            $0.service.timeouts.connect = .seconds(3)
        }
        let first = try proxy.connect()
        first.send(get)
        #expect(eventually { proxy.endpointCounters(0, 0).inFlight.level == 1 })
        let second = try proxy.connect()
        second.send("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 3000000\r\n\r\n")
        try inBackground { second.send([UInt8](repeating: 0x61, count: 3_000_000)) }
        pause(milliseconds: 200)
        isOver.store(true, ordering: .relaxed)
        #expect(first.readMessage()?.status == 200)
        #expect(second.readMessage()?.status == 200)
    }

    // Clients that wait for a 100

    /// Says 100 and answers, if it knows of it; what is sent to /hang it leaves alone.
    private static func expecting(saysContinue: Bool) throws -> Backend {
        try Backend(connections: { _, connection in
            while let start = connection.readLine(), !start.isEmpty {
                while let line = connection.readLine(), !line.isEmpty {}
                if start.contains("/hang") { return pause(milliseconds: 3_000) }
                if saysContinue { connection.send("HTTP/1.1 100 Continue\r\n\r\n") }
                _ = connection.read(4)
                connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            }
        })
    }

    /// One that has said 100 before has to say it; one that has not may be waiting for the body itself.
    @Test(arguments: Spoken.allCases, [true, false])
    func `a client that waits for a 100 is not late, and its endpoint may be`(spoken: Spoken, saysContinue: Bool) throws
    {
        let proxy = try Self.proxy(try Self.expecting(saysContinue: saysContinue)) {
            $0.listener.timeouts.body = .milliseconds(200)
            $0.service.timeouts.response = .milliseconds(700)
            $0.service.retry.hedge = .off
        }
        let first = try proxy.connect()
        first.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        if saysContinue { #expect(first.readMessage(hasBody: false)?.status == 100) }
        first.send("body")
        #expect(first.readMessage()?.status == 200)
        let second = try proxy.connect()
        if spoken == .http1 {
            second.send("POST /hang HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
            #expect(second.readMessage()?.status == 504)
        } else {
            second.send(HTTP2Speech.preface)
            second.say(
                .settings,
                .headers(
                    stream: 1,
                    [
                        (":method", "POST"), (":scheme", "http"), (":path", "/hang"), (":authority", "a"),
                        ("expect", "100-continue"), ("content-length", "4"),
                    ], flags: HTTP2Speech.endHeaders))
            #expect(second.readFrame { $0.kind == Kind.headers } != nil)
        }
        let counters = proxy.endpointCounters(0, 0)
        #expect(eventually { counters.inFlight.level == 0 })
        #expect(counters.responseTimeouts.count == (saysContinue ? 1 : 0))
        #expect(counters.abandoned.count == (saysContinue ? 0 : 1))
        #expect(proxy.listenerCounters.refused.count == 0)
    }

    @Test func `a client that is answered need not wait for a 100, and its endpoint is not late`() throws {
        let endpoint = try Backend(connections: { _, connection in
            while let line = connection.readLine(), !line.isEmpty {}
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
            connection.send(connection.read(4))
        })
        let proxy = try Self.proxy(endpoint) {
            $0.listener.timeouts.body = .milliseconds(500)
            $0.service.timeouts.idle = .milliseconds(150)
        }
        let client = try proxy.connect()
        client.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        #expect(client.readMessage()?.isWhole == false)
        #expect(eventually { proxy.endpointCounters(0, 0).inFlight.level == 0 })
        #expect(Self.held(proxy.endpointCounters(0, 0)) == 0)
    }

    @Test func `a client that was told to go on has its own time for that`() throws {
        let proxy = try Self.proxy(try Self.expecting(saysContinue: true)) {
            $0.listener.timeouts.body = .milliseconds(300)
        }
        let client = try proxy.connect()
        client.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        #expect(client.readMessage(hasBody: false)?.status == 100)
        #expect(client.readMessage()?.status == 408)
        #expect(Self.held(proxy.endpointCounters(0, 0)) == 0)
    }

    @Test func `what a client of HTTP/1.0 expects is not passed on`() throws {
        let endpoint = try Backend()
        let proxy = try Self.proxy(endpoint)
        let answer = try proxy.ask(
            "POST / HTTP/1.0\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\nbody")
        #expect(answer.status == 200)
        #expect(endpoint.requests.first?["expect"] == nil)
    }
}
