import Testing
import Wire

struct DNSQuestionTests {
    /// An answer to a question, put together by hand.
    struct Message {
        var bytes: [UInt8]
        private var answers: UInt8 = 0

        init(_ question: DNSQuestion, flags: [UInt8] = [0x81, 0x80], id: UInt16 = 7) {
            bytes = question.message(id: id, isExtended: false)
            bytes[2] = flags[0]
            bytes[3] = flags[1]
        }

        /// - Parameter owner: labels, or bytes as they are.
        mutating func add(_ owner: [UInt8], type: UInt8, ttl: [UInt8] = [0, 0, 0, 60], _ data: [UInt8]) {
            answers += 1
            bytes[7] = answers
            bytes += owner + [0, type, 0, 1] + ttl + [UInt8(data.count >> 8), UInt8(data.count & 0xff)] + data
        }
    }

    static func labels(_ name: String) -> [UInt8] {
        name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    private let question = DNSQuestion("app.example.com", .a)!

    private func answer(_ bytes: [UInt8], to question: DNSQuestion? = nil, id: UInt16 = 7) -> DNSQuestion.Answer {
        unsafe (question ?? self.question).answer(in: bytes.span.bytes, id: id)
    }

    @Test func `a question is a name, a kind and that more than 512 bytes may be answered`() {
        let message = DNSQuestion("A.example.", .aaaa)!.message(id: 0x1234, isExtended: true)
        #expect(
            message == [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1] + Self.labels("a.example") + [0, 28, 0, 1]
                + [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0])
    }

    @Test(arguments: [
        "", ".", "a..b", String(repeating: "a", count: 64),
        Array(repeating: "abcdefg", count: 32).joined(separator: "."),
        // It has 63 bytes, and more in small letters.
        String(repeating: "İ", count: 31) + "a",
    ])
    func `what is no name is no question`(name: String) {
        #expect(DNSQuestion(name, .a) == nil)
    }

    @Test func `addresses are read with the least time they are good for, whatever their owner is written like`() {
        var message = Message(question)
        message.add([0xc0, 12], type: 1, [10, 0, 0, 1])
        message.add(Self.labels("APP.example.COM"), type: 1, ttl: [0, 0, 0, 5], [10, 0, 0, 2])
        message.add(Self.labels("other.example.com"), type: 1, ttl: [0, 0, 0, 1], [10, 0, 0, 3])
        #expect(answer(message.bytes) == .addresses([[10, 0, 0, 1], [10, 0, 0, 2]], timeToLive: 5))
    }

    @Test func `aliases are followed in whatever order they come, and no further than sixteen`() {
        var message = Message(question)
        message.add(Self.labels("c.cdn.net"), type: 1, [10, 0, 0, 1])
        message.add(Self.labels("b.cdn.net"), type: 5, ttl: [0, 0, 0, 9], Self.labels("c.cdn.net"))
        message.add([0xc0, 12], type: 5, Self.labels("b.cdn.net"))
        #expect(answer(message.bytes) == .addresses([[10, 0, 0, 1]], timeToLive: 9))

        for (count, expected) in [
            (16, DNSQuestion.Answer.addresses([[10, 0, 0, 1]], timeToLive: 60)), (17, .none),
        ] {
            var chain = Message(question)
            chain.add([0xc0, 12], type: 5, Self.labels("a1"))
            for number in 1..<count { chain.add(Self.labels("a\(number)"), type: 5, Self.labels("a\(number + 1)")) }
            chain.add(Self.labels("a\(count)"), type: 1, [10, 0, 0, 1])
            #expect(answer(chain.bytes) == expected)
        }
        var loop = Message(question)
        loop.add([0xc0, 12], type: 5, Self.labels("b"))
        loop.add(Self.labels("b"), type: 5, [0xc0, 12])
        #expect(answer(loop.bytes) == .none)
    }

    @Test func `an alias without addresses is to be followed, unless the server says that there are none`() {
        var message = Message(question)
        message.add([0xc0, 12], type: 5, ttl: [0, 0, 0, 9], Self.labels("b.cdn.net"))
        #expect(answer(message.bytes) == .alias("b.cdn.net", timeToLive: 9))
        message.bytes[9] = 1
        #expect(answer(message.bytes) == .none)
    }

