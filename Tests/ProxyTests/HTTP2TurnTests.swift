import Testing
import Wire

@testable import Proxy

/// What a connection may have of a turn.
struct HTTP2TurnTests {
    /// DATA, HEADERS, PING, ALTSVC, and a type that no RFC has.
    @Test(arguments: [0, 1, 6, 10, 0x2f] as [UInt8])
    func `a turn is over after as many bytes as one large read brings, whatever frames they are of`(type: UInt8) {
        var turn = HTTP2Turn(number: 0)
        var bytes = 0
        while !turn.isSpent {
            turn.count(HTTP2Frame(length: 16_384, type: type, flags: 0, stream: 1))
            bytes += 16_384
        }
        #expect(bytes <= 2 * Connection.largeRead)
    }

    @Test func `a frame that is larger than any may be spends the turn that reads its head`() {
        var turn = HTTP2Turn(number: 0)
        turn.count(HTTP2Frame(length: 4_740_180, type: 0x2f, flags: 0x31, stream: 0))
        #expect(turn.isSpent)
    }

    @Test func `a turn is over after one large read of what follows the head of such a frame`() {
        var turn = HTTP2Turn(number: 0)
        turn.countRead()
        turn.count(bytes: Connection.largeRead - 1)
        #expect(!turn.isSpent)
        turn.countRead()
        turn.count(bytes: 1)
        #expect(turn.isSpent)
    }
}
