extension WriteBuffer {
    /// Visits the fields of the head in hand, which begins with a start line and is whole, for a protocol that has no
    /// lines: names in lower case, as they are from then on, values without blanks around them. The spans stay valid as
    /// long as the message is in hand. Returns where the body begins, counted from the head's first byte.
    @discardableResult
    package mutating func visitFields(_ visit: (_ name: RawSpan, _ value: RawSpan) -> Void) -> Int {
        // Initialized up to `end`; only names are written to, which nobody has been shown yet.
        let bytes = unsafe UnsafeMutableRawBufferPointer(start: memory + start, count: count)
        var offset = unsafe UnsafeRawBufferPointer(bytes).bytes.lineEnd(from: 0)
        while offset < count {
            if unsafe bytes[offset] == .carriageReturn { return min(offset &+ 2, count) }
            let nameStart = offset
            while offset < count, unsafe bytes[offset] != .colon {
                unsafe bytes[offset] = unsafe bytes[offset].lowercased
                offset &+= 1
            }
            let next = unsafe UnsafeRawBufferPointer(bytes).bytes.lineEnd(from: offset)
            var valueStart = min(offset &+ 1, count)
            var valueEnd = max(next &- 2, valueStart)
            while valueStart < valueEnd, unsafe bytes[valueStart].isBlank { valueStart &+= 1 }
            while valueEnd > valueStart, unsafe bytes[valueEnd &- 1].isBlank { valueEnd &-= 1 }
            let all = UnsafeRawBufferPointer(bytes)
            visit(
                unsafe UnsafeRawBufferPointer(rebasing: all[nameStart..<offset]).bytes,
                unsafe UnsafeRawBufferPointer(rebasing: all[valueStart..<valueEnd]).bytes)
            offset = next
        }
        return count
    }

    /// Method and path of the request whose head is in hand, as it was written.
    package var requestLine: (method: Range<Int>, path: Range<Int>) {
        withBytes { bytes in
            var end = 0
            while bytes.byte(at: end).isVisible { end &+= 1 }
            let pathStart = min(end &+ 1, bytes.byteCount)
            var pathEnd = pathStart
            while bytes.byte(at: pathEnd).isVisible { pathEnd &+= 1 }
            return (0..<end, pathStart..<pathEnd)
        }
    }
}

extension RawSpan {
    /// Behind the line feed at `offset` or after it; the end if there is none.
    fileprivate func lineEnd(from offset: Int) -> Int {
        var offset = offset
        while offset < byteCount {
            let lineFeeds = Words.lineFeeds(word(at: offset))
            if lineFeeds != 0 { return offset &+ Words.first(lineFeeds) &+ 1 }
            offset &+= 8
        }
        return byteCount
    }
}

/// Names of fields that HTTP/2 says otherwise.
extension RawSpan {
    package var isHost: Bool { isToken(0..<byteCount, "host") }

    package var isTransferEncoding: Bool { isToken(0..<byteCount, "transfer-encoding") }
}
