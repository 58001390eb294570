import Testing
import Wire

@testable import Proxy

/// What a client's connection may cost, by what the client does.
struct HTTP2AccountTests {
    private static let reset = HTTP2Frame(length: 4, type: 3, flags: 0, stream: 1)
    private static let headers = HTTP2Frame(length: 30, type: 1, flags: 5, stream: 1)
    private static let update = HTTP2Frame(length: 4, type: 8, flags: 0, stream: 1)
    private static let ping = HTTP2Frame(length: 8, type: 6, flags: 0, stream: 0)
    private static let acknowledgements = [
        HTTP2Frame(length: 8, type: 6, flags: 1, stream: 0), HTTP2Frame(length: 0, type: 4, flags: 1, stream: 0),
    ]
    private static let settings = HTTP2Frame(length: 12, type: 4, flags: 0, stream: 0)
    private static let second: Int64 = 1_000_000_000

    @Test func `streams that are reset at once are an attack`() {
        var account = HTTP2Account()
        for _ in 0..<200 {
            account.count(Self.reset, now: Self.second)
            account.streamClosed(isClean: false, age: 0)
            #expect(!account.isOverdrawn)
        }
        account.count(Self.reset, now: Self.second)
        #expect(account.isOverdrawn)
    }

    @Test func `calls that reach their deadlines are none, whoever notices first`() {
        var account = HTTP2Account()
        for _ in 0..<100 {
            // The client did. Some open each stream's window as it begins.
            for _ in 0..<90 {
                account.count(Self.headers, now: Self.second)
                account.count(Self.update, now: Self.second)
                account.count(Self.reset, now: Self.second)
                account.streamClosed(isClean: false, age: 300_000_000)
            }
            // We did, and the resets come for streams that are no more.
            for _ in 0..<90 { account.streamClosed(isClean: true, age: 300_000_000) }
            for _ in 0..<90 { account.count(Self.reset, now: Self.second) }
            #expect(!account.isOverdrawn)
        }
    }

    @Test func `windows that are opened for nothing are an attack`() {
        var account = HTTP2Account()
        account.count(Self.headers, now: Self.second)
        for _ in 0..<600 { account.count(Self.update, now: Self.second) }
        #expect(account.isOverdrawn)
    }

    @Test(arguments: [0, 1])
    func `acknowledgements of what was never sent are an attack`(kind: Int) {
        var account = HTTP2Account()
        for _ in 0...500 { account.count(Self.acknowledgements[kind], now: Self.second) }
        #expect(account.isOverdrawn)
    }

    @Test func `acknowledgements of what was sent cost nothing, and those that were sent here await none`() {
        var account = HTTP2Account()
        for _ in 0..<10_000 {
            account.countSent(Self.ping)
            account.countSent(Self.settings)
        }
        for _ in 0..<10_000 {
            for frame in Self.acknowledgements { account.count(frame, now: Self.second) }
        }
        #expect(!account.isOverdrawn)
        for _ in 0...500 {
            account.countSent(Self.acknowledgements[0])
            account.count(Self.acknowledgements[0], now: Self.second)
        }
        #expect(account.isOverdrawn)
    }

    @Test func `frames of nothing but padding are an attack, and padding beside bytes is none`() {
        let frame = HTTP2Frame(length: 201, type: 0, flags: 8, stream: 1)
        let last = HTTP2Frame(length: 201, type: 0, flags: 9, stream: 1)
        var account = HTTP2Account()
        for _ in 0..<10_000 {
            account.count(frame, padding: 200, now: Self.second)
            account.count(last, padding: 201, now: Self.second)
        }
        #expect(!account.isOverdrawn)
        for _ in 0..<201 { account.count(frame, padding: 201, now: Self.second) }
        #expect(account.isOverdrawn)
    }

    @Test func `heads that are decoded for nothing cost what they have in bytes, or in fields`() {
        var refused = HTTP2Account()
        for _ in 0..<4 {
            #expect(!refused.isOverdrawn)
            refused.countRefusedHead(16_384, now: Self.second)
        }
        #expect(refused.isOverdrawn)
        // Somebody whose cookies have grown too large, and whose page has a hundred parts.
        var large = HTTP2Account()
        for _ in 0..<100 {
            large.countTooLarge(fields: 60, now: Self.second)
            large.streamClosed(isClean: true, age: 0)
        }
        #expect(!large.isOverdrawn)
        var crumbs = HTTP2Account()
        for _ in 0..<3 {
            crumbs.countTooLarge(fields: 3_300, now: Self.second)
            crumbs.streamClosed(isClean: true, age: 0)
        }
        #expect(crumbs.isOverdrawn)
    }

    @Test func `what still comes of streams that were reset here is no fault, and without end it is an attack`() {
        let data = HTTP2Frame(length: 1_000, type: 0, flags: 0, stream: 1)
        var account = HTTP2Account()
        for _ in 0..<500 {
            account.expectLateFrames()
            for _ in 0..<64 { account.countLate(data, now: Self.second) }
        }
        #expect(!account.isOverdrawn)
        for _ in 0...1_000 { account.countLate(data, now: Self.second) }
        #expect(account.isOverdrawn)
        var heads = HTTP2Account()
        let head = HTTP2Frame(length: 16_000, type: 1, flags: 4, stream: 1)
        for _ in 0..<4 { heads.countLate(head, now: Self.second) }
        #expect(heads.isOverdrawn)
    }

    @Test func `what is paid ahead has an end`() {
        var account = HTTP2Account()
        for _ in 0..<1_000_000 { account.streamClosed(isClean: true, age: 0) }
        for _ in 0..<401 { account.count(Self.reset, now: 0) }
        #expect(account.isOverdrawn)
    }

    @Test func `a debt is forgiven with time, and no credit is lost by it`() {
        var account = HTTP2Account()
        for second in 0..<100 {
            for _ in 0..<100 { account.count(Self.ping, now: Int64(second) * Self.second) }
            #expect(!account.isOverdrawn)
        }
        for _ in 0..<1_000 { account.streamClosed(isClean: true, age: 0) }
        for _ in 0..<400 { account.count(Self.reset, now: 1_000 * Self.second) }
        #expect(!account.isOverdrawn)
    }
}