    @Test func `an answer without addresses of the kind is none`() {
        let six = DNSQuestion("app.example.com", .aaaa)!
        var message = Message(six)
        message.add([0xc0, 12], type: 1, [10, 0, 0, 1])
        #expect(answer(message.bytes, to: six) == .none)
        message.add([0xc0, 12], type: 28, Array(repeating: 1, count: 16))
        #expect(answer(message.bytes, to: six) == .addresses([Array(repeating: 1, count: 16)], timeToLive: 60))
    }

    @Test(arguments: [
        ([UInt8](arrayLiteral: 0x81, 0x83), DNSQuestion.Answer.noSuchName), ([0x81, 0x82], .refused(2)),
        ([0x83, 0x80], .truncated), ([0x01, 0x00], .unrelated), ([0x89, 0x80], .unrelated),
    ])
    func `what the head says counts`(flags: [UInt8], expected: DNSQuestion.Answer) {
        #expect(answer(Message(question, flags: flags).bytes) == expected)
    }

    @Test func `an empty answer counts from a server that knows, by itself or by asking`() {
        #expect(answer(Message(question, flags: [0x81, 0x80]).bytes) == .none)
        #expect(answer(Message(question, flags: [0x85, 0x00]).bytes) == .none)
        #expect(answer(Message(question, flags: [0x81, 0x00]).bytes) == .refused(5), "it refers to others")
    }

    @Test func `an answer to somebody else's question is none to this one`() {
        var message = Message(question)
        message.add([0xc0, 12], type: 1, [10, 0, 0, 1])
        #expect(answer(message.bytes, id: 8) == .unrelated)
        #expect(answer(message.bytes, to: DNSQuestion("app.example.com", .aaaa)) == .unrelated)
        #expect(answer(message.bytes, to: DNSQuestion("apq.example.com", .a)) == .unrelated)
        #expect(answer([]) == .unrelated)
        // A server that does not understand the question may leave it out.
        var bytes = Array(message.bytes.prefix(12))
        bytes[3] = 0x81
        bytes[5] = 0
        #expect(answer(bytes) == .refused(1))
    }

    @Test func `a time to live with its highest bit set is none`() {
        var message = Message(question)
        message.add([0xc0, 12], type: 1, ttl: [0x80, 0, 0, 0], [10, 0, 0, 1])
        #expect(answer(message.bytes) == .addresses([[10, 0, 0, 1]], timeToLive: 0))
    }

    @Test func `no more than 1,024 addresses are taken`() {
        var message = Message(question)
        for number in 0..<1_100 {
            message.bytes += [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, UInt8(number >> 8), UInt8(number & 0xff)]
        }
        message.bytes[6] = UInt8(1_100 >> 8)
        message.bytes[7] = UInt8(1_100 & 0xff)
        guard case .addresses(let addresses, _) = answer(message.bytes) else {
            Issue.record("no addresses")
            return
        }
        #expect(addresses.count == 1_024)
    }

    /// Records that make no sense.
    @Test(arguments: [
        // A pointer to itself, forwards, and beyond the end.
        [UInt8](arrayLiteral: 0xc0, 33, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4),
        [0xc0, 40, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4], [0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4],
        // A label of a kind that is not known; a name without end; data without end; of the wrong length.
        [0x40, 0, 0, 1], [3, 97], [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 1],
        [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 3, 1, 2, 3],
    ])
    func `a record that makes no sense makes the answer malformed`(record: [UInt8]) {
        var message = Message(question)
        message.bytes += record
        message.bytes[7] = 1
        #expect(answer(message.bytes) == .malformed)
    }

    @Test func `whatever comes, it is read to an end`() {
        var message = Message(question)
        message.add([0xc0, 12], type: 5, Self.labels("b.cdn.net"))
        message.add(Self.labels("b.cdn.net"), type: 1, [10, 0, 0, 1])
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = message.bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = answer(Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random))))
        }
    }
}
