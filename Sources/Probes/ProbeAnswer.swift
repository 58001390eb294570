internal import Reactor
internal import RouteTable
internal import Wire

/// What an HTTP probe has received, and what is to be thought of it.
struct ProbeAnswer {
    enum Verdict {
        case undecided
        case passed
        case failed(ProbeFailure)
    }

    /// How much of a body is looked at.
    private static let bodyLimit = 65_536
    /// Of everything: head, framing and body.
    private static let receivedLimit = 262_144

    private let expected: HTTPProbe
    private let method: Method
    private var received: [UInt8] = []
    /// Where in `received` the final head begins.
    private var headStart = 0
    private var interims = InterimAllowance()
    /// What has been read of the body, without its framing; nil before the head has been judged.
    private var body: BodyReader?

    init(to probe: HTTPProbe) {
        expected = probe
        method = Method(name: probe.method)
    }

    mutating func take(_ bytes: RawSpan) {
        received.append(contentsOf: bytes)
    }

    /// - Parameter isWhole: no more will come.
    mutating func verdict(isWhole: Bool, prober: Prober) -> Verdict {
        if body == nil, let verdict = judgeHead(prober) { return verdict }
        guard body != nil, let text = expected.expectBody else { return tooMuch }
        do {
            try body?.read(received, upTo: Self.bodyLimit)
        } catch {
            return .failed(.malformed)
        }
        guard let body else { return tooMuch }
        if body.text.contains(Array(text.utf8)) { return .passed }
        return isWhole || body.isComplete || body.text.count >= Self.bodyLimit ? .failed(.body) : tooMuch
    }

    private var tooMuch: Verdict { received.count > Self.receivedLimit ? .failed(.malformed) : .undecided }

    /// The verdict, if the head suffices for one.
    private mutating func judgeHead(_ prober: Prober) -> Verdict? {
        while true {
            let progress: HeadProgress?
            progress = received.withBytes { bytes in
                try? prober.head.parse(
                    bytes.extracting(headStart..<bytes.byteCount), forRequest: method, HeadLimits.upstream)
            }
            switch progress {
            case nil: return .failed(.malformed)
            case .incomplete: return .undecided
            case .complete(let headBytes):
                if prober.head.isInterim {
                    guard interims.take(headBytes) else { return .failed(.malformed) }
                    headStart += headBytes
                    continue
                }
                if let failure = failure(prober) { return .failed(failure) }
                if expected.expectBody == nil { return .passed }
                body = BodyReader(prober.head.body, from: headStart + headBytes)
                return nil
            }
        }
    }

    private func failure(_ prober: Prober) -> ProbeFailure? {
        let status = Int(prober.head.status)
        guard expected.expectStatus.contains(where: { $0.contains(status) }) else { return .status(status) }
        return received.withBytes { bytes in
            let head = bytes.extracting(headStart..<bytes.byteCount)
            let missing = expected.expectHeaders.first { !prober.head.hasField($0, in: head) }
            return missing.map { .header($0.name) }
        }
    }
}

/// Takes a response body out of its framing.
private struct BodyReader {
    private var offset: Int
    private var framing: Framing
    private(set) var text: [UInt8] = []
    private(set) var isComplete = false

    private enum Framing {
        case plain(remaining: UInt64)
        case chunked(ChunkedDecoder)
    }

    init(_ body: ResponseBody, from offset: Int) {
        self.offset = offset
        switch body {
        case .none: framing = .plain(remaining: 0)
        case .length(let length): framing = .plain(remaining: length)
        case .chunked: framing = .chunked(ChunkedDecoder())
        case .untilClose: framing = .plain(remaining: .max)
        }
    }

    mutating func read(_ received: [UInt8], upTo limit: Int) throws(Malformed) {
        switch framing {
        case .plain(let remaining):
            let count = Int(min(remaining, UInt64(received.count - offset)))
            text.append(contentsOf: received[offset..<(offset + count)])
            offset += count
            framing = .plain(remaining: remaining - UInt64(count))
            isComplete = remaining == UInt64(count)
        case .chunked(var decoder):
            while text.count < limit && !isComplete {
                let step = received.withBytes { bytes in
                    Result { () throws(Malformed) in try decoder.next(bytes, from: offset) }
                }
                switch try step.get() {
                case .data(let range, let consumed):
                    text.append(contentsOf: received[range.bounds])
                    offset = consumed
                case .trailer(_, let consumed): offset = consumed
                case .needMore(let consumed):
                    offset = consumed
                    framing = .chunked(decoder)
                    return
                case .end(let consumed):
                    offset = consumed
                    isComplete = true
                }
            }
            framing = .chunked(decoder)
        }
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

extension [UInt8] {
    fileprivate func contains(_ text: [UInt8]) -> Bool {
        guard let first = text.first else { return true }
        guard count >= text.count else { return false }
        for start in 0...(count - text.count) where self[start] == first {
            if self[start..<(start + text.count)].elementsEqual(text) { return true }
        }
        return false
    }
}
