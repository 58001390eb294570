/// How a gRPC call ended (gRPC's status codes, https://grpc.io/docs/guides/status-codes/).
package enum GRPCStatus: Int, Sendable, CaseIterable {
    case ok, cancelled, unknown, invalidArgument, deadlineExceeded, notFound, alreadyExists, permissionDenied
    case resourceExhausted, failedPrecondition, aborted, outOfRange, unimplemented, `internal`, unavailable, dataLoss
    case unauthenticated

    /// As gRPC's documents spell it.
    package var name: String {
        switch self {
        case .ok: "OK"
        case .cancelled: "CANCELLED"
        case .unknown: "UNKNOWN"
        case .invalidArgument: "INVALID_ARGUMENT"
        case .deadlineExceeded: "DEADLINE_EXCEEDED"
        case .notFound: "NOT_FOUND"
        case .alreadyExists: "ALREADY_EXISTS"
        case .permissionDenied: "PERMISSION_DENIED"
        case .resourceExhausted: "RESOURCE_EXHAUSTED"
        case .failedPrecondition: "FAILED_PRECONDITION"
        case .aborted: "ABORTED"
        case .outOfRange: "OUT_OF_RANGE"
        case .unimplemented: "UNIMPLEMENTED"
        case .internal: "INTERNAL"
        case .unavailable: "UNAVAILABLE"
        case .dataLoss: "DATA_LOSS"
        case .unauthenticated: "UNAUTHENTICATED"
        }
    }

    /// What an answer of our own with this HTTP status is to a gRPC client. A gateway's 504 is a deadline of ours that
    /// passed; otherwise as gRPC maps what proxies answer (its http-grpc-status-mapping).
    package init(httpStatus status: Int) {
        self =
            switch status {
            case 200..<300: .ok
            case 400: .internal
            case 401: .unauthenticated
            case 403: .permissionDenied
            case 404, 501: .unimplemented
            case 408, 504: .deadlineExceeded
            case 413, 431: .resourceExhausted
            case 429, 502, 503: .unavailable
            default: .unknown
            }
    }

    /// What the status says about whoever answered, as an HTTP status would: that it cannot serve now, that something is
    /// broken there, or nothing, as the caller may well be the reason.
    package var asHTTP: Int {
        switch self {
        case .unavailable: 503
        case .unknown, .internal, .dataLoss: 500
        default: 200
        }
    }

    /// The value of a `grpc-status` field.
    init?(_ bytes: RawSpan, _ range: ByteRange) {
        guard range.count >= 1, range.count <= 2 else { return nil }
        var code = 0
        for i in range.bounds {
            let byte = bytes.byte(at: i)
            guard byte.isDigit else { return nil }
            code = code * 10 + Int(byte &- 0x30)
        }
        self.init(rawValue: code)
    }

    /// The status that a trailer's line tells, if it is that line.
    package init?(trailerLine bytes: RawSpan) {
        guard case .field(let record)? = try? FieldLine.parse(bytes, at: 0),
            bytes.isToken(record.name.bounds, "grpc-status")
        else { return nil }
        self.init(bytes, record.value)
    }
}

extension RequestHead {
    /// A gRPC call, by its content type.
    package func isGRPC(_ bytes: RawSpan) -> Bool {
        guard method == .post, let value = firstField(.contentType) else { return false }
        return bytes.namesGRPC(value)
    }

    /// How long the caller waits for a call's end: nanoseconds of `grpc-timeout`, at most eight digits and a unit.
    package func grpcTimeout(_ bytes: RawSpan) -> Int64? {
        for i in 0..<fieldCount where bytes.isToken(field(i).name.bounds, "grpc-timeout") {
            let value = field(i).value
            guard value.count >= 2, value.count <= 9 else { return nil }
            var number: Int64 = 0
            for j in value.bounds.dropLast() {
                guard bytes.byte(at: j).isDigit else { return nil }
                number = number * 10 + Int64(bytes.byte(at: j) &- 0x30)
            }
            switch bytes.byte(at: Int(value.end) &- 1) {
            case UInt8(ascii: "n"): return number
            case UInt8(ascii: "u"): return number * 1_000
            case UInt8(ascii: "m"): return number * 1_000_000
            case UInt8(ascii: "S"): return number * 1_000_000_000
            case UInt8(ascii: "M"): return number * 60_000_000_000
            // Eight digits of hours are more than nanoseconds can tell.
            case UInt8(ascii: "H"): return min(number, 1_000_000) * 3_600_000_000_000
            default: return nil
            }
        }
        return nil
    }
}

extension ResponseHead {
    /// The status of a call that ended with its head, without a message.
    package func grpcStatus(_ bytes: RawSpan) -> GRPCStatus? {
        for i in 0..<fieldCount where bytes.isToken(field(i).name.bounds, "grpc-status") {
            return GRPCStatus(bytes, field(i).value) ?? .unknown
        }
        return nil
    }
}

/// Writes the head of an answer of our own as a gRPC client understands it: a call that ended without a message.
package func encodeGRPCError(
    status: Int, token: StaticString, sentence: StaticString, date: HTTPDate, into out: inout WriteBuffer
) {
    out.append("HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\n")
    out.append(date)
    out.append("x-spillway-error: ")
    out.append(token)
    out.append("\r\n")
    out.append(grpcStatus: GRPCStatus(httpStatus: status), token: token, sentence: sentence)
    out.append("\r\n")
}

extension WriteBuffer {
    /// The lines that end a gRPC call for a reason of our own. Tokens and sentences have no character that would have to
    /// be escaped.
    package mutating func append(grpcStatus status: GRPCStatus, token: StaticString, sentence: StaticString) {
        append("grpc-status: ")
        append(decimal: status.rawValue)
        append("\r\ngrpc-message: ")
        append(token)
        append(": ")
        append(sentence)
        append("\r\n")
    }
}

extension RawSpan {
    /// Whether a Content-Type is gRPC's, of whatever coding. `application/grpc-web` is another protocol.
    func namesGRPC(_ value: ByteRange) -> Bool {
        let start = Int(value.start)
        guard value.count >= 16, isToken(start..<start &+ 16, "application/grpc") else { return false }
        return value.count == 16 || byte(at: start &+ 16) != 0x2d
    }
}
