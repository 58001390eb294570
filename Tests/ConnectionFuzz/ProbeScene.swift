import CLinux
import Probes
import Reactor
import RouteTable
import TLS
import Telemetry

/// One run of a script before the prober: its first line is `probe` and the kinds of probes that are made. The servers it
/// asks answer as the script says; one beside them does so by the book, and its probes pass.
final class ProbeScene: Play {
    private enum Act {
        case playing
        /// The last lines are said: probes that are under way end, and others begin.
        case goingOn
        case stopping
    }

    struct Kind {
        let name: String
        var isSecure = false
        var isGRPC = false
        var isTCP = false
        var proxyHeader: ProxyHeaderVersion?
        /// More than the status is looked at.
        var isStrict = false
    }

    static let kinds = [
        Kind(name: "http"), Kind(name: "https", isSecure: true), Kind(name: "grpc", isGRPC: true),
        Kind(name: "grpcs", isSecure: true, isGRPC: true), Kind(name: "tcp", isTCP: true),
        Kind(name: "told", proxyHeader: .v2), Kind(name: "strict", isStrict: true),
    ]
    /// Of the server that answers by the book; it is always reached.
    private static let cleanPlace = UInt16(World.firstClean << 8)
    private static let every: Duration = .seconds(2)
    private static let timeout: Duration = .seconds(1)
    /// A probe is over by then, with a tick of the wheel and the turns until it is noticed.
    private static let patience: Int64 = 1_200_000_000
    private static let afterwards: Int64 = 3_100_000_000

    private let script: Script
    private let mailbox: Mailbox<ProberMessage>
    private let cast = Cast(secret: World.shared.secret)
    private let clean = CleanServers()
    private let reports = Reports()
    private var laws: TurnLaws
    private var act = Act.playing
    private var next = 0
    private var budget = 1 << 20
    private var waiting: Int64 = 0
    private var isStarted = false
    private var startedAt: Int64 = 0
    /// When each link was first seen.
    private var seen: [Int64] = []

    /// Returns which law about memory or time does not seem to hold.
    static func run(_ script: Script, isRepeated: Bool) -> String? {
        do {
            let scene = try ProbeScene(script, isRepeated: isRepeated)
            Stage.play = scene
            defer { Stage.play = nil }
            scene.mailbox.post(.targets(scene.targets))
            try Prober.run(seed: 1, mailbox: scene.mailbox, reports: scene.reports)
            demand(fake_open_links() == 0, "a prober that has stopped has closed its connections")
            return scene.laws.complaint
        } catch {
            fatalError("the scene could not begin: \(error)")
        }
    }

    private init(_ script: Script, isRepeated: Bool) throws {
        self.script = script
        mailbox = try Mailbox<ProberMessage>()
        laws = TurnLaws(isRepeated: isRepeated)
    }

    private var targets: [ProbeTarget] {
        let wanted = script.lines[0].words
        let probed = Self.kinds.indices.filter { wanted.contains(Self.kinds[$0].name) }
        return probed.compactMap { Self.target(UInt16($0 << 8), Self.kinds[$0]) }
            + [Self.target(Self.cleanPlace, Kind(name: "clean"))].compactMap { $0 }
    }

    private static func target(_ place: UInt16, _ kind: Kind) -> ProbeTarget? {
        var http = HTTPProbe(path: "/healthz")
        if kind.isStrict {
            http.expectHeaders = [HeaderMatch(name: "x-ready", value: "yes")]
            http.expectBody = "ready"
        }
        var probe = Probe(kind: kind.isTCP ? .tcp : kind.isGRPC ? .grpc(service: "") : .http(http))
        probe.every = every
        probe.timeout = timeout
        let clients = World.shared.clients
        let client = kind.isSecure ? clients[kind.isGRPC ? World.secureHTTP2 : World.secureHTTP1] : nil
        return SocketAddress(ip: World.address(place), port: 80).map {
            ProbeTarget(
                number: Int(place), address: $0, authority: "a.test", probe: probe, proxyHeader: kind.proxyHeader,
                tls: client, peerName: kind.isSecure ? .init(host: "a.test") : .none)
        }
    }

    // Between turns

