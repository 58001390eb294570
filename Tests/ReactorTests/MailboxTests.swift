import Synchronization
import Testing

@testable import Reactor

/// Mailboxes under many senders; `make sanitize` runs this under the thread sanitizer.
struct MailboxTests {
    @Test func `what many threads post arrives once, and of each thread in order`() throws {
        let loop = try EventLoop()
        let mailbox = try Mailbox<(sender: Int, number: Int)>()
        let (senders, messages) = (4, 5_000)
        var received = Array(repeating: [Int](), count: senders)
        var left = senders * messages
        try mailbox.attach(to: loop) { message in
            received[message.sender].append(message.number)
            left -= 1
            if left == 0 { loop.stop() }
        }
        for sender in 0..<senders {
            try Thread.start(name: "sender") { for number in 0..<messages { mailbox.post((sender, number)) } }
        }
        loop.run()
        loop.dismiss()
        for numbers in received { #expect(numbers == Array(0..<messages)) }
    }
}
