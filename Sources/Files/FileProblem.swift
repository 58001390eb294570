internal import Glibc

/// What a file or directory could not be used for, and why: a sentence for whoever keeps it.
package struct FileProblem: Error, Equatable, CustomStringConvertible {
    package enum Use: String, Sendable {
        case read, written, created, removed, locked
    }

    package enum Cause: Equatable, Sendable {
        /// A positive `errno`.
        case system(Int32)
        /// It is no regular file, but that: `a named pipe`.
        case kind(String)
        /// It has more bytes than these.
        case size(Int)
    }

    package let path: String
    package let use: Use
    package let cause: Cause

    package init(_ path: String, _ use: Use, _ cause: Cause) {
        self.path = path
        self.use = use
        self.cause = cause
    }

    /// - Parameter code: a positive `errno`.
    package init(_ path: String, _ use: Use, code: Int32) {
        self.init(path, use, .system(code))
    }

    /// There is no such file.
    package var isAbsence: Bool { cause == .system(ENOENT) }

    /// Why, without the path.
    package var reason: String {
        switch cause {
        case .system(let code): unsafe String(cString: strerror(code))
        case .kind(let kind): "\(kind), not a regular file"
        case .size(let limit): limit < 1 << 20 ? "more than \(limit) bytes" : "more than \(limit >> 20) MiB"
        }
    }

    package var description: String { "\(path) cannot be \(use.rawValue): \(reason)" }
}
