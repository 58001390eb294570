internal import CLinux
internal import Glibc

/// A file of the state directory that is written to, at its end.
struct OpenFile: ~Copyable {
    let path: String
    private let descriptor: Int32

    /// Opens a file for its owner alone, and creates it if need be, with the directories it is in.
    init(appendingTo path: String) throws(FileProblem) {
        self.path = path
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC
        descriptor = try Self.open(path, flags)
    }

    private init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit {
        _ = clinux_close(descriptor)
    }

    fileprivate static func open(_ path: String, _ flags: Int32) throws(FileProblem) -> Int32 {
        var descriptor = unsafe Glibc.open(path, flags, 0o600)
        if descriptor < 0, errno == ENOENT || errno == ENOTDIR, let end = path.lastIndex(of: "/") {
            try StateFiles.makeDirectory(String(path[..<end]))
            descriptor = unsafe Glibc.open(path, flags, 0o600)
        }
        guard descriptor >= 0 else { throw FileProblem(path, .written, code: errno) }
        return descriptor
    }

    /// A new, empty file, in place of one that may be there.
    static func replacing(_ path: String) throws(FileProblem) -> OpenFile {
        OpenFile(path: path, descriptor: try open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC))
    }

    func size() throws(FileProblem) -> Int {
        let size = lseek(descriptor, 0, SEEK_END)
        guard size >= 0 else { throw FileProblem(path, .read, code: errno) }
        return Int(size)
    }

    /// All of it reaches the system before this returns; on an error a part of it may have.
    func write(_ bytes: [UInt8]) throws(FileProblem) {
        var offset = 0
        while offset < bytes.count {
            let written = unsafe bytes.withUnsafeBytes { bytes in
                unsafe clinux_write(descriptor, bytes.baseAddress! + offset, bytes.count - offset)
            }
            guard written > 0 else { throw FileProblem(path, .written, code: Int32(truncatingIfNeeded: 0 &- written)) }
            offset += written
        }
    }

    /// Takes off what was written in part.
    func truncate(to size: Int) {
        _ = ftruncate(descriptor, off_t(size))
    }

    /// Has what was written survive a loss of power.
    func synchronize() throws(FileProblem) {
        guard fdatasync(descriptor) == 0 else { throw FileProblem(path, .written, code: errno) }
    }
}

/// Files and directories as a whole, with errors in words.
package enum StateFiles {
    /// Creates a directory and those it is in, for its owner alone. One that is there is as good.
    package static func makeDirectory(_ path: String) throws(FileProblem) {
        if unsafe mkdir(path, 0o700) == 0 || errno == EEXIST && isDirectory(path) { return }
        let code = errno
        guard code == ENOENT, let end = path.lastIndex(of: "/"), end > path.startIndex else {
            throw FileProblem(path, .created, code: code == EEXIST ? ENOTDIR : code)
        }
        try makeDirectory(String(path[..<end]))
        guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else { throw FileProblem(path, .created, code: errno) }
    }

    static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Replaces a file whole, or leaves the one that is there.
    package static func replace(_ path: String, with bytes: [UInt8]) throws(FileProblem) {
        let fresh = path + ".new"
        do throws(FileProblem) {
            let file = try OpenFile.replacing(fresh)
            try file.write(bytes)
            try file.synchronize()
            guard unsafe Glibc.rename(fresh, path) == 0 else { throw FileProblem(path, .written, code: errno) }
        } catch {
            _ = unsafe unlink(fresh)
            throw error
        }
    }

    static func rename(_ path: String, to other: String) throws(FileProblem) {
        guard unsafe Glibc.rename(path, other) == 0 else { throw FileProblem(other, .written, code: errno) }
    }

    /// One that is not there is as good.
    package static func remove(_ path: String) throws(FileProblem) {
        guard unsafe unlink(path) == 0 || errno == ENOENT else { throw FileProblem(path, .removed, code: errno) }
    }

    static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// The last bytes of a file, at most `limit`; nil when there is no such file.
    package static func read(_ path: String, last limit: Int = .max) throws(FileProblem) -> [UInt8]? {
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw FileProblem(path, .read, code: errno)
        }
        defer { _ = clinux_close(descriptor) }
        let size = Int(lseek(descriptor, 0, SEEK_END))
        _ = lseek(descriptor, off_t(max(0, size - limit)), SEEK_SET)
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe clinux_read(descriptor, &piece, piece.count)
            if count == 0 { return bytes }
            guard count > 0 else { throw FileProblem(path, .read, code: Int32(truncatingIfNeeded: 0 &- count)) }
            bytes += piece.prefix(count)
        }
    }

    /// What is in a directory, in no order; nothing when there is no such directory.
    package static func names(in path: String) throws(FileProblem) -> [String] {
        guard let directory = unsafe opendir(path) else {
            if errno == ENOENT { return [] }
            throw FileProblem(path, .read, code: errno)
        }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            names.append(
                unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names
    }
}
