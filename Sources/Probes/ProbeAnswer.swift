internal import Reactor
internal import RouteTable
internal import Wire

/// What an HTTP probe has received, and what is to be thought of it. Whatever a server sends, it costs time in proportion
/// to its bytes, and memory and bytes within the limits below.
struct ProbeAnswer {
    enum Verdict {
        case undecided
        case passed
        case failed(ProbeFailure)
    }

    /// How much of a body is looked at, bytes.
    static let bodyLimit = 65_536
    /// Of a head, bytes; final or interim.
    static let headLimit = HeadLimits.upstream.headBytes
    /// Of everything, bytes: heads, framing and body.
    static let receivedLimit = 262_144

    private let expected: HTTPProbe
    private let method: Method
    private var receivedCount = 0
    /// What has not been made use of: a head that is not complete, or a part of a body's framing.
    private var rest: [UInt8] = []
    private var head = HeadScan()
    private var interims = InterimAllowance()
    /// What has been read of the body, without its framing; nil before the head has been judged.
    private var body: ProbeBody?

    init(to probe: HTTPProbe) {
        expected = probe
        method = Method(name: probe.method)
    }

    mutating func take(_ bytes: RawSpan) {
        receivedCount += bytes.byteCount
        rest.append(contentsOf: bytes)
    }

    /// - Parameter isWhole: no more will come.
    mutating func verdict(isWhole: Bool, prober: Prober) -> Verdict {
        if body == nil, let verdict = judgeHead(prober) { return verdict }
        guard var body else { return tooMuch }
        self.body = nil
        defer { self.body = body }
        do {
            try body.read(&rest)
        } catch {
            return .failed(.malformed)
        }
        if body.isFound { return .passed }
        return isWhole || body.isComplete ? .failed(.body) : tooMuch
    }

    private var tooMuch: Verdict { receivedCount > Self.receivedLimit ? .failed(.tooLarge) : .undecided }

    /// The verdict, if the head suffices for one.
    private mutating func judgeHead(_ prober: Prober) -> Verdict? {
        while head.isWorthParsing(rest) {
            let progress = rest.withBytes { bytes in
                Result { () throws(Malformed) in
                    try prober.head.parse(bytes, forRequest: method, HeadLimits.upstream)
                }
            }
            switch progress {
            case .failure(.headTooLarge), .failure(.tooManyFields): return .failed(.tooLarge)
            case .failure: return .failed(.malformed)
            case .success(.incomplete): continue
            case .success(.complete(let headBytes)):
                if prober.head.isInterim {
                    guard interims.take(headBytes) else { return .failed(.tooLarge) }
                    rest.removeFirst(headBytes)
                    head = HeadScan()
                    continue
                }
                if let failure = failure(prober) { return .failed(failure) }
                guard let text = expected.expectBody else { return .passed }
                body = ProbeBody(prober.head.body, expecting: text)
                rest.removeFirst(headBytes)
                return nil
            }
        }
        return rest.count > Self.headLimit ? .failed(.tooLarge) : nil
    }

    private func failure(_ prober: Prober) -> ProbeFailure? {
        let status = Int(prober.head.status)
        guard expected.expectStatus.contains(where: { $0.contains(status) }) else { return .status(status) }
        return rest.withBytes { bytes in
            let missing = expected.expectHeaders.first { !prober.head.hasField($0, in: bytes) }
            return missing.map { .header($0.name) }
        }
    }
}

/// When a head that comes in pieces is worth parsing, which begins at its front each time: with the first piece, with the
/// whole first line, so that what is no answer is seen at once, and with its end.
private struct HeadScan {
    private var scanned = 0
    private var hasFirstLine = false
    private var isLineEmpty = false

    mutating func isWorthParsing(_ bytes: [UInt8]) -> Bool {
        let isFirst = scanned == 0 && !bytes.isEmpty
        while scanned < bytes.count {
            let byte = bytes[scanned]
            scanned += 1
            if byte != 0x0a {
                isLineEmpty = isLineEmpty && byte == 0x0d
                continue
            }
            let isEnd = isLineEmpty
            isLineEmpty = true
            if isEnd || !hasFirstLine {
                hasFirstLine = true
                return true
            }
        }
        return isFirst
    }
}

/// Takes a response body out of its framing, and looks for a text in it.
private struct ProbeBody {
    private let wanted: [UInt8]
    private var text: [UInt8] = []
    private(set) var isFound: Bool
    /// No more of it comes, or is looked at.
    private(set) var isComplete = false
    private var framing: Framing

    private enum Framing {
        case plain(remaining: UInt64)
        case chunked(ChunkedDecoder)
    }

    init(_ body: ResponseBody, expecting text: String) {
        wanted = Array(text.utf8)
        isFound = wanted.isEmpty
        switch body {
        case .none: framing = .plain(remaining: 0)
        case .length(let length): framing = .plain(remaining: length)
        case .chunked: framing = .chunked(ChunkedDecoder())
        case .untilClose: framing = .plain(remaining: .max)
        }
    }

    /// Takes what it can use off the front.
    mutating func read(_ received: inout [UInt8]) throws(Malformed) {
        var offset = 0
        defer { received.removeFirst(offset) }
        switch framing {
        case .plain(let remaining):
            offset = Int(min(remaining, UInt64(received.count)))
            take(received[..<offset])
            framing = .plain(remaining: remaining &- UInt64(offset))
            isComplete = isComplete || remaining == UInt64(offset)
        case .chunked(var decoder):
            defer { framing = .chunked(decoder) }
            while !isComplete && !isFound {
                let step = received.withBytes { bytes in
                    Result { () throws(Malformed) in try decoder.next(bytes, from: offset) }
                }
                switch try step.get() {
                case .data(let range, let consumed):
                    take(received[range.bounds])
                    offset = consumed
                case .trailer(_, let consumed): offset = consumed
                case .needMore(let consumed):
                    offset = consumed
                    return
                case .end(let consumed):
                    offset = consumed
                    isComplete = true
                }
            }
        }
    }

    /// Looks only where the text may end in what is new.
    private mutating func take(_ bytes: ArraySlice<UInt8>) {
        var start = max(text.count - wanted.count + 1, 0)
        text += bytes.prefix(ProbeAnswer.bodyLimit - text.count)
        while !isFound && start + wanted.count <= text.count {
            isFound = text[start] == wanted[0] && text[start..<(start + wanted.count)].elementsEqual(wanted)
            start += 1
        }
        if text.count == ProbeAnswer.bodyLimit { isComplete = true }
    }
}

extension ResponseHead {
    /// Whether a field of this name is there, with this value if one is given.
    fileprivate borrowing func hasField(_ expected: HeaderMatch, in bytes: RawSpan) -> Bool {
        let name = Array(expected.name.utf8)
        var index = name.withBytes { nextField(named: $0, from: 0, in: bytes) }
        while let found = index {
            guard let value = expected.value else { return true }
            let range = field(found).value.bounds
            let sent = bytes.extracting(range)
            if unsafe sent.withUnsafeBytes({ unsafe $0.elementsEqual(value.utf8) }) { return true }
            index = name.withBytes { nextField(named: $0, from: found + 1, in: bytes) }
        }
        return false
    }
}
