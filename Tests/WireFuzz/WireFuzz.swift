// What holds of every input, whatever its bytes are. libFuzzer looks for one of which it does not.
//
// The first byte says what is fed: a request head, a response head, a chunked body, a ClientHello, a PROXY header, fields or
// frames of HTTP/2, a gRPC trailer or an answer to a health check; the second, where it is cut.

/// Stops the fuzzer, which keeps the input.
func demand(_ holds: Bool, _ law: String) {
    if !holds { fatalError("does not hold: \(law)") }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count >= 2 else { return 0 }
    let input = unsafe [UInt8](UnsafeBufferPointer(start: start + 2, count: count - 2))
    let cut = input.isEmpty ? 0 : Int(unsafe start[1]) % (input.count + 1)
    switch unsafe start[0] % 12 {
    case 0: checkRequest(input, cut)
    case 1: checkResponse(input, cut, .get)
    case 2: checkResponse(input, cut, .head)
    case 3: checkChunks(input, cut)
    case 4: checkHello(input, cut)
    case 5: checkProxyHeader(input, cut)
    case 6: checkRequestFields(input, cut)
    case 7: checkResponseFields(input, cut)
    case 8: checkFrames(input, cut)
    case 9: checkPreface(input, cut)
    case 10: checkGRPC(input, cut)
    default: checkHealth(input, cut)
    }
    return 0
}

enum Reading: Equatable {
    case complete(Int)
    case incomplete
    case refused(Malformed)
}

func read(
    _ bytes: ArraySlice<UInt8>, _ head: inout RequestHead, _ limits: HeadLimits = HeadLimits()
) -> Reading {
    do throws(Malformed) {
        switch try head.parse(unsafe bytes.span.bytes, limits) {
        case .complete(let count): return .complete(count)
        case .incomplete: return .incomplete
        }
    } catch {
        return .refused(error)
    }
}

func read(_ bytes: ArraySlice<UInt8>, _ head: inout ResponseHead, _ method: Method) -> Reading {
    do throws(Malformed) {
        switch try head.parse(unsafe bytes.span.bytes, forRequest: method, .upstream) {
        case .complete(let count): return .complete(count)
        case .incomplete: return .incomplete
        }
    } catch {
        return .refused(error)
    }
}

func written(_ out: borrowing WriteBuffer) -> [UInt8] {
    out.withBytes { bytes in (0..<bytes.byteCount).map { bytes.byte(at: $0) } }
}

/// A part must not say other than the whole: no head out of part of one, no refusal that the rest would take back.
func checkPart(_ part: Reading, _ whole: Reading) {
    switch (part, whole) {
    case (.incomplete, _): break
    case (.complete, _), (.refused, _): demand(part == whole, "a part says what the whole says")
    }
}

func checkRequest(_ input: [UInt8], _ cut: Int) {
    var head = RequestHead(fieldLimit: 100)
    let whole = read(input[...], &head)
    checkPart(read(input[..<cut], &head), whole)
    guard case .complete(let count) = whole else { return }
    _ = read(input[...], &head)
    demand(count <= input.count, "a head lies within its bytes")
    unsafe checkCall(head, input.span.bytes)
    guard head.method != .connect, head.maxForwards(unsafe input.span.bytes) != 0 else { return }

    var out = WriteBuffer(capacity: 65_536)
    encodeRequest(
        head, unsafe input.span.bytes, client: ClientContext(), edits: CompiledEdits(set: [("x-edit", "1")]), into: &out
    )
    let sent = written(out)
    var again = RequestHead(fieldLimit: 128)
    // HTTP/1.0 clients may have left out their Host; an empty one is written.
    // It may have more fields than a client is allowed: ours are among them.
    let second = read(sent[...], &again, .unlimited)
    demand(second == .complete(sent.count), "what is sent on is one whole request: \(second)")
    demand(again.body == head.body, "the framing is the same")
    demand(sent[again.methodRange.bounds] == input[head.methodRange.bounds], "the method is the same")
    demand(again.minorVersion == 1 && !again.fields.repeated.contains(.host), "it is HTTP/1.1 with one host")
    demand(sent[again.authority.bounds] == input[head.authority.bounds], "the authority is the same")
    if head.targetForm != .absolute {
        demand(sent[again.target.bounds] == input[head.target.bounds], "the target is the same")
    }
    demand(again.fields.present.isDisjoint(with: .hopByHop.subtracting(.transferEncoding)), "nothing is hop-by-hop")
}

func checkResponse(_ input: [UInt8], _ cut: Int, _ method: Method) {
    var head = ResponseHead(fieldLimit: 100)
    let whole = read(input[...], &head, method)
    checkPart(read(input[..<cut], &head, method), whole)
    guard case .complete(let count) = whole else { return }
    _ = read(input[...], &head, method)
    demand(count <= input.count, "a head lies within its bytes")
    var out = WriteBuffer(capacity: 131_072)
    var again = ResponseHead(fieldLimit: 128)
    if head.isInterim {
        guard encodeInterim(head, unsafe input.span.bytes, into: &out) else { return }
        let sent = written(out)
        demand(read(sent[...], &again, method) == .complete(sent.count), "an interim response stays one")
        return
    }
    for minorVersion: UInt8 in [0, 1] {
        out.clear()
        var keepsAlive = true
        let framing = encodeResponse(
            head, unsafe input.span.bytes, toMinorVersion: minorVersion, method: method, keepsAlive: &keepsAlive,
            date: HTTPDate(unixSeconds: 0), edits: CompiledEdits(remove: ["x-gone"]), into: &out)
        let sent = written(out)
        let second = read(sent[...], &again, method)
        demand(second == .complete(sent.count), "what is sent on is one whole head: \(second)")
        demand(again.status == head.status, "the status is the same")
        switch framing {
        case .none: demand(again.body == .none, "no body stays none")
        case .length: demand(again.body == head.body, "the length is the same")
        case .chunked: demand(again.body == .chunked && minorVersion == 1, "chunks are said to be chunks")
        case .untilClose: demand(again.body == .untilClose && !keepsAlive, "the close is said to be the end")
        }
    }
}

