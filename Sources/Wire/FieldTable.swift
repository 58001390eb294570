/// Where a message's fields lie in its bytes. Allocated once, used for message after message.
@safe struct FieldTable: ~Copyable {
    /// One field line.
    struct Record {
        var lineStart: UInt32
        var valueStart: UInt32
        var valueCount: UInt32
        /// Behind the line's CRLF.
        var lineEnd: UInt32
        var nameCount: UInt16
        var id: FieldID
    }

    /// Room for `capacity` records; those below `count` are initialized.
    private let records: UnsafeMutablePointer<Record>
    let capacity: Int
    private(set) var count = 0
    /// Which known fields there are, and which of them more than once.
    private(set) var present = FieldSet()
    private(set) var repeated = FieldSet()

    init(capacity: Int) {
        precondition(capacity > 0, "a field table holds at least one field")
        self.capacity = capacity
        unsafe records = .allocate(capacity: capacity)
    }

    deinit {
        unsafe records.deallocate()
    }

    subscript(index: Int) -> Record {
        @inline(__always)
        get {
            precondition(index >= 0 && index < count, "no such field")
            return unsafe records[index]
        }
    }

    mutating func removeAll() {
        count = 0
        present = FieldSet()
        repeated = FieldSet()
    }

    /// The first field of that identity.
    func firstIndex(of id: FieldID) -> Int? {
        guard present.contains(id) else { return nil }
        return nextIndex(of: id, from: 0)
    }

    /// The next field of that identity, at `index` or behind it.
    func nextIndex(of id: FieldID, from index: Int) -> Int? {
        var i = index
        while i < count {
            if self[i].id == id { return i }
            i &+= 1
        }
        return nil
    }

    /// Parses field lines from `start` to the empty line behind them.
    ///
    /// RFC 9112, 5: `field-name ":" OWS field-value OWS CRLF`. No recovery that the RFCs permit is made.
    /// Returns the offset behind the empty line; nil if it has not come yet.
    mutating func parse(_ bytes: RawSpan, from start: Int, countLimit: Int) throws(Malformed) -> Int? {
        removeAll()
        let limit = min(countLimit, capacity)
        var found = 0
        var present = FieldSet()
        var repeated = FieldSet()
        var line = start
        while true {
            let parsed: Record
            switch try FieldLine.parse(bytes, at: line) {
            case .incomplete: return nil
            case .empty:
                count = found
                self.present = present
                self.repeated = repeated
                return line &+ 2
            case .field(let record): parsed = record
            }
            if found >= limit { throw .tooManyFields }
            // Below the capacity by the line above.
            unsafe (records + found).initialize(to: parsed)
            found &+= 1
            if parsed.id != .other {
                repeated.bits |= present.bits & parsed.id.bit
                present.insert(parsed.id)
            }
            line = Int(parsed.lineEnd)
        }
    }
}

/// One line of a field section.
enum FieldLine {
    case field(FieldTable.Record)
    /// The line that ends the section.
    case empty
    case incomplete

