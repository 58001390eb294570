import Backends
import Foundation
import Synchronization
import Testing

/// What becomes of the router when what it says is not taken: by a disk that is full, or by a reader that is gone or stands
/// still. It decides, answers and ends as if nothing were the matter, and counts what is lost.
struct LogTests {
    /// Two regions; the first answers 503 from some moment on.
    private final class Scene {
        let directory: TemporaryDirectory
        let east: Backend
        let west: Backend
        let port: UInt16
        private let isImpaired = Switch()

        init(accessLog: String? = nil) throws {
            let isImpaired = isImpaired
            directory = try TemporaryDirectory()
            east = try Backend { request, connection in
                connection.send("HTTP/1.1 \(isImpaired.isOn ? 503 : 200) -\r\ncontent-length: 4\r\n\r\neast")
                return true
            }
            west = try Backend(Backend.body("west"))
            port = try RouterUnderTest.freePort()
            let log = accessLog.map { ", access_log: { path: \"\($0)\" }" } ?? ""
            try directory.write(
                "table.yaml",
                """
                listeners: { web: { bind: "127.0.0.1:\(port)"\(log) } }
                regions: { east: {}, west: {} }
                services:
                  shop:
                    prefer: [east, west]
                    endpoints: { east: ["127.0.0.1:\(east.port)"], west: ["127.0.0.1:\(west.port)"] }
                    retry: { attempts: 0 }
                routes: [ { to: shop } ]
                """)
        }

        func impair() { isImpaired.set() }

        /// Whether the router sends what is asked to the second region before long.
        func failsOver(_ router: RouterUnderTest) -> Bool {
            impair()
            return eventually { (try? router.get("/").text) == "west" }
        }
    }

    /// Why a log is not taken.
    enum Trouble: CaseIterable {
        case diskIsFull, readerIsGone, closedAtStart, readerStandsStill, pipeIsFullAndDoesNotBlock
    }

