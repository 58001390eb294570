/// A route's changes to the fields of its requests, or of its responses: made once for a table, applied per message.
///
/// Fields are removed, then set, then added. Left alone are all that frame a message or concern the connection
/// (Content-Length, Transfer-Encoding, Connection, Keep-Alive, Proxy-Connection, TE, Trailer, Upgrade, Expect,
/// Max-Forwards, HTTP2-Settings, and names that become one of Spillway's own with `_` for `-`). Host cannot be
/// removed, and adding it sets it. Setting or removing a field that Spillway would write (Via, Date, Forwarded,
/// X-Forwarded-…) also keeps it from writing its own.
///
/// An entry that is no valid field (a name that is no token, a value with control bytes) has no effect: whoever reads
/// tables refuses it, and if it came here all the same, no message is broken by it.
package struct CompiledEdits: Sendable, Equatable {
    /// Known fields to drop.
    private(set) var replaced = FieldSet()
    /// Names of others to drop, in lower case: those whose identity does not tell them apart.
    private(set) var names: [[UInt8]] = []
    /// The same, of which `-` and `_` are one letter.
    private(set) var foldedNames: [[UInt8]] = []
    /// The lines to append.
    private(set) var lines: [UInt8] = []

    /// Changes nothing.
    package init() {}

    /// Names may be in any case; a name set twice has its last value.
    /// - Parameter removeAlike: fields to remove however gateways spell them, that is with `_` for any `-` as well.
    package init(
        remove: [String] = [], removeAlike: [String] = [], set: [(name: String, value: String)] = [],
        add: [(name: String, value: String)] = []
    ) {
        for name in remove {
            if let name = Self.name(name), name.id != .host { drop(name.bytes, name.id) }
        }
        for name in removeAlike {
            guard let name = Self.name(name), name.id != .host else { continue }
            if !name.id.isShared { replaced.insert(name.id) }
            let folded = name.bytes.map { $0 == UInt8(ascii: "_") ? UInt8(ascii: "-") : $0 }
            if !foldedNames.contains(folded) { foldedNames.append(folded) }
        }
        var lines: [(name: [UInt8], value: [UInt8])] = []
        func put(_ entry: (name: String, value: String), replacing: Bool) {
            guard let name = Self.name(entry.name), let value = Self.value(entry.value) else { return }
            if replacing || name.id == .host {
                drop(name.bytes, name.id)
                lines.removeAll { $0.name == name.bytes }
            }
            lines.append((name.bytes, value))
        }
        for entry in set { put(entry, replacing: true) }
        for entry in add { put(entry, replacing: false) }
        for line in lines { self.lines += line.name + ": ".utf8 + line.value + "\r\n".utf8 }
    }

    package var isEmpty: Bool { lines.isEmpty && drops == false }

    /// Whether any field may be dropped.
    var drops: Bool { replaced.bits != 0 || dropsNames }

    /// Whether any field may be dropped whose identity does not tell.
    var dropsNames: Bool { !names.isEmpty || !foldedNames.isEmpty }

    private mutating func drop(_ name: [UInt8], _ id: FieldID) {
        if !id.isShared { replaced.insert(id) } else if !names.contains(name) { names.append(name) }
    }

    /// Whether the field of this name, not one with an identity of its own, is dropped.
    func drops(_ name: ByteRange, of bytes: RawSpan) -> Bool {
        for i in names.indices where names[i].count == Int(name.count) {
            if bytes.isToken(name.bounds, names[i]) { return true }
        }
        for i in foldedNames.indices where foldedNames[i].count == Int(name.count) {
            if Self.isAlike(name, of: bytes, foldedNames[i]) { return true }
        }
        return false
    }

    private static func isAlike(_ name: ByteRange, of bytes: RawSpan, _ folded: [UInt8]) -> Bool {
        for i in folded.indices {
            let byte = bytes.byte(at: Int(name.start) &+ i).lowercased
            if (byte == UInt8(ascii: "_") ? UInt8(ascii: "-") : byte) != folded[i] { return false }
        }
        return true
    }

    /// Whether a trailer's line is dropped, its name not being one with an identity of its own.
    package func dropTrailer(_ line: RawSpan) -> Bool {
        var end = 0
        while end < line.byteCount, line.byte(at: end) != UInt8(ascii: ":") { end &+= 1 }
        return drops(ByteRange(start: 0, count: UInt32(end)), of: line)
    }

    /// In lower case, if it is a token, and no field that is not to be edited.
    private static func name(_ text: String) -> (bytes: [UInt8], id: FieldID)? {
        let bytes = text.utf8.map(\.lowercased)
        guard !bytes.isEmpty, bytes.allSatisfy(\.isTokenByte) else { return nil }
        // Bytes have no padding to look into.
        let span = unsafe bytes.span.bytes
        let id: FieldID = .oddlyNamed(span, at: 0, count: bytes.count)
        return FieldSet.notEditable.contains(id) ? nil : (bytes, id)
    }

    /// Without blanks around it, if no byte of it is a control byte.
    private static func value(_ text: String) -> [UInt8]? {
        var value = text.utf8.drop(while: \.isBlank)
        while let last = value.last, last.isBlank { value = value.dropLast() }
        return value.allSatisfy({ $0 == .tab || ($0 >= 0x20 && $0 != 0x7f) }) ? Array(value) : nil
    }
}

extension FieldSet {
    /// What routes must not change: it is ours to get right.
    static var notEditable: FieldSet {
        var set = hopByHop
        set.bits |=
            FieldID.contentLength.bit | FieldID.trailer.bit | FieldID.expect.bit | FieldID.maxForwards.bit
            | FieldID.underscoreAlias.bit
        return set
    }
}
