// Fields of HTTP/2, and its frames as they are seen before a session takes them.

/// A field as a session tells it: its name is a token in small letters, perhaps behind a colon, its value has no line end.
struct GivenField: Equatable {
    var name: [UInt8]
    var value: [UInt8]

    var isPseudo: Bool { name.first == UInt8(ascii: ":") }

    func isNamed(_ names: String...) -> Bool { names.contains { name.elementsEqual($0.utf8) } }
}

/// Fields in an input: names and values end with 0, and what no session would tell is left out.
func givenFields(_ input: [UInt8]) -> [GivenField] {
    let parts = input.split(separator: 0, omittingEmptySubsequences: false).map(Array.init)
    var fields: [GivenField] = []
    for i in stride(from: 0, to: parts.count - 1, by: 2) {
        let token = parts[i].first == UInt8(ascii: ":") ? parts[i].dropFirst() : parts[i][...]
        let isName = !token.isEmpty && token.allSatisfy { $0.isTokenByte && $0.lowercased == $0 }
        let isValue = !parts[i + 1].contains { $0 == 0x0a || $0 == 0x0d }
        // Nor does it tell a pseudo-field twice.
        let isRepeated = parts[i].first == UInt8(ascii: ":") && fields.contains { $0.name == parts[i] }
        if isName && isValue && !isRepeated { fields.append(GivenField(name: parts[i], value: parts[i + 1])) }
    }
    return fields
}

/// As a reader understands it: without the blanks around it.
func trimmed(_ value: [UInt8]) -> [UInt8] {
    var value = value[...]
    while value.first?.isBlank == true { value.removeFirst() }
    while value.last?.isBlank == true { value.removeLast() }
    return Array(value)
}

func checkRequestFields(_ input: [UInt8], _ cut: Int) {
    let given = givenFields(input)
    let hasBody = cut % 2 == 1
    var fields = HTTP2RequestFields()
    if cut % 5 == 0 { fields.byteLimit = 100 }
    // What was collected before is forgotten.
    for field in given.reversed() { unsafe fields.add(field.name.span.bytes, field.value.span.bytes) }
    fields.begin()
    for field in given { unsafe fields.add(field.name.span.bytes, field.value.span.bytes) }
    let size = given.reduce(0) { $0 + $1.name.count + $1.value.count + 32 }
    demand(fields.isTooLarge == (size > fields.byteLimit), "the limit counts every field")
    checkTrailers(given) { visit throws(Malformed) in try fields.visitTrailers(visit) }

    var out = WriteBuffer(capacity: 65_536)
    do throws(Malformed) {
        try fields.write(hasBody: hasBody, webSocketKey: (1, 2), into: &out)
    } catch {
        return
    }
    demand(!fields.isTooLarge, "what is too large is not written")
    let sent = written(out)
    var head = RequestHead(fieldLimit: 1_000)
    let reading = read(sent[...], &head, .unlimited)
    guard case .complete = reading else { return demand(reading != .incomplete, "what is written is a whole head") }
    demand(reading == .complete(sent.count), "one head is written, and nothing behind it")

    func last(_ name: String) -> [UInt8]? { given.last { $0.isNamed(name) }?.value }
    let isWebSocket = fields.asksForWebSocket
    if !isWebSocket {
        demand(sent[head.methodRange.bounds].elementsEqual(last(":method") ?? []), "the method is the same")
    }
    if head.targetForm == .origin {
        demand(sent[head.target.bounds].elementsEqual(last(":path") ?? []), "so is the path")
    }
    demand(!head.fields.repeated.contains(.host), "there is one host")
    demand(head.fields.present.contains(.transferEncoding) == head.sendsChunks, "only we say that chunks come")
    if head.sendsChunks { demand(hasBody && !isWebSocket, "chunks are of a body") }
    if head.body == .none { demand(!hasBody || isWebSocket, "a body is framed") }

    let ours: Set<FieldID> = [.host, .cookie, .transferEncoding, .connection, .upgrade]
    func isKey(_ name: some Sequence<UInt8>) -> Bool { name.elementsEqual("sec-websocket-key".utf8) }
    var passedOn: [GivenField] = []
    for i in 0..<head.fieldCount where !ours.contains(head.field(i).id) {
        let field = head.field(i)
        let name = Array(sent[field.name.bounds])
        if isWebSocket, isKey(name) { continue }
        passedOn.append(GivenField(name: name, value: Array(sent[field.value.bounds])))
    }
    let due = given.filter { !$0.isPseudo && !$0.isNamed("host", "cookie") && !(isWebSocket && isKey($0.name)) }
        .map { GivenField(name: $0.name, value: trimmed($0.value)) }
    // Whether a client's own key comes before the request is known to be a WebSocket's is up to the client.
    if !isWebSocket { demand(passedOn == due, "the fields are the same, in their order") }
}

