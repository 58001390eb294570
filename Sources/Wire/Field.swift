/// One field line of a head: where its parts lie in the head's bytes.
package struct Field: Sendable, Equatable {
    package let id: FieldID
    package let name: ByteRange
    /// Without the blanks around it; may be empty.
    package let value: ByteRange
    /// All of it, from the first byte of the name to the line feed.
    package let line: ByteRange
}

extension FieldTable.Record {
    @inline(__always)
    var name: ByteRange { ByteRange(start: lineStart, count: UInt32(nameCount)) }

    @inline(__always)
    var value: ByteRange { ByteRange(start: valueStart, count: valueCount) }

    @inline(__always)
    var line: ByteRange { ByteRange(start: lineStart, count: lineEnd &- lineStart) }

    var field: Field { Field(id: id, name: name, value: value, line: line) }
}

extension FieldTable {
    /// The next field with this name (in lower case), at `index` or behind it.
    func nextIndex(named name: RawSpan, from index: Int, in bytes: RawSpan) -> Int? {
        var i = index
        while i < count {
            let record = self[i]
            if Int(record.nameCount) == name.byteCount, bytes.isToken(record.name.bounds, name) { return i }
            i &+= 1
        }
        return nil
    }
}
