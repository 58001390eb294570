internal import CLinux
internal import Glibc

/// Standard input, output and error: what a parent has left of them, and what becomes of what is printed.
enum StandardStreams {
    /// Opens those that are closed, on nothing. Otherwise the first sockets and files would get their numbers, and what is
    /// printed would go there.
    static func open() {
        for number: Int32 in 0...2 where fcntl(number, F_GETFD) < 0 {
            // The lowest number that is free is this one.
            _ = unsafe Glibc.open("/dev/null", O_RDWR)
        }
        // A reader that has seen enough, as `head` has, ends a command quietly, whatever the parent thinks of it.
        signal(SIGPIPE, SIG_DFL)
    }

    /// For a process that goes on when somebody it writes to has ended, or when a file is as large as it may be.
    static func outliveReaders() {
        for number in [SIGPIPE, SIGXFSZ] { signal(number, SIG_IGN) }
    }

    /// Ends a command that has succeeded with an error if not all it printed could be written.
    static func finish() {
        let result = clinux_finish_output()
        guard result < 0, result != -EPIPE else { return }
        let reason = result == -EIO ? "" : ": \(unsafe String(cString: strerror(-result)))"
        tell("what was printed is not complete\(reason)")
        exit(EXIT_FAILURE)
    }

    /// A line on standard error, for people. If it cannot be written, nobody can be told.
    static func tell(_ line: String) {
        var rest = Array("\(line)\n".utf8)[...]
        while !rest.isEmpty {
            let written = unsafe rest.withUnsafeBytes { unsafe clinux_write(2, $0.baseAddress, $0.count) }
            guard written > 0 else { return }
            rest = rest.dropFirst(written)
        }
    }
}
