/// How large a message head may be. What exceeds a limit is refused, whether it has come in full or not.
package struct HeadLimits: Sendable, Equatable {
    /// All bytes of a head, from the first of the start line to the end of the empty line; more is 431.
    package var headBytes: Int
    /// Bytes of a request's target; more is 414.
    package var targetBytes: Int
    /// Field lines; more is 431. The head's own `fieldLimit` counts as well.
    package var fieldCount: Int

    package init(headBytes: Int = 32_768, targetBytes: Int = 16_384, fieldCount: Int = 200) {
        self.headBytes = headBytes
        self.targetBytes = targetBytes
        self.fieldCount = fieldCount
    }

    /// For a head that was within its limits before.
    package static var unlimited: HeadLimits {
        HeadLimits(headBytes: largest, targetBytes: largest, fieldCount: .max)
    }

    /// For what upstreams answer: wider than for clients, as an operator chose them.
    package static var upstream: HeadLimits {
        HeadLimits(headBytes: 65_536, targetBytes: largest, fieldCount: 4_096)
    }

    /// No head is parsed in more bytes than this, whatever the limits say: offsets are 32 bits wide.
    static var largest: Int { 1 << 30 }
}

/// What has become of a head.
package enum HeadProgress: Sendable, Equatable {
    /// The head is at hand; what follows it begins after that many bytes.
    case complete(headBytes: Int)
    /// No fault so far, but the end has not come. Parse again with more bytes, from the same first byte.
    case incomplete
}