extension FieldSet {
    func subtracting(_ id: FieldID) -> FieldSet {
        var set = self
        set.bits &= ~id.bit
        return set
    }
}

struct Decoded: Equatable {
    var data: [UInt8] = []
    var trailers: [UInt8] = []
    var end: Int?
    var refusal: Malformed?
}

func decode(_ input: [UInt8], cuts: [Int]) -> Decoded {
    var decoder = ChunkedDecoder()
    var decoded = Decoded()
    var kept: [UInt8] = []
    var start = 0
    for cut in cuts + [input.count] {
        kept += input[start..<cut]
        start = cut
        var offset = 0
        feeding: while true {
            do throws(Malformed) {
                switch try decoder.next(unsafe kept.span.bytes, from: offset) {
                case .data(let range, let next):
                    demand(next > offset && Int(range.end) <= kept.count, "data is within the input")
                    decoded.data += kept[range.bounds]
                    offset = next
                case .trailer(let range, let next):
                    demand(next > offset && Int(range.end) <= kept.count, "a trailer is within the input")
                    decoded.trailers += kept[range.bounds]
                    offset = next
                case .needMore(let next):
                    demand(next >= offset && next <= kept.count, "the decoder goes forward")
                    kept.removeFirst(next)
                    break feeding
                case .end(let next):
                    decoded.end = start - (kept.count - next)
                    return decoded
                }
            } catch {
                decoded.refusal = error
                return decoded
            }
        }
    }
    return decoded
}

func checkChunks(_ input: [UInt8], _ cut: Int) {
    let whole = decode(input, cuts: [])
    demand(decode(input, cuts: [cut]) == whole, "a cut changes nothing")
    demand(decode(input, cuts: Array(0..<min(input.count, 512))) == whole, "many cuts change nothing")
}

enum Hello: Equatable {
    case complete(bytes: Int, name: [UInt8], protocols: [[UInt8]])
    case incomplete
    case refused(HelloMalformed)
}

func readHello(_ input: [UInt8], _ hello: inout ClientHello) -> Hello {
    do throws(HelloMalformed) {
        guard case .complete(let count) = try hello.read(unsafe input.span.bytes) else { return .incomplete }
        var protocols: [[UInt8]] = []
        _ = hello.offers { bytes in
            protocols.append((0..<bytes.byteCount).map { bytes.byte(at: $0) })
            return false
        }
        let name = hello.withServerName { bytes in (0..<bytes.byteCount).map { bytes.byte(at: $0) } }
        return .complete(bytes: count, name: name, protocols: protocols)
    } catch {
        return .refused(error)
    }
}

func checkHello(_ input: [UInt8], _ cut: Int) {
    var hello = ClientHello()
    let whole = readHello(input, &hello)
    let part = readHello(Array(input[..<cut]), &hello)
    demand(part == .incomplete || part == whole, "a part says what the whole says")
    guard case .complete(let count, let name, _) = whole else { return }
    demand(count <= input.count && name.count <= 254, "a hello lies within its bytes")
    demand(readHello(Array(input[..<count]), &hello) == whole, "what follows it changes nothing")
    let again = cutIntoRecords(handshakeBytes(input[..<count]), of: 1 + cut % 300)
    switch readHello(again, &hello) {
    case .complete(let bytes, let otherName, let otherProtocols):
        demand(
            .complete(bytes: count, name: otherName, protocols: otherProtocols) == whole && bytes == again.count,
            "records may cut it anywhere")
    case .refused(.helloTooLarge): demand(again.count > ClientHello.bytesLimit, "too large is what is over the limit")
    case .incomplete, .refused: demand(false, "records may cut it anywhere")
    }
}

/// What is in whole TLS records.
func handshakeBytes(_ records: ArraySlice<UInt8>) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = records
    while rest.count >= 5 {
        let length = Int(rest[rest.startIndex + 3]) << 8 | Int(rest[rest.startIndex + 4])
        bytes += rest.dropFirst(5).prefix(length)
        rest = rest.dropFirst(5 + length)
    }
    return bytes
}

func cutIntoRecords(_ bytes: [UInt8], of size: Int) -> [UInt8] {
    var records: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: size) {
        let part = bytes[start..<min(start + size, bytes.count)]
        records += [22, 3, 1, UInt8(part.count >> 8), UInt8(part.count & 0xff)] + part
    }
    return records
}

func checkProxyHeader(_ input: [UInt8], _ cut: Int) {
    func parse(_ bytes: ArraySlice<UInt8>) -> Result<ProxyHeader.Progress, ProxyHeaderMalformed> {
        do throws(ProxyHeaderMalformed) {
            return .success(try ProxyHeader.parse(unsafe bytes.span.bytes))
        } catch {
            return .failure(error)
        }
    }
    let whole = parse(input[...])
    let part = parse(input[..<cut])
    demand(part == .success(.incomplete) || part == whole, "a part says what the whole says")
    guard case .success(.complete(let header, let count)) = whole else { return }
    demand(count <= input.count && count <= ProxyHeader.bytesLimit, "a header lies within its bytes")
    for version in ProxyHeader.Version.allCases {
        var out = WriteBuffer(capacity: 512)
        header.encode(version, into: &out)
        let sent = written(out)
        demand(
            parse(sent[...]) == .success(.complete(header, headerBytes: sent.count)), "what is written is what was read"
        )
    }
}
