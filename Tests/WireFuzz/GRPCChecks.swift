// What gRPC adds to messages, and the calls by which endpoints are asked for their health.

/// What a message that was parsed says of a call.
func checkCall(_ head: borrowing RequestHead, _ bytes: RawSpan) {
    if head.isGRPC(bytes) { demand(head.method == .post, "a call is a POST") }
    if let timeout = head.grpcTimeout(bytes) {
        demand(timeout >= 0 && timeout <= 99_999_999 * 60_000_000_000, "a deadline is within reach")
    }
}

func checkGRPC(_ input: [UInt8], _ cut: Int) {
    // Any line of a trailer section.
    let line = unsafe input.span.bytes
    if GRPCStatus(trailerLine: line) != nil {
        demand(line.isToken(0..<11, "grpc-status"), "a status is told by its field")
        demand(input.contains(.lineFeed), "and a whole line")
    }
    // Whatever the status, an answer of our own says one that is understood.
    let status = 200 + cut % 400
    var out = WriteBuffer(capacity: 1_024)
    encodeGRPCError(
        status: status, token: "token", sentence: "Sentence.", date: HTTPDate(unixSeconds: 0), into: &out)
    let sent = written(out)
    var head = ResponseHead(fieldLimit: 100)
    demand(read(sent[...], &head, .post) == .complete(sent.count), "an answer of our own is one head")
    demand(unsafe head.grpcStatus(sent.span.bytes) == GRPCStatus(httpStatus: status), "its status is read as written")
    for status in GRPCStatus.allCases {
        out.clear()
        out.append(grpcStatus: status, token: "token", sentence: "Sentence.")
        let line = written(out)
        demand(unsafe GRPCStatus(trailerLine: line.span.bytes) == status, "so is any status in a trailer")
    }
}

struct Health: Equatable {
    var verdict: HealthCheckExchange.Verdict
    var replies: [UInt8]
}

func takeHealth(_ input: [UInt8], cuts: [Int]) -> Health {
    var exchange = HealthCheckExchange()
    var replies: [UInt8] = []
    var from = 0
    for cut in cuts + [input.count] {
        let piece = Array(input[from..<cut])
        unsafe exchange.take(piece.span.bytes)
        replies += exchange.takeReplies()
        from = cut
    }
    return Health(verdict: exchange.verdict, replies: replies)
}

func checkHealth(_ input: [UInt8], _ cut: Int) {
    let whole = takeHealth(input, cuts: [])
    demand(takeHealth(input, cuts: [cut]) == whole, "a cut changes nothing")
    demand(takeHealth(input, cuts: Array(0..<min(input.count, 512))) == whole, "many cuts change nothing")
    // A PING's acknowledgement is the longest.
    demand(whole.replies.count <= HealthCheckExchange.acknowledgedLimit * 17, "there is an end to acknowledgements")
    // More of the same connection takes no verdict back.
    let part = takeHealth(Array(input[..<cut]), cuts: [])
    demand(part.verdict == .undecided || part.verdict == whole.verdict, "a part says what the whole says")
}
