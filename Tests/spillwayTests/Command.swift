import Backends
import Foundation
import Synchronization

/// The built command, running.
final class Command: Sendable {
    struct Result {
        var status: Int32
        var output: String
        var errors: String
    }

    /// Where what it says goes.
    enum Destination {
        /// To whoever asks for it here.
        case collected
        case file(FileHandle)
        /// Nowhere: the descriptor is closed.
        case closed
    }

    private let process: Mutex<Process>
    private let output: Collected
    private let errors: Collected

    convenience init(_ arguments: String..., environment: [String: String] = [:]) throws {
        try self.init(arguments, environment: environment)
    }

    init(
        _ arguments: [String], environment: [String: String] = [:], output: Destination = .collected,
        errors: Destination = .collected, openFiles: Int? = nil
    ) throws {
        self.output = try Collected()
        self.errors = try Collected()
        let process = Process()
        // A shell closes what is to be closed, and becomes the command.
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        var line = (openFiles.map { "ulimit -n \($0); " } ?? "") + "exec \"$@\""
        process.standardOutput = self.output.pipe
        process.standardError = self.errors.pipe
        if case .file(let file) = output { process.standardOutput = file }
        if case .file(let file) = errors { process.standardError = file }
        if case .closed = output { line += " >&-" }
        if case .closed = errors { line += " 2>&-" }
        process.arguments = ["-c", line, "sh", try Self.executable.path] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        try process.run()
        // Otherwise a pipe that nobody has written to would never end.
        try? self.output.pipe.fileHandleForWriting.close()
        try? self.errors.pipe.fileHandleForWriting.close()
        self.process = Mutex(process)
    }

    deinit {
        process.withLock { if $0.isRunning { kill($0.processIdentifier, SIGKILL) } }
    }

    /// The command lies beside the tests.
    private static var executable: URL {
        get throws {
            let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            return URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent("spillway")
        }
    }

    var errorsSoFar: String { errors.text }

    /// How many descriptors it has open.
    var openDescriptors: Int {
        let path = process.withLock { "/proc/\($0.processIdentifier)/fd" }
        return (try? FileManager.default.contentsOfDirectory(atPath: path).count) ?? 0
    }

    func signal(_ number: Int32) {
        process.withLock { _ = kill($0.processIdentifier, number) }
    }

    /// What it said, once it has ended; killed if it has not ended after a while.
    func finish() -> Result {
        if !eventually({ process.withLock { !$0.isRunning } }) { signal(SIGKILL) }
        return process.withLock {
            $0.waitUntilExit()
            return Result(status: $0.terminationStatus, output: output.whole, errors: errors.whole)
        }
    }

    /// What comes out of a pipe, as it comes.
    private final class Collected: Sendable {
        private struct State {
            var text = Data()
            var isOver = false
        }

        let pipe = Pipe()
        private let state = Mutex(State())

        init() throws {
            let handle = pipe.fileHandleForReading
            try inBackground {
                while case let data = handle.availableData, !data.isEmpty { self.state.withLock { $0.text += data } }
                self.state.withLock { $0.isOver = true }
            }
        }

        var text: String { state.withLock { String(decoding: $0.text, as: UTF8.self) } }

        var whole: String {
            _ = eventually { state.withLock { $0.isOver } }
            return text
        }
    }
}

/// `spillway run`, on free ports.
final class RouterUnderTest {
    let command: Command
    let port: UInt16
    let adminAddress: String

