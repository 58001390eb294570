/// The automaton of a path pattern as plain numbers that lie in arrays it shares with others.
///
/// Arrays of their own would be references to count whenever one of many patterns is tried.
struct PatternAutomaton: Sendable {
    /// Words that hold a set of states.
    let width: Int
    /// Byte classes it tells apart.
    let classCount: Int
    /// Whether the empty path matches.
    let acceptsEmpty: Bool
    /// Where its words begin: the states a path begins with, those it may end in, then for each byte class those that
    /// accept it, then for each state those that may come after.
    var firstWord = 0
    /// Where its 256 classes begin, one for each byte.
    var firstClass = 0

    private var accepting: Int { firstWord &+ 2 &* width }
    private var following: Int { firstWord &+ (2 &+ classCount) &* width }

    /// Whether the whole path matches.
    func matches(_ path: RawSpan, words: Span<UInt64>, classes: Span<UInt8>) -> Bool {
        if path.isEmpty { return acceptsEmpty }
        return width == 1
            ? matchesNarrow(path, words: words, classes: classes) : matchesWide(path, words: words, classes: classes)
    }

    /// The states after another byte; `before` is nil at the path's beginning.
    func states(after before: [UInt64]?, _ byte: UInt8, words: Span<UInt64>, classes: Span<UInt8>) -> [UInt64] {
        var next = [UInt64](repeating: 0, count: width)
        if let before {
            for word in 0..<width {
                var rest = before[word]
                while rest != 0 {
                    let row = following &+ (word &* 64 &+ rest.trailingZeroBitCount) &* width
                    for column in 0..<width { next[column] |= words[row &+ column] }
                    rest &= rest &- 1
                }
            }
        } else {
            for word in 0..<width { next[word] = words[firstWord &+ word] }
        }
        let row = accepting &+ Int(classes[firstClass &+ Int(byte)]) &* width
        for word in 0..<width { next[word] &= words[row &+ word] }
        return next
    }

    /// Up to 64 states: the set is one word.
    private func matchesNarrow(_ path: RawSpan, words: Span<UInt64>, classes: Span<UInt8>) -> Bool {
        let accepting = accepting, following = following
        var states = words[firstWord]
        for offset in path.byteOffsets {
            if offset > 0 {
                var rest = states
                states = 0
                while rest != 0 {
                    states |= words[following &+ rest.trailingZeroBitCount]
                    rest &= rest &- 1
                }
            }
            states &= words[accepting &+ Int(classes[firstClass &+ Int(path.unsafeByte(at: offset))])]
            if states == 0 { return false }
        }
        return states & words[firstWord &+ 1] != 0
    }

    private func matchesWide(_ path: RawSpan, words: Span<UInt64>, classes: Span<UInt8>) -> Bool {
        let accepting = accepting, following = following
        var states = InlineArray<16, UInt64>(repeating: 0)
        for word in 0..<width { states[word] = words[firstWord &+ word] }
        for offset in path.byteOffsets {
            if offset > 0 {
                var next = InlineArray<16, UInt64>(repeating: 0)
                for word in 0..<width {
                    var rest = states[word]
                    while rest != 0 {
                        let row = following &+ (word &* 64 &+ rest.trailingZeroBitCount) &* width
                        for column in 0..<width { next[column] |= words[row &+ column] }
                        rest &= rest &- 1
                    }
                }
                states = next
            }
            let row = accepting &+ Int(classes[firstClass &+ Int(path.unsafeByte(at: offset))]) &* width
            var alive: UInt64 = 0
            for word in 0..<width {
                states[word] &= words[row &+ word]
                alive |= states[word]
            }
            if alive == 0 { return false }
        }
        return (0..<width).contains { states[$0] & words[firstWord &+ width &+ $0] != 0 }
    }
}
