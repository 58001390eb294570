internal import Wire

/// What one HTTP/2 connection may have of a turn of its worker, while all others wait: bytes, and the frames, heads and
/// fields in them, of which a few bytes can stand for many. What is left of a read waits for another turn.
///
/// A unit is some 100 ns of work, so that a turn's share is some 100 µs of what usually comes: 128 KiB of bodies, or a
/// dozen requests with small heads. A client beside it, whose request takes two turns, waits no longer than that for each.
struct HTTP2Turn {
    /// The turn of the loop.
    let number: Int
    private var left = Self.units
    private var bytesLeft = Connection.largeRead

    static let units = 1_024

    init(number: Int) {
        self.number = number
    }

    var isSpent: Bool { left <= 0 || bytesLeft <= 0 }

    /// A read, whether or not it brought anything.
    mutating func countRead() { left -= 16 }

    /// Bytes that were read and taken. Those of a frame that began in another turn count as nothing else.
    mutating func count(bytes: Int) { bytesLeft -= bytes }

    mutating func count(_ frame: HTTP2Frame) {
        switch frame.type {
        // A byte of a field block can be a field; one that is ignored is decoded all the same.
        case HTTP2Frame.headers, HTTP2Frame.continuation: left -= 64 + frame.length / 4
        case HTTP2Frame.data: left -= 4 + frame.length / 128
        // What is ignored was read all the same; a frame that is too large ends the connection once the turn is over.
        default: left -= 8 + frame.length / 128
        }
    }

    mutating func countField() { left -= 3 }
}
