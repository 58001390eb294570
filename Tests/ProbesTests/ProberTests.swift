import Backends
import Reactor
import RouteTable
import Synchronization
import TLS
import Telemetry
import Testing
import Wire

@testable import Probes

struct ProberTests {
    /// What a backend says to a probe that asks for `/healthz`, and what is made of it.
    struct Case: CustomTestStringConvertible {
        var what: String
        var probe = HTTPProbe(path: "/healthz")
        var script: Backend.Script
        var finding: ProbeFinding?

        var testDescription: String { what }
    }

    /// Until the prober has had enough of them; 64 MB at most.
    private static let interimsWithoutEnd: Backend.Script = { _, connection in
        let batch = Array(Array(repeating: "HTTP/1.1 103 Early Hints\r\n\r\n", count: 10_000).joined().utf8)
        for _ in 0..<250 where connection.send(batch) < batch.count { return false }
        return true
    }

    static let cases: [Case] = [
        Case(what: "200", script: Backend.ok),
        Case(
            what: "an interim answer before", script: Backend.says("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 No\r\n\r\n")),
        Case(
            what: "interim answers without end", script: interimsWithoutEnd, finding: .failed(.tooLarge)),
        Case(
            what: "interim answers, many of them, and then a final one",
            script: Backend.says(
                Array(repeating: "HTTP/1.1 102 Processing\r\n\r\n", count: 256).joined() + "HTTP/1.1 204 No\r\n\r\n")),
        Case(what: "a redirect, by default", script: Backend.status(302)),
        Case(what: "503", script: Backend.status(503), finding: .failed(.status(503))),
        Case(
            what: "a status that was not asked for",
            probe: HTTPProbe(path: "/healthz", expectStatus: [200...200, 204...206], expectBody: nil),
            script: Backend.status(302),
            finding: .failed(.status(302))),
        Case(
            what: "a status of a range",
            probe: HTTPProbe(path: "/healthz", expectStatus: [200...200, 204...206], expectBody: nil),
            script: Backend.says("HTTP/1.1 206 P\r\ncontent-length: 0\r\n\r\n")),
        Case(
            what: "a field with its value",
            probe: HTTPProbe(
                path: "/healthz", expectHeaders: [HeaderMatch(name: "x-ready", value: "yes")], expectBody: nil),
            script: Backend.says("HTTP/1.1 200 OK\r\nX-Ready: no\r\nX-Ready: yes\r\ncontent-length: 0\r\n\r\n")),
        Case(
            what: "a field with another value",
            probe: HTTPProbe(
                path: "/healthz", expectHeaders: [HeaderMatch(name: "x-ready", value: "yes")], expectBody: nil),
            script: Backend.says("HTTP/1.1 200 OK\r\nx-ready: yes, sir\r\ncontent-length: 0\r\n\r\n"),
            finding: .failed(.header("x-ready"))),
        Case(
            what: "a text in the body", probe: HTTPProbe(path: "/healthz", expectBody: "up"),
            script: Backend.body("all is up here")),
        Case(
            what: "a text that lies across two chunks", probe: HTTPProbe(path: "/healthz", expectBody: "all is up"),
            script: Backend.says(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nall i\r\n4\r\ns up\r\n0\r\n\r\n")),
        Case(
            what: "another text", probe: HTTPProbe(path: "/healthz", expectBody: "up"), script: Backend.body("down"),
            finding: .failed(.body)),
        Case(
            what: "a body that ends before the text",
            probe: HTTPProbe(path: "/healthz", expectBody: "up"),
            script: Backend.says("HTTP/1.1 200 OK\r\n\r\ndown", thenCloses: true), finding: .failed(.body)),
        Case(
            what: "what is no answer", script: Backend.says("SSH-2.0-OpenSSH_9.2\r\n"), finding: .failed(.malformed)),
        Case(
            what: "half an answer", script: Backend.says("HTTP/1.1 200 OK\r\n", thenCloses: true),
            finding: .failed(.closed)),
        Case(what: "256 interim answers", script: Backend.says(interims(256) + "HTTP/1.1 204 No\r\n\r\n")),
        Case(what: "257 interim answers", script: Backend.says(interims(257)), finding: .failed(.tooLarge)),
        Case(
            what: "a head of 64 KiB",
            script: Backend.says("HTTP/1.1 200 OK\r\nx: \(String(repeating: "a", count: 65_536 - 24))\r\n\r\n")),
        Case(
            what: "a head without end",
            script: sends(String(repeating: "a", count: 1_000), after: "HTTP/1.1 200 OK\r\nx: "),
            finding: .failed(.tooLarge)),
        Case(
            what: "fields without end", script: sends("x-y: z\r\n", after: "HTTP/1.1 200 OK\r\n"),
            finding: .failed(.tooLarge)),
        Case(
            what: "a text at the end of 64 KiB of body", probe: HTTPProbe(path: "/healthz", expectBody: "up"),
            script: Backend.body(String(repeating: "u", count: 65_534) + "up")),
        Case(
            what: "a text behind 64 KiB of body", probe: HTTPProbe(path: "/healthz", expectBody: "up"),
            script: Backend.body(String(repeating: "u", count: 65_535) + "up"), finding: .failed(.body)),
        Case(
            what: "a body without end", probe: HTTPProbe(path: "/healthz", expectBody: "up"),
            script: sends("uuuuu", after: "HTTP/1.1 200 OK\r\n\r\n"), finding: .failed(.body)),
        Case(
            what: "small chunks without end", probe: HTTPProbe(path: "/healthz", expectBody: "up"),
            script: sends("1\r\nu\r\n", after: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
            finding: .failed(.tooLarge)),
        Case(what: "a reset", script: Backend.resets, finding: .failed(.closed)),
        Case(what: "nothing", script: Backend.hangs, finding: .failed(.timeout)),
    ]

    private static func interims(_ count: Int) -> String {
        String(repeating: "HTTP/1.1 103 Early\r\n\r\n", count: count)
    }

    /// The same again and again, until the connection breaks.
    private static func sends(_ text: String, after start: String = "") -> Backend.Script {
        { _, connection in
            connection.send(start)
            let many = Array(String(repeating: text, count: max(4_096 / text.utf8.count, 1)).utf8)
            while connection.send(many) == many.count {}
            return false
        }
    }

    @Test func `whoever sends without end keeps the prober from nobody`() throws {
        let prober = try ProberUnderTest()
        let endless = try [Self.sends(Self.interims(100)), Self.sends("x: y\r\n", after: "HTTP/1.1 200 OK\r\n")].map {
            try Backend($0)
        }
        let frames = try Backend(connections: { _, connection in
            _ = connection.send([0, 0, 0, 4, 0, 0, 0, 0, 0])
            let update: [UInt8] = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1]
            let many = Array(repeatElement(update, count: 300).joined())
            while connection.send(many) == many.count {}
        })
        let good = try Backend()
        let http = Probe.Kind.http(HTTPProbe(path: "/"))
        prober.probe([(1, endless[0], http), (2, endless[1], http), (3, frames, .grpc(service: "")), (4, good, http)])
        for _ in 0..<5 { #expect(prober.next(of: 4)?.isPass == true) }
        #expect(prober.next(of: 1) == .failed(.tooLarge))
        #expect(prober.next(of: 2) == .failed(.tooLarge))
        #expect(prober.next(of: 3) == .failed(.health(.malformed)))
    }

    @Test func `where a PROXY header is wanted, probes begin with one that speaks for the router itself`() throws {
        let prober = try ProberUnderTest()
        let backend = try Backend(connections: { _, connection in
            guard connection.readLine() == "PROXY UNKNOWN", connection.readMessage() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        })
        let address = try #require(SocketAddress(ip: "127.0.0.1", port: backend.port))
        let probe = Probe(kind: .http(HTTPProbe(path: "/healthz")), every: .milliseconds(20))
        prober.tell(
            .targets([
                ProbeTarget(number: 1, address: address, authority: "a.example", probe: probe, proxyHeader: .v1)
            ]))
        guard case .passed = prober.next(of: 1) else {
            Issue.record("the probe did not pass")
            return
        }
    }

    @Test func `while requests succeed an endpoint is probed seldom, and as usual again when they stop or one fails`()
        throws
    {
        let prober = try ProberUnderTest()
        let backend = try Backend()
        let counters = EndpointCounters()
        let address = try #require(SocketAddress(ip: "127.0.0.1", port: backend.port))
        var probe = Probe(kind: .http(HTTPProbe(path: "/healthz")), every: .milliseconds(20))
        probe.everyUsed = .seconds(60)
        prober.tell(
            .targets([
                ProbeTarget(number: 1, address: address, authority: "\(address)", probe: probe, counters: [counters])
            ]))
        #expect(eventually { backend.requests.count >= 3 })
        // Well within each interval.
        func use(_ milliseconds: Int, fails: Bool = false) {
            for _ in 0..<milliseconds / 2 {
                counters.successes.add()
                if fails { counters.gatewayErrors.add() }
                pause(milliseconds: 2)
            }
        }
        use(60)
        let before = backend.requests.count
        use(400)
        #expect(backend.requests.count <= before + 1)
        use(200, fails: true)
        #expect(backend.requests.count >= before + 4)
        let then = backend.requests.count
        #expect(eventually { backend.requests.count >= then + 4 })
    }

    @Test(arguments: cases)
    func `an answer is held against what the probe expects`(_ example: Case) throws {
        let backend = try Backend(example.script)
        let prober = try ProberUnderTest()
        prober.probe([(1, backend, .http(example.probe))])
        let finding = try #require(prober.next(of: 1))
        if let expected = example.finding {
            #expect(finding == expected)
        } else {
            #expect(finding.isPass, "\(finding)")
        }
    }

    @Test func `a probe says who it is, whom it wants, and that it will not stay`() throws {
        let backend = try Backend()
        let prober = try ProberUnderTest()
        prober.probe([(1, backend, .http(HTTPProbe(path: "/healthz?deep=1", host: "shop.example", method: "HEAD")))])
        #expect(prober.next(of: 1)?.isPass == true)
        let request = try #require(backend.requests.first)
        #expect(request.start == "HEAD /healthz?deep=1 HTTP/1.1")
        #expect(request["host"] == "shop.example")
        #expect(request["user-agent"] == "spillway-probe")
        #expect(request["connection"] == "close")
    }

    @Test func `a probe that is due while the one before still waits does not make the prober late`() throws {
        let backend = try Backend(Backend.hangs)
        let prober = try ProberUnderTest()
        prober.probe([(1, backend, .http(HTTPProbe(path: "/healthz")))], timeout: .milliseconds(700))
        for _ in 0..<3 { #expect(prober.next(of: 1) == .failed(.timeout)) }
        let before = prober.lags.count
        #expect(eventually { prober.lags.count >= before + 2 })
        // One report may be of a busy machine.
        #expect(prober.lags[before...].contains { $0 < 300_000_000 }, "\(prober.lags)")
    }

    @Test func `a time-out shorter than the timers can tell apart is one all the same`() throws {
        let backend = try Backend(Backend.hangs)
        let prober = try ProberUnderTest()
        prober.probe([(1, backend, .http(HTTPProbe(path: "/healthz")))], timeout: .milliseconds(1))
        #expect((0..<20).contains { _ in prober.next(of: 1) == .failed(.timeout) })
    }

    @Test func `a TCP probe passes when a connection is accepted, and fails when it is refused`() throws {
        let (open, shut) = (try Backend(Backend.hangs), try Backend.refusing())
        let prober = try ProberUnderTest()
        prober.probe([(1, open, .tcp), (2, shut, .tcp)])
        #expect(prober.next(of: 1)?.isPass == true)
        #expect(prober.next(of: 2) == .failed(.connect(.connectionRefused)))
    }

    /// What a server sends behind its SETTINGS and the head of an answer, and what is made of it.
    static let healths: [(message: [UInt8], finding: ProbeFinding?)] = [
        ([0, 0, 7, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 2, 8, 1], nil),
        ([0, 0, 7, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 2, 8, 2], .failed(.health(.health(2)))),
        ([0, 0, 0, 0, 1, 0, 0, 0, 1], .failed(.health(.noHealth))),
        ([0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 2], .failed(.health(.reset(2)))),
    ]

    @Test(arguments: healths)
    func `a gRPC probe acknowledges SETTINGS and believes the health it is told`(
        _ message: [UInt8], _ finding: ProbeFinding?
    ) throws {
        let backend = try Backend(connections: { backend, connection in
            let authority = "127.0.0.1:\(backend.port)"
            let expected = HealthCheckExchange.request(service: "my.Service", authority: authority)
            guard connection.read(expected.count) == expected else { return connection.close() }
            _ = connection.send([0, 0, 0, 4, 0, 0, 0, 0, 0])
            guard connection.read(9) == [0, 0, 0, 4, 1, 0, 0, 0, 0] else { return connection.close() }
            _ = connection.send([0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88] + message)
            _ = connection.readEnd()
        })
        let prober = try ProberUnderTest()
        prober.probe([(1, backend, .grpc(service: "my.Service"))])
        let found = try #require(prober.next(of: 1))
        if let finding { #expect(found == finding) } else { #expect(found.isPass, "\(found)") }
    }

    @Test func `a gRPC probe fails when the answer is HTTP 1, when there is none, and when it is cut`() throws {
        let old = try Backend(connections: { _, connection in
            _ = connection.read(24)
            connection.send("HTTP/1.1 400 Bad Request\r\n\r\n")
            _ = connection.readEnd()
        })
        let silent = try Backend(connections: { _, connection in _ = connection.readEnd() })
        let cut = try Backend(connections: { _, connection in
            _ = connection.send([0, 0, 0, 4, 0])
            connection.shutdownWrite()
            _ = connection.readEnd()
        })
        let prober = try ProberUnderTest()
        let kind = Probe.Kind.grpc(service: "")
        prober.probe([(1, old, kind), (2, silent, kind), (3, cut, kind)])
        #expect(prober.next(of: 1) == .failed(.health(.isHTTP1)))
        #expect(prober.next(of: 2) == .failed(.timeout))
        #expect(prober.next(of: 3) == .failed(.closed))
    }

    @Test func `probes go on, and a changed probe takes the place of the one before`() throws {
        let backend = try Backend()
        let prober = try ProberUnderTest()
        prober.probe([(1, backend, .http(HTTPProbe(path: "/old")))])
        for _ in 0..<3 { #expect(prober.next(of: 1)?.isPass == true) }
        prober.probe([(1, backend, .http(HTTPProbe(path: "/new")))])
        #expect(eventually { backend.requests.last?.target == "/new" })
        let before = backend.requests.count
        #expect(eventually { backend.requests.count >= before + 5 })
        #expect(backend.requests[before...].allSatisfy { $0.target == "/new" })
    }

    @Test func `what is no target any more is not probed`() throws {
        let (leaving, staying) = (try Backend(), try Backend())
        let prober = try ProberUnderTest()
        let kind = Probe.Kind.http(HTTPProbe(path: "/"))
        prober.probe([(1, leaving, kind), (2, staying, kind)])
        #expect(prober.next(of: 1)?.isPass == true)
        prober.probe([(2, staying, kind)])
        // One more may have been on its way.
        let (before, others) = (leaving.requests.count, staying.requests.count)
        #expect(eventually { staying.requests.count >= others + 5 })
        #expect(leaving.requests.count <= before + 1)
    }

    @Test func `a suspect is probed faster, and at once when asked`() throws {
        let backend = try Backend()
        let prober = try ProberUnderTest()
        prober.probe([(1, backend, .http(HTTPProbe(path: "/")))], every: .seconds(3_600))
        prober.tell(.probeNow(number: 1))
        #expect(prober.next(of: 1)?.isPass == true)
        prober.tell(.cadence(number: 1, .suspect))
        for _ in 0..<3 { #expect(prober.next(of: 1)?.isPass == true) }
    }
}

struct ProbeScheduleTests {
    @Test func `the first round is spread over an interval, later ones stay within a tenth of it`() {
        var random = SeededRandom(seed: 11)
        let probe = Probe(kind: .tcp, every: .seconds(2))
        var schedules = (0..<1_000).map { _ in ProbeSchedule(probe: probe, now: 0, random: &random) }
        let tenths = Dictionary(grouping: schedules) { $0.due / 200_000_000 }
        #expect((0..<10).allSatisfy { (tenths[$0]?.count ?? 0) > 50 }, "seed 11")
        for index in schedules.indices { schedules[index].probed(now: 0, random: &random) }
        #expect(schedules.allSatisfy { (1_800_000_000...2_200_000_000).contains($0.due) })
        #expect(Set(schedules.map(\.due)).count > 900)
    }

    @Test(arguments: [(ProbeCadence.normal, Int64(2_000)), (.suspect, 250), (.down, 5_000)])
    func `the cadence is the state's`(cadence: ProbeCadence, milliseconds: Int64) {
        var random = SeededRandom(seed: 1)
        var schedule = ProbeSchedule(probe: Probe(kind: .tcp, every: .seconds(2)), now: 0, random: &random)
        schedule.set(cadence, now: 0)
        #expect(schedule.interval == milliseconds * 1_000_000)
    }

    @Test func `a suspect is not probed more slowly than a healthy one`() {
        var random = SeededRandom(seed: 1)
        var schedule = ProbeSchedule(probe: Probe(kind: .tcp, every: .milliseconds(50)), now: 0, random: &random)
        schedule.set(.suspect, now: 0)
        #expect(schedule.interval == 50_000_000)
    }
}

/// A prober on its thread, and what it found.
final class ProberUnderTest {
    private let mailbox: Mailbox<ProberMessage>
    private let reports = Reports()
    private var seen: [Int: Int] = [:]

    init() throws {
        mailbox = try Mailbox<ProberMessage>()
        try Prober.start(seed: 5, mailbox: mailbox, reports: reports)
    }

    deinit {
        mailbox.post(.stop)
    }

    func tell(_ message: ProberMessage) {
        mailbox.post(message)
    }

    func probe(
        _ targets: [(number: Int, backend: Backend, kind: Probe.Kind)], every: Duration = .milliseconds(20),
        timeout: Duration = .milliseconds(300), tls client: TLSClient? = nil, expecting peer: TLSPeerName = .none
    ) {
        tell(
            .targets(
                targets.compactMap { target in
                    SocketAddress(ip: "127.0.0.1", port: target.backend.port).map { address in
                        ProbeTarget(
                            number: target.number, address: address, authority: "\(address)",
                            probe: Probe(
                                kind: target.kind, every: every, timeout: timeout,
                                everySuspect: .milliseconds(20)), tls: client, peerName: peer)
                    }
                }))
    }

    /// The next finding about a target; nil if none comes.
    func next(of number: Int) -> ProbeFinding? {
        let index = seen[number, default: 0]
        var finding: ProbeFinding?
        let hasCome = eventually {
            let findings = reports.findings(of: number)
            if findings.count > index { finding = findings[index] }
            return finding != nil
        }
        if hasCome { seen[number] = index + 1 }
        return finding
    }

    /// How late it said it was, second by second.
    var lags: [Int64] { reports.lags.withLock { $0 } }

    private final class Reports: ProbeReports {
        let lags = Mutex<[Int64]>([])
        private let all = Mutex<[Int: [ProbeFinding]]>([:])

        func findings(of number: Int) -> [ProbeFinding] { all.withLock { $0[number] ?? [] } }
        func probed(_ number: Int, _ finding: ProbeFinding, isAwaited: Bool) {
            all.withLock { $0[number, default: []].append(finding) }
        }
        func lag(nanoseconds: Int64) { lags.withLock { $0.append(nanoseconds) } }
    }
}

extension HTTPProbe {
    init(
        path: String, expectStatus: [ClosedRange<Int>] = [200...399], expectHeaders: [HeaderMatch] = [],
        expectBody: String?
    ) {
        self.init(path: path)
        self.expectStatus = expectStatus
        self.expectHeaders = expectHeaders
        self.expectBody = expectBody
    }

    init(path: String, host: String, method: String) {
        self.init(path: path)
        self.host = host
        self.method = method
    }
}

extension Probe {
    init(kind: Kind, every: Duration, timeout: Duration = .seconds(1), everySuspect: Duration = .milliseconds(250)) {
        self.init(kind: kind)
        self.every = every
        self.timeout = timeout
        self.everySuspect = everySuspect
    }
}

extension ProbeFinding {
    var isPass: Bool {
        if case .passed = self { true } else { false }
    }
}
