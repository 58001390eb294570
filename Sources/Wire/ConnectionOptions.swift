/// What the Connection fields of a message say.
struct ConnectionOptions {
    var close = false
    var keepAlive = false
    var upgrade = false
    /// Some option may be the name of a field, which is then to be dropped.
    var namesFields = false

    /// More options than this are refused: each of them may have to be compared with each field.
    static let limit = 32

    init() {}

    /// Reads all Connection fields of a table. A member that is no token could mean anything, so the connection is
    /// not trusted with another message: it counts as `close`.
    init(_ fields: borrowing FieldTable, _ bytes: RawSpan) throws(Malformed) {
        var index = fields.firstIndex(of: .connection)
        var count = 0
        while let i = index {
            let value = fields[i].value
            // What nearly every such field says, without a list of it.
            if value.count == 10, Words.folded(bytes.word(at: Int(value.start))) == Words.word("keep-alive"),
                bytes.isToken(value.bounds, "keep-alive")
            {
                keepAlive = true
            } else {
                try read(value, bytes, &count)
            }
            index = fields.nextIndex(of: .connection, from: i &+ 1)
        }
    }

    private mutating func read(_ value: ByteRange, _ bytes: RawSpan, _ count: inout Int) throws(Malformed) {
        var members = ListMembers(of: value)
        while let member = members.next(in: bytes) {
            if member.isEmpty { continue }
            count &+= 1
            if count > Self.limit { throw .tooManyConnectionOptions }
            if bytes.isToken(member, "close") {
                close = true
            } else if bytes.isToken(member, "keep-alive") {
                keepAlive = true
            } else if bytes.isToken(member, "upgrade") {
                upgrade = true
            } else if bytes.isToken(member) {
                namesFields = true
            } else {
                close = true
            }
        }
    }

    /// Whether some Connection field of the table names the field of this name.
    static func name(_ name: Range<Int>, in fields: borrowing FieldTable, _ bytes: RawSpan) -> Bool {
        var index = fields.firstIndex(of: .connection)
        while let i = index {
            var members = ListMembers(of: fields[i].value)
            while let member = members.next(in: bytes) {
                if bytes.isSameToken(member, name) { return true }
            }
            index = fields.nextIndex(of: .connection, from: i &+ 1)
        }
        return false
    }
}
