/// Writes a whole answer of our own that names a fault: its token in `x-spillway-error` and, with a sentence for
/// whoever reads it, in the body.
///
/// - Parameters:
///   - status: 400 to 599, or another final status.
///   - token: a short word, the same for the same fault.
///   - retryAfter: seconds until another try makes sense.
///   - method: the request's; the answer to HEAD has no body.
package func encodeError(
    status: Int, token: StaticString, sentence: StaticString, retryAfter: Int? = nil, method: Method,
    minorVersion: UInt8, keepsAlive: Bool, date: HTTPDate, into out: inout WriteBuffer
) {
    writeAnswerLine(status, into: &out)
    out.append("x-spillway-error: ")
    out.append(token)
    if let retryAfter {
        out.append("\r\nretry-after: ")
        out.append(decimal: max(retryAfter, 0))
    }
    out.append("\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ")
    out.append(decimal: token.utf8CodeUnitCount + 2 + sentence.utf8CodeUnitCount + 1)
    out.append("\r\n")
    out.append(date)
    out.append(persistence: keepsAlive, minorVersion: minorVersion)
    out.append("\r\n")
    if method == .head { return }
    out.append(token)
    out.append(": ")
    out.append(sentence)
    out.append("\n")
}

/// Writes a whole answer of our own with any content: a fixed response, a redirect.
///
/// - Parameters:
///   - status: 200 to 599; with 204 and 304 there is no content.
///   - fields: field lines with their CRLFs; neither framing nor Connection nor Date.
///   - body: the content, sent unless the method is HEAD.
package func encodeAnswer(
    status: Int, fields: RawSpan, body: RawSpan, method: Method, minorVersion: UInt8, keepsAlive: Bool,
    date: HTTPDate, into out: inout WriteBuffer
) {
    writeAnswerLine(status, into: &out)
    out.append(fields)
    let hasContent = status != 204 && status != 304
    if hasContent {
        out.append("content-length: ")
        out.append(decimal: body.byteCount)
        out.append("\r\n")
    }
    out.append(date)
    out.append(persistence: keepsAlive, minorVersion: minorVersion)
    out.append("\r\n")
    if hasContent, method != .head { out.append(body) }
}

private func writeAnswerLine(_ status: Int, into out: inout WriteBuffer) {
    precondition(status >= 200 && status <= 599, "an answer has a final status")
    out.append("HTTP/1.1 ")
    out.append(decimal: status)
    out.append(" ")
    out.append(reasonPhrase(of: status))
    out.append("\r\n")
}

/// The usual phrase for a status (RFC 9110, 15, and the registry behind it); that of its class for others.
package func reasonPhrase(of status: Int) -> StaticString {
    switch status {
    case 100: "Continue"
    case 101: "Switching Protocols"
    case 102: "Processing"
    case 103: "Early Hints"
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 203: "Non-Authoritative Information"
    case 204: "No Content"
    case 205: "Reset Content"
    case 206: "Partial Content"
    case 300: "Multiple Choices"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 303: "See Other"
    case 304: "Not Modified"
    case 307: "Temporary Redirect"
    case 308: "Permanent Redirect"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 402: "Payment Required"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 406: "Not Acceptable"
    case 407: "Proxy Authentication Required"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 410: "Gone"
    case 411: "Length Required"
    case 412: "Precondition Failed"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 416: "Range Not Satisfiable"
    case 417: "Expectation Failed"
    case 421: "Misdirected Request"
    case 422: "Unprocessable Content"
    case 425: "Too Early"
    case 426: "Upgrade Required"
    case 428: "Precondition Required"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 451: "Unavailable For Legal Reasons"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    case 508: "Loop Detected"
    case 511: "Network Authentication Required"
    case 200..<300: "Successful"
    case 300..<400: "Redirection"
    case 400..<500: "Client Error"
    case 500..<600: "Server Error"
    default: "Informational"
    }
}
