extension PathPattern {
    /// Pairs of state sets that are looked at before it is left open whether one pattern's paths are all another's.
    private static let pairLimit = 2_000

    /// Whether each path that this pattern matches is matched by `other`, too. False also where that takes too long to
    /// find out.
    ///
    /// Both automata are followed side by side (the product of their subset constructions): a path that ends in a state
    /// where this one accepts and the other does not is one that is not among the other's.
    package func isWithin(_ other: PathPattern) -> Bool {
        if acceptsEmpty && !other.acceptsEmpty { return false }
        let bytes = distinctBytes(with: other)
        var seen: Set<Pair> = []
        var waiting = [Pair(one: nil, other: nil)]
        while let pair = waiting.popLast() {
            for byte in bytes {
                let one = states(after: pair.one, byte)
                guard one.contains(where: { $0 != 0 }) else { continue }
                let next = Pair(one: one, other: other.states(after: pair.other, byte))
                if accepts(one), !(next.other.map(other.accepts) ?? false) { return false }
                guard seen.insert(next).inserted else { continue }
                if seen.count > Self.pairLimit { return false }
                waiting.append(next)
            }
        }
        return true
    }

    /// Where the two automata are after some bytes; nil: before the first.
    private struct Pair: Hashable {
        var one: [UInt64]?
        var other: [UInt64]?
    }

    /// A pattern for the paths below a prefix: it itself, and what follows it after a `/`. Nil where the prefix is too
    /// long for a pattern.
    package static func below(prefix: String) -> PathPattern? {
        var text = ""
        for character in prefix.unicodeScalars {
            if character.properties.isAlphabetic || ("0"..."9").contains(character) {
                text.unicodeScalars.append(character)
            } else {
                text += "\\"
                text.unicodeScalars.append(character)
            }
        }
        return try? PathPattern(prefix.hasSuffix("/") ? text + ".*" : text + "(/.*)?")
    }
}
