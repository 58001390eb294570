internal import Glibc

/// What a file or directory could not be used for, and why: a sentence for whoever keeps it.
package struct FileProblem: Error, Equatable, CustomStringConvertible {
    package enum Use: String, Sendable {
        case read, written, created, removed, locked
    }

    package let path: String
    package let use: Use
    /// A positive `errno`.
    package let code: Int32

    package init(_ path: String, _ use: Use, code: Int32) {
        self.path = path
        self.use = use
        self.code = code
    }

    package var description: String {
        "\(path) cannot be \(use.rawValue): \(unsafe String(cString: strerror(code)))"
    }
}
