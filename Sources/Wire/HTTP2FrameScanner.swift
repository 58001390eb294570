/// Finds the frames in the bytes of an HTTP/2 connection, however they are cut, without looking into them.
package struct HTTP2FrameScanner: Sendable {
    /// A frame's head (RFC 9113, 4.1).
    package struct Frame: Sendable, Equatable {
        package var length: Int
        package var type: UInt8
        package var flags: UInt8
        package var stream: Int

        package init(length: Int, type: UInt8, flags: UInt8, stream: Int) {
            self.length = length
            self.type = type
            self.flags = flags
            self.stream = stream
        }
    }

    /// Bytes to be passed over before the next head: of a payload, or of the preface.
    private var skipping: Int
    private var head = InlineArray<9, UInt8>(repeating: 0)
    private var headCount = 0

    /// `prefaceBytes` come before the first frame.
    package init(prefaceBytes: Int) {
        skipping = prefaceBytes
    }

    /// The next frame whose head is complete within `bytes`, from `offset` on, which moves behind that head. `start` is
    /// where the head begins, or 0 if it began before these bytes.
    package mutating func next(in bytes: RawSpan, from offset: inout Int) -> (start: Int, frame: Frame)? {
        let passed = min(skipping, bytes.byteCount &- offset)
        skipping &-= passed
        offset &+= passed
        let start = offset
        while offset < bytes.byteCount {
            head[headCount] = bytes.byte(at: offset)
            headCount &+= 1
            offset &+= 1
            if headCount == 9 { return (headCount > offset ? 0 : start, take()) }
        }
        return nil
    }

    /// The frame that was found last is to be found again: its head lay within the bytes that were looked at.
    package mutating func putBack() {
        skipping = 0
        headCount = 0
    }

    private mutating func take() -> Frame {
        headCount = 0
        let length = Int(head[0]) &<< 16 | Int(head[1]) &<< 8 | Int(head[2])
        skipping = length
        let stream = Int(head[5] & 0x7f) &<< 24 | Int(head[6]) &<< 16 | Int(head[7]) &<< 8 | Int(head[8])
        return Frame(length: length, type: head[3], flags: head[4], stream: stream)
    }
}
