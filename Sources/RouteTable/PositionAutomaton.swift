/// The position automaton of a pattern (see `PathPattern`): states are the pattern's literals and classes.
struct PositionAutomaton {
    /// A set of states, `width` words of it.
    typealias States = [UInt64]

    /// Words a set of states takes.
    let width: Int
    private(set) var acceptsEmpty = false
    /// States that may accept the first byte.
    private(set) var first: States
    /// States that may accept the last byte.
    private(set) var last: States
    /// For each state, those that may accept the byte after.
    private(set) var following: [States] = []
    /// For each state, the bytes it accepts.
    private var accepted: [ByteSet] = []

    /// What the construction needs to know of a part of the pattern.
    private struct Part {
        var acceptsEmpty: Bool
        var first: States
        var last: States
    }

    init(_ tree: PathPatternTree) {
        precondition(tree.stateCount <= PathPattern.stateLimit)
        width = max(1, (tree.stateCount + 63) / 64)
        first = []
        last = []
        let whole = build(tree)
        acceptsEmpty = whole.acceptsEmpty
        first = whole.first
        last = whole.last
    }

    /// As numbers in arrays, ready to match.
    func laidOut() -> (PatternAutomaton, words: [UInt64], classes: [UInt8]) {
        let (classes, accepting) = byteClasses()
        let laid = PatternAutomaton(
            width: width, classCount: accepting.count / width, acceptsEmpty: acceptsEmpty)
        return (laid, first + last + accepting + following.flatMap { $0 }, classes)
    }

    /// Bytes that no state tells apart share a class: `classes[byte]` is its row, of `width` words, in `accepting`.
    private func byteClasses() -> (classes: [UInt8], accepting: [UInt64]) {
        var classes: [UInt8] = []
        var rows: [States: UInt8] = [:]
        var accepting: [UInt64] = []
        for byte in UInt8.min...UInt8.max {
            var row = States(repeating: 0, count: width)
            for (state, set) in accepted.enumerated() where set.contains(byte) { row.insert(state) }
            if let known = rows[row] {
                classes.append(known)
            } else {
                // At most 256 classes, so their numbers fit.
                let number = UInt8(rows.count)
                rows[row] = number
                classes.append(number)
                accepting += row
            }
        }
        return (classes, accepting)
    }

    private var nothing: Part {
        Part(acceptsEmpty: true, first: States(repeating: 0, count: width), last: States(repeating: 0, count: width))
    }

    private mutating func build(_ tree: PathPatternTree) -> Part {
        switch tree {
        case .empty: return nothing
        case .bytes(let set):
            let state = accepted.count
            accepted.append(set)
            following.append(States(repeating: 0, count: width))
            var part = nothing
            part.acceptsEmpty = false
            part.first.insert(state)
            part.last.insert(state)
            return part
        case .sequence(let parts):
            var whole = nothing
            for part in parts { whole = join(whole, build(part)) }
            return whole
        case .choice(let parts):
            var whole = nothing
            whole.acceptsEmpty = false
            for part in parts {
                let built = build(part)
                whole.acceptsEmpty = whole.acceptsEmpty || built.acceptsEmpty
                whole.first.formUnion(built.first)
                whole.last.formUnion(built.last)
            }
            return whole
        case .repeated(let part, let least, let most):
            return buildRepeated(part, least: least, most: most)
        }
    }

    private mutating func buildRepeated(_ part: PathPatternTree, least: Int, most: Int?) -> Part {
        guard let most else {
            // e{m,} is e written m times, the last of them again and again.
            var whole = nothing
            for _ in 0..<max(0, least - 1) { whole = join(whole, build(part)) }
            var loop = build(part)
            follow(loop.last, by: loop.first)
            if least == 0 { loop.acceptsEmpty = true }
            return join(whole, loop)
        }
        // e{m,n} is e written m times, then (e(e(…)?)?)? so that each copy is followed by its neighbor only.
        let copies = (0..<most).map { _ in build(part) }
        var tail = nothing
        for copy in copies.dropFirst(least).reversed() {
            tail = join(copy, tail)
            tail.acceptsEmpty = true
        }
        var whole = nothing
        for copy in copies.prefix(least) { whole = join(whole, copy) }
        return join(whole, tail)
    }

    private mutating func join(_ left: Part, _ right: Part) -> Part {
        follow(left.last, by: right.first)
        var whole = Part(
            acceptsEmpty: left.acceptsEmpty && right.acceptsEmpty, first: left.first, last: right.last)
        if left.acceptsEmpty { whole.first.formUnion(right.first) }
        if right.acceptsEmpty { whole.last.formUnion(left.last) }
        return whole
    }

    private mutating func follow(_ states: States, by next: States) {
        for (word, bits) in states.enumerated() {
            var rest = bits
            while rest != 0 {
                following[word * 64 + rest.trailingZeroBitCount].formUnion(next)
                rest &= rest &- 1
            }
        }
    }
}

extension [UInt64] {
    fileprivate mutating func insert(_ state: Int) {
        self[state / 64] |= 1 << UInt64(state % 64)
    }

    fileprivate mutating func formUnion(_ other: [UInt64]) {
        for word in indices { self[word] |= other[word] }
    }
}
