/// Another beginning for the paths of a route's requests.
package struct PathRewrite: Sendable, Equatable {
    /// Bytes of the path that the route's prefix has matched.
    package let prefixCount: Int
    /// Begins with a slash.
    let replacement: [UInt8]
    /// The same without a slash at its end.
    private let stemCount: Int

    /// `prefixCount`: bytes of the matched prefix (1 for `/`). The replacement is made to begin with a slash; bytes
    /// that no path may have are left out of it.
    package init(prefixCount: Int, replacement: String) {
        precondition(prefixCount >= 0, "a prefix has no negative length")
        self.prefixCount = prefixCount
        var bytes = replacement.utf8.filter { $0 > 0x20 && $0 < 0x7f && !"\"#<>?\\".utf8.contains($0) }
        if bytes.first != UInt8(ascii: "/") { bytes.insert(UInt8(ascii: "/"), at: 0) }
        self.replacement = bytes
        stemCount = bytes.last == UInt8(ascii: "/") ? bytes.count - 1 : bytes.count
    }

    /// Writes a path with its prefix replaced: exactly one slash between the replacement and the rest, and none added
    /// behind it when there is no rest. An empty path is written as `/` would be, for which it stands.
    func write(_ path: ByteRange, of bytes: RawSpan, into out: inout WriteBuffer) {
        let bounds = path.bounds
        if bounds.isEmpty { return writeRoot(into: &out) }
        guard bounds.count >= prefixCount else { return out.append(bytes, path) }
        let rest = bounds.lowerBound &+ prefixCount
        if rest == bounds.upperBound { return out.append(replacement.span) }
        out.append(replacement.span.extracting(0..<stemCount))
        if bytes.byte(at: rest) != UInt8(ascii: "/") { out.append(byte: UInt8(ascii: "/")) }
        out.append(bytes, rest, bounds.upperBound)
    }

    private func writeRoot(into out: inout WriteBuffer) {
        if prefixCount == 1 { return out.append(replacement.span) }
        if prefixCount == 0 { out.append(replacement.span.extracting(0..<stemCount)) }
        out.append(byte: UInt8(ascii: "/"))
    }
}
