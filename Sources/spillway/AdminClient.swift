internal import ArgumentParser
internal import FoundationEssentials
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Reactor

/// Asks a running router over its admin address: a connection for each question, in the clear.
struct AdminClient {
    let address: String
    /// How long a connection may take to open, and how long the router may say nothing before its answer is whole.
    var patience = Duration.seconds(10)
    /// How long a question may take in all.
    var longest = Duration.seconds(60)
    /// Bytes of an answer's body; more is refused. The status of 100,000 endpoints has some 30 MB.
    var answerLimit = 256 * 1_024 * 1_024

    /// Bytes of a path with its query; the router's own reader of heads takes no more than 80 KiB.
    private static let questionLimit = 65_536

    func get(_ path: String) async throws -> Data {
        let (status, body) = try await ask(.GET, path)
        // Older routers do not know every question.
        guard status == 200 else {
            throw Failure(body.sentence.isEmpty ? "\(address)\(path) answered \(status)" : body.sentence)
        }
        return Data(body.readableBytesView)
    }

    func get<Answer: Decodable>(_ path: String, as type: Answer.Type) async throws -> Answer {
        try read(type, from: try await get(path))
    }

    func read<Answer: Decodable>(_ type: Answer.Type, from body: Data) throws -> Answer {
        do {
            return try JSONDecoder().decode(type, from: body)
        } catch {
            throw Failure("the answer of \(address) cannot be read; it may be a Spillway of another version")
        }
    }

    /// What is answered; a refusal, with its reason, is thrown.
    func post(_ path: String, _ body: Data) async throws -> String {
        let (status, answer) = try await ask(.POST, path, ByteBuffer(bytes: body))
        guard status == 200 else { throw Failure("refused: \(answer.sentence)") }
        return answer.sentence
    }

    /// A name as part of a query: all but RFC 3986's unreserved characters are encoded.
    static func escaped(_ text: String) -> String {
        text.utf8.reduce(into: "") { escaped, byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            default: escaped += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
            }
        }
    }

    private func ask(
        _ method: HTTPMethod, _ path: String, _ body: ByteBuffer? = nil
    ) async throws -> (status: UInt, body: ByteBuffer) {
        guard let place = HostPort(address) else {
            throw ValidationError("\(address) is not an address such as 127.0.0.1:9901")
        }
        guard path.utf8.count <= Self.questionLimit else {
            throw Failure("the question has \(path.utf8.count) bytes, and a router reads at most \(Self.questionLimit)")
        }
        var head = HTTPRequestHead(version: .http1_1, method: method, uri: path)
        head.headers.add(name: "host", value: address)
        head.headers.add(name: "connection", value: "close")
        head.headers.add(name: "user-agent", value: "spillway/\(Version.current)")
        if let body {
            head.headers.add(name: "content-type", value: "application/json")
            head.headers.add(name: "content-length", value: "\(body.readableBytes)")
        }
        do {
            let answer = try await exchange(AdminQuestion(head: head, body: body), with: place)
            // Whatever else answers 200 would be taken for a router that has obeyed.
            guard answer.head.headers.first(name: "server") == "spillway" else { throw AdminExchange.Problem.stranger }
            return (answer.head.status.code, answer.body ?? ByteBuffer())
        } catch {
            throw Failure("no router answers on \(address): \(reason(error))")
        }
    }

    private func exchange(
        _ question: AdminQuestion, with place: HostPort
    ) async throws -> NIOHTTPClientResponseFull {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let answer = loop.makePromise(of: NIOHTTPClientResponseFull.self)
        let (patience, longest, answerLimit) = (TimeAmount(patience), TimeAmount(longest), answerLimit)
        let bootstrap = ClientBootstrap(group: loop).connectTimeout(patience).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let pipeline = channel.pipeline.syncOperations
                try pipeline.addHandler(IdleStateHandler(readTimeout: patience))
                try pipeline.addHTTPClientHandlers()
                try pipeline.addHandler(NIOHTTPClientResponseAggregator(maxContentLength: answerLimit))
                try pipeline.addHandler(AdminExchange(question, answer, within: longest))
            }
        }
        do {
            if let address = try? SocketAddress(ipAddress: place.host, port: place.port) {
                _ = try await bootstrap.connect(to: address).get()
            } else {
                _ = try await bootstrap.connect(host: place.host, port: place.port).get()
            }
        } catch {
            answer.fail(error)
        }
        return try await answer.futureResult.get()
    }

    /// What went wrong, for people.
    private func reason(_ error: any Error) -> String {
        let seconds = seconds(patience)
        switch error {
        case AdminExchange.Problem.silence: return "what listens there has said nothing for \(seconds)"
        case AdminExchange.Problem.endless: return "its answer has not ended within \(self.seconds(longest))"
        case AdminExchange.Problem.stranger: return "what answers there is not Spillway"
        case AdminExchange.Problem.end, HTTPParserError.invalidEOFState:
            return "the connection ended before the answer did"
        case ChannelError.connectTimeout: return "no connection within \(seconds)"
        case let error as IOError: return "\(SystemError(code: error.errnoCode))"
        case let error as NIOConnectionError:
            if let first = error.connectionErrors.first { return reason(first.error) }
            return "\(error.host) has no address"
        case is HTTPParserError: return "what answers there does not speak HTTP/1.1"
        case is NIOHTTPObjectAggregatorError: return "its answer is larger than \(answerLimit) bytes"
        default: return "\(error)"
        }
    }

    private func seconds(_ time: Duration) -> String {
        let milliseconds = TimeAmount(time).nanoseconds / 1_000_000
        return milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000) s" : "\(milliseconds) ms"
    }
}

/// What is asked of a router.
private struct AdminQuestion {
    var head: HTTPRequestHead
    var body: ByteBuffer?
}

/// A connection's one question, and its answer.
private final class AdminExchange: ChannelInboundHandler {
    typealias InboundIn = NIOHTTPClientResponseFull
    typealias OutboundOut = HTTPClientRequestPart

    enum Problem: Error {
        case silence, endless, end, stranger
    }

    private let question: AdminQuestion
    private let answer: EventLoopPromise<NIOHTTPClientResponseFull>
    private let longest: TimeAmount
    private var end: Scheduled<Void>?

    init(
        _ question: AdminQuestion, _ answer: EventLoopPromise<NIOHTTPClientResponseFull>, within longest: TimeAmount
    ) {
        self.question = question
        self.answer = answer
        self.longest = longest
    }

    func channelActive(context: ChannelHandlerContext) {
        end = context.eventLoop.assumeIsolated().scheduleTask(in: longest) { self.fail(Problem.endless, context) }
        context.write(wrapOutboundOut(.head(question.head)), promise: nil)
        if let body = question.body { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        answer.succeed(unwrapInboundIn(data))
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is IdleStateHandler.IdleStateEvent else { return context.fireUserInboundEventTriggered(event) }
        fail(Problem.silence, context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(error, context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end?.cancel()
        // Has no effect behind an answer.
        answer.fail(Problem.end)
    }

    private func fail(_ error: any Error, _ context: ChannelHandlerContext) {
        answer.fail(error)
        context.close(promise: nil)
    }
}

extension ByteBuffer {
    /// All of it as printable text, without blanks around it.
    fileprivate var sentence: String {
        let blanks = UInt8(ascii: " ")
        let bytes = readableBytesView.drop { $0 <= blanks }
        let end = bytes.lastIndex { $0 > blanks }.map { $0 + 1 } ?? bytes.startIndex
        return String(decoding: bytes[..<end], as: UTF8.self).printable
    }
}