    /// Parses the line at `start`.
    @inline(__always)
    static func parse(_ bytes: RawSpan, at start: Int) throws(Malformed) -> FieldLine {
        // The name: letters and hyphens eight at a time, whatever else a token may have one by one.
        let firstWord = bytes.word(at: start)
        var word = firstWord
        var end = start
        var mask = Words.notNameLetters(word)
        while mask == 0 {
            end &+= 8
            word = bytes.word(at: end)
            mask = Words.notNameLetters(word)
        }
        end &+= Words.first(mask)
        var isPlain = true
        if Words.byte(word, mask) != .colon {
            if end == start, Words.keep(firstWord, 2) == Words.word("\r\n") { return .empty }
            guard let colon = try nameEnd(bytes, start, end) else { return .incomplete }
            end = colon
            isPlain = false
        }
        let nameCount = end &- start
        if nameCount == 0 { throw .fieldNameEmpty }
        if nameCount > UInt16.max { throw .headTooLarge }

        // The blanks before the value: nearly always one space.
        var valueStart = end &+ 2
        word = bytes.word(at: valueStart)
        if bytes.byte(at: end &+ 1) != .space || UInt8(truncatingIfNeeded: word).isBlank {
            valueStart = end &+ 1
            while bytes.byte(at: valueStart).isBlank { valueStart &+= 1 }
            word = bytes.word(at: valueStart)
        }
        var valueEnd = textEnd(bytes, from: valueStart, word)
        // Its last byte and what follows it, in one look; a value has at least the colon before it.
        word = bytes.word(at: valueEnd &- 1)
        if Words.keep(word &>> 8, 2) != Words.word("\r\n") {
            try refuseUnlessIncomplete(bytes, at: valueEnd, .fieldValueInvalid)
            return .incomplete
        }
        let lineEnd = valueEnd &+ 2
        if UInt8(truncatingIfNeeded: word).isBlank {
            while valueEnd > valueStart, bytes.byte(at: valueEnd &- 1).isBlank { valueEnd &-= 1 }
        }
        let id: FieldID =
            isPlain
            ? .named(bytes, at: start, count: nameCount, first: firstWord)
            : .oddlyNamed(bytes, at: start, count: nameCount)
        return .field(
            FieldTable.Record(
                lineStart: UInt32(truncatingIfNeeded: start), valueStart: UInt32(truncatingIfNeeded: valueStart),
                valueCount: UInt32(truncatingIfNeeded: valueEnd &- valueStart),
                lineEnd: UInt32(truncatingIfNeeded: lineEnd), nameCount: UInt16(truncatingIfNeeded: nameCount),
                id: id))
    }

    /// Where text ends: at the first control byte that is not a tab, or at the end of the input. `word` is the one at
    /// `start`.
    @inline(__always)
    static func textEnd(_ bytes: RawSpan, from start: Int, _ word: UInt64) -> Int {
        var word = word
        var end = start
        while true {
            let mask = Words.controls(word)
            if mask == 0 {
                end &+= 8
            } else {
                end &+= Words.first(mask)
                if Words.byte(word, mask) != .tab { return end }
                end &+= 1
            }
            word = bytes.word(at: end)
        }
    }

    /// The rest of a name that has more than letters and hyphens, or is none. The colon's offset; nil if it has not
    /// come yet.
    @inline(never)
    private static func nameEnd(
        _ bytes: RawSpan, _ start: Int, _ position: Int
    ) throws(Malformed) -> Int? {
        var end = position
        while bytes.byte(at: end).isTokenByte { end &+= 1 }
        if end >= bytes.byteCount { return nil }
        let byte = bytes.byte(at: end)
        switch byte {
        case .colon: return end
        case .carriageReturn, .lineFeed:
            if end > start, byte == .carriageReturn, bytes.byte(at: end &+ 1) == .lineFeed { throw .colonMissing }
            try refuseUnlessIncomplete(bytes, at: end, .fieldNameInvalid)
            return nil
        case .space, .tab:
            // At its beginning, the line before this one would go on.
            if end == start { throw .lineFolded }
            var next = end
            while bytes.byte(at: next).isBlank { next &+= 1 }
            if next >= bytes.byteCount { return nil }
            throw bytes.byte(at: next) == .colon ? .blankBeforeColon : .fieldNameInvalid
        default: throw .fieldNameInvalid
        }
    }

    /// What stopped a scan at `offset` was not what must stop it: either the input ends there (or with a CR whose LF
    /// may still come), or it is refused. A line that ends too early, and other bytes, are refused with `otherwise`.
    @inline(never)
    static func refuseUnlessIncomplete(_ bytes: RawSpan, at offset: Int, _ otherwise: Malformed) throws(Malformed) {
        if offset >= bytes.byteCount { return }
        switch bytes.byte(at: offset) {
        case .carriageReturn:
            if offset &+ 1 >= bytes.byteCount { return }
            throw bytes.byte(at: offset &+ 1) == .lineFeed ? otherwise : .bareCarriageReturn
        case .lineFeed: throw .bareLineFeed
        default: throw otherwise
        }
    }
}
