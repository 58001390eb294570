internal import CLinux
package import Files
internal import Glibc

/// A file of the state directory that is written to, at its end.
struct OpenFile: ~Copyable {
    let path: String
    private let descriptor: Int32

    /// Opens a file for its owner alone, and creates it if need be, with the directories it is in.
    init(appendingTo path: String) throws(FileProblem) {
        self.path = path
        descriptor = try Self.open(path, O_WRONLY | O_CREAT | O_APPEND)
    }

    private init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit {
        _ = clinux_close(descriptor)
    }

    /// Never waits for the reader of a named pipe.
    static func open(_ path: String, _ flags: Int32) throws(FileProblem) -> Int32 {
        if let kind = RegularFile.otherKind(at: path) { throw FileProblem(path, .written, .kind(kind)) }
        let flags = flags | O_CLOEXEC | O_NONBLOCK
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
        OpenFile(path: path, descriptor: try open(path, O_WRONLY | O_CREAT | O_TRUNC))
    }

    /// It is still what its path leads to: nobody has removed it, put another in its place or moved the directory away.
    var isInPlace: Bool { StateFiles.isInPlace(descriptor, path) }

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

    /// What is open is what the path leads to.
    static func isInPlace(_ descriptor: Int32, _ path: String) -> Bool {
        var (open, there) = (stat(), stat())
        guard unsafe fstat(descriptor, &open) == 0, unsafe stat(path, &there) == 0 else { return false }
        return open.st_dev == there.st_dev && open.st_ino == there.st_ino
    }

    static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// All of a file, which may have so many bytes; nil when there is no such file.
    package static func read(_ path: String, atMost limit: Int) throws(FileProblem) -> [UInt8]? {
        do {
            return try RegularFile.read(path, atMost: limit)
        } catch {
            if error.isAbsence { return nil }
            throw error
        }
    }

    /// The last bytes of a file; nil when there is no such file.
    static func readEnd(_ path: String, atMost limit: Int) throws(FileProblem) -> [UInt8]? {
        do {
            return try RegularFile.readEnd(path, atMost: limit)
        } catch {
            if error.isAbsence { return nil }
            throw error
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
