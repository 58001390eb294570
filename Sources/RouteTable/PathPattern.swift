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

    private let automaton: PatternAutomaton
    /// What the automaton refers to.
    private let words: [UInt64]
    private let classes: [UInt8]

    /// Compiles a pattern.
    /// - Throws: `Malformed` with the column, when it is not understood or too large.
    package init(_ pattern: String) throws(Malformed) {
        var parser = PathPatternParser(pattern)
        let tree = try parser.parse()
        let automaton = PositionAutomaton(tree)
        (self.automaton, words, classes) = automaton.laidOut()
    }

    /// Whether the whole path matches.
    package func matches(_ path: RawSpan) -> Bool {
        automaton.matches(path, words: words.span, classes: classes.span)
    }

    /// As `matches`, for tests and tools.
    package func matches(_ path: String) -> Bool {
        let bytes = Array(path.utf8)
        let span = bytes.span
        // Bytes have no padding to look into.
        return matches(unsafe span.bytes)
    }

    var acceptsEmpty: Bool { automaton.acceptsEmpty }

    /// The states after another byte; `before` is nil at the path's beginning.
    func states(after before: [UInt64]?, _ byte: UInt8) -> [UInt64] {
        automaton.states(after: before, byte, words: words.span, classes: classes.span)
    }

    /// Whether a path may end in one of these states.
    func accepts(_ states: [UInt64]) -> Bool {
        states.indices.contains { states[$0] & words[automaton.firstWord + automaton.width + $0] != 0 }
    }

    /// A byte of each class that this pattern or the other tells apart from others.
    func distinctBytes(with other: PathPattern) -> [UInt8] {
        var seen: Set<UInt16> = []
        return (UInt8.min...UInt8.max).filter {
            let one = UInt16(classes[automaton.firstClass + Int($0)])
            return seen.insert(one << 8 | UInt16(other.classes[other.automaton.firstClass + Int($0)])).inserted
        }
    }

    /// Puts the pattern's words and classes behind others, and gives the automaton that finds them there.
    func append(toWords words: inout [UInt64], classes: inout [UInt8]) -> PatternAutomaton {
        var moved = automaton
        moved.firstWord = words.count
        moved.firstClass = classes.count
        words += self.words
        classes += self.classes
        return moved
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
