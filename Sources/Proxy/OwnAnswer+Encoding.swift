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

    /// Appends the whole answer.
    func encode(
        method: Method, minorVersion: UInt8, keepsAlive: Bool, date: HTTPDate, into out: inout WriteBuffer
    ) {
        if let token {
            return encodeError(
                status: status, token: token, sentence: sentence, retryAfter: retryAfter, method: method,
                minorVersion: minorVersion, keepsAlive: keepsAlive, date: date, into: &out)
        }
        let content = content ?? Content(body: [], fields: [])
        // Bytes have no padding to look into.
        let fields = unsafe content.fields.span.bytes
        let body = unsafe content.body.span.bytes
        encodeAnswer(
            status: status, fields: fields, body: body, method: method, minorVersion: minorVersion,
            keepsAlive: keepsAlive, date: date, into: &out)
    }
}
