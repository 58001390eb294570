@testable import Wire

/// What became of a request head, in values that can be compared.
struct ReadRequest: Equatable {
    var method: String
    var target: String
    var path: String
    var query: String
    var authority: String
    var host: String
    var minorVersion: UInt8
    var body: RequestBody
    var isPersistent: Bool
    var expectsContinue: Bool
    var upgrade: String?
    var fields: [String]
    var byteCount: Int
}

struct ReadResponse: Equatable {
    var status: UInt16
    var reason: String
    var body: ResponseBody
    var isPersistent: Bool
    var fields: [String]
    var byteCount: Int
}

/// What a parser says of some bytes.
enum Outcome<Head: Equatable>: Equatable {
    case read(Head)
    case incomplete
    case refused(Malformed)

    var head: Head? {
        if case .read(let head) = self { head } else { nil }
    }

    var reason: Malformed? {
        if case .refused(let reason) = self { reason } else { nil }
    }
}

extension [UInt8] {
    /// The bytes of a text in which every scalar below U+0100 stands for one byte.
    init(latin text: String) {
        self = text.unicodeScalars.map { UInt8($0.value) }
    }

    func text(_ range: ByteRange) -> String {
        String(decoding: self[range.bounds], as: UTF8.self)
    }

    func readRequest(_ limits: HeadLimits = HeadLimits()) -> Outcome<ReadRequest> {
        var head = RequestHead(fieldLimit: 256)
        do throws(Malformed) {
            guard case .complete(let count) = try head.parse(unsafe span.bytes, limits) else { return .incomplete }
            return .read(
                ReadRequest(
                    method: text(head.methodRange), target: text(head.target), path: text(head.path),
                    query: text(head.query), authority: text(head.authority), host: text(head.host),
                    minorVersion: head.minorVersion, body: head.body, isPersistent: head.isPersistent,
                    expectsContinue: head.expectsContinue, upgrade: head.upgrade.map(text),
                    fields: (0..<head.fieldCount).map { text(head.field($0).name) + "=" + text(head.field($0).value) },
                    byteCount: count))
        } catch {
            return .refused(error)
        }
    }

    func readResponse(to method: Method = .get, _ limits: HeadLimits = .upstream) -> Outcome<ReadResponse> {
        var head = ResponseHead(fieldLimit: 128)
        do throws(Malformed) {
            guard case .complete(let count) = try head.parse(unsafe span.bytes, forRequest: method, limits) else {
                return .incomplete
            }
            return .read(
                ReadResponse(
                    status: head.status, reason: text(head.reason), body: head.body, isPersistent: head.isPersistent,
                    fields: (0..<head.fieldCount).map { text(head.field($0).name) + "=" + text(head.field($0).value) },
                    byteCount: count))
        } catch {
            return .refused(error)
        }
    }
}

/// A request's head read from a text, for short tables.
func request(_ text: String) -> Outcome<ReadRequest> { [UInt8](latin: text).readRequest() }

/// A valid request with these field lines behind its Host.
func requestWith(_ fields: String, method: String = "POST", version: String = "1.1") -> Outcome<ReadRequest> {
    request("\(method) / HTTP/\(version)\r\nHost: a.example\r\n\(fields)\r\n")
}

func response(_ text: String, to method: Method = .get) -> Outcome<ReadResponse> {
    [UInt8](latin: text).readResponse(to: method)
}

extension WriteBuffer {
    var text: String {
        withBytes { bytes in
            String(decoding: (0..<bytes.byteCount).map { bytes.byte(at: $0) }, as: UTF8.self)
        }
    }
}

/// A request as it goes to an upstream.
func forwarded(
    _ text: String, client: ClientContext = ClientContext(), rewrite: PathRewrite? = nil,
    edits: CompiledEdits = CompiledEdits(), host: String? = nil, keepsUpgrade: Bool = false
) throws -> String {
    let bytes = [UInt8](latin: text)
    var head = RequestHead(fieldLimit: 128)
    guard case .complete = try head.parse(unsafe bytes.span.bytes, HeadLimits()) else { throw Incomplete() }
    var out = WriteBuffer(capacity: 4_096)
    encodeRequest(
        head, unsafe bytes.span.bytes, client: client, rewrite: rewrite, edits: edits,
        host: host.map { Array("host: \($0)\r\n".utf8) }, keepsUpgrade: keepsUpgrade, into: &out)
    return out.text
}

/// A response as it goes to a client.
func answered(
    _ text: String, to method: Method = .get, minorVersion: UInt8 = 1, keepsAlive: Bool = true,
    edits: CompiledEdits = CompiledEdits()
) throws -> (text: String, framing: AnswerFraming, keepsAlive: Bool) {
    let bytes = [UInt8](latin: text)
    var head = ResponseHead(fieldLimit: 128)
    guard case .complete = try head.parse(unsafe bytes.span.bytes, forRequest: method, .upstream) else {
        throw Incomplete()
    }
    var out = WriteBuffer(capacity: 4_096)
    var keepsAlive = keepsAlive
    let framing = encodeResponse(
        head, unsafe bytes.span.bytes, toMinorVersion: minorVersion, method: method, keepsAlive: &keepsAlive,
        date: HTTPDate(unixSeconds: 784_111_777), edits: edits, into: &out)
    return (out.text, framing, keepsAlive)
}

struct Incomplete: Error {}

/// A client at an IP address.
func client(_ address: String, isTrusted: Bool = false) -> ClientContext {
    var bytes = InlineArray<46, UInt8>(repeating: 0)
    for (i, byte) in address.utf8.enumerated() { bytes[i] = byte }
    return ClientContext(address: bytes, addressCount: address.utf8.count, isTrusted: isTrusted, scheme: .http)
}
