/// Fields that came one by one, as lines.
struct FieldLines {
    private(set) var bytes: [UInt8] = []
    /// What makes the message none, if anything does.
    var problem: Malformed?
    /// Content-Length is among them.
    private(set) var hasLength = false

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        problem = nil
        hasLength = false
    }

    mutating func append(_ name: RawSpan, _ value: RawSpan) {
        if name.hasControl || value.hasControl { problem = .fieldValueInvalid }
        if name.isToken(0..<name.byteCount, "content-length") { hasLength = true }
        bytes.append(name)
        bytes.append(literal: ": ")
        bytes.append(value)
        bytes.append(literal: "\r\n")
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
        // A literal's bytes are there for ever.
        unsafe append(contentsOf: UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }
}
