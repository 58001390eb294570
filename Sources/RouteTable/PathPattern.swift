/// A regular expression that matches whole paths, byte by byte, in time linear in the path.
///
/// It is compiled to the position automaton of the expression (Glushkov, "The abstract theory of automata", 1961):
/// one state for each literal or class of the pattern, and for each state the set of those that may follow. The
/// states a path may be in are bits of a few machine words, so matching takes no memory but the stack's, never goes
/// back, and costs at most the number of states for each byte, whatever the pattern and the path.
///
/// Understood: literals, `.` (any byte), classes `[a-z_]` and `[^…]`, `\d \D \w \W \s \S`, `\t \n \r \f \v`, `\xHH`,
/// any punctuation after `\`, groups `(…)` and `(?:…)`, alternatives `|`, and `* + ? {m} {m,} {m,n}`. A `^` first and
/// a `$` last are allowed and say nothing new. Letters beyond ASCII are matched as their UTF-8 bytes.
package struct PathPattern: Sendable {
    /// Why a pattern is not accepted.
    package struct Malformed: Error, Sendable, Equatable {
        /// Where, counted in Unicode scalars from 1.
        package let column: Int
        /// What is wrong there, as a phrase.
        package let reason: String
    }

    /// The longest pattern accepted, in bytes of UTF-8.
    package static let lengthLimit = 2_048
    /// The most states a pattern may have once its repetitions are written out.
    package static let stateLimit = 1_024
    static let wordLimit = stateLimit / 64

    /// Words that hold a set of states.
    private let width: Int
    /// Whether the empty path matches.
    private let acceptsEmpty: Bool
    /// For each byte, which row of `accepting` is its.
    private let classes: [UInt8]
    /// Row by row: the states that accept a byte of this class.
    private let accepting: [UInt64]
    /// Row by row: the states that may come after a state.
    private let following: [UInt64]
    private let first: [UInt64]
    private let last: [UInt64]

    /// Compiles a pattern.
    /// - Throws: `Malformed` with the column, when it is not understood or too large.
    package init(_ pattern: String) throws(Malformed) {
        var parser = PathPatternParser(pattern)
        let tree = try parser.parse()
        let automaton = PositionAutomaton(tree)
        width = automaton.width
        acceptsEmpty = automaton.acceptsEmpty
        first = automaton.first
        last = automaton.last
        following = automaton.following.flatMap { $0 }
        (classes, accepting) = automaton.byteClasses()
    }

    /// Whether the whole path matches.
    package func matches(_ path: RawSpan) -> Bool {
        if path.isEmpty { return acceptsEmpty }
        return width == 1 ? matchesNarrow(path) : matchesWide(path)
    }

    /// As `matches`, for tests and tools.
    package func matches(_ path: String) -> Bool {
        let bytes = Array(path.utf8)
        let span = bytes.span
        // Bytes have no padding to look into.
        return matches(unsafe span.bytes)
    }

    /// Up to 64 states: the set is one word.
    private func matchesNarrow(_ path: RawSpan) -> Bool {
        let classes = classes.span, accepting = accepting.span, following = following.span
        var states = first[0]
        for offset in path.byteOffsets {
            let byte = path.unsafeByte(at: offset)
            if offset > 0 {
                var rest = states
                states = 0
                while rest != 0 {
                    states |= following[rest.trailingZeroBitCount]
                    rest &= rest &- 1
                }
            }
            states &= accepting[Int(classes[Int(byte)])]
            if states == 0 { return false }
        }
        return states & last[0] != 0
    }

    private func matchesWide(_ path: RawSpan) -> Bool {
        let classes = classes.span, accepting = accepting.span, following = following.span
        var states = InlineArray<16, UInt64>(repeating: 0)
        for word in 0..<width { states[word] = first[word] }
        for offset in path.byteOffsets {
            let byte = path.unsafeByte(at: offset)
            if offset > 0 {
                var next = InlineArray<16, UInt64>(repeating: 0)
                for word in 0..<width {
                    var rest = states[word]
                    while rest != 0 {
                        let row = (word &* 64 &+ rest.trailingZeroBitCount) &* width
                        for column in 0..<width { next[column] |= following[row &+ column] }
                        rest &= rest &- 1
                    }
                }
                states = next
            }
            let row = Int(classes[Int(byte)]) &* width
            var alive: UInt64 = 0
            for word in 0..<width {
                states[word] &= accepting[row &+ word]
                alive |= states[word]
            }
            if alive == 0 { return false }
        }
        return (0..<width).contains { states[$0] & last[$0] != 0 }
    }
}

extension RawSpan {
    /// The byte at an offset; traps outside the span.
    @inline(__always)
    func unsafeByte(at offset: Int) -> UInt8 {
        // Checked against the span's bounds; every bit pattern is a valid UInt8.
        unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }
}
