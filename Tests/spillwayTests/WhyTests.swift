import Backends
import Failover
import Foundation
import Testing

@testable import spillway

/// `explain`, `history` and `what-if`: the built command, against a router that runs and one that does not any more.
struct WhyTests {
    private static func table(east: UInt16, west: UInt16) -> String {
        CommandTests.table.replacing("127.0.0.1:1]", with: "127.0.0.1:\(east)]")
            .replacing("127.0.0.1:2]", with: "127.0.0.1:\(west)]")
    }

    private static let gone = "spillway_split_ratio{service=\"shop\",region=\"east\"}"

    @Test func `what-if of a running router gives what is later seen, and explain, history and the past say why`()
        throws
    {
        let (east, west) = (try Backend(), try Backend())
        let directory = try TemporaryDirectory()
        try directory.write("table.yaml", Self.table(east: east.port, west: west.port))
        let router = try RouterUnderTest(directory)
        #expect(eventually { (try? router.get("/").status) == 200 && router.metric(Self.gone) == 1 })

        let well = try Command("explain", "--admin", router.adminAddress).finish()
        #expect(well.status == 0, "\(well.errors)")
        #expect(well.output.contains("All is as preferred: 1 service, 2 regions."), "\(well.output)")
        let imagined = try Command("what-if", "--lose", "east", "--admin", router.adminAddress, "--json").finish()
        #expect(imagined.status == 0, "\(imagined.errors)")
        let shares = try #require(Self.sharesThen(imagined.output))

        let before = Date.now
        east.stop()
        for connection in east.connections { connection.close() }
        #expect(
            eventually {
                _ = try? router.get("/"); return router.metric(Self.gone) == 0
            })
        #expect(shares == ["east": 0, "west": 10_000], "what was imagined is what is seen")

        let now = try Command("explain", "shop", "--admin", router.adminAddress).finish()
        #expect(now.status == 0, "\(now.errors)")
        for part in [
            "shop goes 100 % to west; it would rather be in east.", "shop in east may have nothing",
            "127.0.0.1:\(east.port) is ejected since ", "what it waits for:", "what led here:", "rule cell-down",
        ] {
            #expect(now.output.contains(part), "\(part) in \(now.output)")
        }
        let wrong = try Command("explain", "shpo", "--admin", router.adminAddress).finish()
        #expect(wrong.status == 1)
        #expect(wrong.errors.contains("no service or region \"shpo\""), "\(wrong.errors)")
        #expect(wrong.errors.contains("did you mean \"shop\"?"), "\(wrong.errors)")
        let nowhere = try Command("what-if", "--lose", "west", "--admin", router.adminAddress).finish()
        #expect(nowhere.status == 1, "east is lost already")
        #expect(nowhere.output.contains("would fail: it has nowhere else to go."), "\(nowhere.output)")

