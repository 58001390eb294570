import Backends
import Foundation
import Testing

/// `spillway simulate`, as a person uses it.
struct SimulateCommandTests {
    private static let scenario = """
        about: the first region hangs
        table:
          regions: { east: {}, west: {} }
          services:
            shop: { endpoints: { east: [10.0.0.1:80], west: [10.0.0.2:80] } }
        length: 20s
        load: { shop: { rate: 40 } }
        timeline:
          - { at: 10s, what: hangs, region: east }
        expect:
          - { share: east, at_most: 0%, from: 12s }
        """

    @Test func `a scenario that is kept exits with 0, and tells its story`() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("hang.yaml", Self.scenario)
        let command = try Command("simulate", file).finish()
        #expect(command.status == 0, "\(command.output)\(command.errors)")
        #expect(command.output.contains("! east hangs"))
        #expect(command.output.contains("shop: east 100 % → 0 %, west 0 % → 100 %"))
        #expect(
            command.output.contains(
                "kept    east's share of each service, from 12.0 s to 20.0 s: at most 0 %; found 0 %"))
    }

    @Test func `another table is tried in place of the scenario's, and what it breaks exits with 1`() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("hang.yaml", Self.scenario)
        let table = try directory.write(
            "table.yaml",
            """
            regions: { east: {}, west: {} }
            services:
              shop: { mode: shadow, endpoints: { east: [10.0.0.1:80], west: [10.0.0.2:80] } }
            """)
        let command = try Command("simulate", file, "--table", table, "--quiet", "--seed", "7").finish()
        #expect(command.status == 1)
        #expect(command.output.contains("hang, seed 7, 20s: BROKEN"), "\(command.output)\(command.errors)")
    }

    @Test func `a mistake is named as those of tables are`() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("hang.yaml", Self.scenario.replacing("hangs", with: "hnags"))
        let command = try Command("simulate", file).finish()
        #expect(command.status == 1)
        #expect(command.errors.contains("\(file):9:22: timeline[0].what: found \"hnags\""), "\(command.errors)")
        #expect(command.errors.contains("did you mean \"hangs\"?"))
    }
}
