package import Control
internal import FoundationEssentials
internal import HTTPTypes
internal import Hummingbird
package import Logging
internal import NIOCore
internal import ServiceLifecycle

/// The admin address: metrics, health of the router itself, and its status as JSON.
package struct AdminServer: Service {
    private let control: Control
    private let host: String
    private let port: Int
    private let hosts: AdminHosts
    private let logger: Logger
    /// Told the port that was bound, which matters when port 0 was asked for.
    private let onBound: @Sendable (Int) -> Void

    package init(
        control: Control, host: String, port: Int, hosts: AdminHosts, logger: Logger,
        onBound: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.control = control
        self.host = host
        self.port = port
        self.hosts = hosts
        self.logger = logger
        self.onBound = onBound
    }

    /// Bytes of an order, at most.
    private static let orderLimit = 65_536
    /// So long a connection may be without taking a piece of an answer.
    private static let patience = TimeAmount.seconds(30)

    package func run() async throws {
        let onBound = onBound
        let limit = control.adminConnections
        // Some are left for those that are being closed.
        let places = AdminPlaces(limit: limit - 2, patience: Self.patience)
        let application = Application(
            router: router(),
            server: .http1(
                configuration: .init(additionalChannelHandlers: [AdminPlaceHandler(places: places)])),
            configuration: .init(
                address: .hostname(host, port: port), serverName: "spillway",
                availableConnectionsDelegate: .maximum(limit, logger: logger)),
            onServerRunning: { channel in onBound(channel.localAddress?.port ?? 0) },
            logger: logger)
        try await application.runService(gracefulShutdownSignals: [])
    }

    private func router() -> Router<BasicRequestContext> {
        let router = Router(options: .autoGenerateHeadEndpoints)
        router.add(middleware: AdminGuard(hosts: hosts))
        let control = control
        router.get("/metrics") { request, _ in
            let accepted = AcceptEncoding(request.headers[.acceptEncoding])
            let page = await control.metrics(isCompressed: accepted.prefersGzip)
            var answer = Self.answer(page, "text/plain; version=0.0.4; charset=utf-8")
            answer.headers[.vary] = "accept-encoding"
            return answer
        }
        // Alive: this process answers. Ready: a table is served and the router does not drain.
        router.get("/live") { _, _ in "live\n" }
        router.get("/ready") { _, _ in
            await control.isReady
                ? Response(status: .ok, body: .init(byteBuffer: .init(string: "ready\n")))
                : Response(status: .serviceUnavailable, body: .init(byteBuffer: .init(string: "not ready\n")))
        }
        router.get("/api/v1/status") { _, _ in
            Self.answer(await control.status())
        }
        router.get("/api/v1/explain") { request, _ in
            Self.answer(await control.explain(request.uri.queryParameters.get("name")))
        }
        router.get("/api/v1/what-if") { request, _ in
            var demand: [(service: String, perSecond: Int)] = []
            for text in request.uri.queryParameters.getAll("demand") {
                guard let one = Self.demand(text) else {
                    return Self.answer(.badRequest, "demand is SERVICE:N, N in thousandths of a request per second")
                }
                demand.append(one)
            }
            let lost = request.uri.queryParameters.getAll("lose")
            return Self.answer(await control.whatIf(losing: lost, demand: demand))
        }
        router.post("/api/v1/orders") { request, _ in
            let expectation = "an order is JSON, with content-type application/json; docs/orders.md"
            // A browser that another site sent here asks before it sends JSON, and is not answered.
            guard request.headers[.contentType]?.hasPrefix("application/json") == true else {
                return Self.answer(.badRequest, expectation)
            }
            let body: ByteBuffer
            do {
                body = try await request.body.collect(upTo: Self.orderLimit)
            } catch is NIOTooManyBytesError {
                return Self.answer(
                    .contentTooLarge,
                    "an order has at most \(Self.orderLimit) bytes, and each text of it at most "
                        + "\(OrderRequest.textLimit)")
            }
            guard OrderRequest.hasOnlyKnownKeys(Data(body.readableBytesView)),
                let asked = try? JSONDecoder().decode(OrderRequest.self, from: Data(body.readableBytesView))
            else { return Self.answer(.badRequest, expectation) }
            switch await control.carryOut(asked) {
            case .done: return Self.answer(.ok, "done")
            case .malformed(let problem): return Self.answer(.badRequest, problem)
            case .refused(let reason): return Self.answer(.conflict, reason)
            }
        }
        return router
    }

    /// `checkout:12500`
    private static func demand(_ text: String) -> (service: String, perSecond: Int)? {
        guard let colon = text.lastIndex(of: ":"), let number = Int(text[text.index(after: colon)...]),
            (0...1_000_000_000_000).contains(number)
        else { return nil }
        return (String(text[..<colon]), number)
    }

    private static func answer(_ answer: Control.Answer, _ type: String = "application/json") -> Response {
        switch answer {
        case .page(let page, let isCompressed):
            var answer = Response(
                status: .ok, headers: [.contentType: type], body: .init(byteBuffer: .init(bytes: page)))
            if isCompressed { answer.headers[.contentEncoding] = "gzip" }
            return answer
        case .unknown(let problem): return Self.answer(.notFound, problem)
        case .busy:
            var answer = Self.answer(.serviceUnavailable, "too many others wait for a page; ask again")
            answer.headers[.retryAfter] = "1"
            return answer
        }
    }

    static func answer(_ status: HTTPResponse.Status, _ text: String) -> Response {
        Response(
            status: status, headers: [.contentType: "text/plain; charset=utf-8"],
            body: .init(byteBuffer: .init(string: text + "\n")))
    }
}
