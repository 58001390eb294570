import Backends
import Glibc
import Reactor
import RouteTable
import Synchronization
import TLS
import Telemetry
import Testing

/// One connection that has always more to do must not keep its worker from the others.
struct TurnTests {
    private static let files = try! TestAuthority.shared.issue("listener", names: ["DNS:a.example"])
    private static let name = TLSPeerName(host: "a.example")

    /// Who floods, and how.
    enum Flood: CaseIterable {
        case pipelinedRequests, tinyChunks, fastUpload, tinyChunksOfAnEndpoint, endlessAnswer
        case behindARefusal, pipelinedOverTLS
    }

    /// Sends in the background, as fast as it is taken, until `stop`.
    final class Flooding: Sendable {
        private let isStopped = Atomic<Bool>(false)
        private let hasEnded = Atomic<Bool>(false)
        var isOver: Bool { isStopped.load(ordering: .relaxed) }

        func send(_ bytes: [UInt8], on connection: RawConnection) throws {
            try inBackground { [self] in
                while !isOver, connection.send(bytes) == bytes.count {}
                hasEnded.store(true, ordering: .relaxed)
            }
        }

        func stop() { isStopped.store(true, ordering: .relaxed) }
    }

    private static let tinyChunks = Array(String(repeating: "1\r\na\r\n", count: 20_000).utf8)

    /// Answers `GET /flood` for ever, in 1-byte chunks or as fast as it goes; everything else with `ok`.
    private static func backend(_ flood: Flood, _ flooding: Flooding) throws -> Backend {
        try Backend { request, connection in
            guard request.target == "/flood" else { return Backend.ok(request, connection) }
            switch flood {
            case .tinyChunksOfAnEndpoint:
                connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                while !flooding.isOver, connection.send(tinyChunks) == tinyChunks.count {}
            default:
                connection.send("HTTP/1.1 200 OK\r\n\r\n")
                let piece = [UInt8](repeating: 0x61, count: 262_144)
                while !flooding.isOver, connection.send(piece) == piece.count {}
            }
            return false
        }
    }

    /// Reads and throws away whatever comes.
    private func drainInBackground(_ connection: RawConnection, _ flooding: Flooding) throws {
        try inBackground { while !flooding.isOver, !connection.read(65_536).isEmpty {} }
    }

    @Test(arguments: Flood.allCases)
    func `a client is served beside one that floods`(flood: Flood) throws {
        let flooding = Flooding()
        defer { flooding.stop() }
        let backend = try Self.backend(flood, flooding)
        let proxy = try ProxyUnderTest(
            [[backend]], server: flood == .pipelinedOverTLS ? try makeServer([Self.files]) : nil
        ) { table in
            table.routes.insert(
                Route(
                    match: Match(path: .exact("/own")),
                    action: .respond(FixedResponse(status: 200, body: "own"))), at: 0)
        }
        let hostile = try proxy.connect()
        if flood == .pipelinedOverTLS { try hostile.secure(makeClient(), expecting: Self.name) }
        let own = Array(String(repeating: "GET /own HTTP/1.1\r\nhost: a\r\n\r\n", count: 5_000).utf8)
        switch flood {
        case .pipelinedRequests, .pipelinedOverTLS:
            try drainInBackground(hostile, flooding)
            try flooding.send(own, on: hostile)
        case .tinyChunks:
            hostile.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
            try flooding.send(Self.tinyChunks, on: hostile)
        case .fastUpload:
            hostile.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000000000\r\n\r\n")
            try flooding.send([UInt8](repeating: 0x61, count: 262_144), on: hostile)
        case .behindARefusal:
            hostile.send("bad\r\n\r\n")
            try flooding.send([UInt8](repeating: 0x61, count: 262_144), on: hostile)
        case .tinyChunksOfAnEndpoint, .endlessAnswer:
            try drainInBackground(hostile, flooding)
            hostile.send("GET /flood HTTP/1.1\r\nhost: a\r\n\r\n")
        }
        let clean = try proxy.connect()
        if flood == .pipelinedOverTLS { try clean.secure(makeClient(), expecting: Self.name) }
        for _ in 0..<100 {
            clean.send(get)
            let answer = try #require(clean.readMessage(), "beside \(flood)")
            #expect(answer.text == "ok")
        }
        // Far more than a turn may take, and far less than one took that had no bounds: machines of tests are busy.
        let bound = isSanitized ? 5_000_000_000 : 500_000_000
        #expect(proxy.counters.longestTurn.level < bound, "beside \(flood)")
    }

    @Test func `a client that takes no answers is not given more of them`() throws {
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]]) { table in
            table.routes[0].action = .respond(
                FixedResponse(status: 200, body: String(repeating: "a", count: 60_000)))
        }
        let client = try proxy.connect(receiveBuffer: 4_096)
        let sent = Progress()
        try inBackground {
            let requests = Array(String(repeating: get, count: 1_000).utf8)
            for _ in 0..<100 { sent.sent.add(UInt64(client.send(requests))) }
        }
        #expect(sent.stands())
        // 60 kB for each that is begun; the sockets' buffers take some megabytes of answers.
        #expect(proxy.listenerCounters.requests.count < 1_000)
        #expect(client.readMessage()?.body.count == 60_000)
    }

    @Test func `a head that comes in twenty thousand pieces is served`() throws {
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]]) { $0.listener.limits.headBytes = 1_048_576 }
        let client = try proxy.connect()
        client.send("GET / HTTP/1.1\r\nhost: a\r\nx-long: ")
        for _ in 0..<20_000 { client.send([UInt8](repeating: 0x61, count: 32)) }
        client.send("\r\n\r\n")
        let answer = try #require(client.readMessage())
        #expect(answer.text == "ok")
        #expect(backend.requests.first?["x-long"]?.utf8.count == 640_000)
    }

    @Test(arguments: [true, false])
    func `a head as large as its limit is served, and a larger one is answered 431`(encrypted: Bool) throws {
        let backend = try Backend()
        let proxy = try ProxyUnderTest([[backend]], server: encrypted ? try makeServer([Self.files]) : nil) {
            $0.listener.limits.headBytes = 1_048_576
            $0.listener.limits.headerCount = 1_000
        }
        for (size, status) in [(300_000, 200), (400_000, 200), (1_000_000, 200), (1_100_000, 431)] {
            let client = try proxy.connect()
            if encrypted { try client.secure(makeClient(), expecting: Self.name) }
            let line = "x-line: \(String(repeating: "a", count: size / 500 - 10))\r\n"
            client.send("GET / HTTP/1.1\r\nhost: a\r\n\(String(repeating: line, count: 500))\r\n")
            #expect(client.readMessage()?.status == status, "a head of \(size) bytes")
        }
    }
}
