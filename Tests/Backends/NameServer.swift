internal import Glibc
package import Reactor
internal import Synchronization

/// A name server on loopback, by UDP and TCP, that answers as a test wants.
package final class NameServer: Sendable {
    package struct Question: Sendable {
        package var name: String
        /// 1: A; 28: AAAA.
        package var kind: UInt16
        package var isExtended: Bool
        package var isOverTCP: Bool
    }

    package enum Answer: Sendable {
        case addresses([[UInt8]])
        /// With this code.
        case code(UInt8)
        case truncated
        /// And nothing about that name.
        case alias(String)
        case silence
        case after(milliseconds: UInt32, [[UInt8]])
        /// Behind answers to other questions, of other addresses, and bytes that are none.
        case behindForgeries([[UInt8]])
        /// It knows others who might know.
        case referral
        /// Nothing but these bytes, behind the number of the question.
        case bytes([UInt8])
    }

    package let address: SocketAddress
    package var port: UInt16 { address.port }
    private let udp: Int32
    private let tcp: Int32
    private let answer: @Sendable (Question) -> Answer
    private let questions = Mutex<[Question]>([])
    private let isStopped = Atomic<Bool>(false)

    package var asked: [Question] { questions.withLock { $0 } }

    package init(_ answer: @escaping @Sendable (Question) -> Answer) throws {
        self.answer = answer
        let (udp, tcp, port) = try Self.sockets()
        (self.udp, self.tcp) = (udp, tcp)
        address = SocketAddress(ip: "127.0.0.1", port: port)!
        try Thread.start(name: "dns udp") { [weak self, udp] in
            while true {
                var peer = loopback(port: 0)
                var size = socklen_t(MemoryLayout<sockaddr_in>.size)
                var bytes = [UInt8](repeating: 0, count: 2_048)
                let count = unsafe withUnsafeMutablePointer(to: &peer) { peer in
                    unsafe peer.withMemoryRebound(to: sockaddr.self, capacity: 1) { peer in
                        unsafe bytes.withUnsafeMutableBytes {
                            unsafe recvfrom(udp, $0.baseAddress, $0.count, 0, peer, &size)
                        }
                    }
                }
                guard let self, !self.isStopped.load(ordering: .relaxed) else { break }
                guard count > 0 else { continue }
                let (asked, to, length) = (Array(bytes[..<count]), peer, size)
                try? Thread.start(name: "dns answer") {
                    for reply in self.replies(to: asked, isOverTCP: false) {
                        var to = to
                        _ = unsafe withUnsafeMutablePointer(to: &to) { to in
                            unsafe to.withMemoryRebound(to: sockaddr.self, capacity: 1) { to in
                                unsafe reply.withUnsafeBytes {
                                    unsafe sendto(udp, $0.baseAddress, $0.count, 0, to, length)
                                }
                            }
                        }
                    }
                }
            }
            close(udp)
        }
        try Thread.start(name: "dns tcp") { [weak self, tcp] in
            while true {
                let number = accept(tcp, nil, nil)
                guard number >= 0, let self else {
                    close(tcp)
                    if number >= 0 { close(number) }
                    return
                }
                try? Thread.start(name: "dns answer") {
                    var bytes = [UInt8](repeating: 0, count: 2_048)
                    let count = unsafe bytes.withUnsafeMutableBytes { unsafe recv(number, $0.baseAddress, $0.count, 0) }
                    if count > 2, let reply = self.replies(to: Array(bytes[2..<count]), isOverTCP: true).first {
                        let whole = [UInt8(reply.count >> 8), UInt8(reply.count & 0xff)] + reply
                        // In pieces, as a network may bring it.
                        for start in stride(from: 0, to: whole.count, by: 1_000) {
                            _ = unsafe whole[start..<min(start + 1_000, whole.count)].withUnsafeBytes {
                                unsafe send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                            }
                        }
                    }
                    _ = unsafe bytes.withUnsafeMutableBytes { unsafe recv(number, $0.baseAddress, $0.count, 0) }
                    close(number)
                }
            }
        }
    }

    deinit {
        isStopped.store(true, ordering: .relaxed)
        shutdown(tcp, Int32(SHUT_RDWR))
        shutdown(udp, Int32(SHUT_RDWR))
    }

    /// Of one port, which somebody else may have in one of the two protocols.
    private static func sockets() throws -> (udp: Int32, tcp: Int32, port: UInt16) {
        for _ in 0..<100 {
            let udp = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
            let port = try bound(udp, port: 0)
            let tcp = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            if let found = try? bound(tcp, port: port), listen(tcp, 128) == 0 { return (udp, tcp, found) }
            close(udp)
            close(tcp)
        }
        throw SystemError(code: EADDRINUSE)
    }

    private static func bound(_ number: Int32, port: UInt16) throws -> UInt16 {
        var address = loopback(port: port)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = unsafe withUnsafeMutablePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(number, $0, size) == 0 && getsockname(number, $0, &size) == 0
            }
        }
        guard isBound else { throw SystemError(code: errno) }
        return portNumber(of: address)
    }

    private func replies(to message: [UInt8], isOverTCP: Bool) -> [[UInt8]] {
        var labels: [String] = []
        var place = 12
        while place < message.count, message[place] > 0 {
            labels.append(String(decoding: message[(place + 1)..<(place + 1 + Int(message[place]))], as: UTF8.self))
            place += 1 + Int(message[place])
        }
        let kind = UInt16(message[place + 1]) << 8 | UInt16(message[place + 2])
        let question = Question(
            name: labels.joined(separator: "."), kind: kind, isExtended: message[11] == 1, isOverTCP: isOverTCP)
        questions.withLock { $0.append(question) }
        var reply = Array(message[..<(place + 5)])
        (reply[2], reply[3], reply[11]) = (0x81, 0x80, 0)
        switch answer(question) {
        case .silence: return []
        case .alias(let name):
            let labels: [UInt8] =
                name.split(separator: ".").flatMap { (label: Substring) -> [UInt8] in
                    [UInt8(label.utf8.count)] + Array(label.utf8)
                } + [0]
            reply[7] = 1
            reply += [0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, UInt8(labels.count)] + labels
        case .referral: (reply[2], reply[3]) = (0x80, 0)
        case .bytes(let bytes): return [reply[..<2] + bytes]
        case .behindForgeries(let addresses):
            var forged = reply
            add([[6, 6, 6, 6]], to: &forged)
            add(addresses, to: &reply)
            var otherNumber = forged
            otherNumber[0] ^= 1
            var otherName = forged
            otherName[13] ^= 1
            var question = forged
            question[2] &= 0x7f
            return [[], [1], otherNumber, otherName, question, Array(forged[..<14]), reply]
        case .truncated: reply[2] |= 0x02
        case .code(let code): reply[3] |= code
        case .addresses(let addresses): add(addresses, to: &reply)
        case .after(let milliseconds, let addresses):
            usleep(milliseconds * 1_000)
            add(addresses, to: &reply)
        }
        return [reply]
    }

    private func add(_ addresses: [[UInt8]], to reply: inout [UInt8]) {
        reply[6] = UInt8(addresses.count >> 8)
        reply[7] = UInt8(addresses.count & 0xff)
        for address in addresses {
            reply += [0xc0, 12, 0, address.count == 4 ? 1 : 28, 0, 1, 0, 0, 0, 30, 0, UInt8(address.count)] + address
        }
    }
}

extension NameServer.Question {
    package var isFour: Bool { kind == 1 }
}
