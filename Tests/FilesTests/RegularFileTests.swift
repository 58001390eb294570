import Files
import Foundation
import Testing

struct RegularFileTests {
    private let directory: String

    init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("spillway-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    private func write(_ bytes: [UInt8]) throws -> String {
        let path = "\(directory)/file"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test func `is read whole, and refused with one byte more than is allowed`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
        let path = try write(bytes)
        #expect(try RegularFile.read(path, atMost: 200_000) == bytes)
        #expect(throws: FileProblem(path, .read, .size(199_999))) { try RegularFile.read(path, atMost: 199_999) }
        #expect(try RegularFile.readBeginning(path, atMost: 70_000) == Array(bytes[..<70_000]))
        #expect(try RegularFile.readEnd(path, atMost: 70_000) == Array(bytes[130_000...]))
        #expect(try RegularFile.readEnd(path, atMost: 300_000) == bytes)
        #expect(try RegularFile.read(try write([]), atMost: 0) == [])
    }

    @Test func `is all that is read; the rest is told in words and never waited for`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let pipe = "\(directory)/pipe"
        let made = unsafe mkfifo(pipe, 0o600)
        #expect(made == 0)
        let reads: [(String) throws -> [UInt8]] = [
            { try RegularFile.read($0, atMost: 1_000) }, { try RegularFile.readBeginning($0, atMost: 1_000) },
            { try RegularFile.readEnd($0, atMost: 1_000) },
        ]
        for (path, reason) in [
            (pipe, "a pipe, not a regular file"), (directory, "a directory, not a regular file"),
            ("/dev/zero", "a device, not a regular file"), ("\(directory)/none", "No such file or directory"),
            ("\(pipe)/none", "Not a directory"),
        ] {
            for read in reads {
                let problem = #expect(throws: FileProblem.self) { _ = try read(path) }
                #expect(problem.map(String.init(describing:)) == "\(path) cannot be read: \(reason)")
                #expect(problem?.isAbsence == (path == "\(directory)/none"))
            }
        }
    }

    @Test func `is found behind a link, and in proc, whose files have no size`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let link = "\(directory)/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: try write([1, 2, 3]))
        #expect(try RegularFile.read(link, atMost: 3) == [1, 2, 3])
        #expect(try !RegularFile.read("/proc/self/stat", atMost: 10_000).isEmpty)
    }

    @Test(arguments: [(1_000, "more than 1000 bytes"), (1 << 20, "more than 1 MiB"), (64 << 20, "more than 64 MiB")])
    func `that is too large is told with its limit`(limit: Int, told: String) {
        #expect("\(FileProblem("/a", .read, .size(limit)))" == "/a cannot be read: \(told)")
    }
}