        let after = Date.now
        router.signal(SIGKILL)
        _ = router.command.finish()
        try Self.past(directory, before: before, after: after)
    }

    /// Nothing runs any more: the state directory says it.
    private static func past(_ directory: TemporaryDirectory, before: Date, after: Date) throws {
        let state = directory.path + "/state"
        let then = try Command("explain", "shop", "--at", after.formatted(.iso8601), "--state", state).finish()
        // Written to the second, which may be the one before it left.
        #expect(then.status == 0, "\(then.errors)")
        let later = after.addingTimeInterval(5).formatted(.iso8601)
        let last = try Command("explain", "shop", "--at", later, "--state", state).finish()
        #expect(last.output.contains("shop goes 100 % to west; it would rather be in east."), "\(last.output)")
        #expect(last.output.contains("The router was told nothing in the "), "\(last.output)")
        #expect(last.output.contains("what led here:"), "\(last.output)")
        let early = before.addingTimeInterval(-3_600).formatted(.iso8601)
        let unknown = try Command("explain", "--at", early, "--state", state).finish()
        #expect(unknown.status == 1)
        #expect(unknown.errors.contains("begins at "), "\(unknown.errors)")
        #expect(
            try Command("explain", "--at", "noon", "--state", state).finish().errors.contains("--at: found \"noon\""))

        let history = try Command("history", "--since", "1h", "--state", state).finish()
        #expect(history.status == 0, "\(history.errors)")
        #expect(history.output.contains("shop: east 100 % → 0 %, west 0 % → 100 %"), "\(history.output)")
        #expect(history.output.contains("shop leaves east: "), "\(history.output)")
        let lines = try Command("history", "--json", "--service", "shop", "--state", state).finish()
        #expect(lines.output == directory.read("state/decisions.jsonl"))
        let none = try Command("history", "--service", "shpo", "--state", state).finish()
        #expect(none.output.contains("No decisions about shpo since "), "\(none.output)")
        #expect(none.output.contains("Did you mean shop?"), "\(none.output)")
        let west = try Command("history", "--region", "west", "--until", early, "--since", "3h", "--state", state)
            .finish()
        #expect(west.output.hasPrefix("No decisions about west since "), "\(west.output)")
    }

    private static func sharesThen(_ json: String) -> [String: Int]? {
        guard let object = try? JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any],
            let services = object["services"] as? [[String: Any]],
            let cells = services.first?["cells"] as? [[String: Any]]
        else { return nil }
        return Dictionary(
            uniqueKeysWithValues: cells.compactMap { cell in
                (cell["region"] as? String).map { ($0, cell["shareThen"] as? Int ?? -1) }
            })
    }

    private static let planned = """
        listeners: { web: { bind: 127.0.0.1:0 } }
        regions: { east: { capacity: 1000 }, west: { capacity: 400 } }
        services:
          checkout: { importance: critical, endpoints: { east: [127.0.0.1:1], west: [127.0.0.1:2] } }
          search: { importance: low, endpoints: { east: [127.0.0.1:3], west: [127.0.0.1:4] } }
        routes: [{ to: checkout }]
        """

    @Test func `what-if of a table says what is shed under a demand, and exits by it`() throws {
        let directory = try TemporaryDirectory()
        let table = try directory.write("tables/table.yaml", Self.planned)
        let demand = try directory.write("demand.yaml", "checkout: 300\nsearch: 200\n")
        let lost = try Command("what-if", table, "--lose", "east", "--demand", demand).finish()
        #expect(lost.status == 1)
        #expect(lost.output.contains("64 % of search, 128 of 200 requests/s, would be shed"), "\(lost.output)")
        #expect(lost.output.contains("More than 0 % of a service would not be served."), "\(lost.output)")
        #expect(lost.output.firstMatch(of: /west +0 +372 +400 +93 %/) != nil, "\(lost.output)")
        let allowed = try Command(
            "what-if", table, "--lose", "east", "--demand", demand, "--max-shed", "64%"
        ).finish()
        #expect(allowed.status == 0, "\(allowed.output)")
        let calm = try Command("what-if", table, "--demand", demand).finish()
        #expect(calm.status == 0)
        #expect(calm.output.contains("Everything would be served."), "\(calm.output)")
        let bare = try Command("what-if", table, "--lose", "east").finish()
        #expect(bare.output.contains("give --demand FILE"), "\(bare.output)")
    }

    @Test(arguments: [
        (
            "chekout: 5",
            ":1:1: unknown service \"chekout\"; expected one of the services of the table; did you mean \"checkout\"?"
        ),
        (
            "checkout: 5\nsearch: many",
            ":2:9: search: found \"many\"; expected requests per second, from 0 to 1000000000, such as 250 or 0.5"
        ),
        ("checkout: -5", ":1:11: checkout: found \"-5\"; expected requests per second"),
        ("- checkout", ":1:1: found a list; expected services with requests per second, such as `checkout: 250`"),
        ("checkout: 1\ncheckout: 2", ":2:1: "),
    ])
    func `mistakes of a demand are told with their place`(text: String, message: String) throws {
        let directory = try TemporaryDirectory()
        let table = try directory.write("tables/table.yaml", Self.planned)
        let demand = try directory.write("demand.yaml", text)
        let result = try Command("what-if", table, "--lose", "east", "--demand", demand).finish()
        #expect(result.status == 1)
        #expect(result.errors.contains(demand + message), "\(result.errors)")
    }

    @Test func `what-if refuses what is not there, or no share`() throws {
        let directory = try TemporaryDirectory()
        let table = try directory.write("table.yaml", Self.planned)
        let region = try Command("what-if", table, "--lose", "eats").finish()
        #expect(region.status == 1)
        #expect(region.errors.contains("no region \"eats\"; there are east, west; did you mean \"east\"?"))
        let share = try Command("what-if", table, "--max-shed", "lots").finish()
        #expect(share.status != 0)
        #expect(share.errors.contains("--max-shed: found \"lots\""), "\(share.errors)")
    }

    @Test(arguments: [
        ("14:05", "2026-01-02T14:05:00.000Z"), ("14:05:30", "2026-01-02T14:05:30.000Z"),
        ("15:00", "2026-01-01T15:00:00.000Z"), ("2026-01-02", "2026-01-02T00:00:00.000Z"),
        ("2026-01-02T14:05:00Z", "2026-01-02T14:05:00.000Z"), ("2026-01-02 14:05", "2026-01-02T14:05:00.000Z"),
        ("2026-01-02T14:05:00.25+02:00", "2026-01-02T12:05:00.250Z"),
        ("2026-01-02T14:05:00-0130", "2026-01-02T15:35:00.000Z"),
    ])
    func `a time is taken as people write it, a time of day as the last that has passed`(text: String, date: String) {
        let now = Date(timeIntervalSince1970: 1_767_364_200)  // 2026-01-02T14:30:00Z
        #expect(MomentText.moment(text, now: now)?.date == date)
    }

    @Test(arguments: [
        "", "noon", "24:00", "14:60", "2026-13-01", "14", "9999-12-31T23:59:59Z", "1500-01-01", "0000-00-00",
        "2026-02-31",
    ])
    func `what is no time is none`(text: String) {
        #expect(MomentText.moment(text, now: .now) == nil)
    }

    @Test(arguments: ["2262-04-11T23:47:16-23:59", "1677-09-22T00:00:00+99:99"])
    func `a time zone that leads beyond all moments ends there`(text: String) throws {
        let moment = try #require(MomentText.moment(text, now: .now))
        #expect(["2262-04-11", "1677-09-21"].contains(moment.date.prefix(10)), "\(moment.date)")
    }

    @Test(arguments: [1e300, -1e300, Double.infinity, -.infinity])
    func `seconds that no moment has are the first or the last`(seconds: Double) {
        let moment = Instant(seconds: seconds)
        #expect(moment.date.hasPrefix(seconds > 0 ? "2262-04-11" : "1677-09-21"))
    }
}
