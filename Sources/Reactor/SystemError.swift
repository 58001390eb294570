internal import CLinux

/// An error number of the system, as the world gave it.
package struct SystemError: Error, Hashable, CustomStringConvertible {
    /// A positive `errno`.
    package let code: Int32

    package init(code: Int32) {
        self.code = code
    }

    package var description: String {
        unsafe String(cString: strerror(code))
    }

    package static let invalid = SystemError(code: EINVAL)
    package static let connectionRefused = SystemError(code: ECONNREFUSED)
    package static let noRoute = SystemError(code: ENETUNREACH)
    package static let connectionReset = SystemError(code: ECONNRESET)
    /// There is no way to the other end, as far as this machine can tell: it has said nothing itself.
    package var isUnreachable: Bool {
        [EHOSTUNREACH, ENETUNREACH, ENETDOWN, EHOSTDOWN, ETIMEDOUT, EPERM, EACCES, EAFNOSUPPORT].contains(code)
    }
    /// Of an accept: that one connection is gone, and the next may be fine (accept(2) has the list).
    package var isOfOneConnection: Bool {
        [
            ECONNABORTED, ECONNRESET, ETIMEDOUT, EPROTO, ENOPROTOOPT, EOPNOTSUPP, ENETDOWN, ENETUNREACH, EHOSTDOWN,
            EHOSTUNREACH, ENONET, EPERM,
        ].contains(code)
    }

    /// This process or this machine has run out of something a connection needs: descriptors (EMFILE, ENFILE), memory
    /// (ENOBUFS, ENOMEM), local ports (EADDRNOTAVAIL; EAGAIN of a connect). The peer has no part in it.
    package var isExhaustion: Bool {
        [EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EAGAIN].contains(code)
    }

    /// Turns a result of CLinux (negative: -errno) into a value or an error. EBADF, EFAULT and ENOTSOCK can only be
    /// our own mistake and trap.
    static func check(_ result: Int) throws(SystemError) -> Int {
        if result >= 0 { return result }
        throw SystemError(result: result)
    }

    init(result: Int) {
        let code = Int32(truncatingIfNeeded: 0 &- result)
        precondition(
            code != EBADF && code != EFAULT && code != ENOTSOCK, "a descriptor was used after its end: errno \(code)")
        self.code = code
    }
}
