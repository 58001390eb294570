internal import Reactor
internal import RouteTable
internal import Wire

extension OwnAnswer {
    /// A fixed response of the table's.
    init(_ response: FixedResponse) {
        self.init(status: response.status)
        content = Content(
            body: Array(response.body.utf8), fields: Array("content-type: \(response.contentType)\r\n".utf8))
    }

    /// Appends the whole answer. Without a body for HEAD, and for statuses that have none.
    func encode(
        method: Method, minorVersion: UInt8, keepsAlive: Bool, date: HTTPDate, into out: inout WriteBuffer
    ) {
        out.append("HTTP/1.1 ")
        out.append(decimal: UInt64(status))
        out.append(" ")
        out.append(reasonPhrase(status))
        out.append("\r\ndate: ")
        out.append(date)
        out.append("\r\n")
        if let token {
            out.append("x-spillway-error: ")
            out.append(token)
            out.append("\r\n")
        }
        if let retryAfter {
            out.append("retry-after: ")
            out.append(decimal: UInt64(retryAfter))
            out.append("\r\n")
        }
        if !keepsAlive {
            out.append("connection: close\r\n")
        } else if minorVersion == 0 {
            out.append("connection: keep-alive\r\n")
        }
        let hasBody = status != 204 && status != 304
        if let content {
            content.fields.withBytes { out.append($0) }
            if hasBody {
                out.append("content-length: ")
                out.append(decimal: UInt64(content.body.count))
                out.append("\r\n")
            }
            out.append("\r\n")
            if hasBody && method != .head { content.body.withBytes { out.append($0) } }
            return
        }
        let tokenBytes = token?.utf8CodeUnitCount ?? 2
        out.append("content-type: text/plain; charset=utf-8\r\ncontent-length: ")
        out.append(decimal: UInt64(tokenBytes + 2 + sentence.utf8CodeUnitCount + 1))
        out.append("\r\n\r\n")
        if method == .head { return }
        out.append(token ?? "ok")
        out.append(": ")
        out.append(sentence)
        out.append("\n")
    }
}
