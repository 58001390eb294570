internal import CLinux
private import Synchronization

/// Messages from other threads to the one that runs a loop, in order.
///
/// The only lock between threads here; it is taken once per message and once per batch received, never per request.
package final class Mailbox<Message: Sendable>: Sendable {
    private let messages = Mutex<[Message]>([])
    private let wake: Descriptor

    package init() throws(SystemError) {
        wake = Descriptor(owning: Int32(try SystemError.check(Int(clinux_eventfd()))))
    }

    /// Leaves a message and wakes the loop.
    package func post(_ message: Message) {
        let isFirst = messages.withLock { messages in
            messages.append(message)
            return messages.count == 1
        }
        if isFirst {
            var one: UInt64 = 1
            _ = unsafe clinux_write(wake.number, &one, 8)
        }
    }

    /// Has `receive` called on the loop's thread for each message. Call once, on that thread.
    package func attach(to loop: EventLoop, receive: @escaping (Message) -> Void) throws(SystemError) {
        _ = try loop.register(wake, MailboxReader(mailbox: self, receive: receive))
    }

    fileprivate func takeAll() -> [Message] {
        var count: UInt64 = 0
        _ = unsafe clinux_read(wake.number, &count, 8)
        return messages.withLock { messages in
            let taken = messages
            messages = []
            return taken
        }
    }
}

private final class MailboxReader<Message: Sendable>: EventHandler {
    let mailbox: Mailbox<Message>
    let receive: (Message) -> Void

    init(mailbox: Mailbox<Message>, receive: @escaping (Message) -> Void) {
        self.mailbox = mailbox
        self.receive = receive
    }

    func ready(_ readiness: Readiness) {
        for message in mailbox.takeAll() { receive(message) }
    }
}
