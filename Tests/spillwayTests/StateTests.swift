import Backends
import Failover
import Foundation
import Reactor
import Testing

@testable import Store

/// The state directory: what becomes of a router whose own is not usable, or another's.
struct StateTests {
    /// One that cannot be made, whoever asks: even the superuser makes no directory in these places.
    @Test(arguments: ["/dev/null/state", "/proc/state"])
    func `a router whose state directory cannot be made serves, and says why it keeps nothing`(_ state: String) throws {
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", CommandTests.table)
        let router = try RouterUnderTest(directory, state: state)
        #expect(try router.get("/hello").text == "version one")
        let log = router.command.errorsSoFar
        #expect(log.contains("table, decisions and evidence are not kept: \(state) cannot be created: "), "\(log)")
        // A decision, and a reload: both would be kept.
        for _ in 0..<30 { _ = try router.get("/") }
        #expect(eventually { router.metric("spillway_journal_lost_total") ?? 0 > 0 })
        try directory.write("table.yaml", CommandTests.table.replacing("version one", with: "version two"))
        router.signal(SIGHUP)
        #expect(eventually { (try? router.get("/hello").text) == "version two" })
        router.signal(SIGTERM)
        let result = router.command.finish()
        #expect(result.status == 0)
        #expect(!result.errors.contains("NSCocoa") && !result.errors.contains("Error Domain"), "\(result.errors)")
    }

