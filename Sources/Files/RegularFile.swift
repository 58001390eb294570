internal import Glibc

/// The one place where files that the router is given are opened for reading: tables, certificates, the state directory,
/// settings, scenarios, the hosts file.
///
/// Only regular files are read, so that a named pipe that nobody writes to is a mistake and not a wait, and a device that
/// never ends is no table. What is read is bounded. A file system that does not answer can still hold the caller up: a
/// running router calls this only on threads that nobody needs.
package enum RegularFile {
    private static let pieceBytes = 65_536

    /// All of a file, which may have so many bytes.
    package static func read(_ path: String, atMost limit: Int) throws(FileProblem) -> [UInt8] {
        let descriptor = try open(path)
        defer { close(descriptor) }
        let bytes = try Self.bytes(of: descriptor, path, limit)
        guard bytes.count <= limit else { throw FileProblem(path, .read, .size(limit)) }
        return bytes
    }

    /// The first bytes of a file; what is behind them is left out.
    package static func readBeginning(_ path: String, atMost limit: Int) throws(FileProblem) -> [UInt8] {
        let descriptor = try open(path)
        defer { close(descriptor) }
        return Array(try Self.bytes(of: descriptor, path, limit).prefix(limit))
    }

    /// The last bytes of a file; what is before them is left out.
    package static func readEnd(_ path: String, atMost limit: Int) throws(FileProblem) -> [UInt8] {
        let descriptor = try open(path)
        defer { close(descriptor) }
        let size = Int(lseek(descriptor, 0, SEEK_END))
        _ = lseek(descriptor, off_t(max(0, size - limit)), SEEK_SET)
        // Somebody may write to it meanwhile.
        return Array(try Self.bytes(of: descriptor, path, limit).prefix(limit))
    }

    /// What is at a path, as a phrase; nil for a regular file, and where nothing can be found.
    package static func otherKind(at path: String) -> String? {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        return otherKind(status)
    }

    private static func open(_ path: String) throws(FileProblem) -> Int32 {
        var status = stat()
        // Before it is opened: opening is enough to have some devices do something.
        guard unsafe stat(path, &status) == 0 else { throw FileProblem(path, .read, code: errno) }
        if let kind = otherKind(status) { throw FileProblem(path, .read, .kind(kind)) }
        // Something else may be there by now, and opening must not wait for it.
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileProblem(path, .read, code: errno) }
        guard unsafe fstat(descriptor, &status) == 0 else {
            let code = errno
            close(descriptor)
            throw FileProblem(path, .read, code: code)
        }
        guard let kind = otherKind(status) else { return descriptor }
        close(descriptor)
        throw FileProblem(path, .read, .kind(kind))
    }

    private static func otherKind(_ status: stat) -> String? {
        switch status.st_mode & S_IFMT {
        case S_IFREG: nil
        case S_IFDIR: "a directory"
        case S_IFIFO: "a pipe"
        case S_IFSOCK: "a socket"
        case S_IFCHR, S_IFBLK: "a device"
        default: "something else"
        }
    }

    /// From where the descriptor stands; at most one piece more than `limit`.
    private static func bytes(of descriptor: Int32, _ path: String, _ limit: Int) throws(FileProblem) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: pieceBytes)
        while bytes.count <= limit {
            let count = unsafe piece.withUnsafeMutableBytes { room in
                unsafe Glibc.read(descriptor, room.baseAddress, room.count)
            }
            if count == 0 { break }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw FileProblem(path, .read, code: errno) }
            bytes += piece[..<count]
        }
        return bytes
    }
}
