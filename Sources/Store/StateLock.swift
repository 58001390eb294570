internal import CLinux
package import Files
internal import Glibc

/// Keeps a state directory for one router: two would write over each other's table, journal and evidence.
///
/// The lock is the kernel's, on a file that says who holds it. It goes with the process, however that ends.
package final class StateLock: Sendable {
    package enum Outcome: Sendable {
        case taken(StateLock)
        /// Another process has it; what that says of itself.
        case held(by: String)
    }

    private let descriptor: Int32
    private let path: String

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// It still keeps the directory: its file is where others look for it.
    package var isInPlace: Bool { StateFiles.isInPlace(descriptor, path) }

    deinit {
        _ = clinux_close(descriptor)
    }

    /// - Parameter holder: what others are told who want it.
    package static func take(in directory: StateDirectory, for holder: String) throws(FileProblem) -> Outcome {
        try StateFiles.makeDirectory(directory.path)
        let path = "\(directory.path)/lock"
        let descriptor = try OpenFile.open(path, O_RDWR | O_CREAT)
        let lock = StateLock(descriptor: descriptor, path: path)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else { throw FileProblem(path, .locked, code: errno) }
            let text = try StateFiles.readEnd(path, atMost: 1_000) ?? []
            let holder = String(decoding: text, as: UTF8.self).split(separator: "\n").first.map(String.init)
            return .held(by: holder ?? "a process that has not said which it is")
        }
        let text = Array((holder + "\n").utf8)
        _ = ftruncate(descriptor, 0)
        _ = unsafe text.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        return .taken(lock)
    }
}
