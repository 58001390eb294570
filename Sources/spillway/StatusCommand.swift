internal import ArgumentParser
internal import Control
internal import Foundation

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show what a running router does now.")

    @OptionGroup var admin: AdminOption

    @Flag(help: "The whole status as JSON.")
    var json = false

    func run() async throws {
        let client = admin.client()
        if json {
            let body = try await client.get("/api/v1/status")
            print(String(decoding: body, as: UTF8.self).printable, terminator: "")
            return
        }
        let status = try await client.get("/api/v1/status", as: RouterStatus.self)
        print(StatusPage(status).text.printable, terminator: "")
    }
}

/// A router's status, for a terminal.
struct StatusPage {
    let status: RouterStatus

    init(_ status: RouterStatus) {
        self.status = status
    }

    var text: String {
        var lines: [String] = []
        lines.append(
            "spillway \(status.version), up \(duration(status.uptimeSeconds)), \(status.workers) workers, "
                + "table \(status.generation)")
        if status.servesLastGoodTable { lines.append("SERVING THE LAST GOOD TABLE: the given one has mistakes") }
        if let refused = status.refusedReload {
            lines.append("last reload refused: \(refused.prefix(while: { $0 != "\n" }))")
        }
        for listener in status.listeners {
            lines.append(
                "listener \(listener.name) on \(listener.address): \(rate(listener.requestsPerSecond)) requests/s, "
                    + "\(listener.openConnections) connections")
        }
        if status.holds { lines.append("NOTHING ANYWHERE ANSWERS: what was decided last is held") }
        for order in status.overrides {
            lines.append("ordered: \(order.kind) of \(order.subject) until \(order.until): \(order.why)")
        }
        lines.append("")
        lines += TextTable.lines(
            [["REGION", "STATE", "REQ/S", "CAPACITY", ""]]
                + status.regions.map {
                    [
                        $0.name, $0.state, rate($0.requestsPerSecond), $0.capacity.map { "\($0)" } ?? "unknown",
                        $0.reason,
                    ]
                })
        lines.append("")
        lines += TextTable.lines(
            [["SERVICE", "REGION", "SHARE", "USABLE", "STATE", "REQ/S", "FAIL/S", "ENDPOINTS"]]
                + status.services.flatMap { service in
                    service.cells.enumerated().map { index, cell in
                        let usable = cell.endpoints.filter { $0.state == "healthy" }.count
                        return [
                            index == 0 ? service.name : "", cell.region, percent(cell.share), percent(cell.usable),
                            cell.state, rate(cell.requestsPerSecond), rate(cell.failuresPerSecond),
                            "\(usable)/\(cell.endpoints.count)",
                        ]
                    } + (service.shed > 0 ? [["", "shed", percent(service.shed), "", "", "", "", ""]] : [])
                })
        let troubled = status.services.flatMap { service in
            service.cells.flatMap { cell in
                cell.endpoints.filter { $0.state != "healthy" }.map { (service.name, cell.region, $0) }
            }
        }
        if !troubled.isEmpty {
            lines.append("")
            for (service, region, endpoint) in troubled {
                lines.append("\(service) in \(region): \(endpoint.address) is \(endpoint.state): \(endpoint.reason)")
            }
        }
        if !status.decisions.isEmpty {
            lines.append("")
            lines.append("latest decisions:")
            lines += status.decisions.prefix(10).map { "  \($0.time)  \($0.text)" }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func percent(_ tenThousandths: Int) -> String {
        tenThousandths % 100 == 0
            ? "\(tenThousandths / 100) %" : String(format: "%.2f %%", Double(tenThousandths) / 100)
    }

    private func rate(_ value: Double) -> String {
        String(format: value < 10 ? "%.1f" : "%.0f", value)
    }

    private func duration(_ seconds: Int) -> String {
        switch seconds {
        case ..<120: "\(seconds) s"
        case ..<7_200: "\(seconds / 60) min"
        default: "\(seconds / 3_600) h"
        }
    }
}