    func betweenTurns(_ milliseconds: CInt) {
        if !isStarted {
            isStarted = true
            startedAt = fake_now()
            laws.begin()
        }
        laws.check()
        checkProbes()
        cast.attend(&laws.spoken) { place in
            let kind = place >= Self.cleanPlace ? Kind(name: "clean") : Self.kinds[Int(place >> 8)]
            return Cast.Role(
                service: Int(place >> 8), isSecure: kind.isSecure, isHTTP2: kind.isGRPC,
                isClean: place >= Self.cleanPlace)
        } clean: { link, _ in
            clean.adopt(link)
        }
        clean.attend(&laws.spoken)
        fake_arrive()
        goOn(milliseconds)
        laws.turnBegins()
    }

    /// A probe ends in its time, whatever its server says, and the clean server's pass.
    private func checkProbes() {
        let now = fake_now()
        for link in 0..<fake_link_count() {
            if seen.count == Int(link) { seen.append(now) }
            let isOver = fake_look(link).pointee.state.rawValue > FAKE_OPEN.rawValue
            demand(isOver || now <= seen[Int(link)] + Self.patience, "a probe ends in its time")
        }
        guard fake_failed_at() == 0 else { return }
        demand(reports.cleanFailures == 0, "probes of a server that is well pass")
        // The first comes within the interval, the others after it and a tenth of it.
        let due = (now - startedAt - Self.patience) / 2_200_000_000
        demand(reports.cleanPasses >= due, "probes are made in time (\(reports.cleanPasses) of \(due))")
    }

    private func goOn(_ milliseconds: CInt) {
        let isBusy = milliseconds == 0 || fake_is_ready() != 0
        if waiting > 0 {
            if !isBusy { pass(milliseconds) }
            return
        }
        switch act {
        case .playing: play(isBusy)
        case .goingOn:
            act = .stopping
            mailbox.post(.stop)
        case .stopping: demand(laws.hasTurns, "a prober that is to stop comes to its end")
        }
    }

    private func pass(_ milliseconds: CInt) {
        let passed = min(waiting, milliseconds < 0 ? .max : Int64(milliseconds) * 1_000_000)
        fake_pass(passed)
        waiting -= passed
        laws.credit(nanoseconds: passed)
    }

    private func play(_ isBusy: Bool) {
        // One line that waits for a turn is said in each.
        var isFirst = true
        while next < script.lines.count {
            let line = script.lines[next]
            switch line.pacing {
            case .atOnce: break
            case .nextTurn, .whenQuiet:
                guard isFirst, !isBusy || next == 0 || line.pacing == .nextTurn else { return }
                isFirst = false
            }
            next += 1
            laws.credit(turns: 40)
            tell("\(line)")
            perform(line)
            if line.verb == .wait { return }
        }
        if isBusy { return }
        act = .goingOn
        waiting = Self.afterwards
    }

    private func perform(_ line: Line) {
        switch line.verb {
        case .say, .raw, .frame, .fields, .record, .end, .leave, .reset, .stall, .take, .pace:
            guard case .endpoint? = line.actor else { return }
            let before = budget
            guard let peer = cast.act(line, &budget) else { return }
            laws.said(before - budget)
            if peer.isPaced { laws.pace() }
        case .serve:
            if let kind = Self.kinds.firstIndex(where: { $0.name == line.word(0) }) { cast.serve(kind, line.bytes) }
        case .connect: Network.setNextConnects(line)
        case .fail: Network.failNextCalls(line)
        case .wait: waiting = Int64(min(max(line.number(0, or: 0), 0), 20_000)) * 1_000_000
        default: break
        }
    }

    private final class Reports: ProbeReports, @unchecked Sendable {
        var cleanPasses: Int64 = 0
        var cleanFailures = 0

        func probed(_ number: Int, _ finding: ProbeFinding, isAwaited: Bool) {
            tell("the probe of \(World.address(UInt16(number))): \(finding)")
            guard number >= Int(ProbeScene.cleanPlace) else { return }
            if case .passed = finding { cleanPasses += 1 } else { cleanFailures += 1 }
        }

        func lag(nanoseconds: Int64) {}
    }
}

/// Answer every probe by the book.
private final class CleanServers {
    private var servers: [Peer] = []

    func adopt(_ link: Int32) {
        let server = Peer(.endpoint(99), secret: World.shared.secret)
        server.answer = Array("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".utf8)
        server.connect(link, tls: nil, isHTTP2: false)
        servers.append(server)
    }

    func attend(_ budget: inout Int) {
        for server in servers { server.attend(&budget) }
    }
}