    @Test(arguments: Trouble.allCases)
    func `a log that is not taken holds nothing up, and what is lost is counted`(_ trouble: Trouble) throws {
        let scene = try Scene()
        let pipe = StalledPipe()
        let errors: Command.Destination =
            switch trouble {
            case .diskIsFull: .file(try #require(FileHandle(forWritingAtPath: "/dev/full")))
            case .closedAtStart: .closed
            case .readerIsGone, .readerStandsStill, .pipeIsFullAndDoesNotBlock: .file(pipe.writing)
            }
        if trouble == .readerIsGone { pipe.closeReading() }
        let router = try RouterUnderTest(scene.directory, port: scene.port, errors: errors)
        if trouble == .readerStandsStill { pipe.fill(thenBlocks: true) }
        if trouble == .pipeIsFullAndDoesNotBlock { pipe.fill(thenBlocks: false) }
        for _ in 0..<3 {
            router.signal(SIGHUP)
            pause(milliseconds: 100)
        }
        #expect(scene.failsOver(router))
        #expect(try router.admin("/ready").status == 200)
        #expect(router.metric("spillway_split_ratio{service=\"shop\",region=\"west\"}") == 1)
        if trouble == .diskIsFull || trouble == .readerIsGone {
            #expect(eventually { router.metric("spillway_log_lost_total") ?? 0 > 3 })
        }
        router.signal(SIGTERM)
        #expect(router.command.finish().status == 0)
    }

    @Test func `a log that can be written again says how many lines are missing, and why`() throws {
        let scene = try Scene()
        let path = try scene.directory.pipe("log")
        let first = NamedPipe.reader(path)
        let router = try RouterUnderTest(
            scene.directory, port: scene.port, errors: .file(#require(FileHandle(forWritingAtPath: path))))
        close(first)
        router.signal(SIGHUP)
        #expect(eventually { router.metric("spillway_log_lost_total") ?? 0 > 0 })
        let lost = Int(try #require(router.metric("spillway_log_lost_total")))
        let second = NamedPipe.reader(path)
        defer { close(second) }
        let told = "\(lost) lines of this log were lost: Broken pipe"
        #expect(eventually { NamedPipe.read(second).contains(told) })
        router.signal(SIGTERM)
        #expect(eventually { NamedPipe.read(second).contains("draining: ") }, "and goes on from there")
    }

    @Test(arguments: ["-", "fifo"])
    func `an access log whose reader stands still delays neither decisions nor metrics`(_ kind: String) throws {
        let pipe = StalledPipe()
        let directory = try TemporaryDirectory()
        let path = kind == "-" ? "-" : directory.path + "/access.log"
        if kind == "fifo" { try directory.pipe("access.log") }
        // One that stands still from the beginning.
        let reader = kind == "fifo" ? NamedPipe.reader(path) : -1
        defer { if reader >= 0 { close(reader) } }
        let scene = try Scene(accessLog: path)
        if kind == "-" { pipe.fill(thenBlocks: true) }
        let router = try RouterUnderTest(scene.directory, port: scene.port, output: .file(pipe.writing))
        let target = "/?" + String(repeating: "x", count: 4_000)
        for _ in 0..<40 { #expect(try router.get(target).status == 200) }
        #expect(try router.admin("/metrics").status == 200)
        #expect(scene.failsOver(router))
        for path in ["/metrics", "/ready"] { #expect(try router.admin(path).status == 200) }
        router.signal(SIGTERM)
        #expect(router.command.finish().status == 0)
    }

    @Test func `a state directory that stands still delays neither decisions nor the end`() throws {
        let scene = try Scene()
        let router = try RouterUnderTest(scene.directory, port: scene.port)
        // To open a pipe that nobody reads takes for ever.
        try scene.directory.pipe("state/decisions.jsonl")
        #expect(scene.failsOver(router))
        #expect(try router.admin("/metrics").status == 200)
        router.signal(SIGHUP)
        #expect(eventually { router.command.errorsSoFar.contains("reload (SIGHUP): nothing changed") })
        router.signal(SIGTERM)
        #expect(router.command.finish().status == 0)
    }

    @Test func `an access log that is a pipe without a reader is opened once there is one`() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.pipe("access.log")
        let scene = try Scene(accessLog: path)
        let router = try RouterUnderTest(scene.directory, port: scene.port)
        #expect(try router.get("/early").status == 200)
        #expect(eventually { router.metric("spillway_access_log_lost_total") == 1 })
        #expect(router.command.errorsSoFar.contains("access log \(path) cannot be opened, lines are lost"))
        let reader = NamedPipe.reader(path)
        defer { close(reader) }
        #expect(
            eventually {
                _ = try? router.get("/late")
                return router.command.errorsSoFar.contains("access log \(path) is written again; ")
            })
        #expect(NamedPipe.read(reader).contains("/late"))
    }

    @Test func `a command whose output nobody reads ends quietly, and one whose output is lost says so`() throws {
        let pipe = StalledPipe()
        pipe.closeReading()
        let unread = try Command(["schema"], output: .file(pipe.writing)).finish()
        #expect(unread.status == SIGPIPE || unread.status == 0)
        #expect(unread.errors.isEmpty, "\(unread.errors)")
        #expect(try Command(["schema"], output: .closed).finish().status == 0)
        let full = try Command(["schema"], output: .file(#require(FileHandle(forWritingAtPath: "/dev/full")))).finish()
        #expect(full.status == 1)
        #expect(full.errors.contains("what was printed is not complete"), "\(full.errors)")
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", "routes: 5")
        for errors: Command.Destination in [.closed, .file(try #require(FileHandle(forWritingAtPath: "/dev/full")))] {
            #expect(try Command(["check", directory.path], errors: errors).finish().status == 1)
        }
    }

    @Test func `a demo whose reader is gone ends`() throws {
        let directory = try TemporaryDirectory()
        let (front, endpoint) = (try RouterUnderTest.freePort(), try RouterUnderTest.freePort())
        try directory.write(
            "table.yaml",
            """
            listeners: { web: { bind: "127.0.0.1:\(front)" } }
            regions: { east: {} }
            services: { shop: { endpoints: { east: ["127.0.0.1:\(endpoint)"] } } }
            routes: [ { to: shop } ]
            """)
        let pipe = StalledPipe()
        pipe.closeReading()
        let demo = try Command(
            ["demo", "--table", directory.path, "--admin", "127.0.0.1:0", "--drain", "1", "--rate", "5"],
            environment: ["TMPDIR": directory.path], output: .file(pipe.writing))
        #expect(demo.finish().status == 0)
    }
}

/// A pipe that is read when a test says so.
final class StalledPipe {
    private let pipe = Pipe()

    var writing: FileHandle { pipe.fileHandleForWriting }

    func closeReading() { try? pipe.fileHandleForReading.close() }

    /// Leaves no room in it. The descriptor is shared with whoever writes to it.
    func fill(thenBlocks: Bool) {
        let number = writing.fileDescriptor
        _ = fcntl(number, F_SETFL, O_WRONLY | O_NONBLOCK)
        for size in [4_096, 1] {
            let bytes = [UInt8](repeating: 0x2e, count: size)
            while unsafe write(number, bytes, size) > 0 {}
        }
        if thenBlocks { _ = fcntl(number, F_SETFL, O_WRONLY) }
    }
}

/// A pipe that has a name, and may be without a reader.
private enum NamedPipe {
    static func reader(_ path: String) -> Int32 { unsafe open(path, O_RDONLY | O_NONBLOCK) }

    /// What is in it now.
    static func read(_ number: Int32) -> String {
        var piece = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe Foundation.read(number, &piece, piece.count)
        return String(decoding: piece.prefix(max(count, 0)), as: UTF8.self)
    }
}
