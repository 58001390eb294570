import CLinux
import CPeers
import Glibc
import Proxy
import Reactor
import RouteTable
import TLS
import Telemetry
import Wire

/// One run of a script before a worker: the script between the worker's turns, then the end of everything.
final class Scene: Play {
    private enum Act {
        case playing
        /// All peers have gone, and the router has time to notice.
        case leaving
        /// Nothing is to happen any more.
        case resting
        case draining
    }

    /// A script that takes longer is broken off.
    private static let turnLimit = 6_000

    private let script: Script
    private let counters = Counters.shared
    private let before = Counts()
    private var log = LogCounts()
    private let mailbox: Mailbox<WorkerMessage>
    private var stage = Act.playing
    private var next = 0
    /// Seconds for which connections may stay when their peers have gone.
    private var patience = 60
    private var generation = 0
    private var variant = -1
    private let cast = Cast(secret: World.shared.secret)
    private let clean: CleanClient
    /// Bytes that the script may still have said.
    private var budget = 1 << 20
    /// Nanoseconds that are still waited for.
    private var waiting: Int64 = 0
    private var laws: TurnLaws
    private var hasDrained = false
    private var isStarted = false
    private let reports = Reports()

    /// Returns which law about memory or time does not seem to hold.
    static func run(_ script: Script, isRepeated: Bool) -> String? {
        do {
            let scene = try Scene(script, isRepeated: isRepeated)
            Stage.play = scene
            defer { Stage.play = nil }
            scene.publish(0)
            try Worker.run(
                publication: .empty(workers: 1), seed: 1, mailbox: scene.mailbox, pseudonym: .none,
                room: ConnectionRoom(),
                counters: scene.counters.worker, firstStream: scene.firstStream, reports: scene.reports)
            demand(scene.reports.ends == 1, "a worker that has drained ends, once")
            scene.log.drain()
            // What took too long may have written more than anybody reads meanwhile: the complaint says more.
            if let complaint = scene.laws.complaint { return complaint }
            scene.before.checkAdded(scene.log)
            return nil
        } catch {
            fatalError("the scene could not begin: \(error)")
        }
    }

    private init(_ script: Script, isRepeated: Bool) throws {
        self.script = script
        mailbox = try Mailbox<WorkerMessage>()
        clean = CleanClient(isSecure: script.lines.contains { $0.verb == .clean && $0.word(0) == "tls" })
        laws = TurnLaws(isRepeated: isRepeated)
    }

    /// Of each connection to an endpoint that speaks HTTP/2: no fuzzer can make a billion requests first.
    private var firstStream: Int {
        let wanted = script.lines.first { $0.verb == .ids }?.number(0, or: 1) ?? 1
        return min(max(wanted, 1), Int(Int32.max)) | 1
    }

    // Between turns

    func betweenTurns(_ milliseconds: CInt) {
        if !isStarted {
            isStarted = true
            laws.begin()
        }
        laws.check()
        log.drain()
        attend()
        fake_arrive()
        goOn(milliseconds)
        laws.turnBegins()
    }

    private func goOn(_ milliseconds: CInt) {
        let isBusy = milliseconds == 0 || fake_is_ready() != 0
        if stage == .playing, laws.turns > Self.turnLimit { return leave() }
        if waiting > 0 {
            if !isBusy { pass(milliseconds) }
            return
        }
        switch stage {
        case .playing: play(isBusy, milliseconds)
        case .leaving:
            if fake_open_links() > 0 || isAnybodyAtTheDoor, patience > 0 {
                patience -= 1
                waiting = 1_000_000_000
                return pass(milliseconds)
            }
            demand(fake_open_links() == 0, "all connections are closed when everybody has gone (\(openLinks) are not)")
            stage = .resting
            laws.rest(for: 3)
            waiting = 3_000_000_000
            pass(milliseconds)
        case .resting:
            stage = .draining
            laws.credit(turns: 50)
            drain()
        case .draining:
            demand(!isBusy || laws.hasTurns, "a worker that drains comes to its end")
            if !isBusy { pass(milliseconds < 0 ? 1_000 : milliseconds) }
        }
    }

    /// Lets time pass until something is due, or it is over.
    private func pass(_ milliseconds: CInt) {
        let asleep = milliseconds < 0 ? .max : Int64(milliseconds) * 1_000_000
        let passed = waiting > 0 ? min(waiting, asleep) : asleep
        fake_pass(passed)
        waiting -= min(waiting, passed)
        laws.credit(nanoseconds: passed)
    }

    private func play(_ isBusy: Bool, _ milliseconds: CInt) {
        // One line that waits for a turn is said in each.
        var isFirst = true
        while next < script.lines.count {
            let line = script.lines[next]
            switch line.pacing {
            case .atOnce: break
            case .nextTurn:
                guard isFirst else { return }
                isFirst = false
            case .whenQuiet:
                guard isFirst, !isBusy || next == 0 else { return }
                isFirst = false
            }
            next += 1
            laws.credit(turns: 40)
            tell("\(line)")
            perform(line)
            if line.verb == .wait { return }
        }
        if isBusy { return }
        if !clean.isAwaiting { return leave() }
        waiting = 5_000_000
        pass(milliseconds)
    }

    // What peers do by themselves

