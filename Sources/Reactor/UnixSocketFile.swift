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

    /// Permission bits.
    package static func setMode(_ path: String, _ mode: Int) throws(SystemError) {
        if unsafe chmod(path, mode_t(mode & 0o777)) != 0 { throw SystemError(code: errno) }
    }

    /// Nil leaves the owner, or the group, as it is.
    package static func setOwner(_ path: String, user: UInt32?, group: UInt32?) throws(SystemError) {
        if unsafe chown(path, user ?? .max, group ?? .max) != 0 { throw SystemError(code: errno) }
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
