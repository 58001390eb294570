internal import CLinux
internal import Glibc

/// The file of a UNIX-domain socket.
package enum UnixSocketFile {
    package enum State: Equatable, Sendable {
        case absent
        /// Something that is no socket: a file, a directory, a symbolic link.
        case other
        /// A socket on which nobody listens, left behind by a process that has ended.
        case stale
        /// A socket that somebody uses.
        case inUse
    }

    /// What is at a path. Throws if that cannot be found out.
    package static func state(of path: String) throws(SystemError) -> State {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else {
            if errno == ENOENT { return .absent }
            throw SystemError(code: errno)
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else { return .other }
        guard let address = SocketAddress(unixPath: path) else { throw .invalid }
        let number = Int32(try SystemError.check(Int(clinux_socket(AF_UNIX))))
        defer { _ = clinux_close(number) }
        let result = unsafe withUnsafePointer(to: address.raw) { unsafe clinux_connect(number, $0) }
        return switch result {
        case -ECONNREFUSED: .stale
        case -ENOENT: .absent
        // Accepted; or its queue is full (EAGAIN); or it is a socket for datagrams.
        case 0, -EINPROGRESS, -EAGAIN, -EPROTOTYPE: .inUse
        default: throw SystemError(result: Int(result))
        }
    }

    package static func remove(_ path: String) throws(SystemError) {
        if unsafe unlink(path) != 0 && errno != ENOENT { throw SystemError(code: errno) }
    }

    /// Which file it is, whatever else may be at its path later. The number is not another file's for as long as the socket
    /// is open.
    package struct Identity: Equatable, Sendable {
        fileprivate var device: UInt64 = 0
        fileprivate var number: UInt64 = 0
    }

    /// Of what is at a path; a symbolic link is not followed.
    package static func identity(of path: String) throws(SystemError) -> Identity {
        var identity = Identity()
        let result = unsafe clinux_identify_file(path, &identity.device, &identity.number)
        _ = try SystemError.check(Int(result))
        return identity
    }

    /// Whether that very file is at a path.
    package static func isAt(_ path: String, _ identity: Identity) -> Bool {
        (try? Self.identity(of: path)) == identity
    }

    /// Sets permission bits and owner of that very file: throws, and changes nothing, when another is at its path.
    ///
    /// - Parameters: nil leaves each as it is.
    package static func change(
        _ path: String, _ identity: Identity, mode: Int?, user: UInt32?, group: UInt32?
    ) throws(SystemError) {
        let mode = mode.map { Int32(truncatingIfNeeded: $0 & 0o777) } ?? -1
        let result = unsafe clinux_change_file(
            path, identity.device, identity.number, mode, user ?? .max, group ?? .max)
        _ = try SystemError.check(Int(result))
    }

    /// The number of a user, given by name or number.
    package static func user(_ text: String) -> UInt32? {
        if let number = UInt32(text) { return number }
        return unsafe getpwnam(text).map { unsafe $0.pointee.pw_uid }
    }

    /// The number of a group, given by name or number.
    package static func group(_ text: String) -> UInt32? {
        if let number = UInt32(text) { return number }
        return unsafe getgrnam(text).map { unsafe $0.pointee.gr_gid }
    }
}
