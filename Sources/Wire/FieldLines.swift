/// Fields that came one by one, as lines.
struct FieldLines {
    private(set) var bytes: [UInt8] = []
    /// What makes the message none, if anything does.
    var problem: Malformed?

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        problem = nil
    }

    mutating func append(_ name: RawSpan, _ value: RawSpan) {
        if name.hasControl || value.hasControl { problem = .fieldValueInvalid }
        bytes.append(name)
        bytes.append(literal: ": ")
        bytes.append(value)
        bytes.append(literal: "\r\n")
    }

    /// Content-Length is among them.
    var hasLength: Bool {
        // Bytes have no padding to look into.
        let lines = unsafe bytes.span.bytes
        var start = 0
        while start < lines.byteCount {
            if lines.word(at: start) == Words.word("content-"), lines.byte(at: start &+ 14) == .colon,
                lines.isToken(start..<start &+ 14, "content-length")
            {
                return true
            }
            while lines.byte(at: start) != .lineFeed { start &+= 1 }
            start &+= 1
        }
        return false
    }

    func visitTrailers(_ visit: (RawSpan) -> Void) throws(Malformed) {
        if let problem { throw problem }
        // Bytes have no padding to look into.
        let lines = unsafe bytes.span.bytes
        var offset = 0
        while offset < lines.byteCount {
            guard case .field(let record) = try FieldLine.parse(lines, at: offset) else { throw .fieldNameInvalid }
            if record.id == .other { visit(lines.extracting(record.line.bounds)) }
            offset = Int(record.lineEnd)
        }
    }
}

extension RawSpan {
    /// A control character other than a tab: a line end among them could not be told from the field's own any more.
    var hasControl: Bool {
        var offset = 0
        while offset < byteCount {
            let controls = Words.controls(word(at: offset))
            if controls == 0 {
                offset &+= 8
                continue
            }
            offset &+= Words.first(controls)
            if offset >= byteCount { return false }
            if byte(at: offset) != .tab { return true }
            offset &+= 1
        }
        return false
    }
}

extension [UInt8] {
    mutating func append(_ bytes: RawSpan) {
        // The pointer does not outlive the call.
        unsafe bytes.withUnsafeBytes { unsafe append(contentsOf: $0) }
    }

    mutating func append(literal: StaticString) {
        // Within the literal by the loop's bounds.
        for i in 0..<literal.utf8CodeUnitCount { append(unsafe literal.utf8Start[i]) }
    }
}
