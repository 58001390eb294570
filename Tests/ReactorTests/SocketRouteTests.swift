import Reactor
import Testing

struct SocketRouteTests {
    /// Documentation addresses (RFC 3849): without an address of its own of the kind a host says EADDRNOTAVAIL.
    @Test func `an address of a kind that this host does not have is unreachable, and no want of ports`() throws {
        let address = try #require(SocketAddress(ip: "2001:db8::1", port: 9))
        do {
            _ = try Socket.connect(to: address)
        } catch {
            #expect(error.isUnreachable && !error.isExhaustion, "\(error)")
            #expect(!Socket.hasRoute(to: address))
        }
    }

    @Test func `this machine itself can always be reached`() throws {
        #expect(Socket.hasRoute(to: try #require(SocketAddress(ip: "127.0.0.1", port: 9))))
    }
}