    private func attend() {
        let table = World.shared.tables[max(variant, 0)]
        cast.attend(&laws.spoken) { place in
            let number = World.service(at: place)
            let service = table.services[number]
            return Cast.Role(
                service: number, isSecure: service.tls != nil, isHTTP2: service.protocol == .http2,
                isClean: number >= World.firstClean)
        } clean: { link, isSecure in
            clean.adopt(link, isSecure: isSecure)
            if stage != .playing { fake_leave(link) }
        }
        clean.attend(&laws.spoken)
    }

    // The script

    private func perform(_ line: Line) {
        switch line.verb {
        case .table: if next == 1, line.number(0, or: 0) > 0 { publish(line.number(0, or: 0)) }
        case .clean: clean.ask(&laws.spoken)
        case .open: open(line)
        case .say, .raw, .frame, .fields, .record, .end, .leave, .reset, .stall, .take, .pace:
            let before = budget
            guard let peer = cast.act(line, &budget) else { return }
            laws.said(before - budget)
            if peer.isPaced { laws.pace() }
        case .serve:
            guard let number = World.services.firstIndex(where: { $0.name == line.word(0) }) else { return }
            cast.serve(number, line.bytes)
        case .connect: Network.setNextConnects(line)
        case .publish: publish(line.number(0, or: 0))
        case .split, .share, .warm: instruct(line)
        case .drain: drain()
        case .wait:
            waiting = Int64(min(max(line.number(0, or: 0), 0), 200_000)) * 1_000_000
        case .fail: Network.failNextCalls(line)
        case .probe, .ids: break
        }
        if line.verb != .wait, line.verb != .clean, !hasDrained { clean.ask(&laws.spoken) }
    }

    /// `open c0 tls h2`: a client connects; with `bare` it does not encrypt by itself.
    private func open(_ line: Line) {
        guard case .client? = line.actor, let actor = line.actor else { return }
        let place = World.place(line.word(0))
        let link = fake_open(place.port, 0x0a01_0002)
        let made = cast.newClient(actor)
        guard link >= 0 else { return }
        made.maySeeSecret = place.name == "inner"
        let encrypts = place.isSecure && line.word(1) != "bare"
        made.connect(link, tls: encrypts ? unsafe cpeers_create(0, line.word(1) == "h2" ? 1 : 0) : nil, isHTTP2: false)
    }

    // The router's owner

    private func publish(_ number: Int) {
        let wanted = abs(number) % World.variants
        guard !hasDrained, wanted != variant || generation == 0 else { return }
        var sockets: [ListeningSocketBox] = []
        let before = variant < 0 ? [] : World.shared.tables[variant].listeners.map(\.name)
        for (index, listener) in World.shared.tables[wanted].listeners.enumerated()
        where !before.contains(listener.name) {
            let port = World.place(listener.name).port
            guard let address = SocketAddress(ip: "10.0.0.1", port: port),
                let socket = try? ListeningSocket(at: address)
            else { continue }
            sockets.append(ListeningSocketBox(listener: index, socket: socket))
        }
        generation += 1
        variant = wanted
        mailbox.post(.publish(counters.publication(wanted, generation: generation), sockets: sockets))
    }

    private func instruct(_ line: Line) {
        guard let number = World.services.firstIndex(where: { $0.name == line.word(0) }), number < World.firstClean,
            !hasDrained
        else { return }
        let regions = World.services[number].endpoints.count
        let first = min(max(line.number(0, or: 0), 0), 10_000)
        switch line.verb {
        case .split:
            let shed = min(max(line.number(1, or: 0), 0), 10_000 - first)
            let shares = regions == 1 ? [10_000 - shed] : [first, 10_000 - first - shed]
            mailbox.post(.split(service: number, shares: shares, shed: shed, generation: generation))
        case .share:
            let place = World.place(
                service: number, region: line.number(1, or: 0) & 1, index: line.number(2, or: 0) & 1)
            mailbox.post(.endpoint(number: Int(place), share: first))
        default:
            mailbox.post(
                .warm(
                    service: number, cell: abs(line.number(1, or: 0)) % regions, share: first, generation: generation))
        }
    }

    private func drain() {
        if hasDrained { return }
        hasDrained = true
        mailbox.post(.drain)
    }

    /// Everybody goes: nothing of them is to be left.
    private func leave() {
        tell("everybody leaves")
        before.checkAsked { World.services[World.service(at: $0)].isHTTP2 ? cast.requests(at: $0) : nil }
        stage = .leaving
        laws.credit(turns: 300)
        waiting = 1_000_000_000
        cast.leave(&budget)
        clean.leave(&budget)
        fake_connect_next(FAKE_CONNECT_REFUSED, CInt.max)
    }

    /// A client was not accepted yet.
    private var isAnybodyAtTheDoor: Bool {
        (0..<fake_link_count()).contains {
            fake_look($0).pointee.is_endpoint == 0 && fake_look($0).pointee.state == FAKE_OPENING
        }
    }

    /// Those that the router has not closed, for whoever reads a finding.
    private var openLinks: String {
        (0..<fake_link_count()).filter { fake_look($0).pointee.state.rawValue <= FAKE_OPEN.rawValue }.map { link in
            let look = fake_look(link).pointee
            return look.is_endpoint != 0 ? World.address(look.place) : "a client of \(look.place)"
        }.joined(separator: ", ")
    }

    private final class Reports: WorkerReports, @unchecked Sendable {
        var ends = 0

        func urgent(endpoint: Int, failures: Int, overstaying: Bool) {}
        func overloaded() {}
        func published(generation: Int) {}
        func listenerFailed(_ name: String, _ error: SystemError) {}
        func exhausted(_ what: Exhaustion) {}
        func workerEnded() { ends += 1 }
    }
}
