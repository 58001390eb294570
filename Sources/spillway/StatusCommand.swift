internal import ArgumentParser
internal import Control
internal import Foundation
#if canImport(FoundationNetworking)
    internal import FoundationNetworking
#endif

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show what a running router does now.")

    @Option(help: ArgumentHelp("The router's admin address.", valueName: "host:port"))
    var admin: String?

    @Flag(help: "The whole status as JSON.")
    var json = false

    func run() async throws {
        let address = admin ?? ProcessInfo.processInfo.environment["SPILLWAY_ADMIN"] ?? Settings.defaultAdmin
        let body = try await AdminClient(address: address).get("/api/v1/status")
        if json {
            print(String(decoding: body, as: UTF8.self), terminator: "")
            return
        }
        let status = try JSONDecoder().decode(RouterStatus.self, from: body)
        print(StatusPage(status).text, terminator: "")
    }
}

/// Asks a running router over its admin address.
struct AdminClient {
    let address: String

    func get(_ path: String) async throws -> Data {
        let (data, status) = try await send(URLRequest(url: try url(path)))
        // Older routers do not know every question.
        let reason = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard status == 200 else {
            throw Failure(reason.isEmpty ? "\(address)\(path) answered \(status)" : reason)
        }
        return data
    }

    /// A name as part of a query.
    static func escaped(_ text: String) -> String {
        let plain = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "-._~"))
        return text.addingPercentEncoding(withAllowedCharacters: plain) ?? text
    }

    /// What is answered; a refusal, with its reason, is thrown.
    func post(_ path: String, _ body: Data) async throws -> String {
        var request = URLRequest(url: try url(path))
        request.httpMethod = "POST"
        request.httpBody = body
        request.setValue("application/json", forHTTPHeaderField: "content-type")
        let (data, status) = try await send(request)
        let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard status == 200 else { throw Failure("refused: \(text)") }
        return text
    }

    private func url(_ path: String) throws -> URL {
        guard let address = HostPort(address) else {
            throw ValidationError("\(self.address) is not an address such as 127.0.0.1:9901")
        }
        let host = address.host.contains(":") ? "[\(address.host)]" : address.host
        guard let url = URL(string: "http://\(host):\(address.port)\(path)") else {
            throw ValidationError("\(self.address)\(path) is no URL")
        }
        return url
    }

    private func send(_ request: URLRequest) async throws -> (Data, Int) {
        do {
            let (data, response) = try await URLSession.shared.data(for: request)
            return (data, (response as? HTTPURLResponse)?.statusCode ?? 0)
        } catch {
            throw Failure("no router answers on \(address): \(error.localizedDescription)")
        }
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
