import Backends
import Foundation
import Testing

/// Tables that came about by mistake, given to a router that runs.
struct ReloadTests {
    private static let refused = "spillway_reloads_total{outcome=\"refused\"}"

    @Test func `an emptied table replaces nothing: not the running one, and not the last good one`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        do {
            let router = try RouterUnderTest(directory, table: "tables")
            let good = directory.read("state/table.yaml")
            #expect(good.contains("version one"))
            let emptied = [
                "", "\n", "# generated\n", "{}", CommandTests.table.replacing("listeners:", with: "#"),
                String(CommandTests.table.prefix { $0 != "-" }),
            ]
            for text in emptied {
                let before = router.metric(Self.refused) ?? 0
                try directory.write("tables/table.yaml", text)
                router.signal(SIGHUP)
                #expect(eventually { router.metric(Self.refused) ?? 0 > before }, "\(text)")
                #expect(try router.get("/hello").text == "version one", "\(text)")
                #expect(directory.read("state/table.yaml") == good, "\(text)")
            }
            try FileManager.default.removeItem(atPath: directory.path + "/tables/table.yaml")
            router.signal(SIGHUP)
            #expect(eventually { router.command.errorsSoFar.contains("no files of a table") })
            #expect(try router.get("/hello").text == "version one")
        }
        try directory.write("tables/table.yaml", "")
        let router = try RouterUnderTest(directory, table: "tables")
        #expect(try router.get("/hello").text == "version one")
        #expect(router.metric("spillway_table_last_good") == 1)
    }

    @Test func `a table that would close every listener is taken on at the second SIGHUP alone`() throws {
        let directory = try TemporaryDirectory()
        let file = "tables/table.yaml"
        try directory.write(file, CommandTests.table)
        let router = try RouterUnderTest(directory, table: "tables")
        let port = try Backend.refusing().port
        let other = CommandTests.table.replacing(
            "web: { bind: 127.0.0.1:0 }", with: "aside: { bind: 127.0.0.1:\(port) }")
        try directory.write(file, other)
        let sentence =
            "refused, the running table stays: it would close every listener: it has neither the name nor the address "
            + "of web on 127.0.0.1:0; if that is meant, send SIGHUP twice within a minute, or restart"
        #expect(eventually { router.command.errorsSoFar.contains("reload (files changed) \(sentence)") })
        router.signal(SIGHUP)
        #expect(eventually { router.command.errorsSoFar.contains("reload (SIGHUP) \(sentence)") })
        #expect(try router.get("/hello").text == "version one")
        #expect(!directory.read("state/table.yaml").contains("aside"))
        router.signal(SIGHUP)
        #expect(eventually { router.command.errorsSoFar.contains("listener aside on 127.0.0.1:\(port)") })
        #expect(eventually { directory.read("state/table.yaml").contains("aside") })
        #expect(eventually { (try? RawConnection(port: router.port)) == nil })
    }

    @Test func `a listener that keeps its name may move to another port`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        let router = try RouterUnderTest(directory, table: "tables")
        let port = try Backend.refusing().port
        try directory.write("tables/table.yaml", CommandTests.table.replacing("127.0.0.1:0", with: "127.0.0.1:\(port)"))
        #expect(eventually { router.command.errorsSoFar.contains("listener web on 127.0.0.1:\(port)") })
        #expect(eventually { (try? RawConnection(port: port)) != nil })
    }
}
