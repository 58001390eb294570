internal import Glibc

/// What some paths lead to at one moment, through every symbolic link on the way: two looks are equal as long as no file
/// was changed, replaced, added or removed, and no link re-pointed.
struct FileLook: Equatable, Sendable {
    /// What tells one state of a file from another.
    private struct State: Equatable, Sendable {
        var device: UInt64 = 0
        var inode: UInt64 = 0
        var size: Int64 = 0
        /// Nanoseconds since 1970, of the content and of the inode.
        var modified: Int64 = 0
        var changed: Int64 = 0
        /// Why there is nothing to see; 0 when there is.
        var error: Int32 = 0
    }

    /// By path, each link and each file that was met.
    private var states: [String: State] = [:]
    /// The directories in which a change would change what the paths lead to.
    private(set) var directories: Set<String> = []
    /// When the latest change of anything seen was made, by its file system's clock: nanoseconds since 1970.
    private(set) var latestChange: Int64 = 0

    /// Links followed on the way to one file, as in the kernel (`MAXSYMLINKS`).
    private static let linksLimit = 40

    /// - Parameters:
    ///   - paths: files, or directories that are read (not those within them).
    ///   - isRead: which of a directory's files are read, by name.
    init(_ paths: [String], isRead: (String) -> Bool) {
        for path in paths {
            guard let (place, status) = follow(path) else { continue }
            guard Self.isDirectory(status) else {
                note(place, status)
                continue
            }
            noteIdentity(place, status)
            directories.insert(place)
            lookInto(place, isRead)
        }
    }

    static func == (a: FileLook, b: FileLook) -> Bool { a.states == b.states }

    private mutating func lookInto(_ directory: String, _ isRead: (String) -> Bool) {
        guard let stream = unsafe opendir(directory) else {
            states[directory] = State(error: errno)
            return
        }
        defer { unsafe closedir(stream) }
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard isRead(name) else { continue }
            let path = directory == "/" ? "/\(name)" : "\(directory)/\(name)"
            var status = stat()
            guard unsafe lstat(path, &status) == 0 else {
                states[path] = State(error: errno)
                continue
            }
            if status.st_mode & S_IFMT == S_IFLNK {
                if let (place, status) = follow(path) { noteEither(place, status) }
            } else {
                noteEither(path, status)
            }
        }
    }

    /// Walks a path, one name after the other, and remembers each link and each place where another one could be put.
    /// - Returns: where it leads and what is there; nil if that is nowhere.
    private mutating func follow(_ path: String) -> (place: String, status: stat)? {
        var names = Self.names(of: path).reversed() as [Substring]
        var place = path.hasPrefix("/") ? "/" : Self.workingDirectory
        var links = 0
        var status = stat()
        guard unsafe lstat(place, &status) == 0 else { return nil }
        while let name = names.popLast() {
            if name == ".." {
                place = Self.parent(of: place)
                guard unsafe lstat(place, &status) == 0 else { return nil }
                continue
            }
            let next = place == "/" ? "/\(name)" : "\(place)/\(name)"
            guard unsafe lstat(next, &status) == 0 else {
                states[next] = State(error: errno)
                directories.insert(place)
                return nil
            }
            guard status.st_mode & S_IFMT == S_IFLNK else {
                if names.isEmpty { directories.insert(place) }
                place = next
                continue
            }
            note(next, status)
            directories.insert(place)
            links += 1
            guard links <= Self.linksLimit, let target = Self.target(of: next) else {
                states[next] = State(error: ELOOP)
                return nil
            }
            names += Self.names(of: target).reversed()
            if target.hasPrefix("/") {
                place = "/"
                guard unsafe lstat(place, &status) == 0 else { return nil }
            }
        }
        return (place, status)
    }

    private mutating func noteEither(_ path: String, _ status: stat) {
        if Self.isDirectory(status) { noteIdentity(path, status) } else { note(path, status) }
    }

    private mutating func note(_ path: String, _ status: stat) {
        let modified = Self.nanoseconds(status.st_mtim)
        let changed = Self.nanoseconds(status.st_ctim)
        states[path] = State(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size),
            modified: modified, changed: changed)
        latestChange = max(latestChange, changed)
    }

    /// Of a directory: its names are noted one by one, and others than those that are read may come and go.
    private mutating func noteIdentity(_ path: String, _ status: stat) {
        states[path] = State(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        latestChange = max(latestChange, Self.nanoseconds(status.st_ctim))
    }

    private static func isDirectory(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFDIR }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }

    private static func names(of path: String) -> [Substring] { path.split(separator: "/").filter { $0 != "." } }

    private static func parent(of path: String) -> String {
        let end = path.lastIndex(of: "/") ?? path.startIndex
        return end == path.startIndex ? "/" : String(path[..<end])
    }

    private static var workingDirectory: String {
        guard let path = unsafe getcwd(nil, 0) else { return "/" }
        defer { unsafe free(path) }
        return unsafe String(cString: path)
    }

    private static func target(of link: String) -> String? {
        guard let path = unsafe malloc(Int(PATH_MAX)) else { return nil }
        defer { unsafe free(path) }
        let length = unsafe readlink(link, path.assumingMemoryBound(to: CChar.self), Int(PATH_MAX))
        guard length > 0 else { return nil }
        return unsafe String(decoding: UnsafeRawBufferPointer(start: path, count: length), as: UTF8.self)
    }
}
