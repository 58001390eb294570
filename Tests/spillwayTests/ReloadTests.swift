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
            #expect(eventually { directory.read("state/table.yaml").contains("version one") })
            let good = directory.read("state/table.yaml")
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

    @Test func `warnings of a table are in the log, once, and two routes alike are no change`() throws {
        let directory = try TemporaryDirectory()
        let alike = CommandTests.table + "\n  - { respond: { status: 418 } }\n"
        try directory.write("tables/table.yaml", alike)
        let router = try RouterUnderTest(directory, table: "tables")
        func told(_ text: String) -> Int { router.command.errorsSoFar.components(separatedBy: text).count - 1 }
        #expect(told("warning \(directory.path)/tables/table.yaml:8:5: routes[2]: never matches: ") == 1)
        try directory.write("tables/table.yaml", alike.replacing("version one", with: "version two"))
        router.signal(SIGHUP)
        #expect(eventually { told("reload (SIGHUP): 1 route changed\n") == 1 }, "\(router.command.errorsSoFar)")
        #expect(told("never matches: ") == 1)
        try directory.write("tables/table.yaml", alike + "  - { match: { path: /hello }, to: shop }\n")
        router.signal(SIGHUP)
        #expect(eventually { told(":9:5: routes[3]: never matches: ") == 1 }, "\(router.command.errorsSoFar)")
        #expect(told("routes[2]: never matches: ") == 1)
    }

    @Test func `listeners that each ask for a free port get one each, also in a reload`() throws {
        let directory = try TemporaryDirectory()
        let two = CommandTests.table.replacing(
            "web: { bind: 127.0.0.1:0 }", with: "web: { bind: 127.0.0.1:0 }, other: { bind: 127.0.0.1:0 }")
        try directory.write("tables/table.yaml", CommandTests.table)
        let router = try RouterUnderTest(directory, table: "tables")
        try directory.write("tables/table.yaml", two)
        router.signal(SIGHUP)
        #expect(eventually { router.command.errorsSoFar.contains(/listener other on 127.0.0.1:\d+\n/) })
        let log = router.command.errorsSoFar
        let port = try #require(log.firstMatch(of: /listener other on 127.0.0.1:(\d+)\n/).flatMap { UInt16($0.1) })
        #expect(port != router.port)
        #expect(eventually { (try? RawConnection(port: port)) != nil })
        #expect(try router.get("/hello").text == "version one")
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

    @Test func `a directory that is a link is served as it is pointed, each time`() throws {
        let directory = try TemporaryDirectory()
        func release(_ text: String) throws {
            try directory.write("releases/\(text)/table.yaml", CommandTests.table.replacing("version one", with: text))
            let (next, current) = (directory.path + "/next", directory.path + "/current")
            try FileManager.default.createSymbolicLink(atPath: next, withDestinationPath: "releases/\(text)")
            #expect(unsafe rename(next, current) == 0)
        }
        try release("first")
        let router = try RouterUnderTest(directory, table: "current")
        for text in ["second", "third"] {
            try release(text)
            #expect(eventually { (try? router.get("/hello").text) == text })
        }
    }

    @Test func `files written one after the other are not served half-way`() throws {
        let directory = try TemporaryDirectory()
        func write(_ file: String, _ version: String) throws {
            try directory.write(
                "tables/\(file).yaml",
                "routes: [ { match: { path: /\(file) }, respond: { status: 200, body: \"\(version)\" } } ]")
        }
        try directory.write("tables/0.yaml", CommandTests.table)
        for file in ["a", "b", "c"] { try write(file, "old") }
        let router = try RouterUnderTest(directory, table: "tables")
        for file in ["a", "b"] {
            try write(file, "new")
            Thread.sleep(forTimeInterval: 0.5)
            #expect(try router.get("/a").text == "old")
        }
        try write("c", "new")
        var seen: Set<[String]> = []
        #expect(
            eventually {
                let texts = ["a", "b", "c"].compactMap { try? router.get("/\($0)").text }
                seen.insert(texts)
                return texts == ["new", "new", "new"]
            })
        #expect(
            seen.isSubset(of: [
                ["old", "old", "old"], ["new", "new", "new"], ["old", "new", "new"], ["old", "old", "new"],
            ]), "\(seen)")
        #expect(eventually { router.metric("spillway_reloads_total{outcome=\"accepted\"}") == 1 })
    }

    @Test func `certificates behind links are served as they are renewed`() throws {
        let directory = try TemporaryDirectory()
        let certificates = try ["one", "two", "three"].map {
            try TestAuthority.shared.issue("renewed-\($0)", names: ["DNS:\($0).test"])
        }
        // As certbot keeps them: links to the files of each renewal.
        func renew(_ index: Int) throws {
            let pairs = [("fullchain", certificates[index].certificate), ("privkey", certificates[index].key)]
            for (name, file) in pairs {
                try FileManager.default.createDirectory(
                    atPath: directory.path + "/live/site.test", withIntermediateDirectories: true)
                let text = try String(contentsOfFile: file, encoding: .utf8)
                try directory.write("archive/site.test/\(name)\(index + 1).pem", text)
                let link = "\(directory.path)/live/site.test/\(name).pem"
                try? FileManager.default.removeItem(atPath: link)
                try FileManager.default.createSymbolicLink(
                    atPath: link, withDestinationPath: "../../archive/site.test/\(name)\(index + 1).pem")
            }
        }
        try renew(0)
        try directory.write(
            "tables/table.yaml",
            CommandTests.table.replacing(
                "127.0.0.1:0 }", with: "127.0.0.1:0 }, safe: { bind: 127.0.0.1:0, tls: { certificates: ../live } }"))
        let router = try RouterUnderTest(directory, table: "tables")
        func serves(_ name: String) -> Bool {
            (try? router.admin("/metrics").text)?.contains("fullchain.pem\",name=\"\(name).test\"}") == true
        }
        #expect(serves("one"))
        for (index, name) in [(1, "two"), (2, "three")] {
            try renew(index)
            #expect(eventually { serves(name) }, "\(router.command.errorsSoFar)")
        }
        // Renewed where the links lead to, without a change of any link.
        for (name, file) in [("fullchain3", certificates[0].certificate), ("privkey3", certificates[0].key)] {
            try directory.write("archive/site.test/\(name).pem", String(contentsOfFile: file, encoding: .utf8))
        }
        #expect(eventually { serves("one") }, "\(router.command.errorsSoFar)")
    }

    @Test func `a table whose certificates come after it is taken on when they are there`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        let router = try RouterUnderTest(directory, table: "tables")
        let port = try Backend.refusing().port
        let pair = try TestAuthority.shared.issue("late", names: ["DNS:late.test"])
        try directory.write(
            "tables/table.yaml",
            CommandTests.table.replacing(
                "127.0.0.1:0 }",
                with: "127.0.0.1:0 }, safe: { bind: 127.0.0.1:\(port), tls: { certificates: ../certs } }"))
        #expect(eventually { router.metric(Self.refused) == 1 })
        try directory.write("certs/late.crt", String(contentsOfFile: pair.certificate, encoding: .utf8))
        try directory.write("certs/late.key", String(contentsOfFile: pair.key, encoding: .utf8))
        #expect(eventually { router.command.errorsSoFar.contains("listener safe on") })
    }

    @Test func `a table whose certificates are missing at the start gives way to the last good one`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("tables/table.yaml", CommandTests.table)
        do { _ = try RouterUnderTest(directory, table: "tables") }
        let port = try Backend.refusing().port
        let pair = try TestAuthority.shared.issue("later", names: ["DNS:later.test"])
        try directory.write(
            "tables/table.yaml",
            CommandTests.table.replacing(
                "127.0.0.1:0 }",
                with: "127.0.0.1:0 }, safe: { bind: 127.0.0.1:\(port), tls: { certificates: ../certs } }"))
        let router = try RouterUnderTest(directory, table: "tables")
        #expect(try router.get("/hello").text == "version one")
        #expect(router.command.errorsSoFar.contains("SERVING THE LAST GOOD TABLE"))
        #expect(router.command.errorsSoFar.contains("../certs"))
        try directory.write("certs/late.crt", String(contentsOfFile: pair.certificate, encoding: .utf8))
        try directory.write("certs/late.key", String(contentsOfFile: pair.key, encoding: .utf8))
        #expect(eventually { router.command.errorsSoFar.contains("listener safe on") })
        #expect(eventually { router.metric("spillway_table_last_good") == 0 })
    }
}
