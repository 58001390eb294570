import Foundation
import Testing

@testable import Reactor

@Suite("The file of a Unix socket")
struct UnixSocketFileTests {
    private static func path() -> String {
        FileManager.default.temporaryDirectory.appendingPathComponent("s-\(UUID().uuidString.prefix(8))").path
    }

    @Test func `is told apart from what is no socket, and from one on which somebody listens`() throws {
        let path = Self.path()
        defer { unsafe unlink(path) }
        #expect(try UnixSocketFile.state(of: path) == .absent)
        try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
        #expect(try UnixSocketFile.state(of: path) == .other)
        try UnixSocketFile.remove(path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(try UnixSocketFile.state(of: path) == .other)
        unsafe rmdir(path)
        let address = try #require(SocketAddress(unixPath: path))
        do {
            var socket = try ListeningSocket(at: address)
            #expect(try UnixSocketFile.state(of: path) == .inUse)
            socket.close()
            // A link to a socket is somebody's link.
            let link = path + "-link"
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
            #expect(try UnixSocketFile.state(of: link) == .other)
            unsafe unlink(link)
        }
        #expect(try UnixSocketFile.state(of: path) == .stale)
        try UnixSocketFile.remove(path)
        #expect(try UnixSocketFile.state(of: path) == .absent)
    }

    @Test func `is in use while its queue is full`() throws {
        let path = Self.path()
        defer { unsafe unlink(path) }
        let address = try #require(SocketAddress(unixPath: path))
        var socket = try ListeningSocket(at: address, backlog: 1)
        var clients = ContiguousArray<SocketBox>()
        for _ in 0..<8 {
            guard let client = try? Socket.connect(to: address) else { break }
            clients.append(SocketBox(client))
        }
        #expect(clients.count < 8)
        #expect(try UnixSocketFile.state(of: path) == .inUse)
        socket.close()
    }

    @Test func `has its mode and owner before anybody can connect`() throws {
        let path = Self.path()
        defer { unsafe unlink(path) }
        let address = try #require(SocketAddress(unixPath: path))
        var before: UnixSocketFile.State?
        var socket = try ListeningSocket(at: address) { () throws(SystemError) in
            before = try UnixSocketFile.state(of: path)
            let file = try UnixSocketFile.identity(of: path)
            try UnixSocketFile.change(path, file, mode: 0o666, user: getuid(), group: nil)
        }
        socket.close()
        #expect(before == .stale, "nobody listens yet")
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o666)
        #expect(UnixSocketFile.user("root") == 0)
        #expect(UnixSocketFile.user("12345") == 12_345)
        #expect(UnixSocketFile.group("root") == 0)
        #expect(UnixSocketFile.user("nobody-of-this-name") == nil)
    }

    @Test func `keeps its mode and owner to itself: nothing that is put in its place gets them`() throws {
        let path = Self.path()
        let other = path + "-other"
        defer { for path in [path, other] { unsafe unlink(path) } }
        var socket = try ListeningSocket(at: try #require(SocketAddress(unixPath: path)))
        let file = try UnixSocketFile.identity(of: path)
        #expect(UnixSocketFile.isAt(path, file))
        try UnixSocketFile.remove(path)
        try Data("precious".utf8).write(to: URL(fileURLWithPath: other))
        unsafe chmod(other, 0o600)
        for place in [
            nil, { try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: other) },
            { try FileManager.default.linkItem(atPath: other, toPath: path) },
        ] as [(() throws -> Void)?] {
            try place?()
            #expect(!UnixSocketFile.isAt(path, file))
            #expect(throws: SystemError(code: ESTALE)) {
                try UnixSocketFile.change(path, file, mode: 0o666, user: nil, group: nil)
            }
            try UnixSocketFile.remove(path)
        }
        let attributes = try FileManager.default.attributesOfItem(atPath: other)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        socket.close()
    }

    private final class SocketBox {
        let socket: Socket
        init(_ socket: consuming Socket) { self.socket = socket }
    }
}