/// Trailers are lines of one field each, and no more of them than were given.
func checkTrailers(_ given: [GivenField], _ visitTrailers: ((RawSpan) -> Void) throws(Malformed) -> Void) {
    var count = 0
    let visit = { (line: RawSpan) in
        count += 1
        demand(line.byteCount >= 4 && line.byte(at: line.byteCount - 1) == .lineFeed, "a trailer is a line")
        for i in 0..<line.byteCount - 1 { demand(line.byte(at: i) != .lineFeed, "and not two") }
        guard case .field(let record)? = try? FieldLine.parse(line, at: 0) else {
            return demand(false, "a trailer is a field")
        }
        demand(record.id == .other && Int(record.lineEnd) == line.byteCount, "none that frames or routes")
    }
    try? visitTrailers(visit)
    demand(count <= given.count, "no trailer comes from nowhere")
}

func checkResponseFields(_ input: [UInt8], _ cut: Int) {
    let given = givenFields(input)
    let method: Method = cut % 3 == 0 ? .head : .get
    var fields = HTTP2ResponseFields()
    for field in given.reversed() { unsafe fields.add(field.name.span.bytes, field.value.span.bytes) }
    fields.begin()
    for field in given { unsafe fields.add(field.name.span.bytes, field.value.span.bytes) }
    checkTrailers(given) { visit throws(Malformed) in try fields.visitTrailers(visit) }

    var out = WriteBuffer(capacity: 65_536)
    do throws(Malformed) {
        try fields.write(isEmpty: cut % 2 == 1, forRequest: method, into: &out)
    } catch {
        return
    }
    let sent = written(out)
    var head = ResponseHead(fieldLimit: 1_000)
    let reading = read(sent[...], &head, method)
    guard case .complete = reading else { return demand(reading != .incomplete, "what is written is a whole head") }
    demand(reading == .complete(sent.count), "one head is written, and nothing behind it")
    let status = given.filter { $0.isNamed(":status") }
    demand(status.count == 1 && String(head.status).utf8.elementsEqual(status[0].value), "the status is the same")
    demand(head.body != .untilClose, "the end of a body is told")
    demand(given.filter { !$0.isPseudo }.count <= head.fieldCount, "no field is lost")
}

/// A frame and where in all of the input its head begins.
struct FoundFrame: Equatable {
    var start: Int
    var frame: HTTP2FrameScanner.Frame
}

func scan(_ input: [UInt8], prefaceBytes: Int, cuts: [Int]) -> [FoundFrame] {
    var scanner = HTTP2FrameScanner(prefaceBytes: prefaceBytes)
    var found: [FoundFrame] = []
    var from = 0
    for cut in cuts + [input.count] {
        let piece = Array(input[from..<cut])
        var offset = 0
        while let (start, frame) = unsafe scanner.next(in: piece.span.bytes, from: &offset) {
            demand(start < offset && offset <= piece.count, "a head lies within the input")
            // One that began in an earlier piece is said to begin with this one.
            found.append(FoundFrame(start: from + offset - 9, frame: frame))
            demand(start == max(offset - 9, 0), "it is said where it begins")
        }
        demand(offset == piece.count, "all is looked at")
        from = cut
    }
    return found
}

func checkFrames(_ input: [UInt8], _ cut: Int) {
    let prefaceBytes = cut % 3 == 0 ? 0 : HTTP2Preface.byteCount
    let whole = scan(input, prefaceBytes: prefaceBytes, cuts: [])
    demand(scan(input, prefaceBytes: prefaceBytes, cuts: [cut]) == whole, "a cut changes nothing")
    demand(
        scan(input, prefaceBytes: prefaceBytes, cuts: Array(0..<min(input.count, 512))) == whole,
        "many cuts change nothing")
    var offset = prefaceBytes
    for found in whole {
        demand(found.start == offset, "frames follow each other")
        let length = Int(input[offset]) << 16 | Int(input[offset + 1]) << 8 | Int(input[offset + 2])
        demand(found.frame.length == length && found.frame.stream >= 0, "a head says what it says")
        demand(
            found.frame.type == input[offset + 3] && found.frame.flags == input[offset + 4], "its type and flags, too")
        offset += 9 + length
    }
    demand(offset + 9 > input.count, "no frame is left out")
}

func checkPreface(_ input: [UInt8], _ cut: Int) {
    let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    for part in [input, Array(input[..<cut]), Array(preface[..<min(cut, preface.count)])] {
        switch unsafe HTTP2Preface.compare(part.span.bytes) {
        case .complete: demand(part.starts(with: preface), "the preface is the preface")
        case .incomplete: demand(part.count < preface.count && preface.starts(with: part), "so is its beginning")
        case .differs: demand(!part.starts(with: preface) && !preface.starts(with: part), "and nothing else")
        }
    }
}
