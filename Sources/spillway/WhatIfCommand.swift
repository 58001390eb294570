internal import ArgumentParser
internal import Control
internal import Failover
internal import Foundation
internal import RouteFiles
internal import RouteTable

struct WhatIfCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "what-if",
        abstract: "Say what would become of traffic if regions were lost.",
        discussion: """
            With DIR, of a table in which all is well, under the demand of a file; without, of the running router, with the \
            health and demand it sees. It is computed by the plan that decides when it happens. Exit 1 when more than \
            --max-shed of any service would not be served.
            """)

    @Argument(help: ArgumentHelp("A table: a directory of YAML files, or one file.", valueName: "dir"))
    var table: String?

    @Option(help: ArgumentHelp("A region that is lost; can be given several times.", valueName: "region"))
    var lose: [String] = []

    @Option(
        help: ArgumentHelp(
            "Requests per second of services, YAML: `checkout: 250`. Those not named: none, or what the router measures.",
            valueName: "file"))
    var demand: String?

    @Option(help: ArgumentHelp("What may be shed of any service: 5% or 0.5%.", valueName: "percent"))
    var maxShed = "0%"

    @OptionGroup var admin: AdminOption

    @Flag(help: "The outcome as JSON.")
    var json = false

    func run() async throws {
        guard let most = ShareText.tenThousandths(maxShed.hasSuffix("%") ? maxShed : maxShed + "%") else {
            throw ValidationError(
                "--max-shed: found \"\(maxShed)\", expected a percentage such as 5% or 0.5%, 0% to 100%")
        }
        let outcome: WhatIf
        var body: Data?
        if let table {
            outcome = try imagine(table)
        } else {
            (outcome, body) = try await ask()
        }
        let page = WhatIfPage(outcome, maxShed: most)
        if json {
            print((try body.map { String(decoding: $0, as: UTF8.self) } ?? page.json).printable, terminator: "")
        } else {
            print(page.text.printable, terminator: "")
        }
        if page.isTooMuch { throw ExitCode(1) }
    }

    private func imagine(_ path: String) throws -> WhatIf {
        let source = try TableReader(environment: ProcessInfo.processInfo.environment).read(path: path).get()
        let brain = Brain(imagining: source.table)
        let demand = try entries(of: brain.serviceNames)
        return try brain.imagining(demand: demand).whatIf(losing: lose)
    }

    private func ask() async throws -> (WhatIf, Data) {
        let client = admin.client()
        var parts = lose.map { "lose=\(AdminClient.escaped($0))" }
        if demand != nil {
            let status = try await client.get("/api/v1/status", as: RouterStatus.self)
            parts += try entries(of: status.services.map(\.name)).map {
                "demand=\(AdminClient.escaped("\($0.service):\($0.perSecond)"))"
            }
        }
        let body = try await client.get("/api/v1/what-if" + (parts.isEmpty ? "" : "?" + parts.joined(separator: "&")))
        return (try client.read(WhatIf.self, from: body), body)
    }

    private func entries(of services: [String]) throws -> [(service: String, perSecond: Int)] {
        guard let demand else { return [] }
        return try DemandFile.read(path: demand, services: services).get().map { ($0.service, $0.perSecond) }
    }
}

/// What would become of traffic, for a terminal.
struct WhatIfPage {
    let outcome: WhatIf
    let maxShed: Int

    init(_ outcome: WhatIf, maxShed: Int) {
        self.outcome = outcome
        self.maxShed = maxShed
    }

    /// More of some service would not be served than may be.
    var isTooMuch: Bool { outcome.services.contains { $0.unservedThen > maxShed } }

    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(outcome), as: UTF8.self) + "\n"
        }
    }

    var text: String {
        var lines = [outcome.lost.isEmpty ? "As it is:" : "Without \(outcome.lost.joined(separator: ", ")):", ""]
        lines += TextTable.lines(
            [["REGION", "REQ/S NOW", "THEN", "CAPACITY", "USED"]] + outcome.regions.map { row(of: $0) })
        lines.append("")
        lines += TextTable.lines(
            [["SERVICE", "IMPORTANCE", "REGION", "NOW", "THEN", "REQ/S", "CAPACITY"]]
                + outcome.services.flatMap { rows(of: $0) })
        lines.append("")
        if outcome.isFrozen { lines.append("The router is frozen: nothing would move by itself.") }
        if outcome.services.allSatisfy({ $0.demand == 0 }) {
            lines.append("Nothing is asked of any service, so no capacity counts: give --demand FILE.")
        }
        let unserved = outcome.services.filter { $0.unservedThen > 0 }
        lines += unserved.map { sentence(of: $0) }
        if unserved.isEmpty { lines.append("Everything would be served.") }
        let verdict = isTooMuch ? "More than" : "No more than"
        if !unserved.isEmpty { lines.append("\(verdict) \(percent(maxShed)) of a service would not be served.") }
        return lines.joined(separator: "\n") + "\n"
    }

    private func row(of region: WhatIf.Region) -> [String] {
        let used =
            if region.isLost { "lost" } else if let capacity = region.capacity {
                capacity > 0 ? "\(Int((region.loadThen * 100 / capacity).rounded())) %" : ""
            } else { "" }
        return [
            region.name, rate(region.load), rate(region.loadThen), region.capacity.map { rate($0) } ?? "unknown", used,
        ]
    }

    private func rows(of service: WhatIf.Service) -> [[String]] {
        let cells = service.cells.enumerated().map { index, cell in
            [
                index == 0 ? service.name : "",
                index == 0 ? service.importance + (service.isShadow ? ", in shadow" : "") : "", cell.region,
                percent(cell.share), percent(cell.shareThen), rate(cell.loadThen),
                outcome.lost.contains(cell.region) ? "lost" : cell.capacityThen.map { rate($0) } ?? "unknown",
            ]
        }
        guard service.shed > 0 || service.shedThen > 0 else { return cells }
        return cells + [
            [
                "", "", "shed", percent(service.shed), percent(service.shedThen),
                rate(service.demand * Double(service.shedThen) / 10_000), "",
            ]
        ]
    }

    private func sentence(of service: WhatIf.Service) -> String {
        func part(_ share: Int) -> String {
            "\(percent(share)) of \(service.name)"
                + (service.demand > 0
                    ? ", \(rate(service.demand * Double(share) / 10_000)) of \(rate(service.demand)) requests/s," : "")
        }
        var sentences: [String] = []
        if service.shedThen > 0 { sentences.append("\(part(service.shedThen)) would be shed: it fits nowhere.") }
        if service.strandedThen > 0 {
            sentences.append("\(part(service.strandedThen)) would fail: it has nowhere else to go.")
        }
        return sentences.joined(separator: "\n")
    }

    private func rate(_ value: Double) -> String { String(format: value < 10 && value > 0 ? "%.1f" : "%.0f", value) }
}
