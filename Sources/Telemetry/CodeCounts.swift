/// How often each three-digit code occurred: of the first 31 that did, each by itself, and of all others together. One
/// writer, any reader.
///
/// A place holds its code in the low ten bits and the code's count above them, so that a reader sees both, or neither.
package struct CodeCounts: ~Copyable, Sendable {
    @inlinable static var placeCount: Int { 31 }
    @inlinable static var codeBits: UInt64 { 10 }

    @usableFromInline let places = InlineArray<31, Counter> { _ in Counter() }
    @usableFromInline let others = Counter()

    package init() {}

    /// Only on the thread that owns these counts.
    @inlinable package func add(_ code: Int) {
        guard (100...999).contains(code) else { return others.add() }
        let code = UInt64(truncatingIfNeeded: code)
        let one: UInt64 = 1 << Self.codeBits
        for index in 0..<Self.placeCount {
            let place = places[index].count
            if place == 0 { return places[index].add(one | code) }
            if place & (one - 1) == code { return places[index].add(one) }
        }
        others.add()
    }

    /// Calls `body` with each code that occurred, in the order in which they first did, and its count; with nil for all that
    /// have no place of their own.
    package func forEach(_ body: (_ code: Int?, _ count: UInt64) -> Void) {
        for index in 0..<Self.placeCount {
            let place = places[index].count
            if place == 0 { break }
            body(Int(place & (1 << Self.codeBits - 1)), place >> Self.codeBits)
        }
        if others.count > 0 { body(nil, others.count) }
    }
}