    /// - Parameters:
    ///   - table: the table's directory within `directory`.
    ///   - state: the state directory, if it is not to be within `directory` as well.
    ///   - openFiles: the limit of its open files; nil: as this process has it.
    init(
        _ directory: TemporaryDirectory, table: String = "", state: String? = nil, settings: [String] = [],
        openFiles: Int? = nil
    ) throws {
        let command = try Command(
            [
                "run", directory.path + "/" + table, "--admin", "127.0.0.1:0", "--workers", "2", "--state",
                state ?? directory.path + "/state",
            ] + settings, openFiles: openFiles)
        var ports: (web: UInt16, admin: UInt16)?
        let hasStarted = eventually {
            let log = command.errorsSoFar
            guard let web = log.firstMatch(of: /listener web on 127\.0\.0\.1:(\d+)\n/),
                let admin = log.firstMatch(of: /admin address 127\.0\.0\.1:(\d+)\n/), let web = UInt16(web.1),
                let admin = UInt16(admin.1)
            else { return false }
            ports = (web, admin)
            return true
        }
        guard hasStarted, let ports else { throw Failure(what: "no start: \(command.errorsSoFar)") }
        self.command = command
        port = ports.web
        adminAddress = "127.0.0.1:\(ports.admin)"
    }

    /// One whose log does not tell its ports, as it goes elsewhere.
    ///
    /// - Parameter port: of the table's listener.
    init(
        _ directory: TemporaryDirectory, port: UInt16, output: Command.Destination = .collected,
        errors: Command.Destination = .collected, openFiles: Int? = nil
    ) throws {
        self.port = port
        adminAddress = "127.0.0.1:\(try Self.freePort())"
        command = try Command(
            [
                "run", directory.path + "/table.yaml", "--admin", adminAddress, "--workers", "1", "--state",
                directory.path + "/state", "--drain", "3",
            ], output: output, errors: errors, openFiles: openFiles)
        guard eventually({ (try? self.admin("/ready").status) == 200 }) else { throw Failure(what: "no start") }
    }

    /// One that nobody listens on now.
    static func freePort() throws -> UInt16 { try Backend.refusing().port }

    deinit {
        command.signal(SIGTERM)
        _ = command.finish()
    }

    func signal(_ number: Int32) {
        command.signal(number)
    }

    func get(_ path: String) throws -> Message {
        try Self.ask(port, path, host: "a.example")
    }

    func admin(_ path: String, _ fields: [String] = []) throws -> Message {
        try Self.ask(adminPort, path, host: adminAddress, fields)
    }

    var adminPort: UInt16 { UInt16(adminAddress.split(separator: ":")[1]) ?? 0 }

    /// A sample of the metrics page, by its name and labels.
    func metric(_ sample: String) -> Double? {
        let page = (try? admin("/metrics").text) ?? ""
        return page.split(separator: "\n").first { $0.hasPrefix(sample + " ") }.flatMap {
            Double($0.dropFirst(sample.count + 1))
        }
    }

    static func ask(_ port: UInt16, _ path: String, host: String, _ fields: [String] = []) throws -> Message {
        let connection = try RawConnection(port: port)
        let lines = ["GET \(path) HTTP/1.1", "host: \(host)", "connection: close"] + fields + ["", ""]
        connection.send(lines.joined(separator: "\r\n"))
        guard let answer = connection.readMessage() else { throw Failure(what: "\(path): no answer") }
        return answer
    }
}

/// A directory of a test's own, gone with it.
final class TemporaryDirectory {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("spillway-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Replaces a file at once; returns its path.
    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        let file = URL(fileURLWithPath: path).appendingPathComponent(name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file, options: .atomic)
        return file.path
    }

    /// Makes a named pipe that nobody writes to; returns its path.
    @discardableResult
    func pipe(_ name: String) throws -> String {
        let file = path + "/" + name
        guard unsafe mkfifo(file, 0o600) == 0 else { throw Failure(what: "mkfifo \(file): errno \(errno)") }
        return file
    }

    /// A file's text; empty if there is none.
    func read(_ name: String) -> String {
        (try? String(contentsOfFile: path + "/" + name, encoding: .utf8)) ?? ""
    }
}

/// Set once, by any thread.
final class Switch: Sendable {
    private let state = Mutex(false)

    var isOn: Bool { state.withLock { $0 } }

    func set() { state.withLock { $0 = true } }
}
