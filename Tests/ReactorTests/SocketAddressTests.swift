import Testing

@testable import Reactor

struct SocketAddressTests {
    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80"), ("2001:DB8::7", "[2001:db8::7]:80"),
        ("::ffff:10.1.2.3", "10.1.2.3:80"),
    ])
    func `a numeric address is read and shown in its usual form`(text: String, shown: String) {
        #expect(SocketAddress(ip: text, port: 80)?.description == shown)
    }

    @Test(arguments: ["", "localhost", "1.2.3", "1.2.3.4.5", "[::1]", "::g", "127.0.0.1 "])
    func `what is not a numeric address is none`(text: String) {
        #expect(SocketAddress(ip: text, port: 80) == nil)
    }

    @Test func `a path longer than the system allows is refused`() {
        #expect(SocketAddress(unixPath: String(repeating: "a", count: 107)) != nil)
        #expect(SocketAddress(unixPath: String(repeating: "a", count: 108)) == nil)
    }

    @Test(arguments: [
        ("10.1.2.3", [10, 0, 0, 0] as [UInt8], 8, true), ("11.1.2.3", [10, 0, 0, 0], 8, false),
        ("10.1.2.3", [10, 1, 2, 3], 32, true), ("10.1.2.2", [10, 1, 2, 3], 31, true),
        ("10.1.2.1", [10, 1, 2, 3], 31, false), ("10.1.2.3", [0, 0, 0, 0], 0, true),
        ("::1", [0, 0, 0, 0], 0, false),
        ("fd00::1", [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8, true),
        ("fe00::1", [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 7, false),
    ])
    func `an address is within a block if its first bits are the block's`(
        text: String, block: [UInt8], bits: Int, expected: Bool
    ) throws {
        let ip = try #require(SocketAddress(ip: text, port: 0)?.ip)
        #expect(ip.isWithin(block, prefixBits: bits) == expected)
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.200.3.4", true), ("::1", true), ("0.0.0.0", false), ("::", false),
        ("10.0.0.1", false), ("::ffff:10.1.2.3", false), ("1::1", false),
    ])
    func `an address is on this machine, or may be elsewhere`(text: String, expected: Bool) throws {
        #expect(try #require(SocketAddress(ip: text, port: 0)?.ip).isLoopback == expected)
    }
}
