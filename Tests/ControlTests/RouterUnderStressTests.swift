import Backends
import Foundation
import Logging
import ServiceLifecycle
import Store
import Synchronization
import Testing

@testable import Control

/// A whole router in this process, asked by everybody at once; `make sanitize` runs this under the thread sanitizer.
struct RouterUnderStressTests {
    private static func table(_ version: Int, port: UInt16) -> String {
        """
        listeners: { web: { bind: 127.0.0.1:0, access_log: { path: /dev/null } } }
        regions: { east: {}, west: {} }
        services:
          shop: { probe: { http: /, every: 100ms, timeout: 50ms }, endpoints: { east: [127.0.0.1:\(port)], west: [127.0.0.1:\(port)] } }
        \(version.isMultiple(of: 2) ? "" : "  other: { probe: none, endpoints: { west: [127.0.0.1:\(port)] } }")
        routes:
          - { match: { path: /version }, respond: { status: 200, body: "\(version)" } }
          - { to: shop }
        """
    }

    /// Of the test.
    private final class End: Sendable {
        private let isHere = Atomic<Bool>(false)
        var hasCome: Bool { isHere.load(ordering: .relaxed) }
        func come() { isHere.store(true, ordering: .relaxed) }
    }

    @Test func `requests, reloads, scrapes and orders at once disturb nobody`() async throws {
        let files = try Files()
        let backend = try Backend()
        try files.write("table.yaml", Self.table(0, port: backend.port))
        var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .info
        let control = try Control(
            configuration: .init(
                tablePath: files.path("table.yaml"), environment: [:], workers: 2, seed: 1, drain: .seconds(2),
                resolvConf: "/dev/null", version: "test", holder: "a test"),
            store: StateDirectory(path: files.path("state")), logger: logger)
        try await control.start()
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: control, successTerminationBehavior: .gracefullyShutdownGroup)],
                logger: logger))
        let running = Task { try await group.run() }
        let address = try #require(await control.snapshot().status.listeners.first?.address)
        let port = try #require(address.split(separator: ":").last.flatMap { UInt16($0) })
        let end = End()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for path in ["/", "/version"] {
                tasks.addTask {
                    while !end.hasCome {
                        let connection = try RawConnection(port: port)
                        for _ in 0..<20 {
                            connection.send("GET \(path) HTTP/1.1\r\nhost: a.example\r\n\r\n")
                            #expect(connection.readMessage()?.status == 200)
                            await Task.yield()
                        }
                    }
                }
            }
            tasks.addTask {
                while !end.hasCome {
                    for isCompressed in [false, true] {
                        guard case .page(let page, _) = await control.metrics(isCompressed: isCompressed) else {
                            Issue.record("no metrics")
                            return
                        }
                        #expect(page.count > 100)
                    }
                    guard case .page = await control.status(), case .page = await control.explain(nil),
                        case .page = await control.whatIf(losing: ["east"], demand: [])
                    else {
                        Issue.record("no page")
                        return
                    }
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
            tasks.addTask {
                while !end.hasCome {
                    _ = await control.carryOut(OrderRequest(order: "drain", region: "east", seconds: 60))
                    try await Task.sleep(for: .milliseconds(30))
                    _ = await control.carryOut(OrderRequest(order: "undrain", region: "east"))
                    try await Task.sleep(for: .milliseconds(30))
                }
            }
            tasks.addTask {
                defer { end.come() }
                for version in 1...6 {
                    try files.write("table.yaml", Self.table(version, port: backend.port))
                    control.reload()
                    var answer = ""
                    for _ in 0..<1_000 where answer != "\(version)" {
                        try await Task.sleep(for: .milliseconds(10))
                        let connection = try RawConnection(port: port)
                        connection.send("GET /version HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n")
                        answer = connection.readMessage()?.text ?? ""
                    }
                    #expect(answer == "\(version)")
                }
            }
            try await tasks.waitForAll()
        }
        await group.triggerGracefulShutdown()
        try await running.value
    }
}
