/// What a `ChunkedDecoder` has found next. Offsets are into the input it was given; `consumedTo` is where to go on.
package enum ChunkStep: Sendable, Equatable {
    /// These bytes are part of the body.
    case data(ByteRange, consumedTo: Int)
    /// A trailer field line, valid and fit to be forwarded, with its CRLF.
    case trailer(ByteRange, consumedTo: Int)
    /// All that can be understood has been: go on when there is more. What lies behind `consumedTo` (the beginning of
    /// a trailer line, and nothing else) must be given again, together with what comes.
    case needMore(consumedTo: Int)
    /// The body, its trailer section included, ends here.
    case end(consumedTo: Int)
}

/// Decodes a chunked body (RFC 9112, 7.1) piece by piece, without copying or keeping any of it.
///
/// Only CRLF ends a line. Sizes are hexadecimal digits and nothing else, at most 2^63-1. Chunk extensions are checked
/// against their grammar and dropped. Trailer fields are as strict as head fields; those that Spillway knows by name
/// are dropped, because none of them may come that late (RFC 9110, 6.5.1). After an error the decoder must not be
/// used again.
package struct ChunkedDecoder: Sendable {
    /// Within a chunk's size line, extensions included, or around it.
    private enum State: UInt8 {
        case sizeStart, size
        // Extensions: what came last.
        case blankAfterSize, semicolon, extensionName, blankAfterName, equals, value
        case quoted, quotedEscape, quotedEnd, blankAfterValue
        case sizeLineFeed
        case data, dataReturn, dataLineFeed
        case trailers, ended
    }

    private var state = State.sizeStart
    private var trailerCount: UInt8 = 0
    private var trailerBytes: UInt16 = 0
    /// Of the present chunk: what its size line has said so far; then what is still to come.
    private var remaining: UInt64 = 0
    /// What size lines may still spend on extensions and leading zeros.
    private var allowance: Int32 = Self.extensionBytesLimit

    /// Bytes that all size lines of a body together may have beyond their digits, and beyond as many as its data has:
    /// a body that consists of little else is an attack on those who read it.
    package static let extensionBytesLimit: Int32 = 16_384
    /// Bytes of all trailer lines.
    package static let trailerBytesLimit = 8_192
    /// Trailer lines.
    package static let trailerCountLimit = 32

    package init() {}

    /// Looks at `input` from `offset` on, as far as to the next thing to be told.
    package mutating func next(_ input: RawSpan, from offset: Int) throws(Malformed) -> ChunkStep {
        var i = offset
        let count = input.byteCount
        while i < count {
            switch state {
            case .data:
                let size = Int(min(remaining, UInt64(count &- i)))
                remaining &-= UInt64(size)
                if remaining == 0 { state = .dataReturn }
                return .data(ByteRange(i, i &+ size), consumedTo: i &+ size)
            case .trailers: return try nextTrailer(input, from: i)
            case .ended: return .end(consumedTo: i)
            default:
                try take(input.byte(at: i))
                i &+= 1
            }
        }
        return .needMore(consumedTo: max(i, offset))
    }

    /// One byte of what surrounds the data.
    @inline(__always)
    private mutating func take(_ byte: UInt8) throws(Malformed) {
        switch state {
        case .dataReturn:
            guard byte == .carriageReturn else { throw .chunkEndMissing }
            state = .dataLineFeed
        case .dataLineFeed:
            guard byte == .lineFeed else { throw .chunkEndMissing }
            state = .sizeStart
        case .sizeStart:
            guard let digit = byte.hexValue else { throw .chunkSizeInvalid }
            remaining = UInt64(digit)
            state = .size
        case .size: try takeSize(byte)
        case .sizeLineFeed:
            guard byte == .lineFeed else { throw .bareCarriageReturn }
            state = remaining == 0 ? .trailers : .data
            let credit = min(remaining, UInt64(Self.extensionBytesLimit))
            allowance = min(Self.extensionBytesLimit, allowance &+ Int32(truncatingIfNeeded: credit))
        default: try takeExtension(byte)
        }
    }

    private mutating func takeSize(_ byte: UInt8) throws(Malformed) {
        if let digit = byte.hexValue {
            if remaining == 0 { try spend() }
            guard remaining <= UInt64(Int64.max) &>> 4 else { throw .chunkSizeTooLarge }
            remaining = remaining &<< 4 | UInt64(digit)
            return
        }
        switch byte {
        case .carriageReturn: state = .sizeLineFeed
        case .lineFeed: throw .bareLineFeed
        case .space, .tab:
            state = .blankAfterSize
            try spend()
        case UInt8(ascii: ";"):
            state = .semicolon
            try spend()
        default: throw .chunkSizeInvalid
        }
    }

    /// RFC 9112, 7.1.1: `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`.
    private mutating func takeExtension(_ byte: UInt8) throws(Malformed) {
        try spend()
        if byte == .lineFeed { throw .bareLineFeed }
        switch (state, byte) {
        case (.quoted, UInt8(ascii: "\"")): state = .quotedEnd
        case (.quoted, UInt8(ascii: "\\")): state = .quotedEscape
        case (.quoted, _), (.quotedEscape, _):
            guard byte == .tab || (byte >= 0x20 && byte != 0x7f) else { throw .chunkExtensionInvalid }
            state = .quoted
        case (.extensionName, .carriageReturn), (.value, .carriageReturn), (.quotedEnd, .carriageReturn):
            state = .sizeLineFeed
        case (.extensionName, UInt8(ascii: ";")), (.blankAfterName, UInt8(ascii: ";")),
            (.value, UInt8(ascii: ";")), (.quotedEnd, UInt8(ascii: ";")), (.blankAfterValue, UInt8(ascii: ";")),
            (.blankAfterSize, UInt8(ascii: ";")):
            state = .semicolon
        case (.extensionName, UInt8(ascii: "=")), (.blankAfterName, UInt8(ascii: "=")): state = .equals
        case (.equals, UInt8(ascii: "\"")): state = .quoted
        case (.blankAfterSize, .space), (.blankAfterSize, .tab), (.semicolon, .space), (.semicolon, .tab),
            (.equals, .space), (.equals, .tab):
            break
        case (.extensionName, .space), (.extensionName, .tab), (.blankAfterName, .space), (.blankAfterName, .tab):
            state = .blankAfterName
        case (.value, .space), (.value, .tab), (.quotedEnd, .space), (.quotedEnd, .tab), (.blankAfterValue, .space),
            (.blankAfterValue, .tab):
            state = .blankAfterValue
        default:
            guard byte.isTokenByte else { throw .chunkExtensionInvalid }
            switch state {
            case .semicolon, .extensionName: state = .extensionName
            case .equals, .value: state = .value
            default: throw .chunkExtensionInvalid
            }
        }
    }

    /// Counts a byte that says nothing about the body.
    private mutating func spend() throws(Malformed) {
        allowance &-= 1
        if allowance < 0 { throw .chunkExtensionsTooLong }
    }

    private mutating func nextTrailer(_ input: RawSpan, from offset: Int) throws(Malformed) -> ChunkStep {
        var i = offset
        while true {
            switch try FieldLine.parse(input, at: i) {
            case .incomplete:
                if input.byteCount &- i > Self.trailerBytesLimit &- Int(trailerBytes) { throw .trailersTooLarge }
                return .needMore(consumedTo: i)
            case .empty:
                state = .ended
                return .end(consumedTo: i &+ 2)
            case .field(let record):
                let line = record.line
                guard trailerCount < Self.trailerCountLimit,
                    Int(line.count) <= Self.trailerBytesLimit &- Int(trailerBytes)
                else { throw .trailersTooLarge }
                trailerCount &+= 1
                trailerBytes &+= UInt16(truncatingIfNeeded: line.count)
                i = Int(line.end)
                if record.id == .other { return .trailer(line, consumedTo: i) }
            }
        }
    }
}