    @Test func `a state directory is one router's, until that ends`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        let state = directory.path + "/state"
        let first = try RouterUnderTest(directory, table: "tables")
        let second = try Command("run", directory.path + "/tables", "--admin", "127.0.0.1:0", "--state", state).finish()
        #expect(second.status == 1)
        #expect(second.errors.contains("the state directory \(state) is in use by process "), "\(second.errors)")
        #expect(second.errors.contains("--state"))
        #expect(!second.errors.contains("listener web"), "it has not listened")
        // However it ends.
        first.signal(SIGKILL)
        _ = first.command.finish()
        let third = try RouterUnderTest(directory, table: "tables")
        #expect(try third.get("/hello").status == 200)
    }

    @Test(arguments: [(2_400, true), (172_800, false)])
    func `evidence from the future is gone on from if it is an hour's at most`(seconds: Int, isKept: Bool) throws {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        let state = directory.path + "/state"
        var brain = Brain()
        let now = EventLoop.wallClock() + Int64(seconds) * 1_000_000_000
        _ = brain.observe(.tick, at: Instant(nanoseconds: now))
        var log = EvidenceLog(directory: state)
        try log.begin(brain)
        let router = try RouterUnderTest(directory, table: "tables")
        #expect(try router.get("/hello").status == 200)
        let told = router.command.errorsSoFar
        let isGoneOn = told.contains("the clock was put back since the last run: decisions are dated 39 min ahead")
        let isForgotten = told.contains("is dated 47 h 59 min ahead of the clock: nothing is remembered")
        #expect(isGoneOn == isKept && isForgotten != isKept, "\(told)")
        // What it writes from now on is dated by the clock, or goes on.
        #expect(eventually { EvidenceLog.names(in: state).count > 1 })
        let latest = try #require(EvidenceLog.names(in: state).last)
        let ahead = try EvidenceLog.read(latest).brain.lastTime.nanoseconds - EventLoop.wallClock()
        #expect((ahead > 2_000_000_000_000) == isKept, "\(ahead)")
    }

    @Test(arguments: [nil, "/dev/zero"])
    func `a state directory of files that are none does not hold up the start`(_ target: String?) throws {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        try directory.write("state/nothing", "")
        for name in ["table.yaml", "names.json", "decisions.jsonl", "evidence-1.log", "lock", "probe.new"] {
            if let target {
                try FileManager.default.createSymbolicLink(
                    atPath: directory.path + "/state/" + name, withDestinationPath: target)
            } else {
                try directory.pipe("state/" + name)
            }
        }
        let began = ContinuousClock.now
        let router = try RouterUnderTest(directory, table: "tables", settings: ["--drain", "1"])
        #expect(try router.get("/hello").text == "version one")
        #expect(ContinuousClock.now - began < .seconds(4))
        let told = target == nil ? "a pipe, not a regular file" : "a device, not a regular file"
        let log = router.command.errorsSoFar
        #expect(log.contains("/lock cannot be written: \(told)"), "\(log)")
        #expect(log.contains("evidence-1.log cannot be read: \(told)"), "\(log)")
        router.signal(SIGTERM)
        #expect(router.command.finish().status == 0)
    }

    /// One character of the journal that was changed is enough for each.
    @Test func `numbers and dates of the journal at the ends of their range stop neither a start nor a command`() throws
    {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        func line(_ time: String, _ change: String, for length: String) -> String {
            "{\"sequence\":1,\"time\":\"\(time)\",\"subject\":\"region\",\"region\":\"east\",\(change),"
                + "\"rule\":\"ordered\",\"evidence\":{\"for\":\(length),\"why\":\"a new kernel\"}}\n"
        }
        let order = "\"change\":\"order\",\"before\":\"none\",\"after\":\"drain\""
        var journal = ""
        for time in [
            "2026-11-28T10:00:00.000Z", "9026-11-28T10:00:00.000Z", "1677-01-01T00:00:00.000Z",
            "2262-04-11T23:00:00.000Z", "1677-09-22T00:00:00.000Z",
        ] {
            for length in ["1000", "9223372036854775807", "-9223372036854775808", "9223372036854775808"] {
                journal += line(time, order, for: length)
            }
        }
        try directory.write("state/decisions.jsonl", journal)
        let state = directory.path + "/state"
        let router = try RouterUnderTest(directory, table: "tables")
        #expect(try router.get("/hello").text == "version one")
        #expect(try Command("explain", "east", "--admin", router.adminAddress).finish().status == 0)
        for options in [[], ["--each"], ["--json"]] {
            let told = try Command(["history", "--since", "1900-01-01", "--state", state] + options).finish()
            #expect(told.status == 0, "\(told.errors)")
            #expect(told.output.contains("a new kernel"), "\(told.output)")
        }
        for (command, option) in [("history", "--since"), ("history", "--until"), ("explain", "--at")] {
            for time in ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"] {
                let refused = try Command(command, option, time, "--state", state).finish()
                #expect(refused.errors.contains("\(option): found \"\(time)\", expected a "), "\(refused.errors)")
            }
        }
        router.signal(SIGTERM)
        #expect(router.command.finish().status == 0)
    }

    @Test func `a state directory that is removed under a router is written anew, and stays its own`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        let state = directory.path + "/state"
        let router = try RouterUnderTest(directory, table: "tables")
        #expect(eventually { !EvidenceLog.names(in: state).isEmpty && !directory.read("state/table.yaml").isEmpty })
        try FileManager.default.moveItem(atPath: state, toPath: state + ".moved")
        let told = "the state directory \(state) was removed or moved: all of it is written anew"
        #expect(eventually { router.command.errorsSoFar.contains(told) }, "\(router.command.errorsSoFar)")
        #expect(eventually { !EvidenceLog.names(in: state).isEmpty && !directory.read("state/table.yaml").isEmpty })
        let other = try Command("run", directory.path + "/tables", "--admin", "127.0.0.1:0", "--state", state).finish()
        #expect(other.status == 1)
        #expect(other.errors.contains("is in use by process "), "\(other.errors)")
    }

    @Test func `a state directory that can be used only after the start is the router's own from then on`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        let place = try directory.write("place", "")
        let state = place + "/state"
        let router = try RouterUnderTest(directory, table: "tables", state: state)
        #expect(router.command.errorsSoFar.contains("are not kept: \(state) cannot be created: Not a directory"))
        try FileManager.default.removeItem(atPath: place)
        #expect(eventually { directory.read("place/state/table.yaml").contains("version one") })
        let other = try Command("run", directory.path + "/tables", "--admin", "127.0.0.1:0", "--state", state).finish()
        #expect(other.status == 1)
        #expect(other.errors.contains("is in use by process "), "\(other.errors)")
    }

    @Test func `a settings file that cannot be read is told in words`() throws {
        let directory = try TemporaryDirectory()
        for (path, told) in [
            (directory.path + "/none", "no such file"),
            (directory.path, "cannot be read: a directory, not a regular file"),
            ("/dev/zero", "cannot be read: a device, not a regular file"),
            (try directory.pipe("pipe"), "cannot be read: a pipe, not a regular file"),
        ] {
            let result = try Command("run", directory.path, "--settings", path).finish()
            #expect(result.errors.contains("\(path)"), "\(result.errors)")
            #expect(result.errors.contains(told), "\(result.errors)")
            #expect(!result.errors.contains("NSCocoa") && !result.errors.contains("Error Domain"), "\(result.errors)")
        }
    }
}
