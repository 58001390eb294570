import Backends
import Foundation
import Testing

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

    @Test func `a settings file that cannot be read is told in words`() throws {
        let directory = try TemporaryDirectory()
        for (path, told) in [
            (directory.path + "/none", "no such file"), (directory.path, "cannot be read: Is a directory"),
        ] {
            let result = try Command("run", directory.path, "--settings", path).finish()
            #expect(result.errors.contains("\(path)"), "\(result.errors)")
            #expect(result.errors.contains(told), "\(result.errors)")
            #expect(!result.errors.contains("NSCocoa") && !result.errors.contains("Error Domain"), "\(result.errors)")
        }
    }
}
