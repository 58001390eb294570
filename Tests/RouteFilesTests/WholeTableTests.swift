import Foundation
import RouteTable
import Testing

@testable import RouteFiles

/// What is missing from a table as a whole, though each of its values is right.
@Suite("A table that serves nothing")
struct WholeTableTests {
    private static let listeners = "listeners: { web: { bind: 127.0.0.1:80 } }\n"
    private static let rest = "regions: { r: {} }\nservices: { s: { endpoints: { r: [10.0.0.1:80] } } }\n"
    private static let routes = "routes: [ { to: s } ]\n"
    private static let noListeners =
        "no listeners, so that no client could connect; expected at least one under `listeners`"
    private static let noRoutes = "no routes, so that no request could be served; expected at least one under `routes`"
    private static let emptyFile =
        "an empty file; expected a part of the table, or at least a comment; a file that is not needed is to be deleted"

    @Test(
        "is a mistake, told in a sentence",
        arguments: [
            ("", ["t.yaml: \(emptyFile)"]),
            (" \n\n", ["t.yaml: \(emptyFile)"]),
            ("\u{FEFF}\r\n", ["t.yaml: \(emptyFile)"]),
            ("# nothing yet\n", ["t.yaml: \(noListeners)", "t.yaml: \(noRoutes)"]),
            ("---\n", ["t.yaml: \(noListeners)", "t.yaml: \(noRoutes)"]),
            ("{}", ["t.yaml: \(noListeners)", "t.yaml: \(noRoutes)"]),
            (rest + routes, ["t.yaml: \(noListeners)"]),
            ("listeners:\n" + rest + routes, ["t.yaml:1:1: listeners: \(noListeners)"]),
            (listeners + rest, ["t.yaml: \(noRoutes)"]),
            (listeners + rest + "routes: []\n", ["t.yaml:4:1: routes: \(noRoutes)"]),
            // Where something else is wrong, that says why there are none.
            ("listenrs: {}\nroutes: []\n", nil),
            (listeners + rest + routes, []),
            (listeners + "routes: [ { respond: { status: 503 } } ]\n", []),
        ] as [(String, [String]?)])
    func isAMistake(text: String, expected: [String]?) {
        let found = problems(text)
        if let expected { #expect(found == expected) } else { #expect(found.count == 1) }
    }

    @Test("is not what is empty in one file and there in another")
    func looksAtAllFiles() {
        func problems(_ texts: [(name: String, text: String)]) -> [String] {
            guard case .failure(let problems) = reader().read(texts: texts) else { return [] }
            return problems.all.map(\.description)
        }
        let whole = Self.listeners + Self.rest + Self.routes
        #expect(problems([("a.yaml", Self.listeners + Self.rest), ("b.yaml", Self.routes)]) == [])
        #expect(problems([("a.yaml", whole), ("b.yaml", "# later\n")]) == [])
        #expect(problems([("a.yaml", whole), ("b.yaml", "listeners:\nroutes:\n")]) == [])
        #expect(problems([("a.yaml", whole), ("b.yaml", "")]) == ["b.yaml: \(Self.emptyFile)"])
    }

    @Test("is told of its directory", arguments: ["", "# nothing\n"])
    func tellsTheDirectory(text: String) throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("spillway-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        func problems() -> [String] {
            guard case .failure(let problems) = reader().read(path: directory.path) else { return [] }
            return problems.all.map(\.description)
        }
        #expect(
            problems() == ["\(directory.path): no files of a table; expected files named *.yaml, *.yml or *.json"])
        try Data(text.utf8).write(to: directory.appendingPathComponent("t.yaml"))
        #expect(
            problems()
                == (text.isEmpty
                    ? ["\(directory.path)/t.yaml: \(Self.emptyFile)"]
                    : ["\(directory.path): \(Self.noListeners)", "\(directory.path): \(Self.noRoutes)"]))
    }

    @Test("has services without endpoints", arguments: ["{}", ""])
    func wantsEndpoints(endpoints: String) {
        let text =
            Self.listeners + "regions: { r: {} }\nservices:\n  s:\n    endpoints: \(endpoints)\n" + Self.routes
        #expect(
            problems(text) == [
                "t.yaml:5:\(endpoints.isEmpty ? 15 : 16): services.s.endpoints: no endpoints in any region; expected at least one region with endpoints"
            ])
    }
}
