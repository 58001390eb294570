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

    /// On an interface that is not told (RFC 4007, 6): connect says EINVAL, or EADDRNOTAVAIL where there is no IPv6.
    @Test func `a link local address without its interface is unreachable`() throws {
        let address = try #require(SocketAddress(ip: "fe80::1", port: 9))
        #expect(!Socket.hasRoute(to: address))
        do {
            _ = try Socket.connect(to: address)
            Issue.record("a connection to nowhere")
        } catch {
            #expect(error.isUnreachable && !error.isExhaustion, "\(error)")
        }
    }

    @Test func `this machine itself can always be reached`() throws {
        #expect(Socket.hasRoute(to: try #require(SocketAddress(ip: "127.0.0.1", port: 9))))
    }
}
