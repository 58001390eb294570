internal import COpenSSL

/// The keys of session tickets: the first makes them, the others still accept what was made before.
///
/// Made in one place and handed to every thread, so that a session is resumed by whichever thread the client meets. A
/// ticket is good for as long as its key is kept.
package struct TicketKeys: Sendable {
    /// The present one and so many before it.
    static let formerKeys = 2

    private(set) var state = cssl_ticket_keys()

    /// New keys, of which nobody has tickets.
    package init() {
        rotate()
    }

    /// Makes a new key the first.
    package mutating func rotate() {
        var key = cssl_ticket_key()
        let isRandom = unsafe withUnsafeMutableBytes(of: &key) { room in
            unsafe cssl_random(room.baseAddress?.assumingMemoryBound(to: UInt8.self), room.count) == 1
        }
        precondition(isRandom, "the system has no random bytes")
        let kept = min(Int(state.count), Self.formerKeys)
        // Four places, of which `kept` + 1 are used, three at most.
        if kept == 2 { state.keys.2 = state.keys.1 }
        if kept >= 1 { state.keys.1 = state.keys.0 }
        state.keys.0 = key
        state.count = Int32(kept + 1)
    }
}
